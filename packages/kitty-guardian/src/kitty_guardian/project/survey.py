"""What is recorded of every feature, and which of them a work tree is bound to: what adoption begins with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from kitty_guardian.errors import InvalidValueError, UnboundFeatureError
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.assignments import assignment, work_packages_of
from kitty_guardian.project.binding import Binding, asked_for, bind, listed, no_active_feature
from kitty_guardian.project.copies import Copies, Copy
from kitty_guardian.project.features import FEATURES, feature_names, read_feature, read_features, unread_folders
from kitty_guardian.project.handles import Handles
from kitty_guardian.project.pins import Adoption
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.repository import Worktree
from kitty_guardian.project.trees import GitTree, tree_on_disk

_WHOLE: Final = frozenset({"", "coord"})
"""Parts that are the whole feature."""


@attrs.frozen
class Survey:
    """What was found for one work tree.

    Attributes:
        head: The commit HEAD resolves to, or None.
        reports: Every feature by folder name, as commits hold it: the copy that counts.
        binding: What the work tree is bound to.
        copies: Whose copy counts, for features whose own copy does not.
        notes: Sentences for people.
    """

    head: str | None
    reports: Mapping[str, PhaseReport]
    binding: Binding
    copies: Mapping[str, Copy]
    notes: tuple[str, ...] = ()


def survey(
    worktree: Worktree,
    *,
    feature: str | None = None,
    every: bool = False,
    prior: Adoption | None = None,
    looking: bool = False,
    readings: Readings | None = None,
    recorded: Callable[[Survey], Mapping[str, PhaseReport]] | None = None,
) -> Survey:
    """Look at a work tree as its HEAD, and whatever else counts, hold it; nothing on disk but folders' names matters.

    A folder that no commit has yet is in research (model section 1). A work tree stays bound to what it was bound to,
    in whole or in part, unless something else is asked for.

    Args:
        worktree: The work tree.
        feature: The feature that was asked for.
        every: Whether every unfinished one was.
        prior: What was adopted before, if anything.
        looking: Whether somebody only wants to know: nothing is bound to what is found.
        readings: What is known already.
        recorded: Given what was read, bound to nothing yet, says where the features stand: what is recorded of them
            counts, and what is finished is told by that.

    Raises:
        InvalidValueError, UnknownFeatureError, UnboundFeatureError: As `bind` has them; or what is asked for is not the
            part that the work tree was made for.
        GitError: HEAD cannot be read.
    """
    readings = readings or Readings()
    head = worktree.head_commit()
    if head is None:
        reports = _with_folders({}, worktree)
        if recorded is not None:
            reports = dict(recorded(Survey(None, reports, Binding((), ""), {})))
        binding = _bound(worktree, reports, feature, every=every, prior=prior, looking=looking)
        return Survey(None, reports, binding, {})
    copies = Copies(worktree, head)
    with GitTree(worktree.git, head) as tree:
        reports = read_features(tree, readings)
        notes = [str(problem) for problem in unread_folders(tree)]
    if (main := copies.main) is not None:  # what was begun there after this work tree branched off
        with GitTree(worktree.git, main.commit) as tree:
            for name in feature_names(tree):
                if name not in reports:
                    only_there = read_feature(tree, f"{FEATURES}/{name}", readings=readings)
                    reports[name] = attrs.evolve(only_there, malformed=())
    reports = _with_folders(reports, worktree)
    # What is finished, and so what can be bound to, is asked of the copies that count, too.
    held = () if prior is None or prior.every else tuple(name for name in prior.bound if name in reports)
    others = copies.that_count(reports, bound=held, part="" if prior is None else prior.part)
    for name, copy in others.items():
        reports[name], _ = _read_part(worktree, copy.commit, name, Binding((), ""), readings)
    if recorded is not None:
        reports = dict(recorded(Survey(head, reports, Binding((), ""), others)))
    binding = _bound(worktree, reports, feature, every=every, prior=prior, looking=looking)
    asked = () if binding.every else binding.features
    others |= copies.that_count(asked, bound=asked, part=binding.part)
    notes += [f"{name}: {others[name].reason}" for name in asked if name in others]
    notes += [
        f"{name}: its coordination branch, {branch}, is not in this repository; what HEAD holds is read"
        for name in asked
        if name not in others and not reports[name].finished and (branch := copies.missing_branch(name))
    ]
    for name in asked:
        if name in others or binding.part:
            commit = others[name].commit if name in others else head
            reports[name], why = _read_part(worktree, commit, name, binding, readings)
            notes += [why] if why else []
    # What has to be mended in another copy is nothing that can be mended here.
    reports |= {name: attrs.evolve(reports[name], malformed=()) for name in others}
    return Survey(head, reports, binding, others, tuple(notes))


def _read_part(
    worktree: Worktree, commit: str, name: str, binding: Binding, readings: Readings
) -> tuple[PhaseReport, str]:
    """A feature as a commit holds it, asked for a part of it; and why for all of it, where that cannot be told."""
    with GitTree(worktree.git, commit) as tree:
        only, why = work_packages_of(tree, name, binding.part) if binding.scope is None else (binding.scope, "")
        report = read_feature(tree, f"{FEATURES}/{name}", work_packages=only, readings=readings)
    if unknown := sorted(set(only).difference(report.work_packages, report.unreadable)):
        why = f"{name} has no {', '.join(unknown)}, which this work tree was made for"
    return report, why


def _bound(
    worktree: Worktree,
    reports: Mapping[str, PhaseReport],
    feature: str | None,
    *,
    every: bool,
    prior: Adoption | None,
    looking: bool,
) -> Binding:
    kept: str | None = None
    made = _made_for(worktree, reports, prior)
    if made is not None and not looking:
        _refuse_other(worktree, reports, made, feature, every=every)
    if feature is None and not every and prior is not None:
        every = prior.every and made is None
        if not prior.every and prior.bound:
            kept = _kept(worktree, reports, prior) if made is None or made[0] not in reports else made[0]
            if kept is None:  # names bind a work tree once only
                return Binding((), no_active_feature(reports))
    binding = bind(
        worktree, reports, feature=kept if feature is None else feature, every=every, branch=worktree.head_branch()
    )
    if made is not None and prior is not None and (*binding.features, prior.part) == made:
        binding = attrs.evolve(binding, part=prior.part, scope=prior.scope)
    if kept is None or prior is None:
        return binding
    since = f"bound to {kept} since {prior.at.astimezone():%Y-%m-%d %H:%M}"
    part, scope = (binding.part, None) if made is not None and not prior.part else (prior.part, prior.scope)
    return attrs.evolve(binding, reason=since, part=part, scope=scope)


def _made_for(worktree: Worktree, reports: Mapping[str, PhaseReport], prior: Adoption | None) -> tuple[str, str] | None:
    """The feature, and the part of it, that a work tree was made for and stays held to; None where it is a whole one.

    The record says it, since names bind a work tree once only; where it says nothing, or is gone, the folder does.
    """
    if prior is not None and prior.bound and not prior.every and prior.part not in _WHOLE:
        return prior.bound[0], prior.part
    named = assignment(worktree, Handles.of(worktree, reports), None)
    if named is None or named.part in _WHOLE:
        return None
    is_another = prior is not None and not prior.every and prior.bound and named.feature not in prior.bound
    return None if is_another else (named.feature, named.part)


def _refuse_other(
    worktree: Worktree, reports: Mapping[str, PhaseReport], made: tuple[str, str], feature: str | None, *, every: bool
) -> None:
    """Nothing that is asked for takes a work tree's part away: what is closed there after a review would be open.

    Raises:
        InvalidValueError: Something else than what it was made for is asked for.
        UnknownFeatureError: As `bind` has it.
    """
    if every and feature is None:
        other = "every feature (--all)"
    elif feature is None or every or (other := asked_for(Handles.of(worktree, reports), feature)) == made[0]:
        return
    raise InvalidValueError(
        f"{worktree.root} cannot be bound to {other}: this work tree was made for {made[1]} of {made[0]}",
        hint="spec-kitty guardian start",
    )


def _kept(worktree: Worktree, reports: Mapping[str, PhaseReport], prior: Adoption) -> str | None:
    """The feature that a work tree stays bound to; None if there is none to be bound to any more.

    Raises:
        UnboundFeatureError: It is finished or gone, and others are not: which of them takes its place is a person's
            choice, not that of whoever wrote "done", removed the folder or switched the branch.
    """
    kept = next((name for name in prior.bound if name in reports and not reports[name].finished), None)
    unfinished = sorted(name for name, report in reports.items() if not report.finished)
    if kept is not None or not prior.bound or not unfinished:
        return kept
    was = ", ".join(prior.bound)
    state = "finished" if all(name in reports for name in prior.bound) else "in no commit any more"
    raise UnboundFeatureError(
        f"{worktree.root} is bound to {was}, which is {state}; unfinished: {listed(unfinished)}",
        hint=f"say which it is now: spec-kitty guardian start --feature {unfinished[0]}, or --all",
    )


def _with_folders(reports: Mapping[str, PhaseReport], worktree: Worktree) -> dict[str, PhaseReport]:
    found = dict(reports)
    fresh = PhaseReport("", Phase.RESEARCH, evidence=("HEAD does not have this folder yet",))
    for name in feature_names(tree_on_disk(worktree)):
        found.setdefault(name, attrs.evolve(fresh, feature=name))
    return found
