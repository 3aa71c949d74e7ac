"""The guardian's own files, kept in place: whoever removes or exchanges them gets them back, and that is recorded."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from kitty_guardian.errors import EventStoreError, GuardianBusyError
from kitty_guardian.model.events import EventType
from kitty_guardian.project.pins import Adoption, AdoptionError
from kitty_guardian.project.repository import Worktree
from kitty_guardian.watch.audit import AuditTrail
from kitty_guardian.watch.quarantine import Quarantine
from kitty_guardian.watch.record import LegalRecord
from kitty_guardian.watch.reserve import Reserve
from kitty_guardian.watch.standings import Standings
from kitty_guardian.watch.tree import WorkTree


class Upkeep:
    """Looks whenever it is asked to.

    Args:
        worktree: The guarded work tree.
        tree: The same, held open.
        record: The legal record.
        quarantine: What was taken away.
        audit: The trail.
        standings: The event store.
        reserve: Disk space kept back for reverts.
        adoption: What the work tree is bound to; never changed while a guardian runs.
        keep_content: Keeps legal bytes anew whose pack was cut.
    """

    def __init__(  # noqa: PLR0913 - one for each file that is kept
        self,
        *,
        worktree: Worktree,
        tree: WorkTree,
        record: LegalRecord,
        quarantine: Quarantine,
        audit: AuditTrail,
        standings: Standings,
        reserve: Reserve,
        adoption: Adoption,
        keep_content: Callable[[], None],
    ) -> None:
        self._worktree = worktree
        self._tree = tree
        self._record = record
        self._held = (record, quarantine, audit)
        self._audit = audit
        self._standings = standings
        self._reserve = reserve
        self._adoption = adoption
        self._keep_content = keep_content
        self._homeless = False

    def keep_in_place(self) -> None:
        """Put everything back that somebody removed or exchanged, and record that.

        Raises:
            OSError: It cannot be put back (the git directory is gone, say).
        """
        whole = self._record.is_whole()
        in_place = whole and all(each.is_in_place() for each in self._held) and self._adoption_is_in_place()
        if in_place and self._standings.is_in_place():
            self._standings.drop_anchor()
            return
        if not self.is_housed():
            self._tell_homeless()
            raise FileNotFoundError(errno.ENOENT, "the git directory is gone", os.fspath(self._worktree.git_dir))
        self._homeless = False
        if not in_place:
            self._put_back(whole=whole)
        if not self._standings.is_in_place():
            self._put_store_back()

    def _put_back(self, *, whole: bool) -> None:
        for each in self._held:
            if not each.is_in_place():
                each.write_anew()
        if not whole:
            self._keep_content()
        self._adoption.write(self._worktree.state.guardian.adoption)
        self._reserve.fill()
        directory = Path(self._worktree.state.guardian.directory)
        reason = "the guardian's own files were removed or exchanged"
        self._tell(directory, "always:guardian-state", "restored", reason)

    def _put_store_back(self) -> None:
        path = Path(self._worktree.state.events)
        try:
            aside = self._standings.put_back()
        except GuardianBusyError:
            return  # in a second again
        except EventStoreError as error:
            self.tell_of_store("unresolved", error.message)
            return
        what = "removed" if aside is None else f"exchanged; what stood in its place is {aside}"
        self.tell_of_store("restored", f"the event store `{path}` was {what}")

    def _tell_homeless(self) -> None:
        if not self._homeless:
            self._homeless = True
            self._tell(self._worktree.git_dir, "always:git-directory", "unresolved", "the git directory is gone")

    def is_housed(self) -> bool:
        """Whether the work tree is where it was and has its git directory; that is git's to make, never ours."""
        return (self._worktree.git_dir / "HEAD").exists() and self.is_at_its_place()

    def is_gone(self) -> bool:
        """Whether both the work tree and its git directory are no more: `git worktree remove`, say."""
        return not self._worktree.root.exists() and not (self._worktree.git_dir / "HEAD").exists()

    def is_at_its_place(self) -> bool:
        """Whether the tree that is held open is the one that stands in the work tree's place."""
        try:
            return os.fstat(self._tree.fd).st_ino == self._worktree.root.stat().st_ino
        except OSError:
            return False

    def tell_of_store(self, action: str, reason: str) -> None:
        """Record what became of the event store."""
        self._tell(Path(self._worktree.state.events), "always:event-store", action, reason)

    def _tell(self, path: Path, rule: str, action: str, reason: str) -> None:
        self._audit.append(
            EventType.VIOLATION,
            {
                "path": os.fspath(path), "phase": None, "rule": rule, "operation": "delete", "action": action,
                "layer": "watcher", "quarantine_id": None, "reason": reason,
            },
        )  # fmt: skip

    def _adoption_is_in_place(self) -> bool:
        try:
            return Adoption.read(self._worktree.state.guardian.adoption) == self._adoption
        except AdoptionError:
            return False
