"""Takes the audit trail into the event store, behind the back of the worker that writes it.

A revert never waits for the store: another process may hold it locked for as long as it likes. So the trail is written
first, a line with one `write(2)`, and comes into the store from there; a line that is there already is passed over.
"""

from __future__ import annotations

import contextlib
import errno
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kitty_guardian.errors import EventStoreError, GuardianBusyError, InvalidEventError
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.store import Write
from kitty_guardian.model.events import Event, EventType, Source
from kitty_guardian.watch.locking import holding
from kitty_guardian.watch.rescue import rescue_lock

_BATCH = 500
_CHUNK = 1 << 20
_RETRY_SECONDS = 1.0
_GATHERING_SECONDS = 0.2
_LOCK_SECONDS = 1.0
_KNOWN = frozenset(EventType)


class Intake:
    """Follows one trail.

    Args:
        trail: Its file; it need not exist.
        database: The event store's.
        stream: The stream of the work tree.

    Attributes:
        trouble: Why lines wait, or None.
    """

    def __init__(self, trail: Path, database: Path, stream: str) -> None:
        self._trail = trail
        self._database = database
        self._stream = stream
        self._place = (0, 0)  # inode, offset
        self.trouble: str | None = None

    def take(self) -> bool:
        """Take in everything the trail holds beyond what was taken; False where the store cannot be written now."""
        try:
            if not self._database.exists():
                raise FileNotFoundError(errno.ENOENT, "it is gone", str(self._database))  # its owner puts it back
            with holding(rescue_lock(self._database), timeout=_LOCK_SECONDS), SqliteEventStore(self._database) as store:
                self._take(store)
        except GuardianBusyError:
            return False
        except (EventStoreError, OSError) as error:
            self.trouble = f"the event store cannot take in the audit trail: {error}"
            return False
        self.trouble = None
        return True

    def take_from(self, lines: bytes) -> None:
        """Take in lines whose file is gone.

        Args:
            lines: The whole of it.
        """
        with contextlib.suppress(EventStoreError, OSError), SqliteEventStore(self._database) as store:
            self._append(store, lines.split(b"\n"))

    def _take(self, store: SqliteEventStore) -> None:
        try:
            file = self._trail.open("rb")
        except FileNotFoundError:
            return
        with file:
            inode, offset = self._place
            standing = self._trail.stat()
            if inode != standing.st_ino or offset > standing.st_size:
                offset = 0  # another file stands there: what of it is known is passed over
            file.seek(offset)
            waiting = b""
            while chunk := file.read(_CHUNK):
                *whole, waiting = (waiting + chunk).split(b"\n")
                self._append(store, whole)
                offset += sum(len(line) + 1 for line in whole)
                self._place = (standing.st_ino, offset)

    def _append(self, store: SqliteEventStore, lines: Iterable[bytes]) -> None:
        fresh: dict[str, Event] = {}
        for line in lines:
            event = event_of(line)
            if event is not None and event.event_id not in fresh and not store.has(event.event_id):
                fresh[event.event_id] = event
        events = tuple(fresh.values())
        for begin in range(0, len(events), _BATCH):
            batch = events[begin : begin + _BATCH]
            try:
                store.commit([Write(self._stream, batch, None)])
            except InvalidEventError:
                for event in batch:  # one that cannot be kept stays in the trail and holds up no other
                    self._append_one(store, event)

    def _append_one(self, store: SqliteEventStore, event: Event) -> None:
        try:
            store.commit([Write(self._stream, [event], None)])
        except InvalidEventError as error:
            self.trouble = f"one line of the audit trail stays outside the event store: {error.message}"


class IntakeThread(threading.Thread):
    """Takes in whenever it is told that there is something.

    Args:
        intake: What it runs.
    """

    def __init__(self, intake: Intake) -> None:
        super().__init__(name="intake", daemon=True)
        self._intake = intake
        self._wake = threading.Event()
        self._end = threading.Event()

    def tell(self) -> None:
        """There is something."""
        self._wake.set()

    def run(self) -> None:
        """Work until ended."""
        while not self._end.is_set():
            self._wake.wait()
            self._end.wait(_GATHERING_SECONDS)  # a burst of reverts is one append, after it
            self._wake.clear()
            while not self._intake.take() and not self._end.is_set():
                self._end.wait(_RETRY_SECONDS)

    def finish(self) -> None:
        """Take in what is left, and end."""
        self._end.set()
        self._wake.set()
        self.join(timeout=10.0)


def event_of(line: bytes) -> Event | None:
    """The event that a line of the trail is; None for a blank, torn or foreign one."""
    try:
        fields = json.loads(line)
        return Event(
            str(fields["event_type"]),
            dict(fields["payload"]),
            event_id=str(fields["event_id"]),
            at=_time(fields["at"]),
            metadata={"source": str(Source.GUARDIAN)},
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def line_of(event: Event) -> Mapping[str, Any]:
    """An event of the store as the trail would have it."""
    return {
        "schema": "spec-kitty/log/1",
        "event_id": event.event_id,
        "event_type": event.event_type,
        "at": event.at.isoformat(timespec="milliseconds"),
        "payload": dict(event.payload),
    }


def events_of(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events in lines of a trail."""
    return (event for event in map(event_of, lines) if event is not None)


def _time(text: object) -> datetime:
    found = datetime.fromisoformat(str(text))
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
