"""Lines of status logs that an attested HEAD brought: judged one by one, and imported (model, section 5)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kitty_guardian.commits.changes import Change
from kitty_guardian.errors import EventStoreError, GitError, GuardianError, VersionConflict
from kitty_guardian.events import lines
from kitty_guardian.events.importing import RefusedLine, adopt, judge
from kitty_guardian.model.events import EventType, Source
from kitty_guardian.model.lanes import Lane
from kitty_guardian.project.binding import Binding
from kitty_guardian.project.features import FEATURES, read_feature
from kitty_guardian.project.gathering import STATUS_LOG
from kitty_guardian.project.repository import Worktree
from kitty_guardian.project.statuslines import LineError, Move, read_line
from kitty_guardian.project.survey import Survey
from kitty_guardian.project.trees import GitTree
from kitty_guardian.watch.audit import AuditTrail
from kitty_guardian.watch.heads import Heads
from kitty_guardian.watch.record import LegalRecord
from kitty_guardian.watch.standings import Standings

_FEATURE: Final = re.compile(rf"{FEATURES}/([^/]+)/")
_TRIES: Final = 5
UNJUDGED: Final = "unjudged"
"""The fact of the legal record that names the HEAD which was there before any guardian was; empty: a person took it."""

_MOST_NOTES: Final = 5
_MOST_REFS: Final = 100


class Imports:
    """Takes lines from HEAD into the store.

    Args:
        worktree: The work tree.
        standings: The store.
        heads: HEAD.
        audit: Where refused lines go.
        record: Which HEAD nobody judged.

    Attributes:
        waiting: Features whose log is to be looked at; they stay here while the store cannot be written.
        notes: Sentences about lines that move nothing.
    """

    def __init__(
        self, worktree: Worktree, standings: Standings, heads: Heads, audit: AuditTrail, record: LegalRecord
    ) -> None:
        self._worktree = worktree
        self._standings = standings
        self._heads = heads
        self._audit = audit
        self._told: set[str] = set()
        self._record = record
        self.waiting: set[str] = set()
        self.notes: list[str] = []

    def expect(self, changes: Iterable[Change]) -> None:
        """HEAD changed these paths."""
        found = (_FEATURE.match(change.path) for change in changes if change.new is not None)
        self.waiting.update(match[1] for match in found if match is not None)

    def expect_features(self, features: Iterable[str]) -> None:
        """Look at these features, whatever HEAD changed."""
        self.waiting.update(features)

    def run(self) -> None:
        """Import what waits; what cannot be written now waits on."""
        for feature in sorted(self.waiting):
            try:
                self._import(feature)
            except (EventStoreError, GitError):
                continue  # told by whoever follows the store, or HEAD
            except GuardianError as error:
                note = f"what HEAD holds of {feature} cannot be imported: {error.message}"
                self._tell_once(feature, feature, note, {"gate": "line", "layer": "git"})
            self.waiting.discard(feature)

    def _import(self, feature: str) -> None:
        if self._standings.board.feature(feature).entered is None:
            self._adopt(feature)
            return
        log = self._heads.held(f"{FEATURES}/{feature}/{STATUS_LOG}")
        if log is None:
            return
        for _ in range(_TRIES):
            unknown = lines.unknown(log, self._standings.board.feature(feature))
            if unknown:
                unknown = self._without_unjudged(feature, unknown)
            judged = judge(
                feature, unknown, self._standings.board, source=Source.GIT, facts_of=_no_facts,
                is_taken=self._standings.store.has,
            )  # fmt: skip
            try:
                if judged.writes:
                    self._standings.commit(judged.writes)
            except VersionConflict:  # somebody else appended meanwhile, the same lines perhaps
                self._standings.follow()
                continue
            for refused in judged.refused:
                self._refuse(feature, refused)
            return
        raise EventStoreError(f"others keep appending to {feature}")

    def _without_unjudged(self, feature: str, unknown: Iterable[tuple[int, bytes]]) -> tuple[tuple[int, bytes], ...]:
        """Lines without those that only the first HEAD had, which nobody judged: a remote has to have them, too.

        Of what is left out it is told that it moves nothing.
        """
        path = f"{FEATURES}/{feature}/{STATUS_LOG}"
        git = self._worktree.git
        first = self._record.fact(UNJUDGED)
        unjudged = self._hashes_at(first, path) if first else set()
        refs = git.run("for-each-ref", "--format=%(objectname)", f"--count={_MOST_REFS}", "refs/remotes").split()
        if unjudged:
            for ref in dict.fromkeys(refs):
                unjudged -= self._hashes_at(ref.decode("ascii"), path)
        found: list[tuple[int, bytes]] = []
        for number, raw in unknown:
            if lines.line_hash(raw) not in unjudged:
                found.append((number, raw))
            else:
                reason = (
                    "no guardian has judged the commit that brought it, and no remote has it; a person takes it with: "
                    "spec-kitty guardian restart --accept-current --reason TEXT"
                )
                self._refuse(feature, RefusedLine(number, raw, "unattested", reason))
        return tuple(found)

    def _hashes_at(self, commit: str, path: str) -> set[str]:
        """Of every line of a log as a commit holds it; none where it holds none."""
        status, output = self._worktree.git.attempt("cat-file", "blob", f"{commit}:{path}", accept=range(256))
        return {lines.line_hash(raw) for raw in output.split(b"\n") if raw.strip()} if status == 0 else set()

    def _adopt(self, feature: str) -> None:
        """A feature that came with HEAD and that nobody here has seen before: what it holds is its history."""
        head = self._heads.head
        if head is None:
            return
        with GitTree(self._worktree.git, head) as tree:
            report = read_feature(tree, f"{FEATURES}/{feature}")
        adopt(self._standings.store, self._worktree, Survey(head, {feature: report}, Binding((), ""), {}))
        self._standings.follow()

    def _refuse(self, feature: str, refused: RefusedLine) -> None:
        if refused.gate == "one-step" or self._is_settled(feature, refused.raw):
            return  # two teammates took the same step: nothing is missing, and nothing is wrong
        told = (
            f"{FEATURES}/{feature}/{STATUS_LOG}:{refused.number}, which HEAD brought, moves nothing: {refused.reason}"
        )
        payload = {
            "feature": feature, "work_package": None, "from": None, "to": None, "gate": refused.gate,
            "reason": refused.reason, "hint": "", "actor": "git", "layer": "git",
            "line": refused.raw.decode("utf-8", "backslashreplace"),
        }  # fmt: skip
        self._tell_once(feature, lines.line_hash(refused.raw), told, payload)

    def _is_settled(self, feature: str, raw: bytes) -> bool:
        """Whether a line only plans what stands as planned already, here and in another clone alike."""
        with contextlib.suppress(LineError):
            read = read_line(raw, 1)
            if isinstance(read, Move) and read.to_lane is Lane.PLANNED:
                return read.work_package in self._standings.board.feature(feature).work_packages
        return False

    def _tell_once(self, feature: str, name: str, note: str, payload: Mapping[str, Any]) -> None:
        if name in self._told:
            return
        self._told.add(name)
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(note)
        self._audit.append(EventType.PHASE_BLOCKED, {"feature": feature, **payload, "reason": note})


def _no_facts(_work_package: str) -> Mapping[str, Any]:
    """What was checked where the line was written is not known here."""
    return {}
