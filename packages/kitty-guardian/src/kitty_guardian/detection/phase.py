"""The detected phase of a feature, in the owner's order (deterministic-enforcement.md, "Phase Detection").

1. a work package is being worked on (`claimed`, `in_progress`, once called `doing`): implement
2. a work package waits for review or is in it (`for_review`, `in_review`): review
3. by artifacts: work packages: tasks; `plan.md`: plan; `spec.md`: specify; otherwise research

Where something cannot be read, every phase that it could make is a candidate (enforcement model, section 7).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from itertools import combinations, product

from kitty_guardian.detection.facts import FeatureFacts, WorkPackage
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport

_BY_LANE = (
    (Phase.IMPLEMENT, frozenset({Lane.CLAIMED, Lane.IN_PROGRESS})),
    (Phase.REVIEW, frozenset({Lane.FOR_REVIEW, Lane.IN_REVIEW})),
)
_BY_ARTIFACT = ((Phase.PLAN, "plan.md"), (Phase.SPECIFY, "spec.md"))
_DECIDING = ((), (Lane.IN_PROGRESS,), (Lane.FOR_REVIEW,))
"""What an unreadable lane may be, as far as it matters: nothing that decides, or one of the two that do."""


def detect(facts: FeatureFacts, only: Collection[str] = ()) -> PhaseReport:
    """The phase these facts show, with the evidence that decided it first.

    Args:
        facts: The facts.
        only: Work packages whose lanes are asked for: those that a work tree was made for. Empty: all of them.
    """
    asked = {name: package for name, package in facts.work_packages.items() if not only or name in only}
    lanes = [package.lane for package in asked.values() if package.lane is not None]
    phase = _phase(lanes, facts.artifacts, has_packages=bool(facts.work_packages))
    candidates = _candidates(facts, asked.values())
    return PhaseReport(
        feature=facts.feature,
        phase=phase,
        evidence=(*_deciding(phase, facts, asked, sorted(only)), *_further(facts, asked, candidates)),
        work_packages={name: package.lane for name, package in facts.work_packages.items() if package.lane is not None},
        changes_requested=not facts.changes_requested.isdisjoint(asked),
        problems=facts.problems,
        scope=tuple(sorted(only)),
        candidates=candidates,
        unreadable=tuple(name for name, package in facts.work_packages.items() if _is_unsure(package)),
        malformed=tuple(sorted(facts.malformed)),
    )


def _phase(lanes: Iterable[Lane], artifacts: Collection[str], *, has_packages: bool) -> Phase:
    """The owner's order and nothing else."""
    found = frozenset(lanes)
    for phase, active in _BY_LANE:
        if found & active:
            return phase
    if has_packages:
        return Phase.TASKS
    return next((phase for phase, artifact in _BY_ARTIFACT if artifact in artifacts), Phase.RESEARCH)


def _candidates(facts: FeatureFacts, asked: Iterable[WorkPackage]) -> tuple[Phase, ...]:
    """Every phase that whatever could not be read may make of the rest; one where everything was read."""
    asked = tuple(asked)
    sure = [package.lane for package in asked if package.lane is not None and not package.in_doubt]
    may_be_more = "tasks" in facts.unseen
    unsure = may_be_more or any(_is_unsure(package) for package in asked)
    hidden = sorted(facts.unseen - {"tasks"})
    found = {
        _phase([*sure, *lanes], facts.artifacts.union(artifacts), has_packages=exist)
        for lanes, exist, artifacts in product(
            _DECIDING if unsure else _DECIDING[:1],
            {True} if facts.work_packages else {False, may_be_more},
            [some for count in range(len(hidden) + 1) for some in combinations(hidden, count)],
        )
    }
    return tuple(phase for phase in Phase if phase in found)


def _is_unsure(package: WorkPackage) -> bool:
    return package.lane is None or package.in_doubt


def _deciding(phase: Phase, facts: FeatureFacts, asked: dict[str, WorkPackage], only: list[str]) -> Iterable[str]:
    for decided, active in _BY_LANE:
        if phase is decided:
            for name, package in asked.items():
                if package.lane in active:
                    yield f"{name} is {package.lane} ({package.source})"
            return
    if facts.work_packages:
        whose = "none" if len(asked) == len(facts.work_packages) else f"none of {', '.join(only)}"
        yield f"work packages exist and {whose} is being worked on or reviewed"
        return
    for decided, artifact in _BY_ARTIFACT:
        if phase is decided:
            yield f"{artifact} exists and there is no work package"
            return
    yield "there is neither a work package nor plan.md nor spec.md"


def _further(facts: FeatureFacts, asked: dict[str, WorkPackage], candidates: tuple[Phase, ...]) -> Iterable[str]:
    if facts.work_packages:
        counts = Counter(package.lane for package in facts.work_packages.values())
        unreadable = [f"{counts[None]} unreadable"] if counts[None] else []
        yield "work packages: " + ", ".join([*(f"{counts[lane]} {lane}" for lane in Lane if counts[lane]), *unreadable])
    for name, package in asked.items():
        if package.lane is None:
            yield f"{name}: {package.source}"
    if len(candidates) > 1:
        yield f"not everything can be read: it may be in {', '.join(candidates[:-1])} or {candidates[-1]}"
    if requested := facts.changes_requested.intersection(asked):
        yield "changes are requested for " + ", ".join(sorted(requested))
