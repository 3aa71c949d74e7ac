"""Several work trees have a copy of a feature, tools write one of them: that one counts (facts, section 7)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kitty_guardian.errors import UnboundFeatureError
from kitty_guardian.judgement import situation_of
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.overview import overview
from kitty_guardian.project.detecting import detect_phase
from kitty_guardian.project.looking import look_at_recorded
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.project.survey import Survey, survey
from support.reading import adopted, log_of
from support.repositories import Repository, transition, work_package_text

NAME = "034-home-guard"
HERE = f"kitty-specs/{NAME}"
LOG = f"{HERE}/status.events.jsonl"
COORDINATION = f"kitty/mission-{NAME}"


@pytest.fixture(name="project")
def _project(repository: Repository) -> Repository:
    """A feature whose two work packages are planned, as its log says."""
    repository.feature(NAME, "tasks", work_packages=("WP01", "WP02"), log=True)
    repository.commit("planned")
    return repository


def own(project: Repository, name: str) -> Repository:
    return project.worktree(project.path / ".worktrees" / name, name)


def moves(repository: Repository, *what: str, first: int = 10) -> None:
    """Appends to the log and commits it, as upstream's tools do."""
    log = repository.path / LOG
    with log.open("a") as file:
        file.write(log_of(*what, first=first))
    repository.commit(", ".join(what))


def describe(repository: Repository, **meta: object) -> None:
    repository.write(f"{HERE}/meta.json", json.dumps({"slug": NAME, **meta}))
    repository.commit("meta.json")


def surveyed(repository: Repository, *, feature: str | None = None, every: bool = False) -> Survey:
    return survey(find_worktree(repository.path, env=repository.environment), feature=feature, every=every)


def lanes(found: Survey) -> dict[str, str]:
    return {name: lane.value for name, lane in found.reports[NAME].work_packages.items()}


# The main work tree


def test_in_a_work_packages_own_work_tree_the_main_one_counts(project: Repository) -> None:
    here = own(project, f"{NAME}-WP01")
    assert surveyed(here).copies[NAME].commit == project.head() == here.head()
    assert surveyed(here).reports[NAME].phase is Phase.TASKS
    moves(project, "WP01 in_progress")

    found = surveyed(here)

    assert (found.reports[NAME].phase, found.reports[NAME].scope) == (Phase.IMPLEMENT, ("WP01",))
    assert lanes(found) == {"WP01": "in_progress", "WP02": "planned"}
    assert found.notes == (f"{NAME}: the main work tree, {project.path}, keeps its status",)
    assert (found.copies[NAME].root, found.copies[NAME].commit) == (project.path, project.head())
    assert lanes(surveyed(project, feature=NAME)) == lanes(found)


def test_only_what_the_main_work_tree_committed_counts(project: Repository) -> None:
    here = own(project, f"{NAME}-WP01")
    with (project.path / LOG).open("a") as file:
        file.write(log_of("WP01 in_progress", first=10))

    assert surveyed(here).copies[NAME].commit == project.head()
    assert surveyed(here).reports[NAME].phase is Phase.TASKS


def test_for_a_work_package_the_main_work_tree_counts_even_if_its_own_copy_has_news(project: Repository) -> None:
    here = own(project, f"{NAME}-WP01")
    moves(here, "WP01 for_review", first=20)
    assert lanes(surveyed(here))["WP01"] == "for_review"

    moves(project, "WP01 in_progress")

    assert lanes(surveyed(here))["WP01"] == "in_progress"


def test_a_features_own_work_tree_counts_as_soon_as_it_has_news(project: Repository) -> None:
    here = own(project, NAME)
    moves(project, "WP01 in_progress")
    assert lanes(surveyed(here))["WP01"] == "in_progress"

    moves(here, "WP01 for_review", first=20)

    found = surveyed(here)
    assert (lanes(found)["WP01"], found.copies, found.notes) == ("for_review", {}, ())


