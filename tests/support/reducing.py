"""A second reading of status logs, written from the facts alone (section 6.6), to hold the real one against.

It shares no line with `kitty_guardian`: it folds nothing in order but asks of each work package which move wins. Where
the facts leave room it says so instead of choosing (`Reading.open`), so that it can be wrong only where they are clear.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

LANES = ("planned", "claimed", "in_progress", "for_review", "in_review", "approved", "done", "blocked", "canceled")
SOURCES = (*LANES, "genesis", "uninitialized")

_BOM = b"\xef\xbb\xbf"
_WORK_PACKAGE = re.compile(r"WP[0-9]+")
_RETROSPECTIVE = ("RetrospectiveCaptured", "RetrospectiveCaptureFailed", "RetrospectiveSkipped")


@attrs.frozen
class Move:
    """One lane transition: `line` is 1-based."""

    line: int
    work_package: str
    at: str
    event_id: str
    to_lane: str
    is_rollback: bool


@attrs.frozen
class Reading:
    """What the facts say of one log.

    Attributes:
        lines: The log's lines without their ends and without a byte order mark.
        moves: The well-formed lane transitions, every one of an event id that is there twice included.
        lanes: By work package, as the well-formed lines alone have it.
        shaken: Work packages named by a line that cannot be understood; their lane may be called unknown.
        open: Work packages of which the facts do not say how they are to be read.
        broken: 1-based lines that are a hard error: no JSON, no object, an unknown kind, a transition without a time,
            an id or a lane that there is.
        whole: Whether every line that cannot be understood names its work package.
        plain: Whether there is nothing but blank lines and well-formed transitions, and no event id twice.
        distinct: Whether no event id is there twice, on lines of any kind.
    """

    lines: tuple[bytes, ...]
    moves: tuple[Move, ...]
    lanes: Mapping[str, str]
    shaken: frozenset[str]
    open: frozenset[str]
    broken: tuple[int, ...]
    whole: bool
    plain: bool
    distinct: bool

    def allows(self, work_package: str, lane: str | None) -> bool:
        """Whether `lane` (None: unknown, or none at all) is an answer that the facts leave for `work_package`."""
        if work_package in self.open or lane == self.lanes.get(work_package):
            return True
        return lane is None and (work_package in self.shaken or not self.whole)

    def is_sure(self, work_package: str) -> bool:
        """Whether the facts leave one answer only."""
        return self.whole and work_package not in self.shaken | self.open


def reduced(data: bytes) -> Reading:
    """Reads a whole log as the facts have it."""
    lines = tuple(data.removeprefix(_BOM).split(b"\n"))
    notes = _Notes()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            notes.take(line, number)
    ids = Counter(notes.ids)
    # Two lines of one id count once, the first one; when one of them is no good transition, the facts do not say which.
    foreign = ids - Counter(move.event_id for move in notes.moves)
    contested = {move.work_package for move in notes.moves if move.event_id in foreign}
    return Reading(
        lines=lines,
        moves=tuple(notes.moves),
        lanes=_winners(notes.moves),
        shaken=frozenset(notes.shaken),
        open=frozenset(notes.open | contested),
        broken=tuple(notes.broken),
        whole=notes.whole,
        plain=notes.plain and max(ids.values(), default=0) <= 1,
        distinct=max(ids.values(), default=0) <= 1,
    )


def _winners(moves: Iterable[Move]) -> dict[str, str]:
    """The lane of each work package: later duplicates away, then the greatest (at, rollback, event_id) of each."""
    seen: set[str] = set()
    winners: dict[str, Move] = {}
    for move in moves:
        if move.event_id in seen:
            continue
        seen.add(move.event_id)
        best = winners.get(move.work_package)
        if best is None or _beats(move, best):
            winners[move.work_package] = move
    return {work_package: move.to_lane for work_package, move in winners.items()}


def _beats(move: Move, other: Move) -> bool:
    if move.at != other.at:
        return move.at > other.at
    if move.is_rollback != other.is_rollback:
        return move.is_rollback
    return move.event_id > other.event_id


class _Notes:
    """What has been seen so far."""

    def __init__(self) -> None:
        self.moves: list[Move] = []
        self.ids: list[str] = []
        self.shaken: set[str] = set()
        self.open: set[str] = set()
        self.broken: list[int] = []
        self.whole = True
        self.plain = True

    def take(self, line: bytes, number: int) -> None:
        try:
            event = json.loads(line.decode("utf-8"), parse_constant=_refused, object_pairs_hook=_Object)
        except (ValueError, RecursionError) as error:
            # What is JSON and yet too deep or too large for Python, the facts do not speak about.
            self._break(number if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)) else None, None)
            return
        if not isinstance(event, _Object):
            self._break(number, None)
            return
        if isinstance(event_id := event.get("event_id"), str):
            self.ids.append(event_id)
        if event.has_doubles:
            self.plain = False
            self._leave_open(event)
            return
        self._take(event, number)

    def _take(self, event: _Object, number: int) -> None:
        moves = "from_lane" in event or "to_lane" in event
        if event.get("kind") is not None:
            self.plain = False
            if event["kind"] != "annotation":
                self._break(number, event)
        elif moves and ("kind" in event or _is_of_another_kind(event)):
            self.plain = False
            self._leave_open(event)  # two kinds at once
        elif moves:
            self._move(event, number)
        else:
            self.plain = False
            if not _is_of_another_kind(event):
                self._doubt(event)

    def _move(self, event: _Object, number: int) -> None:
        work_package = event.names[0] if event.names and all(name == event.names[0] for name in event.names) else None
        texts = [event.get(key) for key in ("at", "event_id", "from_lane", "to_lane")]
        if not isinstance(work_package, str) or not _WORK_PACKAGE.fullmatch(work_package):
            self.plain = False
            self._leave_open(event)
        elif not all(isinstance(text, str) and text for text in texts) or not (
            event["from_lane"] in SOURCES and event["to_lane"] in LANES
        ):
            self._break(number, event)
        else:
            at, event_id, from_lane, to_lane = map(str, texts)
            is_rollback = to_lane == "in_progress" and (
                from_lane == "in_review" or (from_lane == "for_review" and event.get("review_ref") is not None)
            )
            self.moves.append(Move(number, work_package, at, event_id, to_lane, is_rollback))

    def _break(self, number: int | None, event: _Object | None) -> None:
        self.plain = False
        if number is not None:
            self.broken.append(number)
        self._doubt(event)

    def _doubt(self, event: _Object | None) -> None:
        named = _named(event)
        self.shaken |= named
        self.whole = self.whole and bool(named)

    def _leave_open(self, event: _Object) -> None:
        named = _named(event)
        self.open |= named
        self.whole = self.whole and bool(named)


class _Object(dict[str, Any]):
    """A JSON object that knows whether a key was there twice, here or further in."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.names = [value for key, value in pairs if key in {"wp_id", "work_package_id"}]
        self.has_doubles = len(self) != len(pairs) or any(_doubled(value) for _, value in pairs)


def _is_of_another_kind(event: _Object) -> bool:
    """Whether it is a lifecycle envelope or a retrospective: both are skipped."""
    name = str(event.get("event_name"))
    return "event_type" in event or name.startswith("retrospective.") or event.get("type") in _RETROSPECTIVE


def _doubled(value: object) -> bool:
    return value.has_doubles if isinstance(value, _Object) else isinstance(value, list) and any(map(_doubled, value))


def _named(event: _Object | None) -> set[str]:
    """Every work package that a line names, in whichever way."""
    return set() if event is None else {name for name in event.names if isinstance(name, str)}


def _refused(constant: str) -> None:
    raise json.JSONDecodeError(f"{constant} is no JSON", constant, 0)
