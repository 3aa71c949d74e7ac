from __future__ import annotations

import itertools

import pytest

from kitty_guardian.detection.facts import FeatureFacts, WorkPackage
from kitty_guardian.detection.phase import detect
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase

PHASE_OF = {
    Lane.CLAIMED: Phase.IMPLEMENT,
    Lane.IN_PROGRESS: Phase.IMPLEMENT,
    Lane.FOR_REVIEW: Phase.REVIEW,
    Lane.IN_REVIEW: Phase.REVIEW,
}


def facts(*lanes: Lane, artifacts: tuple[str, ...] = ()) -> FeatureFacts:
    packages = {f"WP{number:02}": WorkPackage(lane, "somewhere") for number, lane in enumerate(lanes, start=1)}
    return FeatureFacts("001-one", packages, frozenset(artifacts))


@pytest.mark.parametrize("lane", Lane)
def test_one_work_package_decides_by_its_lane(lane: Lane) -> None:
    assert detect(facts(lane, artifacts=("spec.md", "plan.md"))).phase is PHASE_OF.get(lane, Phase.TASKS)


@pytest.mark.parametrize("lanes", list(itertools.product(Lane, repeat=2)))
def test_work_precedes_review_and_review_precedes_artifacts(lanes: tuple[Lane, Lane]) -> None:
    phases = [PHASE_OF.get(lane, Phase.TASKS) for lane in lanes]

    assert detect(facts(*lanes)).phase is max(phases, key=[Phase.TASKS, Phase.REVIEW, Phase.IMPLEMENT].index)


@pytest.mark.parametrize(
    ("artifacts", "phase"),
    [
        ((), Phase.RESEARCH),
        (("spec.md",), Phase.SPECIFY),
        (("plan.md",), Phase.PLAN),
        (("plan.md", "spec.md"), Phase.PLAN),
    ],
)
def test_without_work_packages_the_furthest_artifact_decides(artifacts: tuple[str, ...], phase: Phase) -> None:
    assert detect(facts(artifacts=artifacts)).phase is phase


def test_finished_features_are_in_tasks_and_said_to_be_finished() -> None:
    report = detect(facts(Lane.DONE, Lane.APPROVED, Lane.CANCELED))

    assert (report.phase, report.finished) == (Phase.TASKS, True)


def test_a_feature_without_work_packages_is_not_finished() -> None:
    assert not detect(facts(artifacts=("plan.md",))).finished


def test_the_deciding_evidence_comes_first() -> None:
    report = detect(facts(Lane.DONE, Lane.FOR_REVIEW, Lane.CLAIMED, Lane.DONE))

    assert report.evidence == (
        "WP03 is claimed (somewhere)",
        "work packages: 1 claimed, 1 for_review, 2 done",
    )
