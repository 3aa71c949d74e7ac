"""Beginning with a work package, and reviewing it: the two commands that are more than one move."""

from __future__ import annotations

import shlex
from typing import Final, NoReturn

import attrs

from kitty_guardian.errors import TransitionRefusedError
from kitty_guardian.events.board import ORDER, PackageStanding
from kitty_guardian.events.store import Write
from kitty_guardian.events.validators import phase_command
from kitty_guardian.model.events import Event
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.moves import GENESIS
from kitty_guardian.model.phases import Phase
from kitty_guardian.rules.policy import POLICY_PATH
from kitty_guardian.transitions import moves
from kitty_guardian.transitions.checkouts import checkouts
from kitty_guardian.transitions.facts import History, differing
from kitty_guardian.transitions.ground import Step
from kitty_guardian.transitions.moves import Subject
from kitty_guardian.transitions.phases import entry, writing
from kitty_guardian.transitions.scaffolds import path_of

_WORKING: Final = frozenset({Phase.IMPLEMENT, Phase.REVIEW})
_BEFORE: Final = frozenset({None, Lane.PLANNED, Lane.CLAIMED, Lane.IN_PROGRESS})


def implement(subject: Subject) -> Step:
    """Begin with a work package: enter implement if that is to be done, and move it to in_progress.

    Raises:
        TransitionRefusedError: The feature is not that far, the work package cannot be worked on or is another's, or
            what it is worked on by is not committed. All else the store's validators say.
    """
    ground, lane = subject.ground, subject.package.lane
    _check_phase(subject)
    _check_lane(subject)
    gate = _check_gate(subject)
    _check_committed(subject)
    _check_workspace(subject)
    entering: list[Event] = []
    if ground.entered is Phase.TASKS:
        entering.append(entry(ground, Phase.IMPLEMENT, Phase.TASKS, {"gate": gate}))
    way = _way(lane, takes_over=subject.request.force)
    seeds = _seeds(subject) if entering or way else ()
    reason = subject.request.reason
    steps: list[Event] = []
    here = lane
    for there in way:
        steps.append(moves.moved(subject, here, there, reason=reason))
        here = there
    said = [f"{ground.feature} went from {Phase.TASKS} to {Phase.IMPLEMENT}"] if entering else []
    if not steps and not entering:
        said.append(f"{subject.id} is in_progress already, by {ground.actor}")
    elif steps:
        said.append(f"{subject.id} went from {lane or GENESIS} to {here}")
    packages = moves.writing(subject, steps) if steps else ()
    return Step(
        (*writing(ground, entering), *seeds, *packages),
        tuple(said),
        moves.following(subject, Lane.IN_PROGRESS),
        subject.id,
    )


def review(subject: Subject) -> Step:
    """Take a work package into review, give the verdict, or both.

    Raises:
        TransitionRefusedError: It is not there to be reviewed. All else the store's validators say.
        InvalidValueError: No such verdict.
    """
    request, lane = subject.request, subject.package.lane
    if lane not in {Lane.FOR_REVIEW, Lane.IN_REVIEW}:
        hints = {
            Lane.IN_PROGRESS: f"spec-kitty wp move {subject.path()} for_review",
            Lane.APPROVED: f"spec-kitty wp move {subject.path()} done",
        }
        hint = hints.get(lane, f"spec-kitty implement {subject.path()}") if lane is not None else _implement(subject)
        _refuse(subject, "be reviewed", "matrix", f"it is {lane or 'not begun'}, not for_review", hint)
    if lane is Lane.IN_REVIEW and not request.verdict:
        if subject.package.actor == subject.ground.actor:
            return Step((), (f"{subject.id} is in_review already",), moves.following(subject, lane), subject.id)
        _refuse(
            subject, "be taken into review", "claimed", f"{subject.package.actor} reviews it already",
            f"spec-kitty review {subject.path()} --verdict approved --reference WHERE",
        )  # fmt: skip
    begun = [moves.moved(subject, lane, Lane.IN_REVIEW)] if lane is Lane.FOR_REVIEW else []
    if not request.verdict:
        said = f"{subject.id} went from {lane} to {Lane.IN_REVIEW}"
        return Step(moves.writing(subject, begun), (said,), moves.following(subject, Lane.IN_REVIEW), subject.id)
    to = Lane.APPROVED if request.verdict == "approved" else Lane.IN_PROGRESS
    inside = attrs.evolve(subject, package=attrs.evolve(subject.package, lane=Lane.IN_REVIEW))
    record = moves.review_record(inside, to, request.verdict, request.reference)
    ended = moves.moved(inside, Lane.IN_REVIEW, to, reason=request.reason, record=record, reference=request.reference)
    said = f"{subject.id} went from {lane} to {to}: {request.verdict}"
    following = moves.following(subject, to) if to is Lane.APPROVED else _implement(subject)
    return Step(moves.writing(subject, [*begun, ended]), (said,), following, subject.id)


