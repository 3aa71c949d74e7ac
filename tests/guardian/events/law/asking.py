"""Events as transitions ask for them, and boards for them to be asked on; nothing here is derived from the law."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from kitty_guardian.errors import TransitionRefusedError
from kitty_guardian.events.board import Board
from kitty_guardian.events.validators import check
from kitty_guardian.model.events import Event, feature_stream, work_package_stream

FEATURE = "001-home"
AT = datetime(2026, 7, 1, tzinfo=UTC)
FACTS: Mapping[str, Any] = {
    "dependencies": [],
    "workspace": "/repo/001-home-WP01",
    "subtasks_open": [],
    "implementation": {"commits": 2},
    "sandboxed": False,
}
"""Everything there is to find out about a move, and all of it good."""
REVIEW: Mapping[str, Any] = {"reviewer": "grace", "verdict": "approved", "reference": "reviews/1.md"}
CHANGES: Mapping[str, Any] = {"reviewer": "grace", "verdict": "changes_requested", "reference": "reviews/1.md"}

_numbers = itertools.count(1)


def event(event_type: str, stream: str, payload: Any, metadata: Any) -> Event:  # noqa: ANN401 - of any shape
    """An event as the store hands it to a validator."""
    return Event(event_type, payload, event_id=f"{next(_numbers):026d}", at=AT, metadata=metadata, stream=stream)


def move(
    from_lane: str,
    to_lane: str,
    *,
    work_package: str = "WP01",
    source: str = "command",
    facts: Mapping[str, Any] | None = None,
    without: tuple[str, ...] = (),
    **fields: Any,  # noqa: ANN401 - of any shape
) -> Event:
    """A move with no more than upstream always writes; `fields` say the rest.

    Args:
        from_lane: As the payload says it.
        to_lane: As the payload says it.
        work_package: Whose.
        source: How it came.
        facts: In place of `FACTS`; lines bring none unless they are given.
        without: Facts that nobody looked for.
        fields: Of the payload.
    """
    payload = {
        "mission_slug": FEATURE,
        "wp_id": work_package,
        "from_lane": from_lane,
        "to_lane": to_lane,
        "actor": "ada",
        "execution_mode": "worktree",
        "force": False,
        "reason": None,
        "review_ref": None,
        "evidence": None,
        **fields,
    }
    found = dict((FACTS if source == "command" else {}) if facts is None else {**FACTS, **facts})
    known = {name: value for name, value in found.items() if name not in without}
    metadata = {"source": source, "feature": FEATURE, "facts": known}
    return event("WPStatusChanged", work_package_stream(FEATURE, work_package), payload, metadata)


def entering(
    phase: str,
    *,
    from_phase: str | None,
    source: str = "command",
    gate: Any = None,  # noqa: ANN401 - of any shape
    **fields: Any,  # noqa: ANN401 - of any shape
) -> Event:
    """A phase that is to be entered, with what was found out about its gate."""
    payload = {
        "feature": FEATURE,
        "phase": phase,
        "from_phase": from_phase,
        "actor": "ada",
        "reason": None,
        "gate": None,
        "head": None,
        **fields,
    }
    metadata: dict[str, Any] = {"source": source, "feature": FEATURE}
    if gate is not None:
        metadata["facts"] = {"gate": gate}
    return event("PhaseEntered", feature_stream(FEATURE), payload, metadata)


def board(entered: str | None = "implement", /, *, implementer: str = "ada", **lanes: str) -> Board:
    """A board that history left so: the phase that was entered last, and the lane of each work package."""
    history = []
    if entered is not None:
        history.append(entering(entered, from_phase=None, source="adoption"))
    for work_package, lane in lanes.items():
        history += [
            move("genesis", passed, work_package=work_package, source="adoption", actor=implementer)
            for passed in ("in_progress", lane)
        ]
    return Board(history)


def refused(what: Event, where: Board) -> TransitionRefusedError:
    """The refusal that an event meets with."""
    with pytest.raises(TransitionRefusedError) as caught:
        check(what, where)
    return caught.value


def gate(what: Event, where: Board) -> str:
    """What refuses an event; empty where nothing does."""
    try:
        check(what, where)
    except TransitionRefusedError as error:
        return error.gate
    return ""
