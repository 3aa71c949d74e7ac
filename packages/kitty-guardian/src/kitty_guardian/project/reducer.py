"""Folds the lines of a status log into where each work package stands, in upstream's order (facts, section 6.6).

Old logs are history: nothing is held against a transition matrix, the last `to_lane` wins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from kitty_guardian.model.lanes import Lane
from kitty_guardian.project.statuslines import Actor, Annotation, Move, verdict_of

_CLAIM = ("agent", "shell_pid", "shell_pid_created_at")
"""What a released claim takes back."""
_ASKING = frozenset({"changes_requested", "rejected"})


@attrs.frozen
class Standing:
    """Where the log leaves one work package.

    Attributes:
        lane: The latest lane that can be read; None when there is none.
        line: 1-based line that put it there.
        in_doubt: Whether it was moved since, to something that is no lane.
        changes_requested: Whether its latest verdict asks for changes and it has not been handed in for review since.
        actor: Who put it there.
        at: When, as written.
        event_id: Id of the event that put it there.
        force_count: How many of its transitions were forced.
        runtime: What is noted about it: agent, subtasks, notes and the like.
    """

    lane: Lane | None
    line: int
    in_doubt: bool
    changes_requested: bool
    actor: Actor | None
    at: str
    event_id: str
    force_count: int
    runtime: Mapping[str, Any]


def reduce(moves: Iterable[Move], annotations: Iterable[Annotation] = ()) -> dict[str, Standing]:
    """Where each work package stands, by id; the same for any order of the lines.

    Args:
        moves: Transitions with distinct event ids.
        annotations: Annotations with distinct event ids; of work packages that no transition moves, they say nothing.
    """
    notes: dict[str, list[Annotation]] = {}
    for note in sorted(annotations, key=lambda note: (note.at, note.event_id)):
        notes.setdefault(note.work_package, []).append(note)
    by_package: dict[str, list[Move]] = {}
    # Sorting a rollback last among equal times is upstream's "rollback beats non-rollback in either order".
    for move in sorted(moves, key=lambda move: (move.at, move.is_rollback, move.event_id)):
        by_package.setdefault(move.work_package, []).append(move)
    return {name: _standing(history, notes.get(name, ())) for name, history in by_package.items()}


def _standing(history: list[Move], notes: Iterable[Annotation]) -> Standing:
    last = next((move for move in reversed(history) if move.to_lane is not None), history[-1])
    return Standing(
        lane=last.to_lane,
        line=last.line,
        in_doubt=history[-1].to_lane is None,
        changes_requested=_asks_for_changes(history, notes),
        actor=last.actor,
        at=last.at,
        event_id=last.event_id,
        force_count=sum(move.forced for move in history),
        runtime=_runtime(history, notes),
    )


def _asks_for_changes(history: Iterable[Move], notes: Iterable[Annotation]) -> bool:
    """Whether the latest verdict asks for changes; one counts until the next hand-in (model section 2)."""
    happened = [(move.at, move.verdict, move.to_lane) for move in history]
    happened += [(note.at, verdict_of(note.delta.get("review_result")), None) for note in notes]
    asks = False
    for _, verdict, lane in sorted(happened, key=lambda what: what[0]):
        if verdict is not None:
            asks = verdict in _ASKING
        if lane is not None and (lane is Lane.FOR_REVIEW or lane.is_finished):
            asks = False
    return asks


def _runtime(history: Iterable[Move], notes: Iterable[Annotation]) -> dict[str, Any]:
    """The slots: annotations after all transitions, the latest wins; some are merged with what was there."""
    slots: dict[str, Any] = {}
    for move in history:
        slots |= {key: value for key, value in move.slots.items() if value is not None or key in slots}
    merged = _Merged()
    for note in notes:
        if note.delta.get("release_runtime_claim"):
            slots |= dict.fromkeys(_CLAIM)
        for key, value in note.delta.items():
            if key != "release_runtime_claim" and value != "" and not merged.takes(key, value):
                slots[key] = None if key == "review" and _is_blank(value) else value
    return slots | merged.slots()


def _is_blank(value: object) -> bool:
    return isinstance(value, dict) and not any(value.values())


class _Merged:
    """The slots that grow: notes are appended, references united, subtasks merged by id.

    A log of any length costs in proportion, so each is kept in a shape in which adding is cheap.
    """

    def __init__(self) -> None:
        self._notes: list[Any] = []
        self._subtasks: dict[str, Any] = {}
        self._references: dict[str, Any] | None = None

    def takes(self, key: str, value: object) -> bool:
        """Whether this is a slot that grows, by a value of the shape it has; then it has grown."""
        match key, value:
            case "note", _:
                self._notes.append(value)
            case "subtasks", dict():
                self._subtasks |= value
            case "tracker_refs", list():
                known = self._references = self._references if self._references is not None else {}
                for text, reference in _by_text(value).items():
                    known.setdefault(text, reference)
            case "tracker_refs_replace", list():
                self._references = _by_text(value)
            case _:
                return False
        return True

    def slots(self) -> dict[str, Any]:
        """Those of them that anything was said of."""
        found: dict[str, Any] = {}
        if self._notes:
            found["notes"] = self._notes
        if self._subtasks:
            found["subtasks"] = self._subtasks
        if self._references is not None:
            found["tracker_refs"] = list(self._references.values())
        return found


def _by_text(references: Iterable[Any]) -> dict[str, Any]:
    return {json.dumps(reference, sort_keys=True): reference for reference in references}
