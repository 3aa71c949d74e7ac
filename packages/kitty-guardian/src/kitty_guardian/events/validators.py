"""The law of the workflow, run by the store inside its write transaction: which phase may be entered, which lane taken.

A validator is given an event with its stream and a board that is up to date, reads nothing else, and raises. What needs
disk or git was found out before and travels in `metadata["facts"]`, where it stays on record; what nobody looked at is
refused. History (`Source.ADOPTION`) is not judged. See enforcement model, sections 1 and 5, and facts, section 6.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import attrs

from kitty_guardian.errors import TransitionRefusedError
from kitty_guardian.events.asked import Asked, asked_of, is_text, quoted, shown, source_of
from kitty_guardian.events.board import ORDER, Board, FeatureStanding, PackageStanding, actor_name
from kitty_guardian.events.guards import check_dependencies, check_guard
from kitty_guardian.events.moving import ACCEPTED, Move, read_move, review_in
from kitty_guardian.model.events import Category, Event, EventType, Source, category_of, subject_of
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.moves import Guard, guards_of, lanes_after, next_lane
from kitty_guardian.model.phases import Phase

_WORKING: Final = frozenset({Phase.IMPLEMENT, Phase.REVIEW})
_SEEDING: Final = _WORKING | {Phase.TASKS}
_PHASES: Final = {phase.value: phase for phase in Phase}
_GUARDS: Final = tuple(Guard)
_RULED: Final = frozenset({EventType.PHASE_ENTERED, EventType.WP_STATUS_CHANGED})
_ARTIFACTS: Final[Mapping[Phase, str]] = {Phase.PLAN: "spec.md", Phase.TASKS: "plan.md"}
"""What has to be written before a phase is entered."""


class Validator(Protocol):
    """Anything that may say no to an event."""

    def __call__(self, event: Event, board: Board) -> None:
        """Let the event pass, or raise.

        Args:
            event: With the stream that it is to be appended to.
            board: What every event before it adds up to; only read.

        Raises:
            TransitionRefusedError: No; with the gate that says so and the command to run next.
        """


def validate_stream(event: Event, board: Board) -> None:  # noqa: ARG001 - a validator
    """Whether an event lies in a stream for events of its type, and the board can fold it.

    Raises:
        TransitionRefusedError: It does not, or it cannot.
    """
    if event.event_type in _RULED or category_of(event.stream) == Category.AUDIT:
        return  # what has a rule of its own is asked the same there
    if source_of(event) is not Source.ADOPTION:
        feature, _ = subject_of(event.stream)
        asked_of(event, f"an event of {feature or 'no feature'} cannot be recorded", "spec-kitty events list")


def validate_wp_status_change(event: Event, board: Board) -> None:
    """Whether a `WPStatusChanged` may happen on this board; other events are none of its business.

    Raises:
        TransitionRefusedError: No.
    """
    if event.event_type != EventType.WP_STATUS_CHANGED or source_of(event) is Source.ADOPTION:
        return
    move = read_move(event, board)
    if move.asked.source is not Source.GIT:
        _check_phase(move)
    if move.forced:
        _check_force(move)
    else:
        _check_rules(move)
    _check_self_approval(move)


def approves_own_work(payload: Mapping[str, Any], package: PackageStanding) -> bool:
    """Whether a move approves what its own reviewer implemented; names are compared trimmed and in any case.

    A forced approval that names no reviewer is its actor's. What was approved before is not approved again by `done`.

    Args:
        payload: Of the `WPStatusChanged`, well formed.
        package: The work package before the move.
    """
    if payload["to_lane"] not in ACCEPTED or package.lane is Lane.APPROVED or package.implementer is None:
        return False
    records = (payload.get("review_result"), review_in(payload.get("evidence")))
    reviewers = [record.get("reviewer") for record in records if isinstance(record, Mapping)]
    names = {_folded(name) for name in reviewers if isinstance(name, str) and is_text(name)}
    if not names and payload["force"] is True:
        names = {_folded(actor_name(payload["actor"]) or "")}
    return _folded(package.implementer) in names


def _folded(name: str) -> str:
    return name.strip().casefold()


def _check_phase(move: Move) -> None:
    """That the feature is where work packages are made, for the first lane, or worked on, for any other."""
    entered = move.standing.entered
    is_seed = move.from_lane is None and move.to_lane is Lane.PLANNED
    if entered in (_SEEDING if is_seed else _WORKING):
        return
    stands = "in no phase yet" if entered is None else f"in {entered}"
    wanted = Phase.TASKS if is_seed else Phase.IMPLEMENT
    following = ORDER[0] if entered is None else ORDER[ORDER.index(entered) + 1]
    hint = phase_command(following, move.standing.feature, move.work_package)
    move.asked.refuse("phase", f"{move.standing.feature} is {stands}, this has to wait for {wanted}", hint)


def _check_force(move: Move) -> None:
    """That a person forces it, says who and why; and that another tool's line forces nothing that has to be forced."""
    asked = move.asked
    hint = f"spec-kitty wp move {quoted(move.work_package)} {move.to_lane} --force --actor NAME --reason TEXT"
    if not move.actor or not move.has_text("reason"):
        asked.refuse("force", "force needs somebody's name and a reason", hint)
    if asked.source is Source.FILE:
        try:
            _check_rules(move)
        except TransitionRefusedError as error:
            why = f"a line of another tool overrides nothing by force ({error.gate})"
            raise TransitionRefusedError(f"{asked.said}: {why}", gate="force", hint=hint) from error
    if asked.brings_facts:
        sandboxed = asked.fact("sandboxed")
        if not isinstance(sandboxed, bool):
            asked.misread("sandboxed")
        if sandboxed:
            asked.refuse("force", "nothing is forced from inside the sandbox; run this outside", hint)


