"""The audit trail for readers: what the event store holds of a work tree, and the lines it has not taken in yet."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kitty_guardian.errors import EventStoreError
from kitty_guardian.model.events import EventType, audit_stream
from kitty_guardian.project.repository import Worktree
from kitty_guardian.watch.intake import events_of, line_of

_POLL_SECONDS = 0.2


def read_trail(worktree: Worktree, *, follow: bool = False) -> Iterator[Mapping[str, Any]]:
    """The events of a work tree's audit trail, oldest first; with `follow` it goes on waiting for more.

    Where the store cannot be read, it is what the guardian wrote itself, without what commands recorded.
    """
    reader = _Reader(worktree)
    while True:
        yield from reader.fresh()
        if not follow:
            return
        time.sleep(_POLL_SECONDS)


def count_violations(worktree: Worktree) -> int:
    """How many violations the trail of a work tree holds."""
    return sum(event["event_type"] == EventType.VIOLATION for event in read_trail(worktree))


class _Reader:
    """Reads both places, each from where it stopped."""

    def __init__(self, worktree: Worktree) -> None:
        self._store = Path(worktree.state.events)
        self._stream = audit_stream(worktree.name)
        self._trail = Path(worktree.state.guardian.violations)
        self._version = 0
        self._place = (0, 0)  # inode, offset
        self._seen: set[str] = set()

    def fresh(self) -> Iterator[Mapping[str, Any]]:
        """What has come since the last time."""
        found = [*self._stored(), *self._waiting()]
        # Ids grow, so they tell how what is in the store and what is not in it yet follow each other.
        for line in sorted(found, key=lambda line: str(line["event_id"])):
            if line["event_id"] not in self._seen:
                self._seen.add(line["event_id"])
                yield line

    def _stored(self) -> Iterator[Mapping[str, Any]]:
        if not self._store.exists():
            return
        from kitty_guardian.events.sqlite import SqliteEventStore

        with contextlib.suppress(EventStoreError), SqliteEventStore(self._store, read_only=True) as store:
            for event in store.read(self._stream, since=self._version):
                self._version = event.version + 1
                yield line_of(event)

    def _waiting(self) -> Iterator[Mapping[str, Any]]:
        with contextlib.suppress(FileNotFoundError), self._trail.open("rb") as file:
            inode = self._trail.stat().st_ino
            file.seek(self._place[1] if self._place[0] == inode else 0)
            whole, _, torn = file.read().rpartition(b"\n")
            self._place = (inode, file.tell() - len(torn))
            yield from map(line_of, events_of(whole.split(b"\n")))
