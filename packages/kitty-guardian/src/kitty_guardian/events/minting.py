"""New events: where the clock and the source of ids are read, and nowhere else in this package."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kitty_guardian.events.identifiers import next_ulid
from kitty_guardian.model.events import Event


def new_event(
    event_type: str,
    payload: Mapping[str, Any],
    *,
    metadata: Mapping[str, Any] | None = None,
    at: datetime | None = None,
    event_id: str | None = None,
) -> Event:
    """An event that has no place yet.

    Args:
        event_type: One of `EventType`.
        payload: JSON values.
        metadata: JSON values about the event itself.
        at: When it happened, aware; now if None.
        event_id: Its id; a new ULID if None.
    """
    return Event(
        str(event_type),
        payload,
        event_id=next_ulid() if event_id is None else event_id,
        at=datetime.now(UTC) if at is None else at,
        metadata={} if metadata is None else metadata,
    )