def _check_rules(move: Move) -> None:
    """Everything that force overrides: the matrix, its guards and the dependencies."""
    asked = move.asked
    guards = guards_of(move.from_lane, move.to_lane)
    if guards is None:
        ways = ", ".join(lanes_after(move.from_lane))
        why = f"from there it may go to {ways}" if ways else "nothing leaves that lane"
        towards = next_lane(move.from_lane, move.to_lane)
        forced = f"spec-kitty wp move {quoted(move.work_package)} {move.to_lane} --force --actor NAME --reason TEXT"
        asked.refuse("matrix", why, move.command(towards) if towards else forced)
    if asked.brings_facts:
        check_guard(Guard.ACTOR, move)  # whoever asks here has a name; upstream insists on it for two moves only
    check_dependencies(move)
    for guard in _GUARDS:
        if guard in guards:
            check_guard(guard, move)


def _check_self_approval(move: Move) -> None:
    """That nobody approves what they implemented where the policy forbids it, and never unrecorded."""
    asked = move.asked
    if asked.source is Source.GIT or not approves_own_work(asked.payload, move.package):
        return
    if asked.facts.get("policy_self_approval") == "refuse":
        why = f"{move.package.implementer} implemented it, and the policy asks for another reviewer"
        asked.refuse("self-approval", why, f"spec-kitty review {quoted(move.work_package)} --actor NAME")
    if asked.brings_facts and not move.forced and asked.facts.get("self_approval") is not True:
        asked.refuse("self-approval", f"{move.package.implementer} implemented it, and it is not recorded as such")


def phase_command(phase: Phase, feature: str, work_package: str = "") -> str:
    """The command that enters a phase."""
    if phase is Phase.SPECIFY or phase is Phase.RESEARCH:
        return f"spec-kitty specify {quoted(feature)}"
    if phase in _WORKING:
        return f"spec-kitty implement {quoted(work_package)}" if work_package else "spec-kitty implement WP01"
    return f"spec-kitty {phase}"


@attrs.frozen
class PhaseTransitionValidator:
    """Lets a feature go one phase forward through that phase's gate, or back for a reason, and no other way."""

    def __call__(self, event: Event, board: Board) -> None:
        """Whether a `PhaseEntered` may happen on this board; other events are none of its business.

        Raises:
            TransitionRefusedError: No.
        """
        if event.event_type != EventType.PHASE_ENTERED or source_of(event) is Source.ADOPTION:
            return
        if category_of(event.stream) == Category.AUDIT:
            return  # only notes that a guardian began to watch
        feature, _ = subject_of(event.stream)
        name = feature or "no feature"
        asked = asked_of(event, f"{name} cannot enter a phase", "spec-kitty guardian phase")
        standing = board.feature(feature)
        phase = _phase_asked_for(asked, standing)
        asked = asked.about(f"{name} cannot enter {phase}", phase_command(phase, feature))
        if asked.payload["feature"] != feature:
            asked.refuse("stream", f"the event is about {shown(asked.payload['feature'])}")
        if _is_step(asked, phase, standing) and asked.source is not Source.GIT:
            _check_gate(asked, phase)


