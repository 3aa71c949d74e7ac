"""A work tree made for a work package, or for an execution lane, asks for their lanes only (model, section 1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from kitty_guardian.errors import InvalidValueError
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.detecting import detect_phase, get_current_phase
from kitty_guardian.project.pins import Adoption, states_of
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.project.survey import Survey, survey
from support.reading import adopted
from support.repositories import Repository, work_package_text

NAME = "034-home-guard"
HERE = f"kitty-specs/{NAME}"
LANES = {"WP01": "planned", "WP02": "in_progress", "WP03": "for_review", "WP04": "done"}
PHASES = {"WP01": Phase.TASKS, "WP02": Phase.IMPLEMENT, "WP03": Phase.REVIEW, "WP04": Phase.TASKS}
EXECUTION = {"lane-a": ["WP01", "WP03"], "lane-b": ["WP04"], "lane-planning": []}


@pytest.fixture(name="project")
def _project(repository: Repository) -> Repository:
    """A feature with a work package in every part of its life, and execution lanes."""
    repository.feature(NAME, "plan")
    for name, lane in LANES.items():
        repository.write(f"{HERE}/tasks/{name}-part.md", work_package_text(name, lane=lane))
    repository.write(f"{HERE}/lanes.json", lanes_json(EXECUTION))
    repository.feature("035-other", "review")
    repository.commit()
    return repository


def lanes_json(lanes: dict[str, list[str]]) -> str:
    rows = [{"lane_id": name, "wp_ids": ids, "write_scope": []} for name, ids in lanes.items()]
    return json.dumps({"version": 1, "mission_slug": NAME, "lanes": rows})


def own(project: Repository, part: str, name: str = NAME) -> Repository:
    return project.worktree(project.path / ".worktrees" / f"{name}-{part}", f"{name}-{part}")


def surveyed(repository: Repository, *, feature: str | None = None, prior: Adoption | None = None) -> Survey:
    return survey(find_worktree(repository.path, env=repository.environment), feature=feature, prior=prior)


@pytest.mark.parametrize("part", LANES)
def test_only_its_own_lane_is_asked(project: Repository, part: str) -> None:
    here = own(project, part)

    report = surveyed(here).reports[NAME]

    assert (report.phase, report.scope, report.candidates) == (PHASES[part], (part,), (PHASES[part],))
    assert {name: lane.value for name, lane in report.work_packages.items()} == LANES
    assert detect_phase(here.path / HERE) == detect_phase(here.path / HERE, commit="HEAD") == report
    assert get_current_phase(here.path / HERE) is PHASES[part]


def test_the_evidence_says_whose_lane_decided(project: Repository) -> None:
    assert detect_phase(own(project, "WP04").path / HERE).evidence == (
        "work packages exist and none of WP04 is being worked on or reviewed",
        "work packages: 1 planned, 1 in_progress, 1 for_review, 1 done",
    )


@pytest.mark.parametrize(
    ("part", "scope", "phase"), [("lane-a", ("WP01", "WP03"), Phase.REVIEW), ("lane-b", ("WP04",), Phase.TASKS)]
)
def test_an_execution_lane_asks_for_its_work_packages(
    project: Repository, part: str, scope: tuple[str, ...], phase: Phase
) -> None:
    here = own(project, part)

    found = surveyed(here)

    assert (found.reports[NAME].scope, found.reports[NAME].phase) == (scope, phase)
    assert found.notes == (f"{NAME}: the main work tree, {project.path}, keeps its status",)
    assert detect_phase(here.path / HERE) == found.reports[NAME]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, f"{HERE}/lanes.json does not exist, so all work packages count"),
        (lanes_json({"lane-z": ["WP01"]}), f"{HERE}/lanes.json has no work package in lane-b, so all work"),
        (lanes_json({"lane-b": []}), f"{HERE}/lanes.json has no work package in lane-b, so all work packages count"),
        ("{", f"{HERE}/lanes.json cannot be read, so all work packages count: "),
        ("[" * 100_000, f"{HERE}/lanes.json cannot be read, so all work packages count: "),
        ("[]", f"{HERE}/lanes.json cannot be read, so all work packages count: it holds no list of lanes"),
        ('{"lanes": [{"lane_id": "lane-b"}]}', f"{HERE}/lanes.json cannot be read, so all work packages count: one of"),
        ('{"lanes": [{"lane_id": "lane-b", "wp_ids": [4]}]}', f"{HERE}/lanes.json cannot be read, so all work"),
        ('{"lanes": [7]}', f"{HERE}/lanes.json cannot be read, so all work packages count: one of its lanes"),
    ],
)
def test_where_the_lanes_cannot_be_told_all_work_packages_count_and_it_is_said(
    project: Repository, text: str | None, why: str
) -> None:
    if text is None:
        (project.path / HERE / "lanes.json").unlink()
    else:
        project.write(f"{HERE}/lanes.json", text)
    project.commit()

    found = surveyed(own(project, "lane-b"))

    assert (found.reports[NAME].scope, found.reports[NAME].phase) == ((), Phase.IMPLEMENT)
    (_, note) = found.notes
    assert note.startswith(why)


def test_lanes_that_only_the_disk_tells_count_for_nothing(project: Repository) -> None:
    here = own(project, "lane-b")
    here.write(f"{HERE}/lanes.json", lanes_json({"lane-b": ["WP02"]}))
    here.write(f".kittify/workspaces/{NAME}-lane-b.json", json.dumps({"lane_wp_ids": ["WP02"], "current_wp": "WP02"}))

    assert surveyed(here).reports[NAME].scope == ("WP04",)


@pytest.mark.parametrize("part", ["coord", ""])
def test_a_work_tree_for_the_whole_feature_asks_for_all(project: Repository, part: str) -> None:
    name = f"{NAME}-{part}".removesuffix("-")
    here = project.worktree(project.path / ".worktrees" / name, "whatever")

    assert surveyed(here).reports[NAME].phase is Phase.IMPLEMENT
    assert surveyed(here).reports[NAME].scope == detect_phase(here.path / HERE).scope == ()


def test_a_work_package_that_is_not_there_yet_is_worked_on_by_nobody(project: Repository) -> None:
    found = surveyed(own(project, "WP09"))

    assert (found.reports[NAME].phase, found.reports[NAME].scope) == (Phase.TASKS, ("WP09",))
    assert found.notes[-1] == f"{NAME} has no WP09, which this work tree was made for"


def test_an_execution_lane_of_work_packages_that_are_not_there_is_told(project: Repository) -> None:
    project.write(f"{HERE}/lanes.json", lanes_json({"lane-b": ["WP04", "WP08", "WP07"]}))
    project.commit()

    found = surveyed(own(project, "lane-b"))

    assert (found.reports[NAME].phase, found.reports[NAME].scope) == (Phase.TASKS, ("WP04", "WP07", "WP08"))
    assert found.notes[-1] == f"{NAME} has no WP07, WP08, which this work tree was made for"


def test_other_features_are_asked_as_a_whole(project: Repository) -> None:
    here = own(project, "WP01")

    assert surveyed(here).reports["035-other"].scope == ()
    assert detect_phase(here.path / "kitty-specs/035-other").phase is Phase.REVIEW


def test_the_main_work_tree_asks_for_all_whatever_branch_it_is_on(project: Repository) -> None:
    project.git("checkout", "--quiet", "-b", f"{NAME}-WP04")

    assert detect_phase(project.path / HERE).scope == ()
    assert surveyed(project, feature=NAME).binding.part == "WP04"


def test_what_cannot_be_read_of_others_puts_its_own_lane_not_in_doubt(project: Repository) -> None:
    project.write(f"{HERE}/tasks/WP01-part.md", "---\nlane: 'doing\n---\n")
    project.commit()

    mine, broken = surveyed(own(project, "WP04")).reports[NAME], surveyed(own(project, "WP01")).reports[NAME]

    assert (mine.phase, mine.candidates, mine.finished) == (Phase.TASKS, (Phase.TASKS,), False)
    assert mine.unreadable == broken.unreadable == ("WP01",)
    assert broken.candidates == (Phase.TASKS, Phase.IMPLEMENT, Phase.REVIEW)


def test_changes_requested_of_others_open_nothing_here(project: Repository) -> None:
    project.write(
        f"{HERE}/tasks/WP01-part.md", work_package_text("WP01", lane="doing", extra="review_status: has_feedback\n")
    )
    project.commit()

    assert surveyed(own(project, "WP01")).reports[NAME].changes_requested
    assert not surveyed(own(project, "WP03")).reports[NAME].changes_requested
    assert surveyed(project, feature=NAME).reports[NAME].changes_requested


def test_a_forged_lane_in_its_own_work_tree_shows_and_counts_for_nothing(project: Repository) -> None:
    here = own(project, "WP01")
    here.write(f"{HERE}/tasks/WP01-part.md", work_package_text("WP01", lane="doing"))

    assert detect_phase(here.path / HERE).phase is Phase.IMPLEMENT
    assert states_of(surveyed(here).reports)[NAME].phase is Phase.TASKS


@pytest.mark.parametrize("log", [False, True])
def test_a_forged_lane_that_its_own_branch_committed_counts_for_nothing(project: Repository, *, log: bool) -> None:
    name = "036-forged"
    project.feature(name, "tasks", work_packages=("WP01", "WP02"), log=log)
    project.commit()
    here = own(project, "WP01", name)
    here.write(f"kitty-specs/{name}/tasks/WP01-part.md", work_package_text("WP01", lane="doing"))
    here.write(f"kitty-specs/{name}/tasks/WP02-part.md", work_package_text("WP02", lane="doing"))
    here.commit("I say so")

    report = surveyed(here).reports[name]

    assert report.work_packages == {"WP01": Lane.PLANNED, "WP02": Lane.PLANNED}
    assert (report.phase, report.candidates) == (Phase.TASKS, (Phase.TASKS,))


def test_an_execution_lane_that_its_own_branch_committed_counts_for_nothing(project: Repository) -> None:
    here = own(project, "lane-b")
    here.write(f"{HERE}/lanes.json", lanes_json({"lane-b": ["WP02"]}))
    here.commit("the one that is being worked on is mine")

    found = surveyed(here)

    assert (found.reports[NAME].scope, found.reports[NAME].phase) == (("WP04",), Phase.TASKS)


def test_its_own_copy_counts_where_the_main_work_tree_keeps_no_work_packages(repository: Repository) -> None:
    repository.feature(NAME, "plan")
    repository.commit()
    here = own(repository, "WP01")
    here.write(f"{HERE}/tasks/WP01-part.md", work_package_text("WP01", lane="doing"))
    here.commit("planned and begun here")

    found = surveyed(here)

    assert (found.copies, found.reports[NAME].phase) == ({}, Phase.IMPLEMENT)


@pytest.mark.parametrize("part", ["lane-b", "lane-planning", "lane-z"])
def test_the_work_packages_it_was_made_for_stay_those_that_were_recorded(project: Repository, part: str) -> None:
    here = own(project, part)
    prior = adopted(surveyed(here))
    assert prior.scope == tuple(EXECUTION.get(part, ()))

    project.write(f"{HERE}/lanes.json", lanes_json({part: ["WP02"]}))
    project.commit()
    found = surveyed(here, prior=prior)

    assert found.reports[NAME].scope == prior.scope
    assert surveyed(here).reports[NAME].scope == ("WP02",)


def test_the_part_is_remembered_when_the_work_tree_or_its_branch_is_called_otherwise(
    project: Repository, tmp_path: Path
) -> None:
    here = own(project, "WP02")
    prior = adopted(surveyed(here))
    assert (prior.bound, prior.part) == ((NAME,), "WP02")

    project.git("worktree", "move", str(here.path), str(tmp_path / "moved"))
    moved = Repository(tmp_path / "moved", init=False)
    moved.git("checkout", "--quiet", "-b", f"{NAME}-WP03")
    found = surveyed(moved, prior=prior)

    assert (found.binding.part, found.reports[NAME].scope, found.reports[NAME].phase) == (
        "WP02",
        ("WP02",),
        Phase.IMPLEMENT,
    )


def test_a_part_in_the_log_is_asked_like_one_in_a_file(project: Repository) -> None:
    project.feature("036-logged", "implement", work_packages=("WP01",), log=True)
    project.write("kitty-specs/036-logged/tasks/WP02.md", work_package_text("WP02"))
    project.commit()

    first, second = own(project, "WP01", "036-logged"), own(project, "WP02", "036-logged")

    assert surveyed(first).reports["036-logged"].phase is Phase.IMPLEMENT
    assert surveyed(second).reports["036-logged"].phase is Phase.TASKS
    assert surveyed(second).reports["036-logged"].work_packages == {"WP01": Lane.IN_PROGRESS, "WP02": Lane.PLANNED}


# What it was made for stays, whatever is asked


@pytest.mark.parametrize("part", ["WP03", "lane-a"])
@pytest.mark.parametrize("asked", [{"every": True}, {"feature": "035"}])
def test_its_part_is_not_taken_away(project: Repository, part: str, asked: dict[str, Any]) -> None:
    here = find_worktree(own(project, part).path, env=project.environment)
    record = adopted(survey(here))
    for prior in (None, record):
        with pytest.raises(InvalidValueError, match=f"this work tree was made for {part} of {NAME}") as refused:
            survey(here, prior=prior, **asked)
        assert refused.value.hint == "spec-kitty guardian start"


@pytest.mark.parametrize("asked", [{"every": True}, {"feature": "035"}])
def test_where_it_was_moved_to_its_record_says_what_it_was_made_for(
    project: Repository, tmp_path: Path, asked: dict[str, Any]
) -> None:
    record = adopted(survey(find_worktree(own(project, "WP03").path, env=project.environment)))
    place = tmp_path / "elsewhere"
    project.git("worktree", "move", str(project.path / ".worktrees" / f"{NAME}-WP03"), str(place))
    here = find_worktree(place, env=project.environment)
    Repository(place, init=False).git("switch", "-q", "-c", "whatever")

    with pytest.raises(InvalidValueError, match=f"made for WP03 of {NAME}"):
        survey(here, prior=record, **asked)
    for feature in (None, NAME):
        found = survey(here, prior=record, feature=feature)
        assert (found.binding.features, found.binding.part) == ((NAME,), "WP03")
        assert (found.reports[NAME].scope, found.reports[NAME].phase) == (("WP03",), Phase.REVIEW)


def test_one_that_was_bound_to_everything_gets_its_part_back(project: Repository) -> None:
    here = find_worktree(own(project, "WP03").path, env=project.environment)
    record = attrs.evolve(adopted(survey(here)), every=True, part="", bound=(NAME, "035-other"))

    found = survey(here, prior=record)

    assert (found.binding.features, found.binding.part, found.binding.every) == ((NAME,), "WP03", False)


def test_whoever_only_looks_sees_every_feature(project: Repository) -> None:
    here = find_worktree(own(project, "WP03").path, env=project.environment)

    assert survey(here, every=True, looking=True).binding.features == (NAME, "035-other")
    assert survey(here, feature="035", looking=True).binding.features == ("035-other",)


def test_one_for_the_whole_feature_can_be_bound_to_everything(project: Repository) -> None:
    here = find_worktree(own(project, "coord").path, env=project.environment)

    assert survey(here, every=True).binding.every
