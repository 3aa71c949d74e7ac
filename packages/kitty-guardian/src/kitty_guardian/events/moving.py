"""A move of a work package, read from its event and held against where the work package stands; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from kitty_guardian.events.asked import Asked, asked_of, is_object, is_text, is_text_or_null, quoted, shown
from kitty_guardian.events.board import Board, FeatureStanding, PackageStanding, actor_name
from kitty_guardian.model.events import Event, subject_of
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.moves import GENESIS

ACCEPTED: Final = frozenset({Lane.APPROVED, Lane.DONE})
"""Where a review leaves what it accepts: an approved work package has been accepted, merging it may come later."""

_LANES: Final = {lane.value: lane for lane in Lane}
_MODES: Final = frozenset({"worktree", "direct_repo"})
_COMMANDS: Final[Mapping[Lane, str]] = {
    Lane.CLAIMED: "implement",
    Lane.IN_PROGRESS: "implement",
    Lane.IN_REVIEW: "review",
}


@attrs.frozen
class Move:
    """A move that can be read and begins where its work package stands.

    Attributes:
        asked: The event.
        work_package: Its id.
        from_lane: None: it has no lane yet.
        to_lane: Where it is to go.
        standing: Its feature, before the move.
        package: Itself, before the move.
    """

    asked: Asked
    work_package: str
    from_lane: Lane | None
    to_lane: Lane
    standing: FeatureStanding
    package: PackageStanding

    @property
    def forced(self) -> bool:
        """Whether it asks to be let through against matrix and guards."""
        return self.asked.payload["force"] is True

    @property
    def actor(self) -> str:
        """Who asks; empty where nobody says so."""
        return (actor_name(self.asked.payload["actor"]) or "").strip()

    @property
    def result(self) -> Mapping[str, Any] | None:
        """What a review came to, as the event records it."""
        found = self.asked.payload.get("review_result")
        return found if is_object(found) else None

    @property
    def review(self) -> Mapping[str, Any] | None:
        """The review in the event's evidence."""
        return review_in(self.asked.payload.get("evidence"))

    def has_text(self, field: str) -> bool:
        """Whether the payload says something under `field`."""
        return is_text(self.asked.payload.get(field))

    def command(self, lane: Lane, *options: str) -> str:
        """What to run to move the work package to `lane`."""
        name = quoted(self.work_package)
        comes_back = lane is Lane.IN_PROGRESS and self.from_lane in {Lane.IN_REVIEW, Lane.APPROVED}
        verb = None if comes_back else _COMMANDS.get(lane)
        return " ".join([f"spec-kitty {verb} {name}" if verb else f"spec-kitty wp move {name} {lane}", *options])


def review_in(evidence: object) -> Mapping[str, Any] | None:
    """The record of a review inside an event's evidence."""
    found = evidence.get("review") if is_object(evidence) else None
    return found if is_object(found) else None


def read_move(event: Event, board: Board) -> Move:
    """The move an event asks for.

    Raises:
        TransitionRefusedError: It cannot be read, is about something else than its stream, or begins where the work
            package does not stand.
    """
    feature, work_package = subject_of(event.stream)
    name = f"{work_package or 'a work package'} of {feature or 'no feature'}"
    show = f"spec-kitty wp show {quoted(work_package)}" if work_package else "spec-kitty wp list"
    asked = asked_of(event, f"{name} cannot be moved", show)
    _check_fields(asked)
    payload = asked.payload
    from_name, to_name = payload["from_lane"], payload["to_lane"]
    asked = asked.about(f"{name} cannot go from {from_name} to {to_name}")
    if (payload["mission_slug"], payload["wp_id"]) != (feature, work_package):
        told = f"{shown(payload['wp_id'])} of {shown(payload['mission_slug'])}"
        asked.refuse("stream", f"the event is about {told}, its stream is {shown(event.stream)}")
    standing = board.feature(feature)
    package = standing.work_packages.get(work_package) or PackageStanding()
    _check_continuity(asked, package.lane)
    if to_name == GENESIS:
        asked.refuse("force" if payload["force"] else "matrix", f"nothing ever goes to {GENESIS}")
    return Move(asked, work_package, _LANES.get(from_name), _LANES[to_name], standing, package)


def _check_fields(asked: Asked) -> None:
    """That every field is there and of its kind. Optional ones that are absent are read as null, as upstream does."""
    payload = asked.payload
    for field, (wanted, is_so) in _FIELDS.items():
        if not is_so(payload.get(field)):
            asked.unreadable(field, wanted)


def _is_lane(value: object) -> bool:
    return isinstance(value, str) and (value in _LANES or value == GENESIS)


def _is_mode(value: object) -> bool:
    return isinstance(value, str) and value in _MODES


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_actor(actor: object) -> bool:
    return isinstance(actor, str) or (is_object(actor) and all(map(is_text_or_null, actor.values())))


def _is_object_or_null(value: object) -> bool:
    return value is None or is_object(value)


_FIELDS: Final[Mapping[str, tuple[str, Callable[[object], bool]]]] = {
    "mission_slug": ("a text", is_text),
    "wp_id": ("a text", is_text),
    "from_lane": (f"one of {', '.join(_LANES)}", _is_lane),
    "to_lane": (f"one of {', '.join(_LANES)}", _is_lane),
    "execution_mode": (" or ".join(sorted(_MODES)), _is_mode),
    "force": ("true or false", _is_flag),
    "actor": ("a name", _is_actor),
    "reason": ("a text or null", is_text_or_null),
    "review_ref": ("a text or null", is_text_or_null),
    "evidence": ("an object or null", _is_object_or_null),
    "review_result": ("an object or null", _is_object_or_null),
}
"""Every field the law reads, what it should be, and whether it is."""


def _check_continuity(asked: Asked, lane: Lane | None) -> None:
    begins = asked.payload["from_lane"]
    stands = GENESIS if lane is None else lane
    # Releases that knew no genesis took a work package without a lane for a planned one, and write so.
    was_genesis = lane is None and begins == Lane.PLANNED and not asked.brings_facts
    if begins != stands and not was_genesis:
        asked.refuse("continuity", f"it stands in {stands}, not in {begins}")
