"""The port: what any event store gives, whatever it is made of; one suite of tests holds all of them to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import attrs

from kitty_guardian.model.events import Event


@attrs.frozen
class Write:
    """Events for one stream, and what the writer knew of it.

    Attributes:
        stream: The stream.
        events: One or more, without a place yet, in order.
        expected_version: The version of the stream's last event that the writer has seen; -1: it must not exist yet.
            None, for audit streams only: nothing is judged by what is in them, so nothing can be missed.
    """

    stream: str
    events: Sequence[Event]
    expected_version: int | None


@runtime_checkable
class EventStore(Protocol):
    """Append-only streams of events with optimistic concurrency and one hash chain over all of them."""

    def append(self, stream: str, events: Sequence[Event], *, expected_version: int | None) -> int:
        """Validate, then persist, all or nothing; durable when it returns.

        Returns:
            The stream's version afterwards.

        Raises:
            VersionConflict: The stream has another version; the error holds what was missed.
            TransitionRefusedError: A validator says no.
            InvalidEventError: Not an event that can be kept (unknown type, not JSON, too large, an id that exists).
            EventStoreError: The store cannot be used; nothing was written.
        """

    def commit(self, writes: Sequence[Write]) -> tuple[Event, ...]:
        """As `append`, for several streams at once: all of them or none. Gives the events with their places."""

    def version(self, stream: str) -> int:
        """Version of the stream's last event; -1 without one."""

    def read(self, stream: str, *, since: int = 0, limit: int | None = None) -> Iterator[Event]:
        """The events of one stream from version `since` on, in order."""

    def read_all(self, *, after: int = 0, limit: int | None = None) -> Iterator[Event]:
        """All events with a position beyond `after`, in order."""

    def head(self) -> tuple[int, str]:
        """Position and hash of the last event; (0, "") of an empty store."""

    def close(self) -> None:
        """Let go of everything."""
