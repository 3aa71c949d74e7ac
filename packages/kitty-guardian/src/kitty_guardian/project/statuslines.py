"""One line of `status.events.jsonl`: a lane transition, an annotation, or what moves nothing (facts, section 6.6)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Container, Mapping
from typing import Any, NoReturn

import attrs

from kitty_guardian.model.lanes import Lane

Actor = str | Mapping[str, Any]
"""Who did something: a name, or (3.1.0) a mapping of `role`, `profile`, `tool` and `model`."""

NOT_JSON = "is not JSON"

_ID = re.compile(r"[^\s\x00-\x1f\x7f]{1,64}\Z")
"""Any name will do: upstream asks no more, and a work package of an odd name is still one to be finished."""
_CONFLICT = re.compile(rb"(?:<{7}|={7}|>{7}|\|{7})(?: |\r?\Z)")
_LANES = {lane.value: lane for lane in Lane}
"""Exact names: upstream's reader of logs knows no aliases, `doing` on a line is an error there too."""
_SOURCES = frozenset(_LANES) | {"genesis", "uninitialized"}
_ONCE = ("to_lane", "from_lane", "wp_id", "at", "event_id")
_RETROSPECTIVE = ("RetrospectiveCaptured", "RetrospectiveCaptureFailed", "RetrospectiveSkipped")
_BACK = frozenset({Lane.IN_PROGRESS, Lane.PLANNED})
_FINDINGS = re.compile(r"(?:feedback|review-cycle):|(?!(?:auto-approval|lane-approved):).*(?:[/\\]|\.md\Z)", re.DOTALL)
"""A `review_ref` that points at a reviewer's findings, by URI or by path; others only claim or settle a review."""
_CLAIMED = ("shell_pid", "shell_pid_created_at", "agent")


@attrs.frozen
class Move:
    """One lane transition.

    Attributes:
        work_package: Its id, such as "WP01".
        at: When, as written: upstream orders these as strings.
        event_id: Its id.
        to_lane: Where it went; None where the line names no lane that there is.
        actor: Who did it; None where the line does not say.
        forced: Whether it was forced.
        is_rollback: Whether it took work back from a review.
        verdict: What a review that it records came to, in upstream's word; None where it records none.
        slots: Runtime slots that it sets.
        line: 1-based.
        problem: Why its lane cannot be read; empty where it can.
    """

    work_package: str
    at: str
    event_id: str
    to_lane: Lane | None
    actor: Actor | None
    forced: bool
    is_rollback: bool
    verdict: str | None
    slots: Mapping[str, Any]
    line: int
    problem: str = ""


@attrs.frozen
class Annotation:
    """One change to what is noted about a work package; it moves no lane.

    Attributes:
        work_package: Its id, such as "WP01".
        at: When, as written.
        event_id: Its id.
        delta: The slots it changes.
        line: 1-based.
    """

    work_package: str
    at: str
    event_id: str
    delta: Mapping[str, Any]
    line: int


