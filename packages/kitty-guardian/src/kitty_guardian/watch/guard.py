"""The guard: compares the work tree with the legal record and makes it legal again (enforcement model, section 3).

It has no threads and no clock of its own: whoever owns it calls `examine` for paths that may have changed, `scan` for
everything, and `tick` for what is due. Events are hints; the truth is always a comparison.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum

import attrs

from kitty_guardian.errors import GitError
from kitty_guardian.model.decisions import Decision
from kitty_guardian.rules.policy import Mode
from kitty_guardian.rules.situation import Situation
from kitty_guardian.watch.audit import AuditTrail, EventType
from kitty_guardian.watch.gitwork import AFTER_RELEASE_SECONDS, HALF_WRITTEN_SECONDS, LONGEST_SECONDS, GitWork
from kitty_guardian.watch.heads import Heads
from kitty_guardian.watch.quarantine import Quarantine, Reason
from kitty_guardian.watch.record import Legal, LegalRecord, RecordError
from kitty_guardian.watch.reserve import Reserve
from kitty_guardian.watch.tree import (
    Kind,
    Metadata,
    Signature,
    WorkTree,
    ancestors,
    digest,
    join,
    kind_of,
    metadata_of,
    signature_of,
    xattrs_of,
)

# A file touched this recently may change again without its times telling (coarse clocks): its signature is not trusted.
_RACY_NS = 100_000_000
_STORM_REVERTS = 20
_STORM_WINDOW_SECONDS = 10.0
_STORM_INTERVAL_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_GIT_RETRY_SECONDS = 2.0
_PENDING_POLL_SECONDS = 0.05
_EMPTY_DIRECTORY_SECONDS = 0.15
_UNREADABLE = frozenset({errno.EACCES, errno.EPERM})


class Operation(StrEnum):
    """What was done to a protected path."""

    CREATE = "create"
    WRITE = "write"
    DELETE = "delete"
    CHMOD = "chmod"
    REPLACE = "replace"  # a link where a file was, a file where a folder was
    COMMIT = "commit"


class Action(StrEnum):
    """What the guard did about it."""

    RESTORED = "restored"
    REMOVED = "removed"
    OBSERVED = "observed"
    UNRESOLVED = "unresolved"
    PENDING = "pending"
    STORM = "storm"
    UNATTESTED = "unattested"


@attrs.frozen
class Change:
    """One violation that was dealt with.

    Attributes:
        path: Relative to the work tree.
        operation: What was done to it.
        action: What was done about it.
        quarantine_id: Where the bytes are, or None where there were none.
    """

    path: str
    operation: Operation
    action: Action
    quarantine_id: str | None


class Guard:
    """Holds one work tree to its legal record.

    Args:
        tree: The work tree.
        record: The legal record.
        quarantine: Where what was written goes.
        audit: Where events go.
        heads: HEAD, what it holds and what it ignores.
        git: Whether git is at work.
        reserve: Disk space kept back for reverts.
        situation: What is protected now.
        clock: Seconds, monotonic.
    """

    def __init__(  # noqa: PLR0913 - the ports of the hexagon, each named
        self,
        *,
        tree: WorkTree,
        record: LegalRecord,
        quarantine: Quarantine,
        audit: AuditTrail,
        heads: Heads,
        git: GitWork,
        reserve: Reserve,
        situation: Situation,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.situation = situation
        self.boundaries: frozenset[str] = frozenset()
        self.unresolved: dict[str, str] = {}
        self.changes: list[Change] | None = None  # collected while not None
        self.touched: set[str] = set()  # paths whose disk state we changed: to be made durable
        self._tree = tree
        self._record = record
        self._quarantine = quarantine
        self._audit = audit
        self._heads = heads
        self._git = git
        self._reserve = reserve
        self._clock = clock
        self.git_trouble: str | None = None
        self._git_after = float("-inf")
        self._seen: dict[str, Signature] = {}
        self._pending: dict[str, float] = {}
        self._later: dict[str, float] = {}
        self._reverts: dict[str, deque[float]] = {}
        self._storms: dict[str, float] = {}
        self._observed: dict[str, Signature | None] = {}
        self._reason = Reason.VIOLATION

    # Adoption: the state in which a path becomes protected is its baseline

    def adopt(self, previous: Situation | None) -> None:
        """Record every path that is protected now and was not before.

        Args:
            previous: What was protected until now: what is not recorded although it was protected must be absent.
                None at the first adoption.
        """
        self._record.begin()
        for path in self._record.paths():
            entry = self._record.get(path)
            if entry is not None and entry.protected and self.situation.judge(path).allowed:
                self._forget(path)
        nested = set(self.boundaries)
        self._adopt_below("", previous, nested)
        self.boundaries = frozenset(nested)
        self._record.commit()

    def _adopt_below(self, directory: str, previous: Situation | None, nested: set[str]) -> None:
        for name, st in self._tree.names(directory):
            path = join(directory, name)
            is_directory = stat.S_ISDIR(st.st_mode)
            denied = not self._judge(path, directory=is_directory).allowed
            if self._is_elsewhere(path) or not (denied or (is_directory and self.situation.may_hold(path))):
                continue
            came_before = previous is None or previous.judge(path + "/" if is_directory else path).allowed
            if is_directory and self._tree.lstat(join(path, ".git")) is not None:
                if came_before:
                    nested.add(path)  # another repository that was here before us is not our business
                continue
            if denied and path not in self._record:
                # What came while it was protected is not adopted: the next scan takes it.
                exempt = self._is_exempt(path, directory=is_directory)
                if exempt or not came_before or not self._capture(path, st):
                    continue
            if is_directory:
                self._adopt_below(path, previous, nested)

    def _judge(self, path: str, *, directory: bool) -> Decision:
        """The decision about a file or a directory; the slash keeps strict mode from blocking a place for files."""
        return self.situation.judge(path + "/" if directory else path)

    def _capture(self, path: str, st: os.stat_result) -> bool:
        """Record what stands at `path` as legal; False for what cannot be recorded (a socket, an unreadable file)."""
        legal = self._read(path, st)
        if legal is None:
            return False
        self._set(path, legal)
        self._trust(path, st)
        return True

    def _set(self, path: str, legal: Legal) -> None:
        self._record.put(path, legal)
        for carrier in tuple(self._record.carriers_of(path)):
            st = self._tree.lstat(carrier)
            if st is not None and stat.S_ISDIR(st.st_mode):
                self._record.put(carrier, Legal(Kind.DIRECTORY, metadata_of(st), protected=False))

    def _forget(self, path: str) -> None:
        self._record.remove(path)
        self._seen.pop(path, None)

    def _read(self, path: str, st: os.stat_result) -> Legal | None:
        kind = kind_of(st.st_mode)
        if kind is Kind.DIRECTORY:
            return Legal(kind, metadata_of(st))
        if kind is Kind.SYMLINK:
            return Legal(kind, metadata_of(st), target=self._tree.readlink(path))
        if kind is Kind.OTHER:
            return None
        try:
            with self._tree.open_file(path) as fd:
                sha = digest(fd)
                self._record.keep(fd, sha)
                now = os.fstat(fd)
                return Legal(kind, metadata_of(now, xattrs_of(fd)), now.st_size, sha)
        except OSError as error:
            self.unresolved[path] = f"cannot be read, so its bytes are not protected: {error.strerror}"
            return None

    # Comparison

    def examine(self, path: str) -> None:
        """Make `path` legal, beginning with the topmost directory above it that is not as it must be."""
        for directory in ancestors(path):
            if self._is_elsewhere(directory):
                return
            st = self._tree.lstat(directory)
            entry = self._record.get(directory)
            if st is None or not stat.S_ISDIR(st.st_mode):
                self._settle(directory, st)
                return
            if entry is None:
                decision = self._judge(directory, directory=True)
                if self._is_other_repository(directory, decision):
                    return
                if not decision.allowed and not self._heads.expects_below(directory):
                    self._settle(directory, st)
                    return
        if not self._is_elsewhere(path):
            self._settle(path, self._tree.lstat(path))

    def scan(self) -> None:
        """Make the whole tree legal."""
        self._settle_children("")

    def _settle(self, path: str, st: os.stat_result | None) -> None:
        entry = self._record.get(path)
        if entry is None:
            if st is None:
                self._pending.pop(path, None)
            else:
                self._settle_unrecorded(path, st)
        elif st is None:
            if self._heads.holds(path, None, self._tree):
                self._accept_head(path)
            else:
                self._deal(path, entry, None, Operation.DELETE)
        elif entry.kind is Kind.DIRECTORY:
            if stat.S_ISDIR(st.st_mode):
                self._settle_directory_mode(path, entry, st)
            else:
                self._deal(path, entry, st, Operation.REPLACE)
            now = self._tree.lstat(path)
            if now is not None and stat.S_ISDIR(now.st_mode):
                self._settle_children(path)
        elif self._seen.get(path) != signature_of(st):
            self._settle_content(path, entry, st)
        elif path in self._pending:
            del self._pending[path]

    def _settle_children(self, directory: str) -> None:
        standing = set()
        for name, st in self._tree.names(directory):
            path = join(directory, name)
            standing.add(path)
            if not self._is_elsewhere(path):
                self._settle(path, st)
        for path in self._record.children(directory):
            if path not in standing:
                self._settle(path, self._tree.lstat(path))

    def _settle_unrecorded(self, path: str, st: os.stat_result) -> None:
        is_directory = stat.S_ISDIR(st.st_mode)
        decision = self._judge(path, directory=is_directory)
        if is_directory and self._is_other_repository(path, decision):
            return
        if decision.allowed:
            if is_directory and self.situation.may_hold(path):
                self._settle_children(path)
            return
        if is_directory and self.situation.is_transient(path):
            self._settle_children(path)  # such a folder may stand; what hides in it is judged by itself
            return
        if self._is_exempt(path, directory=is_directory):
            return
        if self._heads.holds(path, st, self._tree):
            self._accept_head(path)
        elif not is_directory:
            self._deal(path, None, st, Operation.CREATE)
        elif self._heads.expects_below(path):
            self._settle_children(path)
        elif not self._holds_only_exempt(path) and not self._is_young_and_empty(path):
            self._deal(path, None, st, Operation.CREATE)

    def _settle_directory_mode(self, path: str, entry: Legal, st: os.stat_result) -> None:
        mode = stat.S_IMODE(st.st_mode)
        if not entry.protected or mode == entry.metadata.mode:
            return
        seen = self._seen.get(path)
        if seen is not None and seen[0] != st.st_ino:  # made anew, by git say: not a chmod
            self._trust(path, st, always=True)
            self._record.put(path, attrs.evolve(entry, metadata=metadata_of(st)))
            return
        decision = self.situation.judge(path)
        if self.situation.policy.mode is Mode.OBSERVE:
            self._observe(path, st, Operation.CHMOD, decision)
            return
        try:
            with self._tree.parent(join(path, ".")) as (fd, _):
                os.fchmod(fd, entry.metadata.mode)
        except OSError:
            try:
                os.chmod(path, entry.metadata.mode, dir_fd=self._tree.fd)
            except OSError as error:
                self._unresolve(path, Operation.CHMOD, decision, error)
                return
        self._report(path, Operation.CHMOD, Action.RESTORED, decision, None)

    def _settle_content(self, path: str, entry: Legal, st: os.stat_result) -> None:
        kind = kind_of(st.st_mode)
        if kind is not entry.kind:
            self._deal(path, entry, st, Operation.REPLACE)
            return
        if kind is Kind.SYMLINK:
            try:
                same = self._tree.readlink(path) == entry.target
            except OSError:
                return  # gone or replaced meanwhile: its own event follows
            mode_is_legal = True
        else:
            try:
                with self._tree.open_file(path) as fd:
                    st = os.fstat(fd)
                    same = st.st_size == entry.size and digest(fd) == entry.sha256
                    after = os.fstat(fd)
            except OSError as error:
                if error.errno not in _UNREADABLE:
                    return
                same = False  # made unreadable: whatever it holds now, it is not as it was
            else:
                if signature_of(after) != signature_of(st):
                    same = False  # being written right now
            mode_is_legal = self._is_legal_mode(path, entry, st)
        if same and mode_is_legal:
            self._trust(path, st)
            self._pending.pop(path, None)
            self._observed.pop(path, None)
        elif not same and self._heads.holds(path, st, self._tree):
            self._accept_head(path)
        else:
            self._deal(path, entry, st, Operation.CHMOD if same else Operation.WRITE)

    def _is_legal_mode(self, path: str, entry: Legal, st: os.stat_result) -> bool:
        """Whether permission bits are as recorded, or as git would have made the file anew.

        Git records only the executable bit and takes the rest from the umask of whoever runs it; so a *new* inode with
        the same bytes may differ there, unless it became writable for everyone. The same inode may not change at all.
        """
        mode = stat.S_IMODE(st.st_mode)
        if mode == entry.metadata.mode:
            return True
        seen = self._seen.get(path)
        if seen is None or seen[0] == st.st_ino:
            return False
        special = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | stat.S_IWOTH
        legal = entry.metadata.mode
        if bool(mode & 0o111) != bool(legal & 0o111) or (mode & special) & ~(legal & special):
            return False
        self._record.put(path, attrs.evolve(entry, metadata=metadata_of(st, entry.metadata.xattrs)))
        return True

    def _trust(self, path: str, st: os.stat_result, *, always: bool = False) -> None:
        """Remember a signature, so that an unchanged file need not be read again."""
        signature = signature_of(st)
        if always or stat.S_ISDIR(st.st_mode) or abs(time.time_ns() - st.st_ctime_ns) > _RACY_NS:
            self._seen[path] = signature
        else:
            # The inode still tells a chmod from a new file; the impossible size makes every comparison read the bytes.
            self._seen[path] = (signature[0], -1, *signature[2:])

    # Exemptions

    def _is_elsewhere(self, path: str) -> bool:
        """Whether a path belongs to git itself or to another repository."""
        return path == ".git" or path in self.boundaries or self._heads.is_gitlink(path)

    def _is_exempt(self, path: str, *, directory: bool) -> bool:
        """Untracked, and transient or ignored by HEAD's rules; never what is always protected (section 2)."""
        if self._heads.tracks(path) or self.situation.judge(path).rule.startswith("always:"):
            return False
        return self.situation.is_transient(path) or self._heads.ignores(path, directory=directory)

    def _holds_only_exempt(self, directory: str) -> bool:
        """Whether a new directory has content and all of it is exempt (a build's output folder)."""
        names = self._tree.names(directory)
        return bool(names) and all(
            self._is_exempt(path := join(directory, name), directory=stat.S_ISDIR(st.st_mode))
            or (stat.S_ISDIR(st.st_mode) and self._holds_only_exempt(path))
            for name, st in names
        )

    def _is_young_and_empty(self, path: str) -> bool:
        """A new directory without any file holds no byte: it is judged a moment later, when its purpose shows."""
        if _holds_any_file(self._tree, path):
            return False
        due = self._later.setdefault(path, self._clock() + _EMPTY_DIRECTORY_SECONDS)
        if self._clock() < due:
            return True
        del self._later[path]
        return False

    def _is_other_repository(self, path: str, decision: Decision) -> bool:
        """Whether an unrecorded directory is a repository or work tree of its own, where one may stand.

        Where the phase blocks writing, a `.git` inside a new folder changes nothing: the folder must not be there.
        """
        return decision.allowed and self._tree.lstat(join(path, ".git")) is not None

    # Dealing with what is not legal

    def _deal(self, path: str, entry: Legal | None, st: os.stat_result | None, operation: Operation) -> None:
        decision = self.situation.judge(path)
        if decision.allowed and entry is not None and not entry.protected:
            decision = self._decision_below(path, decision)
        if self.situation.policy.mode is Mode.OBSERVE:
            self._observe(path, st, operation, decision)
            return
        # Permission bits of a standing file are no git's work: git makes files anew.
        if operation is not Operation.CHMOD and self._is_pending(path, st, decision):
            return
        if not self._storm_lets(path, decision):
            return
        try:
            quarantine_id = self._act(path, entry, st, operation)
        except (OSError, RecordError) as error:
            if not isinstance(error, OSError) or error.errno not in _UNREADABLE or not self._regain(path, st):
                self._unresolve(path, operation, decision, error)
                return
            try:
                quarantine_id = self._act(path, entry, self._tree.lstat(path), operation)
            except (OSError, RecordError) as again:
                self._unresolve(path, operation, decision, again)
                return
        self.unresolved.pop(path, None)
        self._pending.pop(path, None)
        self.touched.add(path)
        if quarantine_id == "":
            return  # somebody else made it legal first
        action = Action.REMOVED if entry is None else Action.RESTORED
        self._report(path, operation, action, decision, quarantine_id)
        if entry is not None and entry.kind is Kind.DIRECTORY and operation is Operation.DELETE:
            self._settle_children(path)

    def _regain(self, path: str, st: os.stat_result | None) -> bool:
        """Undo permission bits that keep us from a path: of the folders above it, and of a folder to be moved away."""
        for directory in ancestors(path):
            above, entry = self._tree.lstat(directory), self._record.get(directory)
            if above is not None and entry is not None and stat.S_ISDIR(above.st_mode):
                os.chmod(directory, entry.metadata.mode | stat.S_IRWXU, dir_fd=self._tree.fd)
        if st is not None and stat.S_ISDIR(st.st_mode):
            os.chmod(path, stat.S_IMODE(st.st_mode) | stat.S_IRWXU, dir_fd=self._tree.fd)
        return True

    def _decision_below(self, path: str, decision: Decision) -> Decision:
        """A neutral directory that must be there for what lies below it: the reason is the first such path."""
        for child in self._record.children(path):
            below = self.situation.judge(child)
            if not below.allowed:
                return below
            found = self._decision_below(child, below)
            if not found.allowed:
                return found
        return decision

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
            self._later[path] = self._clock()  # gone since the look: look again at once
            return ""
        if entry is not None and (now := self._tree.lstat(path)) is not None:
            self._trust(path, now)
        return taken

    def _move(self, path: str, entry: Legal | None, st: os.stat_result | None, operation: Operation) -> str | None:
        if entry is None:
            return "" if st is None else self._quarantine.take(path, st, operation, self._reason) or ""
        if st is not None:
            return self._quarantine.restore(path, entry, st, operation, self._reason) or ""
        if not self._quarantine.put(path, entry):
            self._later[path] = self._clock()  # something appeared there: look again at once
            return ""
        return None

    def _observe(self, path: str, st: os.stat_result | None, operation: Operation, decision: Decision) -> None:
        signature = None if st is None else signature_of(st)
        if self._observed.get(path, 0) != signature:
            self._observed[path] = signature
            self._report(path, operation, Action.OBSERVED, decision, None)

    def _storm_lets(self, path: str, decision: Decision) -> bool:
        """Twenty reverts of a path in ten seconds: from then on one a second (section 7)."""
        now = self._clock()
        recent = self._reverts.setdefault(path, deque(maxlen=_STORM_REVERTS))
        storming = len(recent) == _STORM_REVERTS and now - recent[0] < _STORM_WINDOW_SECONDS
        if storming and now - recent[-1] < _STORM_INTERVAL_SECONDS:
            if path not in self._storms:
                self._report(path, Operation.WRITE, Action.STORM, decision, None)
            self._storms[path] = now
            self._later[path] = recent[-1] + _STORM_INTERVAL_SECONDS
            return False
        recent.append(now)
        return True

    def _unresolve(self, path: str, operation: Operation, decision: Decision, error: Exception) -> None:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if self.unresolved.get(path) != text:
            self.unresolved[path] = text
            self._report(path, operation, Action.UNRESOLVED, decision, None, error=text)
        self._later[path] = self._clock() + _RETRY_SECONDS

    def _report(
        self,
        path: str,
        operation: Operation,
        action: Action,
        decision: Decision,
        quarantine_id: str | None,
        **more: str,
    ) -> None:
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

    # Pending: git may be at work

    def _is_pending(self, path: str, st: os.stat_result | None, decision: Decision) -> bool:
        if self.git_trouble is not None:
            return False  # nothing can be asked, so nothing speaks for waiting
        try:
            return self._may_be_gits(path, st, decision)
        except GitError as error:
            self.git_trouble = error.message
            self._git_after = self._clock() + _GIT_RETRY_SECONDS
            return False

    def _may_be_gits(self, path: str, st: os.stat_result | None, decision: Decision) -> bool:
        self._git.check()
        at_work = self._git.at_work()
        quiet = not at_work and self._git.quiet_for() >= AFTER_RELEASE_SECONDS
        if quiet and path not in self._pending and not self._heads.is_being_merged(path, self.situation.judge):
            return False
        now = self._clock()
        since = self._pending.get(path, now)
        why = self._why_pending(path, st, at_work=at_work, age=now - since)
        if why is None:
            return False
        if path not in self._pending:
            self._pending[path] = now
        elif now - since > AFTER_RELEASE_SECONDS and path not in self._observed:
            self._observed[path] = None
            self._report(path, Operation.WRITE, Action.PENDING, decision, None, why=why)
        return True

    def _why_pending(self, path: str, st: os.stat_result | None, *, at_work: bool, age: float) -> str | None:
        """Why a path that is not legal is not judged yet, or None if it is to be judged now."""
        if self._heads.is_being_merged(path, self.situation.judge):
            return "unmerged: judged by the commit rule when the operation ends"
        if age > LONGEST_SECONDS:
            return None
        if st is not None and stat.S_ISDIR(st.st_mode):
            children = [(join(path, name), below) for name, below in self._tree.names(path)]
            reasons = [self._why_pending(child, below, at_work=at_work, age=age) for child, below in children]
            if not reasons:
                return "git holds its lock" if at_work else None  # a submodule's place is an empty folder at first
            return None if None in reasons else reasons[0]
        return self._why_at_work(path, st, age) if at_work else self._why_just_released(path, st)

    def _why_at_work(self, path: str, st: os.stat_result | None, age: float) -> str | None:
        """As above, while the holder of a git lock lives."""
        if st is None or age < HALF_WRITTEN_SECONDS:
            return "git holds its lock"
        blob = self._blob_at(path, st)
        return "a git object while git holds its lock" if blob and self._git.has_object(blob) else None

    def _why_just_released(self, path: str, st: os.stat_result | None) -> str | None:
        """As above, while git's reference may still be about to move."""
        if self._git.quiet_for() >= AFTER_RELEASE_SECONDS or self._heads.refuses(path):
            return None
        indexed = self._git.index_entry(path)
        if st is None:
            entry = self._record.get(path)
            if entry is not None and entry.kind is Kind.DIRECTORY:
                removed = not self._git.index_holds_below(path)
            else:
                removed = indexed is None and self._heads.tracks(path)
            return "removed from the index" if removed else None
        if indexed is None:
            # A merge that meets a conflict lets go of the index before it says what it merges.
            left = self._git.left_unmerged(path)
            return "just left unmerged" if left is not None and left == self._blob_at(path, st, left) else None
        if indexed.oid != self._blob_at(path, st, indexed.oid):
            return None
        executable = stat.S_ISREG(st.st_mode) and bool(st.st_mode & stat.S_IXUSR)
        return "equals its index entry" if executable == (indexed.mode == "100755") else None

    def _blob_at(self, path: str, st: os.stat_result, expected: str | None = None) -> str | None:
        try:
            if stat.S_ISLNK(st.st_mode):
                return self._git.blob_id(os.fsencode(self._tree.readlink(path)))
            with self._tree.open_file(path) as fd, os.fdopen(os.dup(fd), "rb") as file:
                data = file.read()
        except OSError:
            return None
        plain = self._git.blob_id(data)
        return plain if expected in {None, plain} else self._git.clean_blob_id(path, data)

    # HEAD

    def follow_head(self) -> None:
        """Judge a HEAD that moved; what an attested one holds becomes the legal state of the paths it changed.

        A git that fails or hangs is left alone for a while: enforcement goes on without it.
        """
        if self._clock() < self._git_after:
            return
        try:
            self._follow_head()
        except GitError as error:
            self.git_trouble = error.message
            self._git_after = self._clock() + _GIT_RETRY_SECONDS
        else:
            self.git_trouble = None

    def _follow_head(self) -> None:
        self._git.check()
        moved = self._heads.follow(decide=self.situation.judge, record=self._record)
        if moved is None:
            return
        for refusal in moved.refusals:
            self._report(
                refusal.change.path, Operation.COMMIT, Action.UNATTESTED, refusal.decision, None, commit=refusal.commit
            )
        for change in moved.changes:
            if self._heads.leaves_behind(change):
                self.boundaries |= {change.path}
            elif not self.situation.judge(change.path).allowed:
                self._follow_change(change.path)
        self._heads.confirm()
        for path in (*(change.path for change in moved.changes), *self._pending):
            self.examine(path)

    def _follow_change(self, path: str) -> None:
        """HEAD, attested, changed a protected path: its content is legal once it stands there."""
        entry = self._record.get(path)
        st = self._tree.lstat(path)
        if self._heads.holds(path, st, self._tree):
            self._accept_head(path)
        elif st is not None if entry is None else st is None or not self._is_as_recorded(path, entry, st):
            # Neither the old nor the new legal state stands there: what HEAD holds is what comes back.
            owner = os.fstat(self._tree.fd)
            like = Metadata(0o644, owner.st_uid, owner.st_gid, time.time_ns()) if entry is None else entry.metadata
            legal = self._heads.legal_state(path, self._record, like)
            if legal is None and self._heads.expects(path):
                return  # its object is damaged: what was legal stays
            if entry is not None:
                self._supersede(path, entry)
            self._heads.settled(path)
            if legal is None:
                self._forget(path)
            else:
                self._set(path, legal)

    def _is_as_recorded(self, path: str, entry: Legal, st: os.stat_result) -> bool:
        found = self._read(path, st)
        return found is not None and found.same_content(entry)

    def _accept_head(self, path: str) -> None:
        """What stands at `path` is what the attested HEAD holds: from now on that is its legal state."""
        entry = self._record.get(path)
        st = self._tree.lstat(path)
        legal = None if st is None else self._read(path, st)
        if not self._heads.brought(path, legal, self._record):
            self._later[path] = self._clock()  # changed since it was compared: look again at once
            return
        if entry is not None:
            self._supersede(path, entry)
        self._heads.settled(path)
        self._pending.pop(path, None)
        if st is not None and legal is not None:
            self._set(path, legal)
            self._trust(path, st)
            self.touched.add(path)
            return
        self._forget(path)
        for directory in reversed(tuple(ancestors(path))):  # git takes empty folders with it
            if self._record.children(directory) or self._tree.lstat(directory) is not None:
                break
            self._forget(directory)
            self._pending.pop(directory, None)

    def _supersede(self, path: str, entry: Legal) -> None:
        """Bytes that only our record holds go to quarantine before the record forgets them."""
        if entry.kind is Kind.FILE and not self._heads.knows(path, entry, self._record):
            self._quarantine.preserve(path, entry, Reason.SUPERSEDED)

    # Time

    def tick(self) -> float | None:
        """Do what is due; gives the seconds until the next thing is, or None."""
        now = self._clock()
        for path in [path for path, due in self._later.items() if due <= now]:
            self.examine(path)
            if self._later.get(path, now + 1) <= now:  # not put off again
                del self._later[path]
        if self._pending:
            self.follow_head()
            for path in tuple(self._pending):
                self.examine(path)
        for path in [path for path, at in self._storms.items() if now - at > _STORM_WINDOW_SECONDS]:
            del self._storms[path]
        dues = [max(0.0, due - self._clock()) for due in self._later.values()]
        if self._pending:
            dues.append(_PENDING_POLL_SECONDS)
        return min(dues, default=None)

    @property
    def storming(self) -> tuple[str, ...]:
        """Paths whose reverts are held back to one a second."""
        return tuple(self._storms)

    @property
    def pending(self) -> tuple[str, ...]:
        """Paths that are not judged yet."""
        return tuple(self._pending)

    def after_downtime(self, work: Callable[[], None]) -> tuple[Change, ...]:
        """Run `work`; what it takes away is marked as written while no guardian ran, and listed."""
        self._reason, self.changes = Reason.DOWNTIME, []
        try:
            work()
            return tuple(self.changes)
        finally:
            self._reason, self.changes = Reason.VIOLATION, None

    def sanction(self, path: str, data: bytes) -> None:
        """Make these bytes the legal state of `path` and write them: a write that a recorded event sanctions.

        Raises:
            OSError: It cannot be written; the record is unchanged.
        """
        sha = hashlib.sha256(data).digest()
        self._record.keep_bytes(data, sha)
        st, entry = self._tree.lstat(path), self._record.get(path)
        if entry is not None:
            metadata = entry.metadata
        elif st is not None:
            metadata = metadata_of(st)
        else:
            above = os.fstat(self._tree.fd)
            metadata = Metadata(0o644, above.st_uid, above.st_gid, 0)
        legal = Legal(Kind.FILE, attrs.evolve(metadata, mtime_ns=time.time_ns()), len(data), sha)
        for directory in ancestors(path):
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, 0o755, dir_fd=self._tree.fd)
        if st is None:
            self._quarantine.put(path, legal)
        else:
            self._quarantine.restore(path, legal, st, "sanction", Reason.SUPERSEDED)
        self._set(path, legal)
        self._seen.pop(path, None)
        self.touched.add(path)


def _holds_any_file(tree: WorkTree, directory: str) -> bool:
    return any(
        not stat.S_ISDIR(st.st_mode) or _holds_any_file(tree, join(directory, name))
        for name, st in tree.names(directory)
    )
