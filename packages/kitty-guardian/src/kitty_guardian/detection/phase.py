"""The detected phase of a feature, in the owner's order (deterministic-enforcement.md, "Phase Detection").

1. a work package is being worked on (`claimed`, `in_progress`, once called `doing`): implement
2. a work package waits for review or is in it (`for_review`, `in_review`): review
3. by artifacts: work packages: tasks; `plan.md`: plan; `spec.md`: specify; otherwise research
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from kitty_guardian.detection.facts import FeatureFacts
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport

_BY_LANE = (
    (Phase.IMPLEMENT, frozenset({Lane.CLAIMED, Lane.IN_PROGRESS})),
    (Phase.REVIEW, frozenset({Lane.FOR_REVIEW, Lane.IN_REVIEW})),
)
_BY_ARTIFACT = ((Phase.PLAN, "plan.md"), (Phase.SPECIFY, "spec.md"))


def detect(facts: FeatureFacts) -> PhaseReport:
    """The phase these facts show, with the evidence that decided it first."""
    phase, evidence = _decide(facts)
    return PhaseReport(
        feature=facts.feature,
        phase=phase,
        evidence=(*evidence, *_further(facts)),
        work_packages={name: package.lane for name, package in facts.work_packages.items()},
        changes_requested=bool(facts.changes_requested),
        problems=facts.problems,
    )


def _decide(facts: FeatureFacts) -> tuple[Phase, Iterable[str]]:
    for phase, lanes in _BY_LANE:
        active = [(name, package) for name, package in facts.work_packages.items() if package.lane in lanes]
        if active:
            return phase, [f"{name} is {package.lane} ({package.source})" for name, package in active]
    if facts.work_packages:
        return Phase.TASKS, ["work packages exist and none is being worked on or reviewed"]
    for phase, artifact in _BY_ARTIFACT:
        if artifact in facts.artifacts:
            return phase, [f"{artifact} exists and there is no work package"]
    return Phase.RESEARCH, ["there is neither a work package nor plan.md nor spec.md"]


def _further(facts: FeatureFacts) -> Iterable[str]:
    if facts.work_packages:
        counts = Counter(package.lane for package in facts.work_packages.values())
        yield "work packages: " + ", ".join(f"{counts[lane]} {lane}" for lane in Lane if counts[lane])
    if facts.changes_requested:
        yield "changes are requested for " + ", ".join(sorted(facts.changes_requested))
