"""Events of ours for one feature, as transitions record them, and the standing they add up to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from kitty_guardian.events.board import Board, FeatureStanding
from kitty_guardian.model.events import Event, category_of, feature_stream, work_package_stream

FEATURE = "034-home-guard"
MISSION_ID = "01KW1JXXTH8YVMADWF0G80H7AB"
START = datetime(2026, 7, 1, 10, tzinfo=UTC)


def ulid(number: int) -> str:
    """An event id that sorts by `number`."""
    return f"01KW1T45AEKNQFXV{number:010}"


def entered(phase: str, number: int, from_phase: str | None = None, **fields: Any) -> Event:  # noqa: ANN401 - JSON
    """A phase that a command entered, `number` seconds after the start."""
    payload = {
        "feature": FEATURE, "phase": phase, "from_phase": from_phase, "actor": "ada", "reason": None, "gate": None,
        "head": None,
    }  # fmt: skip
    return Event(
        "PhaseEntered",
        payload | fields,
        event_id=ulid(number),
        at=START + timedelta(seconds=number),
        metadata={"source": "command", "feature": FEATURE, "facts": {"gate": {"work_packages": 2, "problems": []}}},
        stream=feature_stream(FEATURE),
    )


def moved(work_package: str, from_lane: str, to_lane: str, number: int, **fields: Any) -> Event:  # noqa: ANN401 - JSON
    """A work package that a command moved, `number` seconds after the start."""
    payload = {
        "mission_slug": FEATURE, "wp_id": work_package, "from_lane": from_lane, "to_lane": to_lane, "actor": "ada",
        "execution_mode": "worktree", "force": False, "reason": None, "review_ref": None, "evidence": None,
    }  # fmt: skip
    return Event(
        "WPStatusChanged",
        payload | fields,
        event_id=ulid(number),
        at=START + timedelta(seconds=number),
        metadata={"source": "command", "feature": FEATURE, "facts": {}, "fields": {"mission_id": MISSION_ID}},
        stream=work_package_stream(FEATURE, work_package),
    )


def board_of(events: Iterable[Event]) -> Board:
    """What these events add up to, at the places a store would give them."""
    versions: dict[str, int] = {}
    placed: list[Event] = []
    for position, event in enumerate(events, start=1):
        versions[event.stream] = version = versions.get(event.stream, -1) + 1
        assert category_of(event.stream) != "audit"
        placed.append(attrs.evolve(event, version=version, position=position, hash=f"{position:064}"))
    return Board(placed)


def standing_of(*events: Event) -> FeatureStanding:
    """Where the feature stands after these events."""
    return board_of(events).feature(FEATURE)


STORY = (
    entered("tasks", 0),
    moved("WP01", "genesis", "planned", 1, reason="bootstrap"),
    moved("WP02", "genesis", "planned", 2, reason="bootstrap"),
    entered("implement", 3, "tasks"),
    moved("WP01", "planned", "claimed", 4),
    moved("WP01", "claimed", "in_progress", 5),
)
"""A feature whose first work package is being worked on."""


def sha(raw: bytes) -> str:
    """SHA-256 (hex) of bytes."""
    return hashlib.sha256(raw).hexdigest()
