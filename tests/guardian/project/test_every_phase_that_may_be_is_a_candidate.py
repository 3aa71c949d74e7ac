"""Candidates are exactly the phases that whatever could not be read may make of a feature."""

from __future__ import annotations

from itertools import combinations, product

import attrs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kitty_guardian.detection.facts import FeatureFacts, WorkPackage
from kitty_guardian.detection.phase import detect
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase

IDS = ("WP01", "WP02", "WP03")
SURE = "WP04"
HIDDEN = "WP99"
"""A work package in a folder that could not be read."""


@st.composite
def facts(draw: st.DrawFn) -> FeatureFacts:
    """Draw a feature of which some could not be read; what was seen of it may be hidden elsewhere, too."""
    lanes = draw(st.dictionaries(st.sampled_from(IDS), st.none() | st.sampled_from(Lane), max_size=2))
    lanes |= draw(st.dictionaries(st.just(SURE), st.sampled_from(Lane), max_size=1))
    doubted = draw(st.sets(st.sampled_from(IDS), max_size=2))
    return FeatureFacts(
        "001-one",
        {name: WorkPackage(lane, "somewhere", name in doubted) for name, lane in sorted(lanes.items())},
        artifacts=draw(st.frozensets(st.sampled_from(("spec.md", "plan.md")))),
        unseen=draw(st.frozensets(st.sampled_from(("spec.md", "plan.md", "tasks")))),
        changes_requested=draw(st.frozensets(st.sampled_from(IDS), max_size=2)),
    )


def resolutions(known: FeatureFacts) -> list[FeatureFacts]:
    """Everything it may be once all of it was read: a lane in doubt any lane, what is hidden there or not."""
    open_ = [name for name, package in known.work_packages.items() if package.lane is None or package.in_doubt]
    sure = {name: package for name, package in known.work_packages.items() if name not in open_}
    hidden = sorted(known.unseen & {"spec.md", "plan.md"})
    more: list[dict[str, WorkPackage]] = [{}]
    if "tasks" in known.unseen:
        more += [{HIDDEN: WorkPackage(lane, "found")} for lane in Lane]
    return [
        attrs.evolve(
            known,
            work_packages=sure
            | {name: WorkPackage(lane, "resolved") for name, lane in zip(open_, lanes, strict=True)}
            | further,
            artifacts=known.artifacts.union(artifacts),
            unseen=frozenset(),
        )
        for lanes in product(Lane, repeat=len(open_))
        for further in more
        for count in range(len(hidden) + 1)
        for artifacts in combinations(hidden, count)
    ]


@settings(deadline=None, max_examples=100)
@given(facts())
@example(FeatureFacts("001-one"))
@example(FeatureFacts("001-one", unseen=frozenset({"spec.md", "plan.md", "tasks"})))
@example(
    FeatureFacts("001-one", {"WP01": WorkPackage(None, "x"), "WP02": WorkPackage(Lane.CLAIMED, "y", in_doubt=True)})
)
def test_every_resolution_is_a_candidate_and_every_candidate_is_reached(known: FeatureFacts) -> None:
    report = detect(known)
    resolved = [detect(each) for each in resolutions(known)]

    assert {each.phase for each in resolved} == set(report.candidates)
    assert report.phase in report.candidates
    assert list(report.candidates) == [phase for phase in Phase if phase in report.candidates]
    assert all(each.candidates == (each.phase,) for each in resolved)


@settings(deadline=None, max_examples=100)
@given(facts())
def test_finished_is_said_only_if_nothing_that_could_not_be_read_could_say_otherwise(known: FeatureFacts) -> None:
    if detect(known).finished:
        assert all(detect(each).finished for each in resolutions(known))


@settings(deadline=None, max_examples=100)
@given(facts(), st.sets(st.sampled_from((*IDS, SURE, HIDDEN)), min_size=1, max_size=2))
def test_the_same_holds_for_whom_only_some_work_packages_are_asked(known: FeatureFacts, only: set[str]) -> None:
    report = detect(known, only)
    phases = {detect(each, only).phase for each in resolutions(known)}

    assert report.phase in report.candidates
    assert phases <= set(report.candidates)
    if "tasks" not in known.unseen:  # whose folder the hidden ones are in, nobody knows
        assert phases == set(report.candidates)


@settings(deadline=None, max_examples=100)
@given(facts())
def test_what_is_known_for_certain_has_one_candidate(known: FeatureFacts) -> None:
    certain = attrs.evolve(
        known,
        work_packages={
            name: WorkPackage(package.lane, package.source)
            for name, package in known.work_packages.items()
            if package.lane is not None
        },
        unseen=frozenset(),
    )
    report = detect(certain)

    assert report.candidates == (report.phase,)
    assert (report.is_certain, report.unreadable) == (True, ())
