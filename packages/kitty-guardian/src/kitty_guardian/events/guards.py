"""What a move has to bring along: the guards of the matrix one by one, and the dependencies of work that starts; pure.

Work tree, subtasks, implementation and dependencies are not on the event itself. A command finds them out and brings
them as facts. A line that another tool wrote is held to those that were found out for it, a line that git brought to
none: what was true on another machine cannot be looked up here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kitty_guardian.events.asked import is_text
from kitty_guardian.events.moving import ACCEPTED, Move
from kitty_guardian.model.events import Source
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.moves import Guard

_STARTING: Final = frozenset({Lane.CLAIMED, Lane.IN_PROGRESS})
_RETURNING: Final = frozenset({Lane.FOR_REVIEW, Lane.IN_REVIEW, Lane.APPROVED})
_REVIEWED: Final = ("reviewer", "verdict", "reference")
_REVIEW_OPTIONS: Final = ("--verdict approved", "--reference WHERE")
_NAMED: Final = 5


def check_guard(guard: Guard, move: Move) -> None:
    """Whether the move brings what a guard asks for.

    Raises:
        TransitionRefusedError: It does not, or nobody looked.
    """
    _CHECKS[guard](move)


def check_dependencies(move: Move) -> None:
    """Whether everything that a work package builds on has been accepted when work on it starts.

    Work that comes back from its review has started long ago: a verdict is not held up by a dependency's fate.

    Raises:
        TransitionRefusedError: Something is missing, is unknown or is the work package itself.
    """
    if move.to_lane not in _STARTING or move.from_lane in _RETURNING or move.asked.source is Source.GIT:
        return
    asked = move.asked
    names = asked.fact("dependencies")
    if not isinstance(names, list | tuple) or not all(is_text(name) for name in names):
        asked.misread("dependencies")
    for name in names:
        if name == move.work_package:
            asked.refuse("dependencies", f"{name} depends on itself")
        package = move.standing.work_packages.get(name)
        if package is None or package.lane is None:
            asked.refuse("dependencies", f"it depends on {name}, which nobody knows", "spec-kitty wp list")
        if package.lane not in ACCEPTED:
            why = f"it depends on {name}, which is {package.lane} and has to be approved or done"
            asked.refuse("dependencies", why, _next_for(name, package.lane))


def _next_for(name: str, lane: Lane) -> str:
    if lane is Lane.PLANNED:
        return f"spec-kitty implement {name}"
    return f"spec-kitty review {name}" if lane is Lane.FOR_REVIEW else f"spec-kitty wp show {name}"


def _actor(move: Move) -> None:
    if not move.actor:
        move.asked.refuse(Guard.ACTOR.gate, "nobody says who does it", move.command(move.to_lane, "--actor NAME"))


def _reason(move: Move) -> None:
    if not move.has_text("reason"):
        move.asked.refuse(Guard.REASON.gate, "it needs a reason", move.command(move.to_lane, "--reason TEXT"))


def _review_ref(move: Move) -> None:
    if not move.has_text("review_ref"):
        why = "it needs a reference to the reviewer's findings"
        move.asked.refuse(Guard.REVIEW_REF.gate, why, move.command(move.to_lane, "--reference WHERE"))


def _workspace(move: Move) -> None:
    if not is_text(_found(move, "workspace")) and _is_judged(move, "workspace"):
        why = "there is no work tree to work in"
        move.asked.refuse(Guard.WORKSPACE.gate, why, move.command(Lane.IN_PROGRESS))


def _subtasks(move: Move) -> None:
    if not _is_judged(move, "subtasks_open"):
        return
    still_open = _found(move, "subtasks_open")
    if not isinstance(still_open, list | tuple) or not all(isinstance(name, str) for name in still_open):
        move.asked.misread("subtasks_open")
    if still_open:
        names = ", ".join(still_open[:_NAMED])
        more = f" and {len(still_open) - _NAMED} more" if len(still_open) > _NAMED else ""
        move.asked.refuse(Guard.SUBTASKS.gate, f"subtasks are open: {names}{more}")


def _evidence(move: Move) -> None:
    if not _is_judged(move, "implementation"):
        return
    found = _found(move, "implementation")
    if not isinstance(found, Mapping | None):
        move.asked.misread("implementation")
    commits = found.get("commits") if found is not None else 0
    if not isinstance(commits, int) or isinstance(commits, bool):
        move.asked.misread("implementation")
    if commits < 1:
        hint = f"git add -A && git commit, then {move.command(move.to_lane)}"
        move.asked.refuse(Guard.EVIDENCE.gate, "nothing that was implemented is committed", hint)


def _is_judged(move: Move, fact: str) -> bool:
    """Whether a fact about the world counts here; for a line of another tool, null means that nobody knows."""
    return move.asked.brings_facts or (move.asked.source is Source.FILE and move.asked.facts.get(fact) is not None)


def _found(move: Move, fact: str) -> Any:  # noqa: ANN401 - a JSON value
    return move.asked.fact(fact) if move.asked.brings_facts else move.asked.facts.get(fact)


def _review(move: Move) -> None:
    review = move.review
    if review is None or not _is_whole(review) or review["verdict"] != "approved":
        why = 'it needs evidence of a review: who reviewed it, the verdict "approved" and where that is written'
        move.asked.refuse(Guard.REVIEW.gate, why, move.command(move.to_lane, *_REVIEW_OPTIONS))


def _result(move: Move) -> None:
    asked, result = move.asked, _recorded(move)
    options = _REVIEW_OPTIONS if move.to_lane in ACCEPTED else ("--verdict changes_requested", "--reference WHERE")
    hint = move.command(move.to_lane, *options)
    if result is None or not _is_whole(result):
        asked.refuse(Guard.RESULT.gate, "a review ends with its reviewer, its verdict and where that is written", hint)
    reference = asked.payload.get("review_ref")
    if reference is not None and reference != result["reference"]:
        asked.refuse(Guard.RESULT.gate, "its review_ref points elsewhere than its review_result", hint)
    if asked.payload.get("evidence") is not None:
        review = move.review or {}
        if any(review.get(key) != result[key] for key in _REVIEWED):
            asked.refuse(Guard.RESULT.gate, "its evidence is of another review than its review_result", hint)


def _approval(move: Move) -> None:
    result = _recorded(move)
    if result is None or result.get("verdict") != "approved":
        why = 'the verdict of its review is not "approved"'
        move.asked.refuse(Guard.APPROVAL.gate, why, move.command(move.to_lane, *_REVIEW_OPTIONS))


def _recorded(move: Move) -> Mapping[str, Any] | None:
    """What the review came to.

    Releases before 3.2.6 asked for a result and did not write it down as such: a line of theirs has the reviewer's
    evidence, or, when work goes back, its actor and where the findings are.
    """
    if move.asked.source is Source.COMMAND or move.asked.payload.get("review_result") is not None:
        return move.result
    if move.asked.payload.get("evidence") is not None:
        return move.review
    reference = move.asked.payload.get("review_ref")
    return {"reviewer": move.actor, "verdict": "changes_requested", "reference": reference}


def _is_whole(review: Mapping[str, Any]) -> bool:
    return all(is_text(review.get(key)) for key in _REVIEWED)


_CHECKS: Final[Mapping[Guard, Callable[[Move], None]]] = {
    Guard.ACTOR: _actor,
    Guard.WORKSPACE: _workspace,
    Guard.SUBTASKS: _subtasks,
    Guard.EVIDENCE: _evidence,
    Guard.REASON: _reason,
    Guard.REVIEW_REF: _review_ref,
    Guard.REVIEW: _review,
    Guard.RESULT: _result,
    Guard.APPROVAL: _approval,
}
