"""HEAD as the guard trusts it: which commit counts, what it holds, what it ignores (enforcement model, section 3.2)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable

import attrs

from kitty_guardian.commits.changes import Change, Commit, TreeEntry, changes_between, count_new, tree_entries
from kitty_guardian.commits.rule import Refusal, judge_head
from kitty_guardian.commits.workbench import Workbench
from kitty_guardian.errors import GitError, GitUnresponsiveError
from kitty_guardian.model.decisions import Decision
from kitty_guardian.project.repository import Worktree
from kitty_guardian.watch.checkouts import GITLINK, LINK, Checkouts
from kitty_guardian.watch.gitwork import GitWork
from kitty_guardian.watch.headlook import HeadLook
from kitty_guardian.watch.ignored import IgnoreRules
from kitty_guardian.watch.record import Legal, LegalRecord
from kitty_guardian.watch.sanctions import LONGEST, Sanctions, is_log
from kitty_guardian.watch.tree import Metadata, WorkTree, ancestors

_HEAD_FACT = "head"
_UNSETTLED_FACT = "unsettled"
_FILTERS_FACT = "filters"

_Decide = Callable[[str], Decision]
_WORK_PACKAGE = re.compile(r"(WP[0-9]+)(?:[^0-9A-Za-z].*)?\.md\Z", re.DOTALL | re.IGNORECASE)


@attrs.frozen
class Moved:
    """A HEAD that moved.

    Attributes:
        head: Where to.
        changes: What differs between the last head that counted and the one that counts now: this one, or the nearest
            below it.
        refusals: Why this one does not count, as far as that is news; empty if it does.
        judged: How many commits were judged.
        vouched: How many new commits were not, since a remote-tracking reference has them.
    """

    head: str
    changes: tuple[Change, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    judged: int = 0
    vouched: int = 0


class Heads:
    """Follows HEAD of one work tree.

    Args:
        worktree: The work tree.
        git: Looks at its git directory.
        record: Where attested commits are remembered.
        ignore: HEAD's ignore rules.
        sanctions: What events sanction.
    """

    def __init__(
        self, worktree: Worktree, git: GitWork, record: LegalRecord, ignore: IgnoreRules, sanctions: Sanctions
    ) -> None:
        self._sanctions = sanctions
        self._worktree = worktree
        self._git = git
        self._record = record
        self._ignore = ignore
        self._look = HeadLook(worktree)
        self._checkouts = Checkouts(worktree, git)
        self._tree: dict[str, TreeEntry] = {}
        self._directories: frozenset[str] | None = None
        self._gitlinks: frozenset[str] = frozenset()
        # Paths that an attested move changed and whose new content does not stand in the work tree yet.
        self._unsettled: dict[str, TreeEntry | None] = {}
        # What the head before the last move held there: git keeps it.
        self._former: dict[str, str] = {}
        self._refusals: tuple[Refusal, ...] = ()
        self._unreadable: str | None = None
        self._is_moving = False  # from a move until it is confirmed
        self._conflicts: tuple[object, frozenset[str]] = (None, frozenset())
        self.unattested: str | None = None
        self.head = record.fact(_HEAD_FACT) or None
        self._looked = self.head

    def adopt(self) -> None:
        """Take HEAD and every local branch and tag as they are now: what exists before the guard is history.

        Raises:
            GitError: HEAD cannot be resolved.
        """
        self.head = self._worktree.head_commit()
        self._looked = self.head
        refs = self._worktree.git.run("for-each-ref", "--format=%(objectname)", "refs/heads", "refs/tags")
        self._record.attest([*refs.decode("ascii").split(), *([self.head] if self.head else [])])
        self._record.remember(_FILTERS_FACT, self._git.filters.configured())
        self._unsettled.clear()
        self.confirm()
        self.load()

    def load(self) -> None:
        """Read what the head that counts holds and ignores."""
        self._git.filters.use(self._record.fact(_FILTERS_FACT) or "[]")
        unsettled = json.loads(self._record.fact(_UNSETTLED_FACT) or "{}")
        self._unsettled = {path: None if entry is None else TreeEntry(*entry) for path, entry in unsettled.items()}
        try:
            self._tree = tree_entries(self._worktree.git, self.head) if self.head else {}
            self._ignore.move_to(self.head)
        except GitError:  # rewritten and pruned while nobody watched: the legal record still says what is legal
            self._tree, self.head = {}, None
        self._tree_changed()

    def confirm(self) -> None:
        """Remember the head that counts, now that what it brought is in the legal record.

        A guardian that dies before this judges the same move once more.
        """
        unsettled = {
            path: None if entry is None else (entry.mode, entry.oid) for path, entry in self._unsettled.items()
        }
        self._is_moving = False
        self._record.remember(_UNSETTLED_FACT, json.dumps(unsettled))
        self._record.remember(_HEAD_FACT, self.head or "")

    def follow(self, *, decide: _Decide, record: LegalRecord) -> Moved | None:
        """Judge HEAD if it moved since the last look; None if it did not, or cannot be judged now.

        Raises:
            GitUnresponsiveError: Git cannot be asked at all.
        """
        try:
            moved = self._follow(decide, record)
        except GitUnresponsiveError:
            raise
        except GitError as error:  # in the middle of something, or damaged: looked at again next time
            self._unreadable = error.message
            return None
        self._unreadable = None
        return moved

    def _follow(self, decide: _Decide, record: LegalRecord) -> Moved | None:
        head = self._look.commit()
        if head == self._looked:
            return None
        if head is None or head == self.head:
            self._looked = head
            self.unattested, self._refusals = None, ()
            return None
        attested = record.attested()
        judgement = judge_head(
            self._worktree.git,
            head,
            attested,
            decide=decide,
            is_legal_state=lambda path, entry: (
                not is_log(path) and self._checkouts.is_legal(entry, path, record.get(path), record)
            ),
            is_sanctioned=self._is_sanctioned,
        )
        told, self._refusals = self._refusals, judgement.refusals
        self._looked = head
        self.unattested = None if judgement.attested else head
        # Below what is refused there may be commits that count, had HEAD been looked at in between: they count.
        changes = () if judgement.base in {None, self.head} else self._accept(judgement.base, decide)
        judged = len(judgement.judged)
        vouched = count_new(self._worktree.git, head, attested) - judged if judgement.attested else 0
        news = tuple(refusal for refusal in judgement.refusals if refusal not in told)
        return Moved(head, changes, news, judged, vouched)

    def _accept(self, head: str, decide: _Decide) -> tuple[Change, ...]:
        """Make a commit the head that counts; gives what it changes."""
        try:
            changes = changes_between(self._worktree.git, self.head, head)
        except GitError:  # the former head is gone: what is recorded is compared with all that the new one holds
            changes = changes_between(self._worktree.git, None, head)
        if any(change.path.rpartition("/")[2] == ".gitignore" for change in changes):
            self._ignore.move_to(head)
        self._record.attest([head])
        self._is_moving = True
        self.head = head
        self._former = {change.path: change.old.oid for change in changes if change.old is not None}
        for change in changes:
            if change.new is None:
                self._tree.pop(change.path, None)
            else:
                self._tree[change.path] = change.new
            if not decide(change.path).allowed:
                self._unsettled[change.path] = change.new
        self._tree_changed()
        return changes

    def problem(self) -> str | None:
        """What is wrong with HEAD, with the way back; None if it counts."""
        if self._unreadable is not None:
            return f"HEAD cannot be judged, so nothing it brings counts: {self._unreadable}"
        if self.unattested is None:
            return None
        first, more = self._refusals[0], len({refusal.change.path for refusal in self._refusals}) - 1
        others = f" and {more} more path{'s' if more > 1 else ''}" if more else ""
        back = f"git reset --soft {self.head[:12]}" if self.head else "git update-ref -d HEAD"
        return (
            f"HEAD {self.unattested[:12]} does not count: commit {first.commit[:12]} changes {first.change.path}"
            f"{others}, against the phase ({first.decision.reason}); take it back with `{back}`"
        )

    def refuses(self, path: str) -> bool:
        """Whether the HEAD that does not count is refused for what it did to `path`."""
        return self.unattested is not None and any(refusal.change.path == path for refusal in self._refusals)

    def _tree_changed(self) -> None:
        self._directories = None
        self._gitlinks = frozenset(path for path, entry in self._tree.items() if entry.mode == GITLINK)

    # What the head that counts says of a path

    def tracked(self) -> tuple[str, ...]:
        """Every file it holds."""
        return tuple(self._tree)

    def has_now(self, path: str, st: os.stat_result, tree: WorkTree) -> bool:
        """Whether it holds exactly what stands at `path`."""
        return self._checkouts.stands(self._tree.get(path), path, st, tree)

    def state_at(self, path: str, record: LegalRecord, like: Metadata) -> Legal | None:
        """What it holds at `path`, as it would stand in the work tree; arguments as for `legal_state`."""
        entry = self._tree.get(path)
        return None if entry is None else self._checkouts.legal_state(entry, path, record, like)

    def work_packages(self, feature: str) -> frozenset[str]:
        """The work packages of a feature that it holds a file of."""
        prefix = f"kitty-specs/{feature}/tasks/"
        names = (path.rpartition("/")[2] for path in self._tree if path.startswith(prefix))
        return frozenset(found[1].upper() for name in names if (found := _WORK_PACKAGE.match(name)) is not None)

    def lines_of(self, path: str, decide: _Decide) -> tuple[bytes, ...]:
        """The logs at `path` whose lines may stand there: its own, and those of commits being merged that count."""
        found = [self.held(path)]
        try:
            merged = [commit for _, commits in self._git.operations() for commit in commits]
            found += [self._blob(f"{commit}:{path}") for commit in merged if self.counts(commit, decide)]
        except GitError:
            pass  # what cannot be asked brings nothing
        return tuple(data for data in found if data is not None)

    def attest_if_it_counts(self, commit: str, decide: _Decide) -> None:
        """Remember a commit as judged, by rules that held when it was handed in; one that breaks them is left alone."""
        try:
            if commit not in self._record.attested() and self.counts(commit, decide):
                self._record.attest([commit])
        except GitError:
            return  # not here (yet)

    def tracks(self, path: str) -> bool:
        """Whether it holds `path`, as a file or as a directory."""
        if path in self._tree:
            return True
        if self._directories is None:
            self._directories = frozenset(above for tracked in self._tree for above in ancestors(tracked))
        return path in self._directories

    def tracks_below(self, directory: str) -> bool:
        """Whether it holds files below a directory."""
        return directory not in self._tree and self.tracks(directory)

    def is_gitlink(self, path: str) -> bool:
        """Whether it holds a submodule at `path`: another repository's business."""
        return path in self._gitlinks

    def ignores(self, path: str, *, directory: bool) -> bool:
        """Whether its ignore rules ignore an untracked `path`."""
        return self._ignore.ignores(path, directory=directory)

    # A merge that is under way

    def is_being_merged(self, path: str, decide: _Decide) -> bool:
        """Whether git, merging or picking commits that count, has left `path` to be resolved by hand.

        The index and the files that name the operation can be planted. So what is merged must count by itself, and must
        not merge cleanly in `path`.
        """
        if not self._git.is_unmerged(path):
            return False
        operations = self._git.operations()
        key = (operations, self._looked)
        if self._conflicts[0] != key:
            try:
                self._conflicts = (key, self._find_conflicts(operations, decide))
            except GitError:
                self._conflicts = (key, frozenset())
        return path in self._conflicts[1]

    def _find_conflicts(self, operations: tuple[tuple[str, tuple[str, ...]], ...], decide: _Decide) -> frozenset[str]:
        git, ours = self._worktree.git, self._look.commit()
        found: set[str] = set()
        if ours is None:
            return frozenset()
        with Workbench(git) as bench:
            for name, commits in operations:
                if not commits or not all(self.counts(commit, decide) for commit in commits):
                    continue
                theirs, parent = commits[0], _parent_of(self._worktree, commits[0])
                match name:
                    case "MERGE_HEAD":
                        merge = bench.merge((ours, *commits))
                    case "REVERT_HEAD":
                        merge = bench.pick(theirs, parent, ours)
                    case _:
                        merge = bench.pick(parent, theirs, ours)
                found |= merge.conflicts if merge is not None else frozenset()
        return frozenset(found)

    def counts(self, commit: str, decide: _Decide) -> bool:
        """Whether a commit keeps the commit rule, as things are recorded."""
        return judge_head(
            self._worktree.git,
            commit,
            self._record.attested(),
            decide=decide,
            is_legal_state=lambda path, entry: (
                not is_log(path) and self._checkouts.is_legal(entry, path, self._record.get(path), self._record)
            ),
            is_sanctioned=self._is_sanctioned,
        ).attested

    def _is_sanctioned(self, commit: Commit, change: Change) -> bool:
        """Whether recorded events sanction what a commit holds at a path."""
        entry = change.new
        if entry is None or entry.mode in {LINK, GITLINK} or not self._sanctions.concerns(change.path):
            return False
        data = self._blob(entry.oid)
        if data is None:
            return False
        held = (self._blob(f"{parent}:{change.path}") for parent in commit.parents)
        return self._sanctions.allowed_once(
            change.path,
            data,
            parents=tuple(blob for blob in held if blob is not None),
            read=lambda path: self._blob(f"{commit.oid}:{path}"),
        )

    def held(self, path: str) -> bytes | None:
        """What the head that counts holds at `path`, as git keeps it; None where it holds no file."""
        entry = self._tree.get(path)
        return None if entry is None or entry.mode in {LINK, GITLINK} else self._blob(entry.oid)

    def _blob(self, name: str) -> bytes | None:
        status, output = self._worktree.git.attempt("cat-file", "blob", name, accept=range(256))
        return output if status == 0 and len(output) <= LONGEST else None

    # Content that counts but does not stand in the work tree yet

    def expects_below(self, directory: str) -> bool:
        """Whether content that counts is still to come below a directory."""
        prefix = directory + "/"
        return any(entry is not None and path.startswith(prefix) for path, entry in self._unsettled.items())

    def expects(self, path: str) -> bool:
        """Whether content that counts is still to come at `path`."""
        entry = self._unsettled.get(path)
        return entry is not None and entry.mode != GITLINK

    def leaves_behind(self, change: Change) -> bool:
        """Whether a submodule that HEAD no longer holds still stands there as a repository, as git leaves it."""
        was = change.old is not None and change.old.mode == GITLINK
        return was and change.new is None and os.path.lexists(self._worktree.root / change.path / ".git")

    def settled(self, path: str) -> None:
        """The path has been dealt with."""
        if path in self._unsettled:
            del self._unsettled[path]
            if not self._is_moving:
                self.confirm()

    def holds(self, path: str, st: os.stat_result | None, tree: WorkTree) -> bool:
        """Whether an attested move changed `path` to exactly what stands there now."""
        return path in self._unsettled and self._checkouts.stands(self._unsettled[path], path, st, tree)

    def brought(self, path: str, legal: Legal | None, record: LegalRecord) -> bool:
        """Whether an attested move changed `path` to exactly this state: `holds`, for bytes that nobody can change."""
        return path in self._unsettled and self._checkouts.is_legal(self._unsettled[path], path, legal, record)

    def legal_state(self, path: str, record: LegalRecord, like: Metadata) -> Legal | None:
        """What an attested move made of `path`, as it would stand in the work tree; None means absent.

        Args:
            path: The path.
            record: Takes the bytes.
            like: Owner and permissions.
        """
        entry = self._unsettled.get(path)
        return None if entry is None else self._checkouts.legal_state(entry, path, record, like)

    def knows(self, path: str, legal: Legal, record: LegalRecord) -> bool:
        """Whether git itself keeps the bytes of a legal file, so that forgetting them loses nothing."""
        data = b"".join(record.content(legal.sha256))
        plain = self._git.blob_id(data)
        if plain == self._former.get(path) or self._git.has_object(plain):
            return True
        clean = self._git.clean_blob_id(path, data)
        return clean is not None and self._git.has_object(clean)


def _parent_of(worktree: Worktree, commit: str) -> str | None:
    status, output = worktree.git.attempt("rev-parse", "--verify", "--quiet", f"{commit}^", accept=range(256))
    return None if status else output.decode("ascii").strip()
