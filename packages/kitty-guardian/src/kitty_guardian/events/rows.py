"""An event as a row of the table, and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kitty_guardian.events.admission import Admitted
from kitty_guardian.events.chain import link, parsed
from kitty_guardian.model.events import Event

Row = tuple[int, str, int, str, str, str, str, str, str, str]


class UnreadableRow(Exception):  # noqa: N818 - what was found, not what went wrong here
    """A row that holds no event, or none that SQLite can give.

    Attributes:
        position: Its position.
        reason: Why.
    """

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(position, reason)
        self.position = position
        self.reason = reason


def placed(admitted: Admitted, stream: str, version: int, position: int, previous: str) -> tuple[Event, Row]:
    """An event at its place, and its row."""
    event_id, event_type, at, payload, metadata, said = admitted
    digest = link(previous, (stream, version, position), said)
    event = Event(
        event_type, payload, event_id=event_id, at=at, metadata=metadata,
        stream=stream, version=version, position=position, previous=previous, hash=digest,
    )  # fmt: skip
    return event, (position, stream, version, *said, previous, digest)


def hash_of(row: Row) -> str:
    """The hash that belongs to what a row holds."""
    position, stream, version, event_id, event_type, at, payload, metadata, previous, _ = row
    return link(previous, (stream, version, position), (event_id, event_type, at, payload, metadata))


def events_of(rows: Sequence[Row]) -> list[Event]:
    """The events that rows hold.

    Raises:
        UnreadableRow: Somebody changed one into something that is none.
    """
    try:
        # At once: names of fields are read, and kept, once.
        values = parsed(f"[{','.join([f'{row[6]},{row[7]}' for row in rows])}]")
        if len(values) == 2 * len(rows):
            return [
                _event(row, payload, metadata)
                for row, payload, metadata in zip(rows, values[::2], values[1::2], strict=True)
            ]
    except (ValueError, TypeError, RecursionError):
        pass  # one by one, to say which
    return [event_of(row) for row in rows]


def event_of(row: Row) -> Event:
    """The event that a row holds.

    Raises:
        UnreadableRow: Somebody changed it into something that is none.
    """
    try:
        return _event(row, parsed(row[6]), parsed(row[7]))
    except (ValueError, TypeError, RecursionError) as error:
        raise UnreadableRow(row[0], str(error)) from error


def _event(row: Row, payload: Any, metadata: Any) -> Event:  # noqa: ANN401 - JSON values
    position, stream, version, event_id, event_type, at, _, _, previous, digest = row
    if type(payload) is not dict or type(metadata) is not dict:
        raise TypeError("payload and metadata are JSON objects")
    return Event(
        event_type, payload, event_id=event_id, at=datetime.fromisoformat(at), metadata=metadata,
        stream=stream, version=version, position=position, previous=previous, hash=digest,
    )  # fmt: skip
