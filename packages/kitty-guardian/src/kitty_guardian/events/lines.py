"""Lines of `status.events.jsonl`: how ours are written, and which of a file the store knows (facts, section 6.6).

A move is written as upstream writes it. What else we have to say, phase entries above all, is a lifecycle line, which
upstream's reader skips; each of ours holds the SHA-256 of the line before it, so that the file shows by itself what was
changed above.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any, Final, NoReturn

from kitty_guardian.events.board import FeatureStanding
from kitty_guardian.model.events import Event, EventType

NO_LINE: Final = "0" * 64
"""What stands for the line before the first."""

LIFECYCLE_SCHEMA: Final = "spec-kitty/lifecycle/1"
"""`schema_version` of our lifecycle lines."""

BOM: Final = b"\xef\xbb\xbf"

_MOVE: Final = (
    "actor", "evidence", "execution_mode", "force", "from_lane", "mission_slug", "reason", "review_ref", "to_lane",
    "wp_id",
)  # fmt: skip


def render(event: Event, *, previous: str) -> bytes:
    """The line of an event, without its end: JSON in ASCII with sorted keys, as upstream writes it.

    Args:
        event: A move, or what goes into a lifecycle line.
        previous: SHA-256 (hex) of the line before it in the file, `NO_LINE` for the first; moves do not hold it.
    """
    at = event.at.astimezone(UTC).isoformat()
    if event.event_type == EventType.WP_STATUS_CHANGED:
        fields = event.metadata.get("fields", {})
        line = {
            **{key: event.payload.get(key) for key in _MOVE},
            "policy_metadata": fields.get("policy_metadata"),
            "at": at,
            "event_id": event.event_id,
        }
        for key, found in (("mission_id", fields), ("review_result", event.payload)):
            if found.get(key) is not None:  # upstream leaves these two out where there is none
                line[key] = found[key]
    else:
        line = {
            "aggregate_id": event.metadata.get("feature", event.payload.get("feature")),
            "aggregate_type": "Mission",
            "event_id": event.event_id,
            "event_type": event.event_type,
            "payload": event.payload,
            "previous": previous,
            "schema_version": LIFECYCLE_SCHEMA,
            "timestamp": at,
        }
    return _ENCODER.encode(line).encode("ascii")


def line_hash(raw: bytes) -> str:
    """SHA-256 (hex) of the line as upstream would write it: the same for every spelling of the same JSON.

    What is no JSON that every reader understands alike (a key twice, NaN) is taken byte for byte.
    """
    return read(raw)[0]


def read(raw: bytes) -> tuple[str, Any]:
    """The `line_hash` of a line, and its JSON value; None for what is no JSON that every reader understands alike."""
    stripped = raw.strip()
    try:
        text = stripped.decode("utf-8")
        document = _DECODER.decode(text)
        written = _ENCODER.encode(document)
        if written != text:  # what is written as it was read has no key twice
            _STRICT.decode(text)
    except (ValueError, RecursionError):
        return hashlib.sha256(stripped).hexdigest(), None
    return hashlib.sha256(written.encode("ascii")).hexdigest(), document


def is_known(raw: bytes, standing: FeatureStanding) -> bool:
    """Whether the store knows this line: as history, as an imported one, or as that of an event of ours."""
    found, document = read(raw)
    return found in standing.lines or _own_event(found, document, standing) is not None


def own_event(raw: bytes, standing: FeatureStanding) -> Event | None:
    """The event of ours whose line this is, word for word; None for any other line."""
    return _own_event(*read(raw), standing)


def _own_event(found: str, document: object, standing: FeatureStanding) -> Event | None:
    event_id = document.get("event_id") if isinstance(document, dict) else None
    event = standing.own.get(event_id) if isinstance(event_id, str) else None
    if event is None or not isinstance(document, dict):
        return None
    previous = document.get("previous", NO_LINE)
    return event if isinstance(previous, str) and line_hash(render(event, previous=previous)) == found else None


def unknown(data: bytes, standing: FeatureStanding) -> tuple[tuple[int, bytes], ...]:
    """The lines of a log that the store does not know, each with its number (1-based), in order; no blank ones."""
    return tuple((number, raw) for number, raw in numbered(data) if not is_known(raw, standing))


def known(data: bytes, standing: FeatureStanding) -> bytes:
    """A log without the lines that the store does not know."""
    return b"".join(raw + b"\n" for _, raw in numbered(data) if is_known(raw, standing))


def loose(data: bytes) -> tuple[int, ...]:
    """The numbers of our lifecycle lines that follow no line of this log: the one before was changed or taken away.

    A merge may put other lines in between, so any line of the log will do.
    """
    lines = list(numbered(data))
    there = {NO_LINE, *(hashlib.sha256(raw).hexdigest() for _, raw in lines)}
    found = ((number, read(raw)[1]) for number, raw in lines)
    return tuple(
        number
        for number, line in found
        if isinstance(line, dict)
        and line.get("schema_version") == LIFECYCLE_SCHEMA
        and line.get("previous") not in there
    )


def numbered(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines of a log that are not blank, without their ends, each with its number (1-based)."""
    for number, raw in enumerate(data.removeprefix(BOM).split(b"\n"), start=1):
        if raw.strip():
            yield number, raw


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")


def _without_doubles(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)
_STRICT: Final = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_without_doubles)
_ENCODER: Final = json.JSONEncoder(sort_keys=True, allow_nan=False)
