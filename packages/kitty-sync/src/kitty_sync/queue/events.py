"""Queues of events that wait for their server. Nothing is ever evicted, and a row goes only once it was delivered."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, Self

import attrs

from kitty_paths import StateRoot, Surface
from kitty_sync.errors import EventConflictError, InvalidEventError
from kitty_sync.queue.record import active_queue
from kitty_sync.queue.schema import check_schema, is_blank, open_queue
from kitty_sync.storage.databases import PATIENCE, read, transaction

BATCH: Final = 1_000
"""Events a server takes at once."""


class Verdict(StrEnum):
    """What a server said about one event."""

    SUCCESS = "success"
    DUPLICATE = "duplicate"
    PENDING = "pending"
    REJECTED = "rejected"
    TRANSIENT = "failed_transient"

    @classmethod
    def of(cls, word: object) -> Self:
        """Give the verdict that a server's word means; a word nobody knows settles nothing."""
        delivered = {"accepted": cls.SUCCESS, "warning": cls.SUCCESS, "queued": cls.PENDING}
        if isinstance(word, str):
            if word in delivered:
                return delivered[word]
            if word in list(cls):
                return cls(word)
        return cls.TRANSIENT

    @property
    def is_delivered(self) -> bool:
        """Whether the server has the event: only then may its row go."""
        return self in {Verdict.SUCCESS, Verdict.DUPLICATE}


