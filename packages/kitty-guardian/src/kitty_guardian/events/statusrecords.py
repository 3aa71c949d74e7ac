"""Lines of a status log as events: what each says in upstream's words of today, and what else it holds."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from kitty_guardian.events.identifiers import next_ulid
from kitty_guardian.events.lines import LIFECYCLE_SCHEMA, read
from kitty_guardian.model.events import Event, EventType, Source
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.statuslines import LineError, Move, read_line

ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NAMES: Final = {"feature_slug": "mission_slug", "work_package_id": "wp_id"}
"""Old names of fields (facts, section 6.6), and what they are called today."""
_PAYLOAD: Final = frozenset(
    {
        "mission_slug", "wp_id", "from_lane", "to_lane", "actor", "execution_mode", "force", "reason", "review_ref",
        "evidence", "review_result",
    }
)  # fmt: skip
_KINDS: Final = ("kind", "event_type", "event_name", "type")
_SHOWN: Final = 80
_PLACE: Final = frozenset({"at", "event_id"})
_PHASES: Final = frozenset(phase.value for phase in Phase)


@attrs.frozen
class Record:
    """One line.

    Attributes:
        number: 1-based.
        raw: As it is in the file, without its end.
        hash: Its `line_hash`.
        fields: The object it holds; empty where it cannot be read.
        move: The lane transition that it is, if it is one.
        problem: Why it cannot be read; empty where it can.
        harmless: Whether a line that cannot be read moves nothing.
    """

    number: int
    raw: bytes
    hash: str
    fields: Mapping[str, Any]
    move: Move | None
    problem: str = ""
    harmless: bool = False

    @property
    def event_id(self) -> str:
        """Its id; empty where it has none."""
        found = self.fields.get("event_id")
        return found if isinstance(found, str) else ""

    @property
    def is_folded(self) -> bool:
        """Whether readers fold it, a move or an annotation: of several with one id they fold the first."""
        return self.move is not None or (not self.problem and self.fields.get("kind") == "annotation")

    @property
    def at(self) -> datetime | None:
        """When it says it happened; None where it does not say."""
        found = self.fields.get("at", self.fields.get("timestamp"))
        return moment(found) if isinstance(found, str) else None

    @property
    def phase(self) -> Phase | None:
        """The phase that was entered, where it is such a lifecycle line of ours."""
        if self.fields.get("schema_version") != LIFECYCLE_SCHEMA:
            return None
        if self.fields.get("event_type") != EventType.PHASE_ENTERED:
            return None
        payload = self.fields.get("payload")
        phase = payload.get("phase") if isinstance(payload, dict) else None
        return Phase(phase) if isinstance(phase, str) and phase in _PHASES else None


def records(lines: Iterable[tuple[int, bytes]]) -> Iterator[Record]:
    """Reads lines, each given with its number."""
    for number, raw in lines:
        name, document = read(raw)
        fields = document if isinstance(document, dict) else {}
        try:
            said = read_line(raw, number)
        except LineError as error:
            yield Record(number, raw, name, fields, None, error.message, error.harmless)
            continue
        move = said if isinstance(said, Move) else None
        yield Record(number, raw, name, fields, move, "" if move is None else move.problem)


def moment(text: str) -> datetime | None:
    """The moment that a text in ISO 8601 names, without an offset in UTC; None where it names none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def place(move: Move) -> tuple[str, bool, str]:
    """Where a move stands in the reducer's order: a rollback last among those of one moment."""
    return move.at, move.is_rollback, move.event_id


def usable_id(record: Record, taken: Container[str] = ()) -> str:
    """The id to keep a line by: its own one, unless that is no ULID or is taken."""
    return record.event_id if ULID.match(record.event_id) and record.event_id not in taken else next_ulid()


def ulid_of(at: datetime, digest: bytes) -> str:
    """The ULID of a moment (not before 1970) with the first ten bytes of a digest in place of chance."""
    milliseconds = max(0, int(at.timestamp() * 1000)) & ((1 << 48) - 1)
    value = milliseconds << 80 | int.from_bytes(digest[:10], "big")
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))


def event_of(
    record: Record, feature: str, source: Source, *, event_id: str, at: datetime, facts: Mapping[str, Any] | None = None
) -> Event:
    """The event that a line stands for: a move, a phase that was entered, or a line that moves nothing.

    Args:
        record: The line.
        feature: Folder name below `kitty-specs/`.
        source: How it came here.
        event_id: The id it is kept by.
        at: When it happened.
        facts: What was found out about its work package.
    """
    metadata: dict[str, Any] = {"source": source.value, "feature": feature, "line": record.hash}
    if facts is not None:
        metadata["facts"] = dict(facts)
    if record.move is not None and not record.problem:
        payload, fields = _move(record.fields, feature)
        fields |= {"event_id": record.event_id} if record.event_id != event_id else {}
        fields |= {"at": record.move.at} if record.move.at != at.isoformat() else {}
        metadata |= {"fields": fields} if fields else {}
        metadata |= {"verdict": record.move.verdict} if record.move.verdict else {}
        return Event(EventType.WP_STATUS_CHANGED, payload, event_id=event_id, at=at, metadata=metadata)
    if record.phase is not None and source is not Source.ADOPTION:
        return Event(EventType.PHASE_ENTERED, record.fields["payload"], event_id=event_id, at=at, metadata=metadata)
    return line_recorded(record, metadata, event_id=event_id, at=at)


def line_recorded(record: Record, metadata: Mapping[str, Any], *, event_id: str, at: datetime) -> Event:
    """The event that keeps of a line which moves nothing what it is; what it says stays in the log."""
    kind = next((record.fields[key] for key in _KINDS if isinstance(record.fields.get(key), str)), None)
    payload = {
        "feature": metadata["feature"],
        "kind": None if kind is None else str(kind).encode("utf-8", "replace").decode()[:_SHOWN],
        "work_package": None if record.move is None else record.move.work_package,
        "bytes": len(record.raw),
    }
    return Event(EventType.STATUS_LINE, payload, event_id=event_id, at=at, metadata=metadata)


def _move(fields: Mapping[str, Any], feature: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a transition says in today's names, and its other fields."""
    payload: dict[str, Any] = {
        "mission_slug": feature,
        "wp_id": None,
        "from_lane": "genesis",
        "to_lane": None,
        "actor": None,
        "execution_mode": None,
        "force": False,
        "reason": None,
        "review_ref": None,
        "evidence": None,
    }
    extra: dict[str, Any] = {}
    for key, value in fields.items():
        if key in _PAYLOAD:
            payload[key] = value
        elif key not in _PLACE:
            extra[key] = value
            if (today := _NAMES.get(key)) is not None and today not in fields:
                payload[today] = value
    payload["force"] = payload["force"] is True
    return payload, extra