def test_news_of_other_features_are_no_news(project: Repository) -> None:
    here = own(project, NAME)
    project.feature(f"{NAME}-too", "implement")
    project.write("src/app.py", "print()\n")
    project.commit()

    assert surveyed(here).copies == {}


def test_a_work_packages_own_copy_counts_while_its_log_goes_on_from_the_main_ones(project: Repository) -> None:
    here = own(project, f"{NAME}-WP01")
    moves(project, "WP01 in_progress")
    here.git("merge", "--quiet", "--no-edit", "main")
    moves(here, "WP01 for_review", first=20)

    found = surveyed(here)

    assert (lanes(found)["WP01"], found.copies) == ("for_review", {})


def test_what_a_squash_merge_brought_is_no_news_any_more(project: Repository) -> None:
    here = own(project, f"{NAME}-WP01")
    moves(project, "WP01 in_progress")
    here.git("merge", "--quiet", "--squash", "main")
    here.commit("squashed", add=False)
    moves(here, "WP01 for_review", first=20)

    assert surveyed(here).copies == {}
    moves(project, "WP01 planned", first=30)
    assert lanes(surveyed(here))["WP01"] == "planned"


def test_in_older_eras_frontmatter_in_the_main_work_tree_is_news(repository: Repository) -> None:
    repository.feature(NAME, "tasks", work_packages=("WP01", "WP02"))
    repository.commit()
    here = own(repository, f"{NAME}-WP01")
    repository.write(f"{HERE}/tasks/WP01-part.md", work_package_text("WP01", lane="doing"))
    repository.commit()

    assert lanes(surveyed(here)) == {"WP01": "in_progress", "WP02": "planned"}


def test_a_feature_begun_in_the_main_work_tree_since_is_known(project: Repository) -> None:
    here = own(project, f"{NAME}-WP01")
    project.feature("035-new", "implement")
    project.commit()

    assert surveyed(here).reports["035-new"].phase is Phase.IMPLEMENT
    looked = survey(find_worktree(here.path, env=here.environment), feature="035", looking=True)
    assert looked.binding.features == ("035-new",)


def test_a_work_tree_can_be_made_before_its_feature_is_committed_there(project: Repository) -> None:
    here = own(project, "035-new-WP01")
    project.feature("035-new", "implement")
    project.commit()

    found = surveyed(here)

    assert (found.binding.features, found.binding.part) == (("035-new",), "WP01")
    assert found.reports["035-new"].phase is Phase.IMPLEMENT
    assert found.reports["035-new"].scope == ("WP01",)


def test_execution_lanes_are_read_from_the_copy_that_counts(project: Repository) -> None:
    here = project.worktree(project.path / ".worktrees" / f"{NAME}-lane-a", f"{COORDINATION}-lane-a")
    project.write(f"{HERE}/lanes.json", json.dumps({"lanes": [{"lane_id": "lane-a", "wp_ids": ["WP02"]}]}))
    moves(project, "WP01 in_progress", "WP02 for_review")

    found = surveyed(here)

    assert (found.reports[NAME].scope, found.reports[NAME].phase) == (("WP02",), Phase.REVIEW)


def test_a_main_work_tree_on_an_unborn_branch_has_nothing_to_say(project: Repository) -> None:
    here = own(project, f"{NAME}-WP01")
    project.git("symbolic-ref", "HEAD", "refs/heads/unborn")

    assert surveyed(here).copies == {}
    assert lanes(surveyed(here)) == {"WP01": "planned", "WP02": "planned"}


def test_the_main_work_tree_itself_asks_nobody(project: Repository) -> None:
    here = own(project, f"{NAME}-WP01")
    moves(here, "WP01 in_progress")

    assert surveyed(project, feature=NAME).copies == {}
    assert lanes(surveyed(project, feature=NAME))["WP01"] == "planned"


# Coordination branches