def _way(lane: Lane | None, *, takes_over: bool) -> tuple[Lane, ...]:
    """The lanes between where a work package stands and in_progress."""
    ways: dict[Lane | None, tuple[Lane, ...]] = {
        None: (Lane.PLANNED, Lane.CLAIMED, Lane.IN_PROGRESS),
        Lane.PLANNED: (Lane.CLAIMED, Lane.IN_PROGRESS),
        Lane.CLAIMED: (Lane.IN_PROGRESS,),
        Lane.IN_PROGRESS: (Lane.IN_PROGRESS,) if takes_over else (),
    }
    return ways.get(lane, (Lane.IN_PROGRESS,))


def _check_phase(subject: Subject) -> None:
    entered = subject.ground.entered
    if entered in _WORKING or entered is Phase.TASKS:
        return
    stands = "nothing was recorded of it yet" if entered is None else f"it is in {entered}"
    following = ORDER[0] if entered is None else ORDER[ORDER.index(entered) + 1]
    hint = "spec-kitty init" if entered is None else phase_command(following, subject.ground.feature)
    raise TransitionRefusedError(
        f"{subject.ground.feature} cannot enter implement: {stands}, and the next phase is {following}",
        gate="one-step",
        hint=hint,
    )


def _check_lane(subject: Subject) -> None:
    """That it is there to be begun, by whoever asks."""
    lane, actor = subject.package.lane, subject.ground.actor
    if subject.request.force:
        return
    if lane not in _BEFORE:
        hints = {
            Lane.BLOCKED: f"spec-kitty wp move {subject.path()} in_progress",
            Lane.FOR_REVIEW: f"spec-kitty review {subject.path()}",
            Lane.IN_REVIEW: f"spec-kitty review {subject.path()} --verdict changes_requested --reference WHERE",
            Lane.APPROVED: f"spec-kitty wp move {subject.path()} done",
        }
        hint = hints.get(lane or Lane.DONE, f"{_implement(subject)} --force --reason TEXT")
        _refuse(subject, "be begun", "matrix", f"it is {lane}", hint)
    owner = subject.owner
    if owner is not None and owner != actor:
        _refuse(
            subject, f"be taken by {actor}", "claimed", f"it is {lane} by {owner}",
            f"spec-kitty wp list, or to take over: {_implement(subject)} --force --reason TEXT",
        )  # fmt: skip


def _check_gate(subject: Subject) -> dict[str, object]:
    """At least one valid work package: this one."""
    if not subject.request.force:
        moves.check_file(subject, "be begun")
    problems = [] if subject.file is None else list(subject.file.problems)
    valid = sum(each.is_valid for each in subject.files.values())
    return {"work_packages": valid, "problems": problems}


def _check_committed(subject: Subject) -> None:
    """What the work is done by comes from HEAD: a work tree holds nothing else."""
    ground = subject.ground
    names = [path_of(ground.feature, name) for name in ("spec.md", "plan.md", "tasks.md")]
    wanted = [*names, POLICY_PATH, *([] if subject.file is None else [subject.file.path])]
    if ground.home.head_commit() is None:
        missing: tuple[str, ...] = (path_of(ground.feature, ""),)
    else:
        missing = differing(ground.home, wanted)
    if missing:
        root = shlex.quote(str(ground.home.root))
        folders = sorted(
            {path.split("/")[0] if path == POLICY_PATH else path_of(ground.feature, "") for path in missing}
        )
        added = " ".join(shlex.quote(each.rstrip("/")) for each in folders)
        _refuse(
            subject, "be begun", "committed", f"not committed in {ground.home.root}: {', '.join(missing)}",
            f'git -C {root} add {added} && git -C {root} commit -m "Plan of {ground.feature}"',
        )  # fmt: skip


def _check_workspace(subject: Subject) -> None:
    """That the place where it is to be worked on is a work tree of this repository.

    Where none is said, nobody looks: another process may be making it, and whoever makes it holds a lock then.
    """
    ground, wanted = subject.ground, subject.request.workspace
    if wanted and all(str(each.root) != wanted for each in checkouts(ground.worktree)):
        _refuse(subject, "be begun", "workspace", f"{wanted} is no work tree of this repository", _implement(subject))


def _seeds(subject: Subject) -> tuple[Write, ...]:
    """Every other work package that can be worked on and has no lane yet is planned from now on."""
    found: list[Write] = []
    for name, file in subject.files.items():
        package = subject.ground.standing.work_packages.get(name) or PackageStanding()
        if name == subject.id or not file.is_valid or package.lane is not None:
            continue
        request = attrs.evolve(subject.request, work_package=name, force=False, workspace="")
        other = attrs.evolve(
            subject, request=request, id=name, file=file, package=package, history=History(), place=None
        )
        found += moves.writing(other, [moves.moved(other, None, Lane.PLANNED, reason="it is part of the plan")])
    return tuple(found)


def _implement(subject: Subject) -> str:
    return f"spec-kitty implement {subject.path()}"


def _refuse(subject: Subject, what: str, gate: str, why: str, hint: str) -> NoReturn:
    raise TransitionRefusedError(f"{subject.id} of {subject.ground.feature} cannot {what}: {why}", gate=gate, hint=hint)
