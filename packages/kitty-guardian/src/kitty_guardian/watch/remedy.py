"""Making one path legal again: the move, what to do when it fails, and the event that tells of it."""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Callable

from kitty_guardian.model.decisions import Decision
from kitty_guardian.model.events import EventType
from kitty_guardian.watch.audit import AuditTrail
from kitty_guardian.watch.baseline import Baseline
from kitty_guardian.watch.quarantine import Quarantine, Reason
from kitty_guardian.watch.record import Legal, LegalRecord, RecordError
from kitty_guardian.watch.reserve import Reserve
from kitty_guardian.watch.tree import Kind, Signature, WorkTree, ancestors, join, kind_of, signature_of
from kitty_guardian.watch.violations import Action, Change, Operation

_STORM_REVERTS = 20
_STORM_WINDOW_SECONDS = 10.0
_STORM_INTERVAL_SECONDS = 1.0
_RETRY_SECONDS = 1.0
UNREADABLE = frozenset({errno.EACCES, errno.EPERM})


class Remedy:
    """Moves things and reports.

    Args:
        tree: The work tree.
        record: The legal record.
        quarantine: Where what was written goes.
        audit: Where events go.
        reserve: Disk space kept back for reverts.
        baseline: Told what stands where after a move.
        unresolved: As the attribute.
        clock: Seconds, monotonic.

    Attributes:
        later: Path to the time it is to be looked at again.
        unresolved: Paths that could not be made legal, with the reason.
        touched: Paths whose disk state was changed, to be made durable.
        changes: What was done, collected while not None.
        reason: Why things go to quarantine now.
    """

    def __init__(
        self,
        *,
        tree: WorkTree,
        record: LegalRecord,
        quarantine: Quarantine,
        audit: AuditTrail,
        reserve: Reserve,
        baseline: Baseline,
        unresolved: dict[str, str],
        clock: Callable[[], float],
    ) -> None:
        self.later: dict[str, float] = {}
        self.unresolved = unresolved
        self.touched: set[str] = set()
        self.changes: list[Change] | None = None
        self.reason = Reason.VIOLATION
        self._tree = tree
        self._record = record
        self._quarantine = quarantine
        self._audit = audit
        self._reserve = reserve
        self._baseline = baseline
        self._clock = clock
        self._reverts: dict[str, deque[float]] = {}
        self._storms: dict[str, float] = {}
        self._observed: dict[str, Signature | None] = {}

    def apply(
        self, path: str, entry: Legal | None, st: os.stat_result | None, operation: Operation, decision: Decision
    ) -> bool:
        """Make `path` what `entry` says (None: absent) and report; False if that has to wait or cannot be done now."""
        if not self._storm_lets(path, decision):
            return False
        try:
            quarantine_id = self._act(path, entry, st, operation)
        except (OSError, RecordError) as error:
            if not isinstance(error, OSError) or error.errno not in UNREADABLE:
                self.unresolve(path, operation, decision, error)
                return False
            try:
                self._regain(path, st)
                quarantine_id = self._act(path, entry, self._tree.lstat(path), operation)
            except (OSError, RecordError) as again:
                self.unresolve(path, operation, decision, again)
                return False
        self.unresolved.pop(path, None)
        self.touched.add(path)
        if quarantine_id != "":  # else somebody had made it legal first
            self.report(path, operation, Action.REMOVED if entry is None else Action.RESTORED, decision, quarantine_id)
        return True

    def give_mode(self, path: str, mode: int, decision: Decision) -> None:
        """Give a directory its permission bits back and report."""
        try:
            with self._tree.parent(join(path, ".")) as (fd, _):
                os.fchmod(fd, mode)
        except OSError:  # closed even for us: by name then
            try:
                os.chmod(path, mode, dir_fd=self._tree.fd)
            except OSError as error:
                self.unresolve(path, Operation.CHMOD, decision, error)
                return
        self.report(path, Operation.CHMOD, Action.RESTORED, decision, None)

    def open_up(self, directory: str, decision: Decision) -> None:
        """Let the owner of a directory list it, and report."""
        st = self._tree.lstat(directory)
        if st is not None and stat.S_ISDIR(st.st_mode):
            try:
                os.chmod(directory, stat.S_IMODE(st.st_mode) | stat.S_IRWXU, dir_fd=self._tree.fd)
            except OSError as error:
                self.unresolve(directory, Operation.CHMOD, decision, error)
            else:
                self.report(directory, Operation.CHMOD, Action.RESTORED, decision, None)

    def report_head(self, head: str, *, judged: int, vouched: int, ignore_rules: list[str]) -> None:
        """Write down that a head counts: what only a remote-tracking reference vouches for, and new ignore rules."""
        payload = {"head": head, "judged": judged, "vouched_by_remotes": vouched, "ignore_rules": ignore_rules}
        self._audit.append(EventType.HEAD, payload)

    def supersede(self, path: str, entry: Legal, *, known_to_git: bool) -> None:
        """Bytes that only our record holds go to quarantine before the record forgets them."""
        if entry.kind is Kind.FILE and not known_to_git:
            self._quarantine.preserve(path, entry, Reason.SUPERSEDED)

    def sanction(self, path: str, legal: Legal) -> None:
        """Put sanctioned content in place; what stood there goes to quarantine as superseded.

        Raises:
            OSError: It cannot be written.
        """
        st = self._tree.lstat(path)
        if st is None:
            self._quarantine.put(path, legal)
        else:
            self._quarantine.restore(path, legal, st, "sanction", Reason.SUPERSEDED)
        self.touched.add(path)

    def settled(self, path: str) -> None:
        """The path was found legal."""
        self._observed.pop(path, None)
        self.unresolved.pop(path, None)

    def calm(self) -> None:
        """Forget the reverts and storms that are over."""
        now = self._clock()
        for path in [path for path, at in self._storms.items() if now - at > _STORM_WINDOW_SECONDS]:
            del self._storms[path]
        for path in [path for path, recent in self._reverts.items() if now - recent[-1] > _STORM_WINDOW_SECONDS]:
            del self._reverts[path]

    @property
    def storming(self) -> tuple[str, ...]:
        """Paths whose reverts are held back to one a second."""
        return tuple(self._storms)

    def _act(self, path: str, entry: Legal | None, st: os.stat_result | None, operation: Operation) -> str | None:
        """Move things; gives the quarantine id, None where nothing had stood there, "" where it was legal already."""
        try:
            taken = self._move(path, entry, st, operation)
        except OSError as error:
            if error.errno == errno.ENOSPC and self._reserve.release():
                return self._act(path, entry, st, operation)
            if error.errno == errno.ENOENT and not self._quarantine.is_in_place():
                self._quarantine.write_anew()  # somebody removed it; whoever supervises us records that
                return self._act(path, entry, st, operation)
            if error.errno != errno.ENOENT or st is None:
                raise
            self.later[path] = self._clock()  # gone since the look: look again at once
            return ""
        if entry is not None:
            now = self._tree.lstat(path)
            if now is not None and kind_of(now.st_mode) is entry.kind:
                self._baseline.trust(path, now)
            else:
                self.later[path] = self._clock()  # already something else: look again at once
        return taken

    def _move(self, path: str, entry: Legal | None, st: os.stat_result | None, operation: Operation) -> str | None:
        if entry is None:
            return "" if st is None else self._quarantine.take(path, st, operation, self.reason) or ""
        if st is not None:
            return self._quarantine.restore(path, entry, st, operation, self.reason) or ""
        if not self._quarantine.put(path, entry):
            self.later[path] = self._clock()  # something appeared there: look again at once
            return ""
        return None

    def observe(self, path: str, st: os.stat_result | None, operation: Operation, decision: Decision) -> None:
        """Report what observe mode leaves alone, once for each new content."""
        signature = None if st is None else signature_of(st)
        if self._observed.get(path, 0) != signature:
            self._observed[path] = signature
            self.report(path, operation, Action.OBSERVED, decision, None)

    def _storm_lets(self, path: str, decision: Decision) -> bool:
        """Twenty reverts of a path in ten seconds: from then on one a second (section 7)."""
        now = self._clock()
        recent = self._reverts.setdefault(path, deque(maxlen=_STORM_REVERTS))
        storming = len(recent) == _STORM_REVERTS and now - recent[0] < _STORM_WINDOW_SECONDS
        if storming and now - recent[-1] < _STORM_INTERVAL_SECONDS:
            if path not in self._storms:
                self.report(path, Operation.WRITE, Action.STORM, decision, None)
            self._storms[path] = now
            self.later[path] = recent[-1] + _STORM_INTERVAL_SECONDS
            return False
        recent.append(now)
        return True

    def unresolve(self, path: str, operation: Operation, decision: Decision, error: Exception) -> None:
        """Report what could not be made legal, and try again soon."""
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if self.unresolved.get(path) != text:
            self.unresolved[path] = text
            self.report(path, operation, Action.UNRESOLVED, decision, None, error=text)
        self.later[path] = self._clock() + _RETRY_SECONDS

    def report(
        self,
        path: str,
        operation: Operation,
        action: Action,
        decision: Decision,
        quarantine_id: str | None,
        **more: str,
    ) -> None:
        """Write one event."""
        if self.changes is not None:
            self.changes.append(Change(path, operation, action, quarantine_id))
        self._audit.append(
            EventType.VIOLATION,
            {
                "path": path,
                "phase": str(decision.phase),
                "rule": decision.rule,
                "operation": str(operation),
                "action": str(action),
                "layer": "watcher",
                "quarantine_id": quarantine_id,
                "reason": decision.reason,
                **more,
            },
        )

    def _regain(self, path: str, st: os.stat_result | None) -> None:
        """Undo permission bits that keep us from a path: of the folders above it, and of a folder to be moved away."""
        for directory in ancestors(path):
            above, entry = self._tree.lstat(directory), self._record.get(directory)
            if above is not None and entry is not None and stat.S_ISDIR(above.st_mode):
                os.chmod(directory, entry.metadata.mode | stat.S_IRWXU, dir_fd=self._tree.fd)
        if st is not None and stat.S_ISDIR(st.st_mode):
            os.chmod(path, stat.S_IMODE(st.st_mode) | stat.S_IRWXU, dir_fd=self._tree.fd)
