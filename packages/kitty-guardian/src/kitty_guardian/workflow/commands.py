"""The workflow's commands: start a project, move a feature and its work packages on, each by the rules.

A transition is asked of this work tree's guardian, which owns the store; where none runs it is done here. What an agent
may not write (the store, from inside the sandbox) ends in an error that names the command to run outside.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import attrs

from kitty_guardian.errors import GuardianError
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.transitions.initialising import InitReport, InitRequest, initialise
from kitty_guardian.transitions.requests import Command, Outcome, TransitionRequest
from kitty_guardian.watch import lifecycle
from kitty_guardian.watch.lifecycle import StartReport
from kitty_guardian.workflow import asking


@attrs.frozen
class ImplementReport:
    """What `implement` did.

    Attributes:
        outcome: The transition.
        worktree: The work package's own work tree; absolute. Work goes on there.
        branch: The branch it is on.
        created: Whether the work tree was made now.
        guardian: How its guardian was started, or found running.
    """

    outcome: Outcome
    worktree: str
    branch: str
    created: bool
    guardian: StartReport


def init(
    where: Path,
    *,
    source: tuple[str, ...] = (),
    tests: tuple[str, ...] = (),
    force_policy: bool = False,
    actor: str | None = None,
) -> InitReport:
    """Make the git work tree that `where` lies in a Spec Kitty project, or complete what one lacks; idempotent.

    Writes the policy (never over one, unless told to), the project's identity, `kitty-specs/` and the merge attribute
    of the status logs, and takes the features that HEAD holds into the store.

    Args:
        where: Any place in the work tree.
        source: Patterns of the source roots; empty: as the project's files suggest.
        tests: The same for tests.
        force_policy: Write the policy anew where one exists.
        actor: Who asks; None: the login name.

    Raises:
        NotARepositoryError: There is no git work tree; the hint is `git init`.
        PolicyError: A pattern is none, or the policy that exists is invalid.
        EventStoreReadOnlyError: It cannot be done from here; the hint is the command to run outside.
    """
    worktree = find_worktree(where)
    request = InitRequest(source, tests, force_policy, asking.who(actor), *asking.held(worktree))
    command = asking.spelled("init", *asking.each("--source", source), *asking.each("--tests", tests))
    with asking.opened(worktree, command) as store:
        return initialise(worktree, store, request)


def specify(where: Path, name: str, *, actor: str | None = None) -> Outcome:
    """Begin a feature called `name`, or move one that is in research on to specify; writes its `spec.md`.

    Args:
        where: Any place in the work tree.
        name: What a new feature is called, in any spelling ("Home guard"), or a handle of one that is in research.
            Empty: the feature the work tree is bound to.
        actor: Who asks; None: the login name.

    Raises:
        TransitionRefusedError: The feature is beyond research; exit 1, as everywhere below.
        VersionConflict: Somebody else was faster; nothing was changed, the error says what was missed.
        InvalidValueError: No folder name can be made of `name`.
        EventStoreReadOnlyError: As in `init`.
    """
    return asking.transition(where, TransitionRequest(Command.SPECIFY, feature=name, actor=asking.who(actor)))


def research(where: Path, name: str = "", *, feature: str | None = None, actor: str | None = None) -> Outcome:
    """Begin a feature called `name` in research, or take up research of one that nothing was recorded of.

    Writes `research.md`. Arguments and errors as for `specify`; `feature` is a handle of one that exists.
    """
    wanted = name or feature or ""
    return asking.transition(where, TransitionRequest(Command.RESEARCH, feature=wanted, actor=asking.who(actor)))


def plan(where: Path, *, feature: str | None = None, actor: str | None = None) -> Outcome:
    """Move a feature on to plan: its `spec.md` has to be edited. Writes `plan.md`.

    Args:
        where: Any place in the work tree.
        feature: A handle of it; None: the one the work tree is bound to, or the only unfinished one.
        actor: Who asks; None: the login name.

    Raises:
        TransitionRefusedError: A gate or a rule says no.
        VersionConflict: Somebody else was faster.
        UnknownFeatureError, UnboundFeatureError: It cannot be told which feature is meant.
        EventStoreReadOnlyError: As in `init`.
    """
    return asking.transition(where, TransitionRequest(Command.PLAN, feature=feature or "", actor=asking.who(actor)))


def tasks(where: Path, *, feature: str | None = None, actor: str | None = None) -> Outcome:
    """Move a feature on to tasks: its `plan.md` has to be edited. Writes `tasks.md` and a first work package.

    Arguments and errors as for `plan`.
    """
    return asking.transition(where, TransitionRequest(Command.TASKS, feature=feature or "", actor=asking.who(actor)))


def implement(
    where: Path,
    work_package: str,
    *,
    feature: str | None = None,
    actor: str | None = None,
    force: bool = False,
    reason: str | None = None,
) -> ImplementReport:
    """Begin, or go on, with a work package: its own work tree, guarded, and the lane `in_progress`.

    The guardian watches before the lane moves. What cannot be completed is undone. Going on with what is in progress
    already is no error (`outcome.changed` is False).

    Args:
        where: Any place in the main work tree or a linked one.
        work_package: "WP01"; "1" and "wp1" mean the same.
        feature: As for `plan`.
        actor: As for `plan`.
        force: Take over from another actor; needs `reason`.
        reason: Why.

    Raises:
        TransitionRefusedError, VersionConflict, UnknownFeatureError, UnboundFeatureError: As for `plan`.
        NothingProtectedError, WatchError, PolicyError: The work tree cannot be guarded; nothing was changed.
        GitError: The work tree cannot be made.
        EventStoreReadOnlyError: As in `init`.
    """
    worktree = find_worktree(where)
    request = TransitionRequest(
        Command.IMPLEMENT,
        feature=feature or "",
        work_package=work_package,
        actor=asking.who(actor),
        force=force,
        reason=reason or "",
        sandboxed=asking.is_sandboxed(),
    )
    checked = asking.ask(worktree, request)  # nothing is made for what would be refused
    home, name = Path(checked.home), checked.work_package
    request = attrs.evolve(request, feature=checked.feature, work_package=name)
    begun: StartReport | None = None
    with asking.alone(worktree, f"{checked.feature}-{name}", request):
        place = asking.made(worktree, home, request)
        try:
            begun = lifecycle.start(place.root, feature=checked.feature)
            outcome = asking.ask(worktree, attrs.evolve(request, workspace=os.fspath(place.root)))
        except BaseException as error:
            if place.created and not asking.is_recorded(worktree, checked.feature, name, place.root):
                asking.undo(worktree, place, begun)
            if isinstance(error, GuardianError):  # what was put aside stays there
                error.message = "; ".join((error.message, *place.said))
            raise
    outcome = attrs.evolve(outcome, said=(*outcome.said, *place.said))
    asking.tell(worktree, outcome)
    with contextlib.suppress(GuardianError):  # it was started in the phase before
        begun = attrs.evolve(begun, status=lifecycle.status(place.root))
    return ImplementReport(outcome, os.fspath(place.root), place.branch, place.created, begun)


def review(
    where: Path,
    work_package: str,
    *,
    feature: str | None = None,
    actor: str | None = None,
    verdict: str | None = None,
    reference: str | None = None,
    reason: str | None = None,
) -> Outcome:
    """Take a work package that was handed in into review, or give the verdict, or both at once.

    Args:
        where: As for `implement`.
        work_package: As for `implement`.
        feature: As for `plan`.
        actor: The reviewer; None: the login name.
        verdict: `approved` (the lane becomes approved), `changes_requested` or `rejected` (in_progress again); None:
            only begin.
        reference: What the verdict refers to: a review file, a pull request, a commit; needed with a verdict.
        reason: A remark.

    Raises:
        TransitionRefusedError, VersionConflict, UnknownFeatureError, UnboundFeatureError: As for `plan`.
        InvalidValueError: No such verdict.
        EventStoreReadOnlyError: As in `init`.
    """
    return asking.transition(
        where,
        TransitionRequest(
            Command.REVIEW,
            feature=feature or "",
            work_package=work_package,
            actor=asking.who(actor),
            verdict=verdict or "",
            reference=reference or "",
            reason=reason or "",
        ),
    )


def reopen(where: Path, phase: str, *, reason: str, feature: str | None = None, actor: str | None = None) -> Outcome:
    """Go back to an earlier phase; recorded with the reason.

    Args:
        where: As for `plan`.
        phase: research, specify, plan or tasks.
        reason: Why; not blank.
        feature: As for `plan`.
        actor: As for `plan`.

    Raises:
        TransitionRefusedError, VersionConflict, UnknownFeatureError, UnboundFeatureError: As for `plan`.
        InvalidValueError: No such phase.
        EventStoreReadOnlyError: As in `init`.
    """
    return asking.transition(
        where,
        TransitionRequest(Command.REOPEN, feature=feature or "", to=phase, reason=reason, actor=asking.who(actor)),
    )


def move(  # noqa: PLR0913 - one for each option of the command
    where: Path,
    work_package: str,
    lane: str,
    *,
    feature: str | None = None,
    actor: str | None = None,
    reason: str | None = None,
    verdict: str | None = None,
    reference: str | None = None,
    force: bool = False,
) -> Outcome:
    """Move a work package along any edge of the matrix, each with its guards.

    Args:
        where: As for `implement`.
        work_package: As for `implement`.
        lane: Where to.
        feature: As for `plan`.
        actor: As for `plan`.
        reason: Why; some edges need it, and `force` does.
        verdict: As for `review`, for edges out of a review.
        reference: As for `review`.
        force: Override edge and guards; refused from inside the sandbox.

    Raises:
        TransitionRefusedError, VersionConflict, UnknownFeatureError, UnboundFeatureError: As for `plan`.
        InvalidValueError: No such lane or verdict.
        EventStoreReadOnlyError: As in `init`.
    """
    return asking.transition(
        where,
        TransitionRequest(
            Command.MOVE,
            feature=feature or "",
            work_package=work_package,
            to=lane,
            actor=asking.who(actor),
            reason=reason or "",
            verdict=verdict or "",
            reference=reference or "",
            force=force,
        ),
    )
