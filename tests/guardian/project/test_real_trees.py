"""The real trees of five releases, read from the disk and from a commit (facts, section 9)."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.features import read_features
from kitty_guardian.project.git import Git
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.statuslog import read_status_log
from kitty_guardian.project.trees import DiskTree, GitTree
from support.corpus import Release, corpus
from support.reading import from_commit
from support.repositories import Repository

RELEASES: tuple[Release, ...] = ("v0.9.4", "v0.16.2", "v2.1.0", "v3.1.0", "v3.2.2")


@functools.cache
def reports_of(release: Release) -> dict[str, PhaseReport]:
    """Every feature of this release, read from the disk."""
    return read_features(DiskTree(corpus(release)))


def work_package_files(release: Release) -> int:
    return sum(1 for path in corpus(release).glob("kitty-specs/*/tasks/**/WP*.md") if path.is_file())


@pytest.mark.parametrize(
    ("release", "features", "files", "logs"),
    [
        # The export of v0.9.4 is trimmed to 29 of its 39 work packages.
        ("v0.9.4", 8, 29, 0),
        ("v0.16.2", 33, 194, 0),
        ("v2.1.0", 51, 258, 39),
        ("v3.1.0", 72, 437, 61),
        ("v3.2.2", 206, 1345, 206),
    ],
)
def test_every_feature_and_work_package_is_found(release: Release, features: int, files: int, logs: int) -> None:
    reports = reports_of(release)

    assert len(reports) == features
    assert work_package_files(release) == files
    assert len(list(corpus(release).glob("kitty-specs/*/status.events.jsonl"))) == logs
    for path in corpus(release).glob("kitty-specs/*/tasks/**/WP*.md"):
        feature = path.relative_to(corpus(release)).parts[1]
        assert path.name[:4] in reports[feature].work_packages


LOGGED: list[tuple[Release, int]] = [("v2.1.0", 269), ("v3.1.0", 442), ("v3.2.2", 1349)]
SUMMED_UP = ("lane", "actor", "last_transition_at", "last_event_id", "force_count")


@pytest.mark.parametrize(("release", "count"), LOGGED)
def test_lanes_agree_with_upstreams_own_summary(release: Release, count: int) -> None:
    expected = {}
    for path in corpus(release).glob("kitty-specs/*/status.json"):
        for name, state in json.loads(path.read_text(encoding="utf-8"))["work_packages"].items():
            expected[path.parent.name, name] = state["lane"]
    read = {key: reports_of(release)[key[0]].work_packages[key[1]].value for key in expected}

    assert len(expected) == count
    assert read == expected


@pytest.mark.parametrize(("release", "count"), LOGGED)
def test_whatever_else_upstream_sums_up_agrees_too(release: Release, count: int) -> None:
    expected, read = {}, {}
    for path in corpus(release).glob("kitty-specs/*/status.json"):
        log = path.with_name("status.events.jsonl")
        if not log.is_file():
            continue
        standings = read_status_log(log.read_bytes(), log.name).standings
        for name, state in json.loads(path.read_text(encoding="utf-8"))["work_packages"].items():
            found = standings[name]
            expected[path.parent.name, name] = {key: state.get(key) for key in SUMMED_UP}
            read[path.parent.name, name] = dict(
                zip(SUMMED_UP, (found.lane, found.actor, found.at, found.event_id, found.force_count), strict=True)
            )

    assert len(expected) == count
    assert read == expected


def test_lane_folders_of_the_oldest_release_decide() -> None:
    lanes = Counter(lane for report in reports_of("v0.9.4").values() for lane in report.work_packages.values())

    assert lanes == {"done": 29}


def test_frontmatter_lanes_with_and_without_comments_are_counted() -> None:
    lanes = Counter(lane for report in reports_of("v0.16.2").values() for lane in report.work_packages.values())

    assert lanes == {"done": 171, "planned": 19, "in_progress": 4}


@pytest.mark.parametrize(
    ("release", "problems"),
    [
        ("v0.9.4", []),
        ("v0.16.2", []),
        ("v2.1.0", []),
        (
            "v3.1.0",
            [
                f"kitty-specs/046-doctrine-artifact-domain-models/tasks/{place}: "
                "holds the markers of an unresolved merge conflict"
                for place in (
                    "WP06-doctrine-service.md:4",
                    "WP07-enrich-directives-001-010.md:4",
                    "WP08-enrich-directives-011-019.md:2",
                )
            ],
        ),
        ("v3.2.2", []),
    ],
)
def test_exactly_what_is_broken_is_reported(release: Release, problems: list[str]) -> None:
    found = [str(problem) for report in reports_of(release).values() for problem in report.problems]

    assert found == problems


@pytest.mark.parametrize(
    ("release", "phases"),
    [
        ("v0.9.4", {"tasks": 5, "plan": 1, "specify": 1, "research": 1}),
        ("v0.16.2", {"tasks": 25, "plan": 5, "specify": 1, "implement": 2}),
        ("v2.1.0", {"tasks": 38, "plan": 7, "specify": 2, "implement": 2, "research": 2}),
        ("v3.1.0", {"tasks": 58, "plan": 7, "specify": 2, "implement": 3, "research": 2}),
        ("v3.2.2", {"tasks": 199, "specify": 1, "implement": 5, "review": 1}),
    ],
)
def test_phases_are_what_they_were_when_the_tree_was_first_read(release: Release, phases: dict[Phase, int]) -> None:
    assert Counter(report.phase for report in reports_of(release).values()) == phases


@pytest.mark.parametrize("release", RELEASES)
def test_a_commit_is_read_as_the_work_tree_is(release: Release, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "project")
    shutil.copytree(corpus(release), repository.path, dirs_exist_ok=True)
    repository.commit()

    assert from_commit(repository) == reports_of(release)

    readings = Readings()
    with GitTree(Git(repository.path, env=repository.environment), "HEAD") as tree:
        assert read_features(DiskTree(repository.path), readings) == reports_of(release)
        parsed = readings.parsed
        assert read_features(tree, readings) == reports_of(release)
    assert readings.parsed == parsed, "what was read from the disk is not read again"


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_of_a_real_tree_is_in_doubt(release: Release) -> None:
    doubted = {
        name: (report.candidates, report.unreadable)
        for name, report in reports_of(release).items()
        if report.candidates != (report.phase,) or report.unreadable
    }

    assert doubted == {}


def test_the_trees_are_unpacked_outside_the_project() -> None:
    assert corpus("v0.9.4").is_relative_to(tempfile.gettempdir())
