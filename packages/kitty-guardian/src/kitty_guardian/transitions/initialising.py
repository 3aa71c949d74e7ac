"""Makes a git work tree a Spec Kitty project, or completes what one lacks; what is there stays as it is."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from kitty_guardian.errors import GuardianError
from kitty_guardian.events.importing import adopt
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.store import EventStore
from kitty_guardian.model.events import EventType, Source, audit_stream
from kitty_guardian.project.features import FEATURES
from kitty_guardian.project.policyfile import read_policy_file
from kitty_guardian.project.regular import read_regular
from kitty_guardian.project.repository import Worktree, is_upstreams
from kitty_guardian.project.survey import survey
from kitty_guardian.rules.policy import POLICY_PATH, Policy, parse_policy
from kitty_guardian.transitions.ground import board_in
from kitty_guardian.transitions.identity import CONFIG_PATH, with_identity
from kitty_guardian.transitions.policytext import policy_text
from kitty_guardian.transitions.roots import Root, counted, proposed

ATTRIBUTES_PATH: Final = ".gitattributes"

_METADATA: Final = ".kittify/metadata.yaml"
_LOGS: Final = f"{FEATURES}/**/status.events.jsonl"
_UNION: Final = f"{_LOGS} merge=union"
_LIMIT: Final = 1 << 20


class InitError(GuardianError):
    """A file of the project cannot be written."""

    code = "guardian.init.file"


@attrs.frozen
class InitReport:
    """What `init` did.

    Attributes:
        worktree: The work tree; absolute.
        transitions: `explicit` or `gated`, as the policy has it now.
        source: The source roots of the policy.
        tests: Its test roots.
        written: Files that were made or changed, relative to the work tree.
        kept: Files that were there and stay as they are.
        adopted: Features that were taken into the store now.
        known: How many features the store knows.
        notes: Sentences for people.
        commit: The command that commits what was written; empty where nothing was.
        next: The command to run next.
    """

    worktree: str
    transitions: str
    source: tuple[Root, ...]
    tests: tuple[Root, ...]
    written: tuple[str, ...]
    kept: tuple[str, ...]
    adopted: tuple[str, ...]
    known: int
    notes: tuple[str, ...]
    commit: str
    next: str


@attrs.frozen
class InitRequest:
    """What `init` was asked for.

    Attributes:
        source: Patterns of the source roots; empty: as the files suggest.
        tests: The same for tests.
        force_policy: Whether a policy that exists is written anew.
        actor: Who asks.
        policy_is_held: Whether a guardian holds the policy as it is, so that only a person changes it.
        unattested: The commit HEAD is at, where a guardian does not count it; else empty.
    """

    source: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    force_policy: bool = False
    actor: str = ""
    policy_is_held: bool = False
    unattested: str = ""


def initialise(worktree: Worktree, store: EventStore, request: InitRequest) -> InitReport:
    """See the module.

    Raises:
        PolicyError: A pattern is none, or the policy that exists is invalid; nothing was changed.
        InitError: A file cannot be written.
        EventStoreError: The store cannot be used.
        GitError: Git could not be asked.
    """
    return _Initialising(worktree, store, request).run()


class _Initialising:
    def __init__(self, worktree: Worktree, store: EventStore, request: InitRequest) -> None:
        self._worktree = worktree
        self._store = store
        self._request = request
        self._written: list[str] = []
        self._kept: list[str] = []
        self._notes: list[str] = []

    def run(self) -> InitReport:
        worktree, head = self._worktree, self._worktree.head_commit()
        paths = _paths(worktree.git.lines_z("ls-files", "-z", "--cached", "--others", "--exclude-standard"))
        gated = is_upstreams(worktree, head) or (worktree.root / _METADATA).is_file()
        policy = self._policy(paths, head, gated=gated)  # first: it alone can be wrong
        self._folder()
        self._identity()
        self._attributes()
        adopted, known = self._adopt()
        unfinished = [name for name, each in board_in(self._store).features.items() if not each.finished]
        return InitReport(
            worktree=os.fspath(worktree.root),
            transitions=policy.transitions,
            source=counted(policy.source, paths),
            tests=counted(policy.tests, paths),
            written=tuple(self._written),
            kept=tuple(self._kept),
            adopted=adopted,
            known=known,
            notes=tuple(self._notes),
            commit=self._commit(),
            next="spec-kitty guardian phase --all" if unfinished else "spec-kitty specify NAME",
        )

    def _policy(self, paths: Sequence[str], head: str | None, *, gated: bool) -> Policy:
        data = read_policy_file(self._worktree.root)
        current = None if data is None else parse_policy(data.decode("utf-8-sig", "surrogateescape"))
        source, tests = proposed(paths)
        source, tests = self._request.source or source, self._request.tests or tests
        if current is not None and not self._request.force_policy:
            self._kept.append(POLICY_PATH)
            if self._request.source or self._request.tests:
                self._notes.append(
                    f"{POLICY_PATH} is there already and stays as it is; to change it: spec-kitty guardian policy edit"
                )
            return current
        held = [] if head is None else _paths(self._worktree.git.lines_z("ls-tree", "-r", "-z", "--name-only", head))
        is_empty = not any(root.files for root in counted(source, held))
        text = policy_text(source, tests, gated=gated, allow_empty=is_empty)
        policy = parse_policy(text)
        if self._request.policy_is_held:
            self._notes.append(
                f"a guardian holds {POLICY_PATH} as it is; to change it: spec-kitty guardian policy edit"
            )
            return current or Policy.default()
        self._write(POLICY_PATH, text)
        self._record_policy()
        if is_empty:
            self._notes.append(
                f"no commit holds a file in {', '.join(source)} yet, so {POLICY_PATH} lets a guardian start without one"
            )
        return policy

    def _record_policy(self) -> None:
        payload = {"kind": "policy", "path": POLICY_PATH, "reason": "init", "actor": self._request.actor or None}
        event = new_event(EventType.EXCEPTION, payload, metadata={"source": str(Source.COMMAND)})
        self._store.append(audit_stream(self._worktree.name), [event], expected_version=None)

    def _folder(self) -> None:
        place = self._worktree.root / FEATURES
        try:
            place.mkdir()
        except FileExistsError:
            if not place.is_dir() or place.is_symlink():
                raise InitError(f"{place} is no folder", hint=f"move it away: ls -ld {place}") from None
        except OSError as error:
            raise InitError(f"{place} cannot be made: {error.strerror}") from error
        else:
            self._notes.append(f"{FEATURES}/ is where features are kept; git shows it once there is one")

    def _identity(self) -> None:
        text = self._text(CONFIG_PATH)
        if text is None:
            return
        main = self._worktree.common_dir.parent if self._worktree.common_dir.name == ".git" else self._worktree.root
        extended = with_identity(text, main.name)
        if extended is None:
            self._notes.append(
                f"{CONFIG_PATH} cannot be extended; add to it: project: {{uuid, slug, node_id, build_id}}"
            )
        self._put(CONFIG_PATH, text, text if extended is None else extended)

    def _attributes(self) -> None:
        text = self._text(ATTRIBUTES_PATH)
        if text is None:
            return
        lines = [line.split() for line in text.splitlines()]
        if any(words and words[0].endswith("status.events.jsonl") and _merges(words) for words in lines):
            self._kept.append(ATTRIBUTES_PATH)
            return
        before = text if not text or text.endswith("\n") else f"{text}\n"
        self._put(ATTRIBUTES_PATH, text, f"{before}{_UNION}\n")

    def _adopt(self) -> tuple[tuple[str, ...], int]:
        before = set(board_in(self._store).features)
        if self._request.unattested:
            self._notes.append(
                f"no feature was taken over: HEAD ({self._request.unattested[:12]}) breaks the commit rule"
            )
            return (), len(before)
        left_out = adopt(self._store, self._worktree, survey(self._worktree, every=True, looking=True))
        self._notes += [
            f"{name} was left out: its phase cannot be read for certain (spec-kitty guardian phase --feature {name})"
            for name in left_out
        ]
        known = set(board_in(self._store).features)
        return tuple(sorted(known - before)), len(known)

    def _text(self, path: str) -> str | None:
        """A file's text, empty where there is none; None, and a note, where it is nothing that can be extended."""
        place = self._worktree.root / path
        try:
            data = read_regular(place, _LIMIT)
            if data is None and os.path.lexists(place):
                self._notes.append(f"{path} is no regular file and stays as it is")
                return None
            return "" if data is None else data.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._notes.append(f"{path} cannot be read and stays as it is: {error}")
            return None

    def _put(self, path: str, old: str, new: str) -> None:
        if new == old:
            self._kept.append(path)
        else:
            self._write(path, new)

    def _write(self, path: str, text: str) -> None:
        """Replace a file in one step, with the mode it had."""
        target = self._worktree.root / path
        draft = target.with_name(f".{target.name}.{os.getpid()}~")
        try:
            if target.parent.is_symlink():
                raise InitError(f"{target.parent} is a symbolic link", hint=f"ls -ld {target.parent}")
            target.parent.mkdir(exist_ok=True)
            mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
            with draft.open("w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.chmod(mode)
            draft.replace(target)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise InitError(
                f"{target} cannot be written: {error.strerror or error}", hint=f"ls -ld {target}"
            ) from error
        self._written.append(path)

    def _commit(self) -> str:
        if not self._written:
            return ""
        names = " ".join(shlex.quote(path) for path in self._written)
        return f'git add {names} && git commit -m "Make this a Spec Kitty project"'


def _paths(rows: Iterable[bytes]) -> list[str]:
    return sorted({os.fsdecode(row) for row in rows})


def _merges(words: Sequence[str]) -> bool:
    return any(word.lstrip("-!").startswith("merge") for word in words[1:])
