"""The audit trail: one JSON line per event in `violations.jsonl`, until the event store takes it over."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from kitty_guardian.watch.identifiers import next_ulid

SCHEMA = "spec-kitty/log/1"
_POLL_SECONDS = 0.2


class EventType(StrEnum):
    """The event types of our own that this layer writes (contract, kitty_guardian)."""

    VIOLATION = "PolicyViolationAttempted"
    PHASE_ENTERED = "PhaseEntered"
    STOPPED = "GuardianStopped"
    EXCEPTION = "ExceptionGranted"


class AuditTrail:
    """Appends events to one file.

    Args:
        path: The file; created private to its owner.

    Attributes:
        violations: How many violations it holds.
    """

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        # A line cut short by a power loss must not swallow the next one.
        size = os.fstat(self.fd).st_size
        if size and os.pread(self.fd, 1, size - 1) != b"\n":
            os.write(self.fd, b"\n")
        self.violations = sum(event.get("event_type") == EventType.VIOLATION for event in read_events(path))

    def append(self, event_type: EventType, payload: Mapping[str, Any]) -> str:
        """Write one event and give its id; a plain `write(2)`, so that it survives a crash of this process."""
        event_id = next_ulid()
        self.violations += event_type is EventType.VIOLATION
        line = {
            "schema": SCHEMA,
            "event_id": event_id,
            "event_type": str(event_type),
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "payload": payload,
        }
        # Undecodable file names are surrogates here: ASCII escapes carry them without loss.
        os.write(self.fd, json.dumps(line, ensure_ascii=True).encode() + b"\n")
        return event_id

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.fd)


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