@attrs.frozen
class Event:
    """One event to queue.

    Attributes:
        event_id: Its name for ever: one id has one content.
        event_type: Such as `WPStatusChanged`.
        data: The whole envelope, as it will be sent.
    """

    event_id: str
    event_type: str
    data: Mapping[str, Any] = attrs.field(repr=False)

    @classmethod
    def from_envelope(cls, envelope: Mapping[str, Any]) -> Self:
        """Give the event an envelope is about.

        Raises:
            InvalidEventError: It lacks an id or a type.
        """
        return cls(envelope.get("event_id", ""), envelope.get("event_type", ""), envelope)

    def text(self) -> str:
        """Give the envelope as JSON.

        Raises:
            InvalidEventError: The id or the type is missing, the envelope names another, or it is no JSON.
        """
        for name, value in (("event_id", self.event_id), ("event_type", self.event_type)):
            if not _is_name(value):
                raise InvalidEventError(f"an event needs `{name}`, a text that is not blank")
            if self.data.get(name, value) != value:
                raise InvalidEventError(f"the event {self.event_id} has another `{name}` in its envelope")
        try:
            # Numbers that JSON does not have (NaN) would make the row unreadable to everybody else.
            return json.dumps(dict(self.data), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidEventError(f"the event {self.event_id} is no JSON: {error}") from None


@attrs.frozen
class QueuedEvent:
    """One row of a queue.

    Attributes:
        id: The row's number.
        event_id: The event's id.
        event_type: The event's type.
        text: The whole envelope, JSON.
        timestamp: When it was queued, in seconds since 1970; never less than the row's before it.
        retry_count: How often a server refused it.
    """

    id: int
    event_id: str
    event_type: str
    text: str = attrs.field(repr=False)
    timestamp: int
    retry_count: int

    @property
    def data(self) -> dict[str, Any]:
        """The envelope.

        Raises:
            InvalidEventError: Another program queued something that is no JSON object.
        """
        try:
            envelope = json.loads(self.text)
        except (ValueError, RecursionError):
            envelope = None
        if not isinstance(envelope, dict):
            raise InvalidEventError(f"the queued event {self.event_id} is no JSON object")
        return envelope


@attrs.frozen
class Appended:
    """What became of events that were handed to a queue.

    Attributes:
        added: How many are new.
        duplicates: How many were there already, with the same content.
    """

    added: int
    duplicates: int


@attrs.frozen
class Settled:
    """What a server's answer did to a queue.

    Attributes:
        deleted: Rows that were delivered and are gone.
        kept: Rows that stay.
        unknown: Ids that were answered, but are not queued.
    """

    deleted: int
    kept: int
    unknown: int


def _seconds() -> int:
    return int(time.time())


class EventQueue:
    """One queue of one root.

    Args:
        root: The root.
        surface: The queue's database, below that root.
        now: Tells the time in seconds since 1970.
        patience: Seconds to wait for other writers.
    """

    def __init__(
        self, root: StateRoot, surface: Surface, *, now: Callable[[], int] = _seconds, patience: float = PATIENCE
    ) -> None:
        self._root = root
        self._now = now
        self._patience = patience
        self.surface = surface

    @classmethod
    def active(cls, root: StateRoot) -> Self:
        """Give the queue new events go to now; creates nothing.

        Raises:
            StateError: The record of the active scope cannot be read or understood.
        """
        return cls(root, active_queue(root))

    def append(self, events: Iterable[Event]) -> Appended:
        """Queue events, all or none; they are on disk when this returns.

        Rows are read in the order (timestamp, id). A clock that was set back must not put an effect before its cause,
        so no row gets an earlier timestamp than those already there.

        Raises:
            InvalidEventError: One of them cannot be queued; none was.
            EventConflictError: An id is queued with other content; none was queued, the old row stays.
            StateError: The queue cannot be written; none was queued.
        """
        rows = [(event.event_id, event.event_type, event.text()) for event in events]
        if not rows:
            return Appended(0, 0)
        added = 0
        with open_queue(self._root, self.surface, patience=self._patience) as connection, transaction(connection):
            # A column takes any type: what another program wrote as a text is no time to go on from.
            (latest,) = connection.execute(
                "SELECT max(timestamp) FROM queue WHERE typeof(timestamp) IN ('integer', 'real')"
            ).fetchone()
            timestamp = max(self._now(), latest or 0)
            for row in rows:
                cursor = connection.execute(
                    "INSERT INTO queue (event_id, event_type, data, timestamp) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (event_id) DO NOTHING",
                    (*row, timestamp),
                )
                added += cursor.rowcount
                if not cursor.rowcount:
                    self._refuse_conflict(connection, row)
        return Appended(added, len(rows) - added)

    def _refuse_conflict(self, connection: sqlite3.Connection, row: tuple[str, str, str]) -> None:
        event_id, event_type, text = row
        held = connection.execute("SELECT event_type, data FROM queue WHERE event_id = ?", (event_id,)).fetchone()
        if not same_event((event_type, text), held):
            raise EventConflictError(
                f"the event {event_id} is queued in {self.surface.path} with other content; that one stays",
                event_id=event_id,
                hint="give a new event an id of its own",
            )

    def batch(self, limit: int = BATCH, *, after: QueuedEvent | None = None) -> tuple[QueuedEvent, ...]:
        """Give the next events in their order; creates nothing, changes nothing.

        Args:
            limit: How many at most.
            after: Go on behind this one; None for the beginning.

        Raises:
            StateError: The queue cannot be read, or is no queue.
        """
        behind = (after.timestamp, after.id) if after else (-(2**63), 0)
        rows = self._ask(
            "SELECT id, event_id, event_type, data, timestamp, coalesce(retry_count, 0) FROM queue"
            " WHERE (timestamp, id) > (?, ?) ORDER BY timestamp, id LIMIT ?",
            (*behind, limit),
        )
        return tuple(QueuedEvent(*row) for row in rows)

    def count(self) -> int:
        """Give how many events wait; creates nothing.

        Raises:
            StateError: The queue cannot be read, or is no queue.
        """
        return sum(number for (number,) in self._ask("SELECT count(*) FROM queue"))

    def settle(self, verdicts: Mapping[str, Verdict]) -> Settled:
        """Do with rows what a server's answer means: a delivered one goes, a refused one is counted, others stay.

        Args:
            verdicts: Event id to what the server said. Events it does not name stay untouched.

        Raises:
            StateError: The queue cannot be written; every row is still there.
        """
        deleted = kept = 0
        if not verdicts:
            return Settled(0, 0, 0)
        with open_queue(self._root, self.surface, patience=self._patience) as connection, transaction(connection):
            for event_id, verdict in verdicts.items():
                if not _is_name(event_id):
                    continue
                if verdict.is_delivered:
                    deleted += connection.execute("DELETE FROM queue WHERE event_id = ?", (event_id,)).rowcount
                    continue
                more = int(verdict is Verdict.REJECTED)
                kept += connection.execute(
                    "UPDATE queue SET retry_count = coalesce(retry_count, 0) + ? WHERE event_id = ?", (more, event_id)
                ).rowcount
        return Settled(deleted, kept, len(verdicts) - deleted - kept)

    def _ask(self, question: str, values: tuple[int, ...] = ()) -> list[tuple[Any, ...]]:
        def ask(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            if is_blank(connection):
                return []
            check_schema(connection, self.surface.path)
            return connection.execute(question, values).fetchall()

        return read(self._root, self.surface, ask) or []


def same_event(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two rows, as type and JSON text, are the same event however their JSON is spelled."""
    return one[0] == other[0] and (one[1] == other[1] or _canonical(one[1]) == _canonical(other[1]) is not None)


def _is_name(value: object) -> bool:
    if not isinstance(value, str) or not value.strip():
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False  # a database holds Unicode
    return True


def _canonical(text: str) -> str | None:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return None
