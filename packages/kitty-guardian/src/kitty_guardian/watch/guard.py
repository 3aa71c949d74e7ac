"""The guard: compares the work tree with the legal record and makes it legal again (enforcement model, section 3).

It has no threads and no clock of its own: whoever owns it calls `examine` for paths that may have changed, `scan` for
everything, and `tick` for what is due. Events are hints; the truth is always a comparison.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable

import attrs

from kitty_guardian.commits.changes import Change as HeadChange
from kitty_guardian.model.decisions import Decision
from kitty_guardian.rules.policy import Mode
from kitty_guardian.rules.situation import Situation
from kitty_guardian.watch.audit import AuditTrail
from kitty_guardian.watch.baseline import Baseline
from kitty_guardian.watch.claims import Claim
from kitty_guardian.watch.exemptions import Content, Exemptions
from kitty_guardian.watch.gitwork import GitWork
from kitty_guardian.watch.heads import Heads
from kitty_guardian.watch.quarantine import Quarantine, Reason
from kitty_guardian.watch.record import Legal, LegalRecord
from kitty_guardian.watch.remedy import UNREADABLE, Remedy
from kitty_guardian.watch.reserve import Reserve
from kitty_guardian.watch.tree import Kind, WorkTree, ancestors, digest, join, kind_of, metadata_of, signature_of
from kitty_guardian.watch.violations import Action, Change, Operation
from kitty_guardian.watch.waiting import Waiting

_PENDING_POLL_SECONDS = 0.05
_MOST_ABOVE = 4096
_EMPTY_DIRECTORY_SECONDS = 0.15
_CLAIM_AGAIN_SECONDS = 0.05


class Guard:
    """Holds one work tree to its legal record.

    Attributes:
        situation: What is protected now.
        exemptions: What the rules leave alone.
        brought: Told what an attested HEAD changed, once that is in the legal record.

    Args:
        tree: The work tree.
        record: The legal record.
        quarantine: Where what was written goes.
        audit: Where events go.
        heads: HEAD, what it holds and what it ignores.
        git: Whether git is at work.
        reserve: Disk space kept back for reverts.
        situation: What is protected now.
        claim: Asked about what stands against the record, before it is undone.
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
        claim: Callable[[str, os.stat_result | None, Legal | None], Claim],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.situation = situation
        self.exemptions = Exemptions(tree, heads)
        self._tree = tree
        self._record = record
        self._heads = heads
        self._clock = clock
        self._claim = claim
        self._from_head = False
        self.brought: Callable[[Iterable[HeadChange]], None] = _nobody
        self._meanwhile: Callable[[], None] | None = None
        self._compared: set[str] = set()  # directories, since the last news
        self._open: set[str] = set()  # directories above what news came of, since the last news
        self._above: tuple[Situation, dict[str, Decision]] = (situation, {})
        unresolved: dict[str, str] = {}
        self._baseline = Baseline(tree, record, unresolved)
        self._waiting = Waiting(tree, record, git, heads, clock)
        self._remedy = Remedy(
            tree=tree, record=record, quarantine=quarantine, audit=audit, reserve=reserve, baseline=self._baseline,
            clock=clock, unresolved=unresolved,
        )  # fmt: skip

    # How it stands

    @property
    def touched(self) -> set[str]:
        """Paths whose disk state was changed and is to be made durable; whoever does that empties it."""
        return self._remedy.touched

    @property
    def pending(self) -> tuple[str, ...]:
        """Paths that are not judged yet."""
        return tuple(self._waiting.since)

    @property
    def git_trouble(self) -> str | None:
        """Why git cannot be asked, or None."""
        return self._waiting.git_trouble

    @property
    def storming(self) -> tuple[str, ...]:
        """Paths whose reverts are held back to one a second."""
        return self._remedy.storming

    @property
    def unresolved(self) -> dict[str, str]:
        """Paths that are not, or could not be, held, with the reason."""
        return self._remedy.unresolved

    # Adoption: the state in which a path becomes protected is its baseline

    def preserve_what_differs(self) -> None:
        """Before everything is adopted as it stands: legal bytes that only the record still has go to quarantine."""
        for path in self._record.paths():
            entry, st = self._record.get(path), self._tree.lstat(path)
            if entry is not None and (st is None or not self._baseline.holds(path, entry, st)):
                self._supersede(path, entry)

    def keep_content_anew(self) -> None:
        """The pack of legal bytes was cut: what still stands as it must be is kept again."""
        self._record.forget_content()
        for path in self._record.paths():
            st = self._tree.lstat(path)
            if st is not None:
                self._baseline.read(path, st)

    def adopt(self, previous: Situation | None, *, from_head: bool = False) -> None:
        """Record every path that is protected now and was not before.

        Args:
            previous: What was protected until now: what is not recorded although it was protected must be absent.
                None at the first adoption.
            from_head: Take for legal what HEAD holds, not what stands there: it was clean when it was closed, and what
                differs since then came too late.
        """
        self._from_head = from_head
        self._record.begin()
        for path in self._record.paths():
            entry = self._record.get(path)
            if entry is not None and entry.protected and self.situation.judge(path).allowed:
                self._baseline.forget(path)
        self.exemptions.known.clear()
        nested = set(self.exemptions.boundaries)
        self._adopt_below("", previous, nested)
        if from_head:
            self._adopt_missing(previous)
        self.exemptions.boundaries = frozenset(nested)
        self._record.commit()

    def _adopt_below(self, directory: str, previous: Situation | None, nested: set[str]) -> None:
        for name, st in self._tree.names(directory):
            path = join(directory, name)
            is_directory = stat.S_ISDIR(st.st_mode)
            denied = not _judge(self.situation, path, directory=is_directory).allowed
            held = denied or (is_directory and self.situation.may_hold(path))
            if not held or self.exemptions.is_elsewhere(path):
                continue
            came_before = previous is None or _judge(previous, path, directory=is_directory).allowed
            if is_directory and self.exemptions.is_repository(path):
                if came_before:
                    nested.add(path)  # another repository that was here before us is not our business
                continue
            if denied and path not in self._record:
                # What came while it was protected is not adopted: the next scan takes it.
                exempt = self.exemptions.is_exempt(path, self.situation, directory=is_directory)
                if exempt or not came_before or not self._capture(path, st):
                    continue
            if is_directory:
                self._adopt_below(path, previous, nested)

    def _capture(self, path: str, st: os.stat_result) -> bool:
        """Record what is legal at `path` from now on; False for what cannot be recorded, or came too late."""
        if not self._from_head:
            return self._baseline.capture(path, st)
        if stat.S_ISDIR(st.st_mode):
            return self._heads.tracks(path) and self._baseline.capture(path, st)
        if self._heads.has_now(path, st, self._tree):
            return self._baseline.capture(path, st)
        legal = self._heads.state_at(path, self._record, metadata_of(st))
        if legal is not None:
            self._baseline.set(path, legal)
        return legal is not None

    def _adopt_missing(self, previous: Situation | None) -> None:
        """What HEAD holds and does not stand there any more is legal, too: it comes back."""
        for path in self._heads.tracked():
            was_open = previous is None or previous.judge(path).allowed
            if was_open and path not in self._record and not self.situation.judge(path).allowed:
                legal = self._heads.state_at(path, self._record, self._baseline.metadata_for_new())
                if legal is not None and self._tree.lstat(path) is None:
                    self._baseline.set(path, legal)

    # Comparison

    def hear(self) -> None:
        """News came: whatever was compared before may have changed since."""
        self._compared.clear()
        self._open.clear()

    def follow_news(self, path: str) -> None:
        """As `examine`, unless the path's directory was compared since the news of it came: then it is legal already.

        Without that, a chain of new directories would be compared once for each of them.
        """
        if path.rpartition("/")[0] not in self._compared:
            self._examine(path, self._open)

    def examine(self, path: str) -> None:
        """Make `path` legal, beginning with the topmost directory above it that is not as it must be."""
        self._examine(path, set())

    def _examine(self, path: str, open_above: set[str]) -> None:
        """As `examine`; directories in `open_above` were found to be as they must be a moment ago, more are added."""
        for directory in ancestors(path):
            if directory in open_above:
                continue
            if self.exemptions.is_elsewhere(directory):
                return
            st = self._tree.lstat(directory)
            if st is None or not stat.S_ISDIR(st.st_mode):
                self._settle(directory, st)
                return
            if directory not in self._record:
                decision = self._judge_above(directory)
                if self.exemptions.is_other_repository(directory, decision):
                    return
                if not decision.allowed and not self._heads.expects_below(directory):
                    if not self._is_one_more_exempt(path, directory):
                        self._settle(directory, st)
                    return
            open_above.add(directory)
        if not self.exemptions.is_elsewhere(path):
            self._settle(path, self._tree.lstat(path))

    def _judge_above(self, directory: str) -> Decision:
        """The decision about a directory that news came from below of: asked again for everything in it."""
        if self._above[0] is not self.situation or len(self._above[1]) > _MOST_ABOVE:
            self._above = (self.situation, {})
        known = self._above[1]
        if (decision := known.get(directory)) is None:
            decision = known[directory] = _judge(self.situation, directory, directory=True)
        return decision

    def _is_one_more_exempt(self, path: str, directory: str) -> bool:
        """Whether a path in a directory that holds only what is exempt is exempt itself: then nothing else is asked."""
        if directory not in self.exemptions.known:
            return False
        st = self._tree.lstat(path)
        if st is None or self.exemptions.is_exempt(path, self.situation, directory=stat.S_ISDIR(st.st_mode)):
            return True
        self.exemptions.known.discard(directory)
        return False

    def scan(self, *, meanwhile: Callable[[], None] | None = None) -> None:
        """Make the whole tree legal.

        Args:
            meanwhile: Called between directories: whoever has news of a path need not wait for the whole tree.
        """
        self._meanwhile = meanwhile
        try:
            self._settle_children("")
        finally:
            self._meanwhile = None

    def doubt(self, size: int) -> None:
        """Have the next scan read about `size` bytes of unchanged-looking files again, each file in its turn."""
        self._baseline.doubt(size)

    def _settle(self, path: str, st: os.stat_result | None) -> None:
        entry = self._record.get(path)
        if entry is None:
            if st is None:
                self._waiting.end(path)
                self._remedy.settled(path)
            else:
                self._settle_unrecorded(path, st)
        elif st is None:
            if self._heads.holds(path, None, self._tree):
                self._accept_head(path)
            else:
                self._deal(path, entry, None, Operation.DELETE)
        elif entry.kind is Kind.DIRECTORY:
            self._settle_directory(path, entry, st)
        elif self._baseline.is_unchanged(path, st):
            self._waiting.end(path)
            self._remedy.settled(path)
        else:
            self._settle_content(path, entry, st)

    def _settle_children(self, directory: str) -> None:
        if (meanwhile := self._meanwhile) is not None:
            self._meanwhile = None  # not again from within
            meanwhile()
            self._meanwhile = meanwhile
        standing = set()
        for name, st in self._names(directory):
            path = join(directory, name)
            standing.add(path)
            if not self.exemptions.is_elsewhere(path):
                self._settle(path, st)
        for path in self._record.children(directory):
            if path not in standing:
                self._settle(path, self._tree.lstat(path))
        self._compared.add(directory)

    def _names(self, directory: str) -> list[tuple[str, os.stat_result]]:
        """What stands in a directory; one that was closed against its owner is opened, for nothing may hide in it."""
        try:
            return self._tree.names(directory, strict=True)
        except PermissionError:
            self._remedy.open_up(directory, self.situation.judge(directory))
            return self._tree.names(directory)

    def _settle_unrecorded(self, path: str, st: os.stat_result) -> None:
        is_directory = stat.S_ISDIR(st.st_mode)
        decision = _judge(self.situation, path, directory=is_directory)
        if decision.allowed:
            if is_directory and self.situation.may_hold(path) and not self.exemptions.is_repository(path):
                self._settle_children(path)
        elif is_directory and self.situation.is_transient(path):
            self._settle_children(path)  # such a folder may stand; what hides in it is judged by itself
        elif self.exemptions.is_exempt(path, self.situation, directory=is_directory):
            return
        elif self._heads.holds(path, st, self._tree):
            self._accept_head(path)
        elif is_directory and self._heads.expects_below(path):
            self._settle_children(path)
        elif not is_directory or not self._may_stand(path):
            self._deal(path, None, st, Operation.CREATE)

    def _may_stand(self, directory: str) -> bool:
        """Whether a new directory in a blocked place is left alone, for good or for a moment.

        Without any file in it, it holds no byte: it is judged a little later, when its purpose shows.
        """
        content = self.exemptions.content_of(directory, self.situation)
        if content is not Content.NOTHING:
            return content is Content.EXEMPT
        now = self._clock()
        if now < self._remedy.later.setdefault(directory, now + _EMPTY_DIRECTORY_SECONDS):
            return True
        del self._remedy.later[directory]
        return False

    def _settle_directory(self, path: str, entry: Legal, st: os.stat_result) -> None:
        if not stat.S_ISDIR(st.st_mode):
            self._deal(path, entry, st, Operation.REPLACE)
        elif entry.protected and stat.S_IMODE(st.st_mode) != entry.metadata.mode:
            self._settle_directory_mode(path, entry, st)
        now = self._tree.lstat(path)
        if now is not None and stat.S_ISDIR(now.st_mode):
            self._settle_children(path)

    def _settle_directory_mode(self, path: str, entry: Legal, st: os.stat_result) -> None:
        decision = self.situation.judge(path)
        if self._baseline.is_made_anew(path, st):  # by git, say: not a chmod
            self._baseline.trust(path, st)
            self._record.put(path, attrs.evolve(entry, metadata=metadata_of(st)))
        elif self.situation.policy.mode is Mode.OBSERVE:
            self._remedy.observe(path, st, Operation.CHMOD, decision)
        else:
            self._remedy.give_mode(path, entry.metadata.mode, decision)

    def _settle_content(self, path: str, entry: Legal, st: os.stat_result) -> None:
        if kind_of(st.st_mode) is not entry.kind:
            self._deal(path, entry, st, Operation.REPLACE)
            return
        same = self._is_same(path, entry)
        if same is None:
            return  # gone or replaced meanwhile: its own event follows
        if same and (entry.kind is Kind.SYMLINK or self._baseline.accept_mode(path, entry, st)):
            self._baseline.trust(path, st)
            self._waiting.end(path)
            self._remedy.settled(path)
        elif not same and self._heads.holds(path, st, self._tree):
            self._accept_head(path)
        else:
            self._deal(path, entry, st, Operation.CHMOD if same else Operation.WRITE)

    def _is_same(self, path: str, entry: Legal) -> bool | None:
        """Whether a file or link has the recorded bytes; None if it cannot be told now."""
        try:
            if entry.kind is Kind.SYMLINK:
                return self._tree.readlink(path) == entry.target
            with self._tree.open_file(path) as fd:
                before = os.fstat(fd)
                same = before.st_size == entry.size and digest(fd) == entry.sha256
                return same and signature_of(os.fstat(fd)) == signature_of(before)  # else it is being written right now
        except OSError as error:
            # Made unreadable: whatever it holds now, it is not as it was.
            return False if error.errno in UNREADABLE else None

    def _deal(self, path: str, entry: Legal | None, st: os.stat_result | None, operation: Operation) -> None:
        """What is not legal: sanctioned by an event, observed, left for git to finish, or made legal."""
        if operation is not Operation.CHMOD and self._is_claimed(path, entry, st):
            return
        decision = self.situation.judge(path)
        if decision.allowed and entry is not None and not entry.protected:
            decision = self._decision_below(path, decision)
        if self.situation.policy.mode is Mode.OBSERVE:
            self._remedy.observe(path, st, operation, decision)
            return
        # Permission bits of a standing file are no git's work: git makes files anew.
        if operation is not Operation.CHMOD and self._waiting.holds_back(path, st, self.situation.judge):
            if self._waiting.is_long(path):
                self._remedy.report(path, operation, Action.PENDING, decision, None)
            return
        if self._remedy.apply(path, entry, st, operation, decision):
            self._waiting.end(path)
            if entry is not None and entry.kind is Kind.DIRECTORY and operation is Operation.DELETE:
                self._settle_children(path)

    def _is_claimed(self, path: str, entry: Legal | None, st: os.stat_result | None) -> bool:
        """Whether an event speaks for what stands at `path`; then it has been dealt with."""
        match self._claim(path, st, entry):
            case Claim.NONE:
                return False
            case Claim.LEGAL:
                if st is None or not self._baseline.capture(path, st):
                    return False
                self._waiting.end(path)
                self._remedy.settled(path)
            case Claim.ANEW:
                self._settle(path, self._tree.lstat(path))
            case Claim.LATER:
                self._remedy.later[path] = self._clock() + _CLAIM_AGAIN_SECONDS
        return True

    def _decision_below(self, path: str, decision: Decision) -> Decision:
        """A neutral directory that must be there for what lies below it: the reason is the first such path."""
        for child in self._record.children(path):
            below = self.situation.judge(child)
            found = below if not below.allowed else self._decision_below(child, below)
            if not found.allowed:
                return found
        return decision

    # HEAD

    def follow_head(self) -> None:
        """Judge a HEAD that moved; what an attested one holds becomes the legal state of the paths it changed."""
        self._waiting.ask_git(self._follow_head)

    def _follow_head(self) -> None:
        moved = self._heads.follow(decide=self.situation.judge, record=self._record)
        if moved is None:
            return
        self.exemptions.known.clear()
        if not moved.refusals:
            rules = [change.path for change in moved.changes if change.path.rpartition("/")[2] == ".gitignore"]
            self._remedy.report_head(moved.head, judged=moved.judged, vouched=moved.vouched, ignore_rules=rules)
        for refusal in moved.refusals:
            self._remedy.report(
                refusal.change.path, Operation.COMMIT, Action.UNATTESTED, refusal.decision, None, commit=refusal.commit
            )
        for change in moved.changes:
            if self._heads.leaves_behind(change):
                self.exemptions.boundaries |= {change.path}
            elif not self.situation.judge(change.path).allowed:
                self._follow_change(change.path)
        self._heads.confirm()
        if moved.changes:
            self.brought(moved.changes)
        for path in (*(change.path for change in moved.changes), *self._waiting.since):
            self.examine(path)

    def _follow_change(self, path: str) -> None:
        """HEAD, attested, changed a protected path: its content is legal once it stands there."""
        entry, st = self._record.get(path), self._tree.lstat(path)
        if self._heads.holds(path, st, self._tree):
            self._accept_head(path)
            return
        stands = entry is not None and st is not None and self._baseline.holds(path, entry, st)
        if stands or (entry is None and st is None):
            return  # the old legal state is still in place; the new one may come
        # Neither the old nor the new legal state stands there: what HEAD holds is what comes back.
        like = self._baseline.metadata_for_new() if entry is None else entry.metadata
        legal = self._heads.legal_state(path, self._record, like)
        if legal is None and self._heads.expects(path):
            return  # its object is damaged: what was legal stays
        self._supersede(path, entry)
        self._heads.settled(path)
        if legal is None:
            self._baseline.forget(path)
        else:
            self._baseline.set(path, legal)

    def _accept_head(self, path: str) -> None:
        """What stands at `path` is what the attested HEAD holds: from now on that is its legal state."""
        st = self._tree.lstat(path)
        legal = None if st is None else self._baseline.read(path, st)
        if not self._heads.brought(path, legal, self._record):
            self._remedy.later[path] = self._clock()  # changed since it was compared: look again at once
            return
        self._supersede(path, self._record.get(path))
        self._heads.settled(path)
        self._waiting.end(path)
        if st is not None and legal is not None:
            self._baseline.set(path, legal)
            self._baseline.trust(path, st)
            self.touched.add(path)
            return
        self._baseline.forget(path)
        for directory in reversed(tuple(ancestors(path))):  # git takes empty folders with it
            if self._record.children(directory) or self._tree.lstat(directory) is not None:
                break
            self._baseline.forget(directory)
            self._waiting.end(directory)

    def _supersede(self, path: str, entry: Legal | None) -> None:
        if entry is not None:
            known = entry.kind is Kind.FILE and self._heads.knows(path, entry, self._record)
            self._remedy.supersede(path, entry, known_to_git=known)

    # Time and sanctioned writes

    def tick(self) -> float | None:
        """Do what is due; gives the seconds until the next thing is, or None."""
        now, later = self._clock(), self._remedy.later
        for path in [path for path, due in later.items() if due <= now]:
            self.examine(path)
            if later.get(path, now + 1) <= now:  # not put off again
                del later[path]
        if self._waiting.since:
            self.follow_head()
            for path in self.pending:
                self.examine(path)
        self._remedy.calm()
        dues = [max(0.0, due - self._clock()) for due in later.values()]
        if self._waiting.since:
            dues.append(_PENDING_POLL_SECONDS)
        return min(dues, default=None)

    def after_downtime(self, work: Callable[[], None]) -> tuple[Change, ...]:
        """Run `work`; what it takes away is marked as written while no guardian ran, and listed."""
        self._remedy.reason, self._remedy.changes = Reason.DOWNTIME, []
        try:
            work()
            return tuple(self._remedy.changes)
        finally:
            self._remedy.reason, self._remedy.changes = Reason.VIOLATION, None

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
        else:
            metadata = self._baseline.metadata_for_new() if st is None else metadata_of(st)
        legal = Legal(Kind.FILE, attrs.evolve(metadata, mtime_ns=time.time_ns()), len(data), sha)
        for directory in ancestors(path):
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, 0o755, dir_fd=self._tree.fd)
        self._remedy.sanction(path, legal)
        self._baseline.set(path, legal)
        self._baseline.distrust(path)


def _nobody(_changes: Iterable[HeadChange]) -> None:
    """Nobody wants to know what HEAD brought."""


def _judge(situation: Situation, path: str, *, directory: bool) -> Decision:
    """The decision about a file or a directory; the slash keeps strict mode from blocking a place for files."""
    return situation.judge(path + "/" if directory else path)