class LineError(Exception):
    """Why one line could not be understood, and what it may have moved.

    Attributes:
        message: What is wrong with it.
        concerns: The one work package it may have moved, or None.
        harmless: Whether it cannot have moved anything. Neither of the two: it may have moved any work package.
    """

    def __init__(self, message: str, *, concerns: str | None = None, harmless: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.concerns = concerns
        self.harmless = harmless


def read_line(raw: bytes, number: int) -> Move | Annotation | None:
    """What one line says; None for a blank one and for one of a known kind that is not about lanes.

    Args:
        raw: The line without its end.
        number: 1-based.

    Raises:
        LineError: The line cannot be understood.
    """
    if not raw.strip():
        return None
    event = _object(raw)
    named = event.get("wp_id", event.get("work_package_id"))  # 3.1.0 wrote both, older tools the second one only
    work_package = named if isinstance(named, str) and _ID.match(named) else None
    if event.get("kind") is not None:
        if event["kind"] != "annotation":
            raise LineError(f"is of the unknown kind {event['kind']!r}", concerns=work_package)
        return _annotation(event, work_package, number)
    if _is_of_another_kind(event):
        return None
    if "from_lane" in event or "to_lane" in event:
        if work_package is None:
            raise LineError(f"moves {named!r}, which is no work package id")
        return _move(event, work_package, number)
    raise LineError(
        "is neither a lane transition nor of another known kind",
        concerns=work_package,
        # Whatever names its kind in a way of its own is no transition: those have no such name.
        harmless=work_package is None and isinstance(event.get("event_name"), str),
    )


def _is_of_another_kind(event: Mapping[str, Any]) -> bool:
    """Whether it is a lifecycle or retrospective line: upstream asks before it looks for lanes."""
    name = event.get("event_name")
    return (
        "event_type" in event
        or (isinstance(name, str) and name.startswith("retrospective."))
        or event.get("type") in _RETROSPECTIVE
    )


def _object(raw: bytes) -> dict[str, Any]:
    if _CONFLICT.match(raw) is not None:
        raise LineError("is a marker of an unresolved merge conflict")
    try:
        text = raw.decode("utf-8")
        # Python takes the last of two equal keys, others the first: which was meant is anyone's guess.
        doubled = "\\u" in text or any(text.count(f'"{key}"') > 1 for key in _ONCE)  # \\u: a key may be spelled so
        event = (_STRICT if doubled else _DECODER).decode(text)
    except UnicodeDecodeError as error:
        raise LineError("is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise LineError(f"{NOT_JSON}: {reason}") from error
    if not isinstance(event, dict):
        raise LineError("is not a JSON object")
    return event


def _annotation(event: Mapping[str, Any], work_package: str | None, number: int) -> Annotation:
    delta = event.get("delta")
    if work_package is None or not isinstance(delta, dict):
        raise LineError("is an annotation without a work package or without its delta", harmless=True)
    at, event_id = _place(event, work_package, harmless=True)
    return Annotation(work_package, at, event_id, delta, number)


def _move(event: Mapping[str, Any], work_package: str, number: int) -> Move:
    at, event_id = _place(event, work_package)
    from_lane, to_lane = event.get("from_lane"), event.get("to_lane")
    problem = ""
    if not _is_one_of(from_lane, _SOURCES):
        problem = f"leaves the unknown lane {from_lane!r}"
    elif not _is_one_of(to_lane, _LANES):
        problem = f"enters the unknown lane {to_lane!r}"
    return Move(
        work_package=work_package,
        at=at,
        event_id=event_id,
        to_lane=None if problem else _LANES[str(to_lane)],
        actor=_actor(event.get("actor")),
        forced=event.get("force") is True,
        is_rollback=to_lane == Lane.IN_PROGRESS
        and (from_lane == Lane.IN_REVIEW or (from_lane == Lane.FOR_REVIEW and event.get("review_ref") is not None)),
        verdict=_verdict(event),
        slots=_slots(event),
        line=number,
        problem=problem,
    )


def _place(event: Mapping[str, Any], work_package: str, *, harmless: bool = False) -> tuple[str, str]:
    """When it happened and its id: where it stands in the order."""
    for key in ("at", "event_id"):
        if not isinstance(event.get(key), str) or not event[key]:
            raise LineError(
                f"has no text under {key!r}", concerns=None if harmless else work_package, harmless=harmless
            )
    return event["at"], event["event_id"]


def _is_one_of(word: object, words: Container[str]) -> bool:
    return isinstance(word, str) and word in words


def _actor(value: object) -> Actor | None:
    return value if isinstance(value, (str, dict)) else None


def _slots(event: Mapping[str, Any]) -> dict[str, Any]:
    """What a transition sets: a claim who works, the exit of a review its result."""
    found: dict[str, Any] = {}
    moved = (event.get("from_lane"), event.get("to_lane"))
    metadata = event.get("policy_metadata")
    if moved == (Lane.PLANNED, Lane.CLAIMED) and isinstance(metadata, dict):
        found |= {key: metadata[key] for key in _CLAIMED if metadata.get(key)}
    if event.get("review_result") is not None or moved[0] == Lane.IN_REVIEW:
        found["review_result"] = event.get("review_result")
    return found


def _verdict(event: Mapping[str, Any]) -> str | None:
    evidence = event.get("evidence")
    review = evidence.get("review") if isinstance(evidence, dict) else None
    found = verdict_of(event.get("review_result")) or verdict_of(review)
    # Old logs: back to work with a reference to findings is a rejection. From any lane: before `in_review` was a lane,
    # whoever reviewed had the work package in progress.
    reference = event.get("review_ref")
    is_back = _is_one_of(event.get("to_lane"), _BACK)
    if found is None and is_back and isinstance(reference, str) and _FINDINGS.match(reference) is not None:
        return "changes_requested"
    return found


def verdict_of(review: object) -> str | None:
    """What a review record (`reviewer`, `verdict`, `reference`) came to: upstream's word, lower case, or None."""
    verdict = review.get("verdict") if isinstance(review, dict) else None
    return verdict.strip().lower() if isinstance(verdict, str) and verdict.strip() else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {key!r} is there twice")
    return found


_DECODER = json.JSONDecoder(parse_constant=_refuse)
_STRICT = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_without_doubles)
