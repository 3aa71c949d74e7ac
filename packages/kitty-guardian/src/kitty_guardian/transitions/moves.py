"""Moving a work package: the events of a move, with what was found out for it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import attrs

from kitty_guardian.errors import InvalidValueError, TransitionRefusedError
from kitty_guardian.events.board import PackageStanding
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.store import Write
from kitty_guardian.events.validators import approves_own_work
from kitty_guardian.model.events import Event, EventType, Source, work_package_stream
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.moves import GENESIS, Guard, guards_of
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.project.trees import tree_on_disk
from kitty_guardian.transitions.facts import (
    PLANNING,
    History,
    base_of,
    history_of,
    implementation,
    trees_of,
    work_space,
)
from kitty_guardian.transitions.ground import Ground, Step
from kitty_guardian.transitions.phases import refuse_uncommitted
from kitty_guardian.transitions.requests import Command, TransitionRequest
from kitty_guardian.transitions.subtasks import open_subtasks
from kitty_guardian.transitions.workpackages import (
    WorkPackage,
    names_of,
    one_work_package,
    work_package_id,
    work_packages,
)

VERDICTS: Final = ("approved", "changes_requested", "rejected")

_WORKING: Final = frozenset({Lane.CLAIMED, Lane.IN_PROGRESS})
_STARTING: Final = frozenset({None, Lane.PLANNED, Lane.CLAIMED, Lane.BLOCKED})
_REVIEWING: Final = frozenset({Guard.REVIEW, Guard.RESULT, Guard.REVIEW_REF})


@attrs.frozen
class Subject:
    """The work package that a command is about.

    Attributes:
        ground: Its feature's.
        request: What was asked for.
        id: "WP01".
        file: What its file says; None where there is none.
        package: Where it stands.
        history: What else was recorded of it.
        place: The work tree it is worked on in; None: nobody knows one.
        files: What was read of the feature's work packages: all that have a file (implement), or this one.
    """

    ground: Ground
    request: TransitionRequest
    id: str
    file: WorkPackage | None
    package: PackageStanding
    history: History
    place: Worktree | None
    files: Mapping[str, WorkPackage]

    @classmethod
    def of(cls, ground: Ground, request: TransitionRequest) -> Subject:
        """Read what there is about the work package that is asked for.

        Raises:
            InvalidValueError: The feature has none of that name.
            GitError, EventStoreError: Something cannot be read.
        """
        standing = ground.standing
        tree = tree_on_disk(ground.home)
        names = {*names_of(tree, ground.feature), *standing.work_packages}
        asked = request.work_package.strip()
        name = asked if asked in names else work_package_id(asked)
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise InvalidValueError(
                f"{ground.feature} has no work package {asked!r} (it has {known})",
                hint="spec-kitty wp list" if names else f"write {ground.folder / 'tasks'}/WP01-a-name.md first",
            )
        if request.command is Command.IMPLEMENT:  # it alone asks how they depend on each other
            files = work_packages(tree, ground.feature, others=standing.work_packages)
        else:
            found = one_work_package(tree, ground.feature, name)
            files = {} if found is None else {name: found}
        history = history_of(ground.store, ground.feature, name)
        root = Path(request.workspace) if request.workspace else None
        if root is None:
            root = work_space(ground.worktree, ground.home.root, ground.feature, name, history)
        place = None if root is None else ground.home if root == ground.home.root else find_worktree(root)
        package = standing.work_packages.get(name) or PackageStanding()
        return cls(ground, request, name, files.get(name), package, history, place, files)

    @property
    def workspace(self) -> Worktree:
        """Where it is worked on; without a work tree of its own, where the command was given."""
        return self.place or self.ground.worktree

    @property
    def head(self) -> str | None:
        """The commit that HEAD is at where it is worked on; None before there is one.

        Raises:
            GitError: Git could not tell.
        """
        return self.ground.head if self.place is None else self.place.head_commit()

    @property
    def owner(self) -> str | None:
        """Who works on it or reviews it now; a reviewer who sends it back does not own it."""
        match self.package.lane:
            case Lane.CLAIMED | Lane.IN_REVIEW:
                return self.package.actor
            case Lane.IN_PROGRESS:
                return self.history.implementer or self.package.actor
            case _:
                return None

    @property
    def dependencies(self) -> tuple[str, ...]:
        """What has to be accepted before it starts."""
        return () if self.file is None else self.file.dependencies

    def path(self) -> str:
        """How to name it in a command."""
        return shlex.quote(self.id)


def move(subject: Subject, lane: Lane, *, reason: str = "", verdict: str = "", reference: str = "") -> Step:
    """Move a work package to `lane`, from where it stands.

    Raises:
        TransitionRefusedError: Another has it, or what is protected afterwards is not committed. All else the store's
            validators say.
        InvalidValueError: No such verdict.
    """
    package = subject.package
    if package.lane is lane and not subject.request.force:
        if (owner := subject.owner) is not None and owner != subject.ground.actor:
            raise TransitionRefusedError(
                f"{subject.id} of {subject.ground.feature} cannot be taken by {subject.ground.actor}: "
                f"it is {lane} already, by {owner}",
                gate="claimed",
                hint=f"spec-kitty wp list, or to take over: spec-kitty wp move {subject.path()} {lane} "
                "--force --reason TEXT",
            )
        return Step((), (f"{subject.id} is {lane} already",), following(subject, lane), subject.id)
    record = review_record(subject, lane, verdict, reference)
    if lane in _WORKING and package.lane in _STARTING and not subject.request.force:
        check_file(subject, f"go from {package.lane or GENESIS} to {lane}")
    check_clean(subject, lane)
    event = moved(subject, package.lane, lane, reason=reason, record=record, reference=reference)
    said = f"{subject.id} went from {package.lane or GENESIS} to {lane}"
    return Step(writing(subject, [event]), (said,), following(subject, lane), subject.id)


def check_file(subject: Subject, what: str) -> None:
    """What a work package depends on is in its file: where that cannot be read, it does not start.

    Args:
        subject: The work package.
        what: What cannot be done then, such as "be begun".

    Raises:
        TransitionRefusedError: It has no file, or one that cannot be worked by.
    """
    found = subject.file
    problems = (f"{subject.id} has no file in tasks/",) if found is None else found.problems
    if problems:
        where = subject.ground.folder / "tasks" if found is None else subject.ground.home.root / found.path
        raise TransitionRefusedError(
            f"{subject.id} of {subject.ground.feature} cannot {what}: {'; '.join(problems)}",
            gate="gate:work-packages",
            hint=f"mend {where}, then the same command again",
        )


def check_clean(subject: Subject, lane: Lane) -> None:
    """Leaving implement requires that what is protected afterwards is committed, forced or not.

    What is dirty then would be what its guardian holds from now on, and nobody's review would have seen it.

    Raises:
        TransitionRefusedError: Something is not.
    """
    if subject.package.lane in _WORKING and lane not in _WORKING:
        said = f"{subject.id} of {subject.ground.feature} cannot go from {subject.package.lane} to {lane}"
        refuse_uncommitted(subject.ground, subject.workspace, Phase.REVIEW, said)


def review_record(subject: Subject, lane: Lane, verdict: str, reference: str) -> dict[str, Any] | None:
    """What a review came to, as it is recorded: what was said now, or for a second use (done) what was said then.

    Raises:
        InvalidValueError: No such verdict.
    """
    if verdict and verdict not in VERDICTS:
        raise InvalidValueError(f"{verdict!r} is no verdict", hint=f"one of: {', '.join(VERDICTS)}")
    if verdict:
        return {"reviewer": subject.ground.actor, "verdict": verdict, "reference": reference or None}
    guards = guards_of(subject.package.lane, lane) or frozenset()
    if subject.package.lane is Lane.APPROVED and Guard.REVIEW in guards and subject.history.review:
        return dict(subject.history.review)
    return None


def moved(
    subject: Subject,
    from_lane: Lane | None,
    to_lane: Lane,
    *,
    reason: str = "",
    record: Mapping[str, Any] | None = None,
    reference: str = "",
) -> Event:
    """The event of one move, with every fact that its guards ask for."""
    ground, request = subject.ground, subject.request
    guards = guards_of(from_lane, to_lane) or frozenset()
    in_review = from_lane is Lane.IN_REVIEW
    approves = record is not None and record.get("verdict") == "approved"
    payload: dict[str, Any] = {
        "mission_slug": ground.feature,
        "wp_id": subject.id,
        "from_lane": GENESIS if from_lane is None else str(from_lane),
        "to_lane": str(to_lane),
        "actor": ground.actor,
        "execution_mode": _mode(subject, to_lane),
        "force": request.force,
        "reason": reason or None,
        "review_ref": (reference or (record or {}).get("reference") or None) if guards & _REVIEWING else None,
        "evidence": {"review": dict(record)} if record is not None and approves else None,
    }
    if record is not None and (in_review or not approves):
        payload["review_result"] = dict(record)
    facts = _facts(subject, guards, to_lane)
    facts["self_approval"] = approves_own_work(payload, attrs.evolve(subject.package, lane=from_lane))
    fields = {"mission_id": ground.meta.get("mission_id"), "policy_metadata": None}
    return new_event(
        EventType.WP_STATUS_CHANGED,
        payload,
        at=_after(subject.package.at),
        metadata={
            "source": str(Source.COMMAND), "feature": ground.feature, "actor": ground.actor, "facts": facts,
            "fields": fields,
        },
    )  # fmt: skip


def _mode(subject: Subject, to_lane: Lane) -> str:
    """Upstream's word for where it is done: in a work tree of its own, as every plan begins, or in the main one."""
    beside = to_lane is Lane.PLANNED or subject.workspace.root != subject.ground.home.root
    return "worktree" if beside else "direct_repo"