def coordinated(project: Repository, **meta: object) -> Repository:
    """The work tree of a coordination branch that has moved WP01 to in_progress."""
    describe(project, **({"topology": "coord", "coordination_branch": COORDINATION} | meta))
    there = project.worktree(project.path / ".worktrees" / f"{NAME}-coord", COORDINATION)
    moves(there, "WP01 in_progress")
    return there


def test_a_coordination_branch_with_news_counts_everywhere(project: Repository) -> None:
    there = coordinated(project)
    here = own(project, f"{NAME}-WP01")

    for place in (project, here):
        found = surveyed(place, feature=NAME)
        assert lanes(found) == {"WP01": "in_progress", "WP02": "planned"}
        assert found.notes == (f"{NAME}: its coordination branch, {COORDINATION}, has newer status of it",)
        assert found.copies[NAME].root == there.path


def test_in_its_own_work_tree_the_coordination_branch_is_simply_head(project: Repository) -> None:
    there = coordinated(project)
    moves(project, "WP02 done", first=50)

    found = surveyed(there)

    assert (found.binding.features, found.binding.part) == ((NAME,), "coord")
    assert found.reports[NAME].scope == ()
    assert "coordination" not in " ".join(found.notes)


def test_a_coordination_branch_counts_without_a_work_tree(project: Repository) -> None:
    there = coordinated(project)
    head = there.head()
    project.git("worktree", "remove", "--force", str(there.path))

    found = surveyed(project, feature=NAME)

    assert (found.copies[NAME].root, found.copies[NAME].commit) == (None, head)
    assert lanes(found)["WP01"] == "in_progress"


def test_a_coordination_work_tree_that_was_deleted_without_telling_git_leaves_its_branch(project: Repository) -> None:
    there = coordinated(project)
    (there.path / ".git").unlink()

    assert surveyed(project, feature=NAME).copies[NAME].root is None


def test_a_coordination_branch_precedes_the_main_work_tree(project: Repository) -> None:
    coordinated(project)
    here = own(project, f"{NAME}-WP01")
    moves(project, "WP01 blocked", first=50)

    assert lanes(surveyed(here))["WP01"] == "in_progress"


def test_a_merged_coordination_branch_leaves_it_to_the_others(project: Repository) -> None:
    coordinated(project)
    project.git("merge", "--quiet", "--no-edit", COORDINATION)
    moves(project, "WP01 for_review", first=50)

    assert surveyed(project, feature=NAME).copies == {}
    assert lanes(surveyed(project, feature=NAME))["WP01"] == "for_review"


@pytest.mark.parametrize(
    ("meta", "counts"),
    [
        ({}, True),
        ({"topology": "lanes_with_coord"}, True),
        ({"coordination_branch": None}, True),
        ({"topology": None}, True),
        ({"topology": "lanes"}, False),
        ({"topology": "single_branch"}, False),
        ({"flattened": True}, False),
        ({"topology": None, "coordination_branch": None}, False),
        ({"topology": None, "coordination_branch": ["x"]}, False),
    ],
)
def test_the_metadata_says_whether_there_is_a_coordination_branch(
    project: Repository, meta: dict[str, object], *, counts: bool
) -> None:
    coordinated(project, **meta)

    assert (lanes(surveyed(project, feature=NAME))["WP01"] == "in_progress") is counts


def test_metadata_that_no_commit_has_names_no_coordination_branch(project: Repository) -> None:
    there = project.worktree(project.path / ".worktrees" / "elsewhere", COORDINATION)
    moves(there, "WP01 in_progress")
    project.write(f"{HERE}/meta.json", json.dumps({"coordination_branch": COORDINATION}))

    assert surveyed(project, feature=NAME).copies == {}


