"""Takes the audit trail into the event store, behind the back of the worker that writes it.

A revert never waits for the store: another process may hold it locked for as long as it likes. So the trail is written
first, a line with one `write(2)`, and comes into the store after that; a line that is there already is passed over.
"""

from __future__ import annotations

import contextlib
import errno
import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from kitty_guardian.errors import EventStoreError, GuardianBusyError, InvalidEventError
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.store import Write
from kitty_guardian.model.events import Event, Source
from kitty_guardian.watch.locking import holding
from kitty_guardian.watch.rescue import rescue_lock

_BATCH = 500
_RETRY_SECONDS = 1.0
_GATHERING_SECONDS = 0.2
_LOCK_SECONDS = 1.0


class Intake:
    """Takes in what one trail held when it was opened, and then what its own process writes; nothing else.

    Whoever else writes into the file puts nothing into the store.

    Args:
        trail: Its file; it need not exist.
        database: The event store's.
        stream: The stream of the work tree.

    Attributes:
        trouble: Why lines wait, or None.
        offered: Told that there is something.
    """

    def __init__(self, trail: Path, database: Path, stream: str) -> None:
        self._trail = trail
        self._database = database
        self._stream = stream
        self._waiting: deque[bytes] = deque()
        with contextlib.suppress(FileNotFoundError):
            self._waiting.extend(trail.read_bytes().split(b"\n"))
        self.trouble: str | None = None
        self.offered: Callable[[], None] = _nobody

    def offer(self, line: bytes) -> None:
        """A line was written."""
        self._waiting.append(line)
        self.offered()

    def take(self) -> bool:
        """Take in everything that waits; False where the store cannot be written now."""
        if not self._waiting:
            return True
        try:
            if not self._database.exists():
                raise FileNotFoundError(errno.ENOENT, "it is gone", str(self._database))  # its owner puts it back
            with holding(rescue_lock(self._database), timeout=_LOCK_SECONDS), SqliteEventStore(self._database) as store:
                while lines := list(islice(self._waiting, _BATCH)):
                    self._append(store, lines)
                    for _ in lines:
                        self._waiting.popleft()
        except GuardianBusyError:
            return False
        except (EventStoreError, OSError) as error:
            self.trouble = f"the event store cannot take in the audit trail: {error}"
            return False
        self.trouble = None
        return True

    def _append(self, store: SqliteEventStore, lines: Iterable[bytes]) -> None:
        fresh: dict[str, Event] = {}
        for line in lines:
            event = event_of(line)
            if event is not None and event.event_id not in fresh and not store.has(event.event_id):
                fresh[event.event_id] = event
        if not fresh:
            return
        try:
            store.commit([Write(self._stream, tuple(fresh.values()), None)])
        except InvalidEventError:
            for event in fresh.values():  # one that cannot be kept stays in the trail and holds up no other
                self._append_one(store, event)

    def _append_one(self, store: SqliteEventStore, event: Event) -> None:
        try:
            store.commit([Write(self._stream, [event], None)])
        except InvalidEventError as error:
            self.trouble = f"one line of the audit trail stays outside the event store: {error.message}"


def _nobody() -> None:
    """Nobody waits for it."""


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