def _phase_asked_for(asked: Asked, standing: FeatureStanding) -> Phase:
    payload = asked.payload
    for field in ("phase", "from_phase"):
        is_none = field == "from_phase" and payload.get(field) is None
        if not is_none and not (isinstance(payload.get(field), str) and payload[field] in _PHASES):
            asked.unreadable(field, f"one of {', '.join(_PHASES)}")
    if not is_text(payload.get("feature")):
        asked.unreadable("feature", "a text")
    if not isinstance(payload.get("reopened", False), bool):
        asked.unreadable("reopened", "true or false")
    for field in ("actor", "reason", "head"):
        if not isinstance(payload.get(field), str | None):
            asked.unreadable(field, "a text or null")
    if asked.brings_facts and not is_text(payload.get("actor")):
        asked.refuse(Guard.ACTOR.gate, "nobody says who asks for it")
    if payload.get("from_phase") != standing.entered:
        asked.refuse("continuity", f"the feature is {f'in {standing.entered}' if standing.entered else 'in no phase'}")
    return _PHASES[payload["phase"]]


def _is_step(asked: Asked, phase: Phase, standing: FeatureStanding) -> bool:
    """Whether it goes forward, which asks for the phase's gate; going back asks for a reason."""
    reopened = asked.payload.get("reopened", False)
    entered = standing.entered
    if phase is Phase.REVIEW:
        asked.refuse("phase", "work packages go to review, not features", "spec-kitty wp list")
    here = -1 if entered is None else ORDER.index(entered)
    there = ORDER.index(phase)
    if there < here:
        hint = f"spec-kitty reopen {phase} --reason TEXT"
        if not reopened or not is_text(asked.payload.get("reason")):
            asked.refuse("reopen", f"it is further, in {entered}; going back takes a reason", hint)
        return False
    following = phase_command(ORDER[min(here + 1, len(ORDER) - 1)], standing.feature)
    if there == here:
        asked.refuse("one-step", "it is there already", following)
    if there > here + 1:
        why = f"one phase after the other: the next one is {ORDER[here + 1]}"
        asked.refuse("one-step", why, following)
    if reopened:
        asked.refuse("reopen", "only an earlier phase is reopened")
    return True


def _check_gate(asked: Asked, phase: Phase) -> None:
    """That what the phase builds on is there: content, not a file that nobody edited."""
    if phase not in _ARTIFACTS and phase is not Phase.IMPLEMENT:
        return
    gate = asked.fact("gate")
    if not isinstance(gate, Mapping):
        asked.misread("gate")
    if phase in _ARTIFACTS:
        artifact = _ARTIFACTS[phase]
        if gate.get("artifact") != artifact or not isinstance(gate.get("edited"), bool):
            asked.misread("gate")
        if not gate["edited"]:
            found = gate.get("why")
            why = f"{artifact} {found}" if isinstance(found, str) and found else f"nobody has written {artifact} yet"
            asked.refuse(f"gate:{artifact}", why, f"{asked.again}, once {artifact} is written")
        return
    number, problems = gate.get("work_packages"), gate.get("problems")
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(problems, list | tuple):
        asked.misread("gate")
    if problems or number < 1:
        why = "; ".join(map(str, filter(is_text, problems[:3]))) or "there is no work package"
        asked.refuse("gate:work-packages", why, "spec-kitty wp list")


DEFAULT: Final[tuple[Validator, ...]] = (validate_stream, PhaseTransitionValidator(), validate_wp_status_change)
"""Every rule there is, in the order in which they are asked."""


def check(event: Event, board: Board) -> None:
    """Hold an event against every rule.

    Raises:
        TransitionRefusedError: One says no.
    """
    for validator in DEFAULT:
        validator(event, board)
