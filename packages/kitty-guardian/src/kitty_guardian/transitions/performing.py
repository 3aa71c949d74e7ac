"""The one place that does a transition: look, judge, append, write.

A refused one is recorded in the trail of the work tree where it was asked for, and changes nothing else. Whatever ends
the process after the append, the next command about the feature finds what is missing and writes it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final, assert_never

import attrs

from kitty_guardian.errors import (
    GuardianError,
    InvalidValueError,
    NotAProjectError,
    TransitionRefusedError,
    VersionConflict,
)
from kitty_guardian.events.judging import Bench
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.store import EventStore
from kitty_guardian.model.events import EventType, Source, audit_stream, work_package_stream
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.repository import Worktree, require_project
from kitty_guardian.transitions import choosing, moves, phases, working
from kitty_guardian.transitions.ground import Ground, Step, board_in
from kitty_guardian.transitions.moves import Subject
from kitty_guardian.transitions.requests import Command, Outcome, TransitionRequest
from kitty_guardian.transitions.scaffolds import ARTIFACTS, path_of
from kitty_guardian.transitions.workpackages import work_package_id
from kitty_guardian.transitions.writing import complete, deliver, foreign_lines

_TRIES: Final = 4
_TO: Final[Mapping[Command, Phase]] = {
    Command.RESEARCH: Phase.RESEARCH,
    Command.SPECIFY: Phase.SPECIFY,
    Command.PLAN: Phase.PLAN,
    Command.TASKS: Phase.TASKS,
    Command.IMPLEMENT: Phase.IMPLEMENT,
    Command.REVIEW: Phase.REVIEW,
}


def perform(worktree: Worktree, store: EventStore, request: TransitionRequest, *, layer: str = "command") -> Outcome:
    """Do a transition, or for `implement` without a workspace only check whether it could be done.

    Args:
        worktree: Where it was asked for.
        store: The repository's events.
        request: What was asked for.
        layer: Who asks: `command`, `gated` or `git`.

    Raises:
        TransitionRefusedError: A gate or a rule says no; that is recorded, and nothing else changed.
        VersionConflict: Somebody else was faster; nothing changed.
        UnknownFeatureError, UnboundFeatureError, InvalidValueError, NotAProjectError: It cannot be told what is meant.
        EventStoreError: The store cannot be used; nothing changed.
        ArtifactError, StatusLogError, GuardianBusyError: It is recorded, and what it brings could not be written; the
            next command does.
    """
    _require_project(worktree)
    for remaining in reversed(range(_TRIES)):
        feature = ""
        try:
            ground = _ground(worktree, store, request)
            feature = ground.feature
            return _perform(ground, request)
        except TransitionRefusedError as error:
            record_refusal(worktree, store, request, feature, error, layer)
            raise
        except VersionConflict as conflict:
            if not remaining or not _is_beside(request, feature, conflict):
                raise
    raise AssertionError("unreachable")  # pragma: no cover - the last try returns or raises


def answer(worktree: Worktree, store: EventStore, wire: Mapping[str, Any]) -> dict[str, Any]:
    """Do the transition that a request over the socket asks for; a refusal is an answer, too.

    Gives `outcome`, `refused` (message, hint, gate) or `conflict` (message, hint, stream, expected, actual).

    Raises:
        GuardianError: As `perform`, but for refusals and conflicts.
    """
    try:
        return {"outcome": perform(worktree, store, TransitionRequest.from_wire(wire)).to_wire()}
    except TransitionRefusedError as error:
        return {"refused": {"message": error.message, "hint": error.hint, "gate": error.gate}}
    except VersionConflict as error:
        return {
            "conflict": {
                "message": error.message, "hint": error.hint, "stream": error.stream, "expected": error.expected,
                "actual": error.actual,
            }
        }  # fmt: skip


def outcome_in(said: Mapping[str, Any]) -> Outcome:
    """What `answer` said, on the other side of the socket.

    Raises:
        TransitionRefusedError, VersionConflict: It was refused, or somebody else was faster.
    """
    if (refused := said.get("refused")) is not None:
        raise TransitionRefusedError(refused["message"], gate=refused["gate"], hint=refused["hint"])
    if (conflict := said.get("conflict")) is not None:
        raise VersionConflict(
            conflict["message"], stream=conflict["stream"], expected=conflict["expected"], actual=conflict["actual"],
            hint=conflict["hint"],
        )  # fmt: skip
    return Outcome.from_wire(said["outcome"])


def _require_project(worktree: Worktree) -> None:
    try:
        require_project(worktree)
    except NotAProjectError as error:
        raise NotAProjectError(error.message, hint="make it one with: spec-kitty init") from error


def _ground(worktree: Worktree, store: EventStore, request: TransitionRequest) -> Ground:
    board = board_in(store)
    actor = request.actor.strip()
    if not actor:
        raise InvalidValueError("nobody says who asks for it", hint="say so with --actor NAME")
    if request.command in {Command.SPECIFY, Command.RESEARCH} and request.feature.strip():
        feature = choosing.existing(worktree, board, request.feature)
        if feature is None:
            feature = choosing.folder_for(worktree, board, request.feature)
    else:
        feature = choosing.choose(worktree, board, request.feature.strip())
    return Ground.of(worktree, store, board, feature, actor)


def _perform(ground: Ground, request: TransitionRequest) -> Outcome:
    completed = complete(ground)
    step = _step(ground, request, completed=bool(completed))
    if request.command is Command.IMPLEMENT and not request.workspace:
        _judge(ground, step)
        return _outcome(ground, step, completed, changed=False)
    changed = bool(step.writes)
    if changed:
        ground.store.commit(step.writes)
        ground = ground.anew()
    written = deliver(ground, refill=step.refill) if changed or step.refill else ()
    return _outcome(ground, step, (*completed, *written), changed=changed)


def _step(ground: Ground, request: TransitionRequest, *, completed: bool) -> Step:
    match request.command:
        case Command.RESEARCH | Command.SPECIFY:
            return _beginning(ground, request, completed=completed)
        case Command.PLAN | Command.TASKS:
            return phases.forward(ground, _TO[request.command], request.reason)
        case Command.REOPEN:
            return phases.reopen(ground, _phase(request.to), request.reason)
        case Command.IMPLEMENT:
            return working.implement(Subject.of(ground, request))
        case Command.REVIEW:
            return working.review(Subject.of(ground, request))
        case Command.MOVE:
            subject = Subject.of(ground, request)
            return moves.move(
                subject, _lane(request.to), reason=request.reason, verdict=request.verdict, reference=request.reference
            )
        case _:
            assert_never(request.command)


def _beginning(ground: Ground, request: TransitionRequest, *, completed: bool) -> Step:
    phase = _TO[request.command]
    if ground.entered is None:
        return phases.begin(ground, phase, request.feature or ground.feature, request.reason)
    if ground.entered is phase is Phase.SPECIFY and request.feature.strip() and not completed:
        # Somebody means a new one: with that name, it would be the old one's.
        raise TransitionRefusedError(
            f"{ground.feature} exists already and is in {phase}",
            gate="exists",
            hint=f"write {ground.folder / 'spec.md'}, then: spec-kitty plan --feature {ground.feature}",
        )
    return phases.forward(ground, phase, request.reason)


def _judge(ground: Ground, step: Step) -> None:
    """Ask the law what the store would ask it, without appending.

    Raises:
        TransitionRefusedError: It says no.
    """
    events = [attrs.evolve(event, stream=write.stream) for write in step.writes for event in write.events]
    if events:
        Bench(None).judge(events, ground.board)


def _outcome(ground: Ground, step: Step, written: tuple[str, ...], *, changed: bool) -> Outcome:
    standing = ground.standing
    package = standing.work_packages.get(step.work_package)
    return Outcome(
        feature=ground.feature,
        phase=str(standing.phase()),
        work_package=step.work_package,
        lane="" if package is None or package.lane is None else str(package.lane),
        said=(*step.said, *_to_write(ground, written), *foreign_lines(ground, written)),
        written=tuple(dict.fromkeys(written)),
        home=str(ground.home.root),
        position=ground.board.position,
        next=step.next,
        changed=changed,
    )


def _to_write(ground: Ground, written: tuple[str, ...]) -> tuple[str, ...]:
    """Which of the files that were made now somebody has to fill."""
    made = [path_of(ground.feature, name) for name in ARTIFACTS.get(ground.entered or Phase.IMPLEMENT, ())]
    return tuple(f"now write {path}" for path in made[-1:] if path in written)


def _is_beside(request: TransitionRequest, feature: str, conflict: VersionConflict) -> bool:
    """Whether what was missed is not what was asked for, so that asking once more asks for the same thing.

    Two that begin with different work packages at once both enter implement, and plan what has no lane yet.
    """
    if request.command is not Command.IMPLEMENT:
        return False
    name = work_package_id(request.work_package)
    return conflict.stream not in {work_package_stream(feature, each) for each in (name, request.work_package)}


def record_refusal(
    worktree: Worktree,
    store: EventStore,
    request: TransitionRequest,
    feature: str,
    error: TransitionRefusedError,
    layer: str = "command",
) -> None:
    """Record what was refused, in the trail of the work tree where it was asked for, as far as that is possible."""
    entered: Phase | Lane | None = None
    standing = None
    with contextlib.suppress(GuardianError):
        standing = board_in(store).feature(feature)
        package = standing.work_packages.get(work_package_id(request.work_package))
        entered = standing.entered if not request.work_package else None if package is None else package.lane
    to = request.to or (str(Lane.IN_PROGRESS) if request.command is Command.IMPLEMENT else "")
    payload = {
        "feature": feature or None,
        "work_package": work_package_id(request.work_package) if request.work_package else None,
        "from": None if entered is None else str(entered),
        "to": to or str(_TO.get(request.command, "")) or None,
        "gate": error.gate,
        "reason": error.message,
        "hint": error.hint,
        "actor": request.actor,
        "layer": layer,
    }
    metadata = {"source": str(Source.COMMAND), "feature": feature or None, "actor": request.actor}
    event = new_event(EventType.PHASE_BLOCKED, payload, metadata=metadata)
    with contextlib.suppress(GuardianError):  # where it cannot be recorded, it is refused all the same
        store.append(audit_stream(worktree.name), [event], expected_version=None)


def _phase(text: str) -> Phase:
    try:
        return Phase(text.strip().lower())
    except ValueError:
        raise InvalidValueError(f"{text!r} is no phase", hint=f"one of: {', '.join(Phase)}") from None


def _lane(text: str) -> Lane:
    lane = Lane.parse(text)
    if lane is None:
        raise InvalidValueError(f"{text!r} is no lane", hint=f"one of: {', '.join(Lane)}")
    return lane