def _after(last: str) -> datetime:
    """Now, or if a clock jumped a moment after the last move: readers of the log sort by time."""
    now = datetime.now(UTC)
    try:
        return max(now, datetime.fromisoformat(last).astimezone(UTC) + timedelta(microseconds=1)) if last else now
    except OverflowError:  # there is no moment after it
        return now


def _facts(subject: Subject, guards: frozenset[Guard], to_lane: Lane) -> dict[str, Any]:
    ground, place = subject.ground, subject.workspace
    facts: dict[str, Any] = {
        "dependencies": list(subject.dependencies),
        "sandboxed": subject.request.sandboxed,
        "policy_self_approval": ground.policy.self_approval,
        "workspace": os.fspath(place.root),
        "head": subject.head,
    }
    if to_lane in _WORKING:
        facts["base"] = subject.history.base or base_of(place, ground.home) or None
    if Guard.SUBTASKS in guards:
        package = subject.file or WorkPackage(subject.id, "")
        facts["subtasks_open"] = list(open_subtasks(trees_of(ground.home, place.root), ground.feature, package))
    if Guard.EVIDENCE in guards:
        planning = subject.file is not None and subject.file.execution_mode == PLANNING
        facts["implementation"] = implementation(place, ground.home, subject.history.base, planning=planning)
    return facts


def writing(subject: Subject, events: list[Event]) -> tuple[Write, ...]:
    """The append of moves to the work package's stream."""
    stream = work_package_stream(subject.ground.feature, subject.id)
    return (Write(stream, events, subject.package.version),)


def following(subject: Subject, lane: Lane) -> str:
    """The command that usually comes after a move to `lane`."""
    name = subject.path()
    return {
        Lane.PLANNED: f"spec-kitty implement {name}",
        Lane.CLAIMED: f"spec-kitty implement {name}",
        Lane.IN_PROGRESS: f"spec-kitty wp move {name} for_review",
        Lane.FOR_REVIEW: f"spec-kitty review {name}",
        Lane.IN_REVIEW: f"spec-kitty review {name} --verdict approved --reference WHERE",
        Lane.APPROVED: f"spec-kitty wp move {name} done",
        Lane.BLOCKED: f"spec-kitty wp move {name} in_progress",
    }.get(lane, "spec-kitty wp list")
