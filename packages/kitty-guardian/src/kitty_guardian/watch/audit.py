"""The audit trail as it is written: one JSON line for each event in `violations.jsonl`; the event store takes it in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kitty_guardian.events.identifiers import next_ulid
from kitty_guardian.model.events import EventType
from kitty_guardian.watch.appending import AppendFile

SCHEMA = "spec-kitty/log/1"
_POLL_SECONDS = 0.2


class AuditTrail(AppendFile):
    """Appends events to one file.

    Args:
        path: The file; created private to its owner.

    Attributes:
        violations: How many violations it holds.
        written: Given each line after it was written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.violations = sum(event.get("event_type") == EventType.VIOLATION for event in read_events(path))
        self.written: Callable[[bytes], None] = _nothing

    def append(self, event_type: EventType, payload: Mapping[str, Any]) -> str:
        """Write one event and give its id; a plain `write(2)`, so that it survives a crash of this process."""
        event_id = next_ulid()
        self.violations += event_type is EventType.VIOLATION
        line = self.write(
            {
                "schema": SCHEMA,
                "event_id": event_id,
                "event_type": str(event_type),
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "payload": payload,
            }
        )
        self.written(line)
        return event_id


def _nothing(_line: bytes) -> None:
    """Nobody waits for it."""


def read_events(path: Path, *, follow: bool = False) -> Iterator[dict[str, Any]]:
    """The events of a trail, oldest first; with `follow` it goes on waiting for more.

    Lines that are not JSON objects (a power loss in the middle of one) are passed over.
    """
    pending = b""
    while not path.exists():
        if not follow:
            return
        time.sleep(_POLL_SECONDS)
    with path.open("rb") as file:
        while True:
            if chunk := file.read(1 << 16):
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    try:
                        event = json.loads(line)
                    except ValueError:
                        continue
                    if isinstance(event, dict):
                        yield event
            elif follow:
                time.sleep(_POLL_SECONDS)
            else:
                return