def test_in_a_clone_the_coordination_branch_is_a_remote_tracking_one(project: Repository, tmp_path: Path) -> None:
    there = coordinated(project)
    project.git("clone", "--quiet", str(project.path), str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone", init=False)

    found = surveyed(clone, feature=NAME)

    assert (found.copies[NAME].root, found.copies[NAME].commit) == (None, there.head())
    assert lanes(found)["WP01"] == "in_progress"


def test_a_coordination_branch_that_is_not_here_is_told_and_head_is_read(project: Repository) -> None:
    describe(project, topology="coord", coordination_branch=COORDINATION)

    found = surveyed(project, feature=NAME)

    assert found.notes == (
        f"{NAME}: its coordination branch, {COORDINATION}, is not in this repository; what HEAD holds is read",
    )
    assert lanes(found)["WP01"] == "planned"


def test_with_all_every_feature_is_read_where_it_is_coordinated(project: Repository) -> None:
    coordinated(project)
    project.feature("035-other", "review")
    project.commit()

    found = surveyed(project, every=True)

    assert found.binding.features == (NAME, "035-other")
    assert lanes(found)["WP01"] == "in_progress"
    assert list(found.copies) == [NAME]


def test_a_feature_counts_as_finished_only_where_its_status_is_kept(project: Repository) -> None:
    prior = adopted(surveyed(project, feature=NAME))
    coordinated(project)
    moves(project, "WP01 done", "WP02 done", first=5)
    worktree = find_worktree(project.path, env=project.environment)

    assert survey(worktree, every=True).binding.features == (NAME,)
    assert survey(worktree, prior=prior).binding.features == (NAME,)
    with pytest.raises(UnboundFeatureError):
        survey(worktree)


# Looking at files


def test_people_are_shown_the_files_of_the_copy_that_counts(project: Repository) -> None:
    here = own(project, f"{NAME}-WP01")
    moves(project, "WP01 in_progress")
    with (project.path / LOG).open("a") as file:
        file.write(log_of("WP01 for_review", first=30))

    (seen,) = overview(here.path).features

    assert seen.read_from == os.fspath(project.path)
    assert (seen.detected.phase, seen.effective) == (Phase.REVIEW, Phase.IMPLEMENT)
    assert detect_phase(here.path / HERE).phase is Phase.TASKS, "a directory's own files, when a directory is asked for"


def test_a_commit_is_shown_where_no_work_tree_has_the_copy(project: Repository) -> None:
    there = coordinated(project)
    head = there.head()
    project.git("worktree", "remove", "--force", str(there.path))
    found = surveyed(project, feature=NAME)

    seen = look_at_recorded(find_worktree(project.path, env=project.environment), adopted(found), [NAME], Readings())[
        NAME
    ]

    assert seen.read_from == head
    assert seen.report.work_packages["WP01"] is Lane.IN_PROGRESS
    assert seen.report == found.reports[NAME]


def test_a_line_nobody_can_read_in_the_copy_that_counts_is_a_doubt_here(project: Repository) -> None:
    here = own(project, f"{NAME}-WP01")
    with (project.path / LOG).open("a") as file:
        file.write(transition("WP01", "doone", number=10) + "\n")
    project.commit()

    report = surveyed(here).reports[NAME]

    assert report.unreadable == ("WP01",)
    assert report.candidates == (Phase.TASKS, Phase.IMPLEMENT, Phase.REVIEW)


def test_what_has_to_be_mended_elsewhere_is_not_open_here(project: Repository) -> None:
    here = own(project, f"{NAME}-WP01")
    with (project.path / LOG).open("a") as file:
        file.write("<<<<<<< HEAD\n")
    project.commit()

    there, _ = situation_of(find_worktree(project.path, env=project.environment), feature=NAME)
    situation, _ = situation_of(find_worktree(here.path, env=project.environment))

    assert there.judge(LOG).rule == "malformed"
    assert situation.features[NAME].candidates == (Phase.TASKS, Phase.IMPLEMENT, Phase.REVIEW)
    assert not situation.judge(LOG).allowed
