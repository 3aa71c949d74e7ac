"""`status.events.jsonl`: which lane each work package is in (facts, section 6.6).

Old logs are history. Lines are folded in upstream's order and never judged by today's transition matrix; a line that
cannot be understood is reported and left out, never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

import attrs

from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.reports import Problem

LOG_LIMIT = 8 << 20
"""Bytes; the longest of the real logs has 512 lines and a quarter of a mebibyte."""

_MOST_PROBLEMS = 20
_BOM = b"\xef\xbb\xbf"
_WORK_PACKAGE = re.compile(r"WP\d+\Z")
_LANES = {lane.value: lane for lane in Lane}
"""Exact names: upstream's reader of logs knows no aliases, `doing` on a line is an error there too."""
_SOURCES = frozenset(_LANES) | {"genesis", "uninitialized"}
_RETROSPECTIVE = ("RetrospectiveCaptured", "RetrospectiveCaptureFailed", "RetrospectiveSkipped")
_ASKING = frozenset({"changes_requested", "rejected"})
_FEEDBACK = ("feedback:", "review-cycle:")
"""What a `review_ref` begins with when it points at a reviewer's findings; others only claim a review."""


@attrs.frozen
class Standing:
    """Where the log leaves one work package.

    Attributes:
        lane: Its lane.
        line: 1-based line that put it there.
        changes_requested: Whether its latest verdict asks for changes and it has not been handed in for review since.
    """

    lane: Lane
    line: int
    changes_requested: bool


@attrs.frozen
class StatusLog:
    """What one log says.

    Attributes:
        standings: By work package id; only those that the log moves.
        problems: Lines that could not be understood.
    """

    standings: Mapping[str, Standing] = attrs.field(factory=dict)
    problems: tuple[Problem, ...] = ()


@attrs.frozen
class _Transition:
    work_package: str
    at: str
    event_id: str
    to_lane: Lane
    is_rollback: bool
    verdict: str | None
    line: int


class _LineError(Exception):
    """Why one line could not be understood."""


def read_status_log(data: bytes, path: str) -> StatusLog:
    """Folds a log the way upstream's reducer does.

    Later duplicates of an `event_id` are dropped; the rest is ordered by the strings (`at`, `event_id`), a rollback
    last among equal times; the last `to_lane` wins.

    Args:
        data: The whole file, at most `LOG_LIMIT` bytes; longer ones are reported and not read.
        path: Where it is, for problems.
    """
    if len(data) > LOG_LIMIT:
        return StatusLog(problems=(Problem(path, None, f"is longer than {LOG_LIMIT >> 20} MiB and was not read"),))
    problems: list[Problem] = []
    transitions: dict[str, _Transition] = {}
    lines = data.removeprefix(_BOM).split(b"\n")
    for number, raw in enumerate(lines, start=1):
        try:
            found = _transition(raw, number)
        except _LineError as error:
            cut_off = number == len(lines) and str(error).startswith(_NOT_JSON)
            problems.append(Problem(path, number, f"{error}{' (the last line is cut off)' if cut_off else ''}"))
            continue
        if found is not None and (earlier := transitions.setdefault(found.event_id, found)) is not found:
            problems.append(Problem(path, number, f"repeats event {found.event_id} of line {earlier.line}; left out"))
    return StatusLog(_fold(transitions.values()), tuple(_bounded(problems, path)))


_NOT_JSON = "is not JSON"


def _fold(transitions: Iterable[_Transition]) -> dict[str, Standing]:
    standings: dict[str, Standing] = {}
    # Sorting a rollback last among equal times is upstream's "rollback beats non-rollback in either order".
    for event in sorted(transitions, key=lambda event: (event.at, event.is_rollback, event.event_id)):
        before = standings.get(event.work_package)
        asks = before is not None and before.changes_requested
        if event.verdict is not None:
            asks = event.verdict in _ASKING
        if event.to_lane is Lane.FOR_REVIEW or event.to_lane.is_finished:
            asks = False
        standings[event.work_package] = Standing(event.to_lane, event.line, asks)
    return standings


def _transition(raw: bytes, number: int) -> _Transition | None:
    """The lane transition on one line, or None for a line of another known kind.

    Raises:
        _LineError: The line cannot be understood.
    """
    if not raw.strip():
        return None
    event = _object(raw)
    if "kind" in event:
        if event["kind"] != "annotation":
            raise _LineError(f"is of the unknown kind {event['kind']!r}")
        return None
    if "from_lane" in event or "to_lane" in event:
        return _moved(event, number)
    if isinstance(event.get("event_type"), str) and (
        "payload" in event or any(key.startswith("aggregate_") for key in event)
    ):
        return None
    name = event.get("event_name")
    if (isinstance(name, str) and name.startswith("retrospective.")) or event.get("type") in _RETROSPECTIVE:
        return None
    raise _LineError("is neither a lane transition nor of another known kind")


def _object(raw: bytes) -> dict[str, Any]:
    try:
        event = _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _LineError("is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise _LineError(f"{_NOT_JSON}: {reason}") from error
    if not isinstance(event, dict):
        raise _LineError("is not a JSON object")
    return event


def _moved(event: dict[str, Any], number: int) -> _Transition:
    # 3.1.0 wrote the id under two names; older tools under the second one only.
    work_package = event.get("wp_id", event.get("work_package_id"))
    if not isinstance(work_package, str) or not _WORK_PACKAGE.match(work_package):
        raise _LineError(f"moves {work_package!r}, which is no work package id")
    at, event_id = _text(event, "at"), _text(event, "event_id")
    from_lane, to_lane = _text(event, "from_lane"), _text(event, "to_lane")
    if from_lane not in _SOURCES:
        raise _LineError(f"leaves the unknown lane {from_lane!r}")
    if to_lane not in _LANES:
        raise _LineError(f"enters the unknown lane {to_lane!r}")
    reference = event.get("review_ref")
    rollback = to_lane == Lane.IN_PROGRESS and (
        from_lane == Lane.IN_REVIEW or (from_lane == Lane.FOR_REVIEW and reference is not None)
    )
    return _Transition(work_package, at, event_id, _LANES[to_lane], rollback, _verdict(event), number)


def _verdict(event: dict[str, Any]) -> str | None:
    """What a review that this line records came to: upstream's word for it, or None where it records none."""
    for review in (event.get("review_result"), _get(event.get("evidence"), "review")):
        verdict = _get(review, "verdict")
        if isinstance(verdict, str) and verdict.strip():
            return verdict.strip().lower()
    reference = event.get("review_ref")
    if isinstance(reference, str) and reference.startswith(_FEEDBACK):
        return "changes_requested"
    return None


def _get(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def _text(event: dict[str, Any], key: str) -> str:
    value = event.get(key)
    if not isinstance(value, str) or not value:
        raise _LineError(f"has no text under {key!r}")
    return value


def _bounded(problems: list[Problem], path: str) -> Iterator[Problem]:
    yield from problems[:_MOST_PROBLEMS]
    if len(problems) > _MOST_PROBLEMS:
        yield Problem(path, None, f"has {len(problems) - _MOST_PROBLEMS} more lines with problems")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
