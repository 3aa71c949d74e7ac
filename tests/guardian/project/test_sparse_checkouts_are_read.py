"""What a sparse checkout leaves out is read from the index: left out is not deleted (facts, section 7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitty_guardian.errors import UnboundFeatureError
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.overview import overview
from kitty_guardian.project.detecting import detect_phase
from kitty_guardian.project.features import feature_names, read_features
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.project.survey import survey
from kitty_guardian.project.trees import CheckoutTree, DiskTree, GitTree, tree_on_disk
from support.reading import from_commit, log_of, problems
from support.repositories import Repository, work_package_text

NAME = "034-home-guard"
HERE = f"kitty-specs/{NAME}"
LOG = f"{HERE}/status.events.jsonl"
COORDINATED = ("/*", f"!{HERE}/status.events.jsonl", f"!{HERE}/status.json")
"""What 3.2 leaves out where a feature is coordinated on a branch of its own."""
WITHOUT_SPECS = ("/*", "!kitty-specs/")
"""What 0.11 to 2.x leave out of a work package's work tree."""


@pytest.fixture(name="project")
def _project(repository: Repository) -> Repository:
    """A feature whose log is further than its frontmatter, one in frontmatter alone, and one that is planned."""
    repository.feature(NAME, "tasks", work_packages=("WP01", "WP02"))
    repository.write(LOG, log_of("WP01 for_review", "WP02 done"))
    repository.feature("035-older", "implement")
    repository.feature("036-planned", "plan")
    repository.write("src/app.py", "print()\n")
    repository.commit()
    return repository


def sparse(repository: Repository, *patterns: str, cone: bool = False) -> Repository:
    mode = "--cone" if cone else "--no-cone"
    repository.git("sparse-checkout", "set", mode, *patterns)
    return repository


def as_checkout(repository: Repository) -> CheckoutTree:
    tree = tree_on_disk(find_worktree(repository.path, env=repository.environment))
    assert isinstance(tree, CheckoutTree)
    return tree


@pytest.mark.parametrize("patterns", [COORDINATED, WITHOUT_SPECS, ("/*", "!*.md"), ("/src/",), ("/nothing",)])
@pytest.mark.parametrize("linked", [False, True])
def test_whatever_is_left_out_every_feature_reads_as_in_a_full_checkout(
    project: Repository, patterns: tuple[str, ...], *, linked: bool
) -> None:
    expected = read_features(DiskTree(project.path))
    here = project.worktree(project.path / ".worktrees" / NAME, NAME) if linked else project
    sparse(here, *patterns)

    tree = as_checkout(here)

    assert read_features(tree) == expected == from_commit(here)
    assert feature_names(tree) == (NAME, "035-older", "036-planned")
    for name, report in expected.items():
        assert detect_phase(here.path / "kitty-specs" / name) == report


def test_without_it_the_phase_would_be_another(project: Repository) -> None:
    sparse(project, *COORDINATED)

    assert not (project.path / LOG).exists()
    assert read_features(DiskTree(project.path))[NAME].phase is Phase.TASKS
    assert read_features(as_checkout(project))[NAME].phase is Phase.REVIEW


@pytest.mark.parametrize("index", ["--sparse-index", "--no-sparse-index"])
def test_cones_are_read_too_with_whole_folders_missing_from_the_index(project: Repository, index: str) -> None:
    expected = read_features(DiskTree(project.path))
    project.git("sparse-checkout", "init", "--cone", index)
    sparse(project, "src", cone=True)
    assert not (project.path / "kitty-specs").exists()

    assert read_features(as_checkout(project)) == expected


def test_a_work_packages_own_sparse_work_tree_asks_for_its_lane(project: Repository) -> None:
    here = sparse(project.worktree(project.path / ".worktrees" / f"{NAME}-WP02", f"{NAME}-WP02"), *WITHOUT_SPECS)

    report = detect_phase(here.path / HERE)

    assert (report.scope, report.phase) == (("WP02",), Phase.TASKS)
    found = survey(find_worktree(here.path, env=here.environment))
    assert (found.binding.part, found.reports[NAME]) == ("WP02", report)


def test_what_was_written_in_the_place_of_a_file_left_out_is_what_is_there(project: Repository) -> None:
    sparse(project, *WITHOUT_SPECS)
    project.write(LOG, log_of("WP01 in_progress", "WP02 done"))
    project.write(f"{HERE}/tasks/WP03.md", work_package_text("WP03", lane="blocked"))

    report = read_features(as_checkout(project))[NAME]

    assert report.work_packages == {"WP01": Lane.IN_PROGRESS, "WP02": Lane.DONE, "WP03": Lane.BLOCKED}


def test_what_was_deleted_is_deleted(project: Repository) -> None:
    sparse(project, *COORDINATED)
    (project.path / "kitty-specs/036-planned/plan.md").unlink()

    assert read_features(as_checkout(project))["036-planned"].phase is Phase.SPECIFY


def test_a_link_in_the_place_of_a_file_left_out_is_a_link(project: Repository) -> None:
    sparse(project, *COORDINATED)
    (project.path / LOG).symlink_to("/dev/null")

    report = read_features(as_checkout(project))[NAME]

    assert problems(report) == [f"{LOG}: is a symbolic link and was not read"]
    assert report.candidates == (Phase.TASKS, Phase.IMPLEMENT, Phase.REVIEW)


def test_a_link_that_was_left_out_is_a_link(project: Repository) -> None:
    (project.path / LOG).unlink()
    (project.path / LOG).symlink_to("../elsewhere")
    project.commit()
    expected = read_features(DiskTree(project.path))

    sparse(project, *COORDINATED)

    assert not (project.path / LOG).is_symlink()
    assert read_features(as_checkout(project)) == expected
    assert problems(expected[NAME]) == [f"{LOG}: is a symbolic link and was not read"]


def test_what_is_staged_and_left_out_is_read_as_staged(project: Repository) -> None:
    sparse(project, *COORDINATED)
    blob = project.git("hash-object", "-w", "--stdin", stdin=log_of("WP01 in_progress").encode())
    project.git("update-index", "--cacheinfo", f"100644,{blob},{LOG}")
    project.git("update-index", "--skip-worktree", LOG)

    assert read_features(as_checkout(project))[NAME].phase is Phase.IMPLEMENT
    assert detect_phase(project.path / HERE, commit="HEAD").phase is Phase.REVIEW


def test_a_left_out_object_that_is_missing_is_a_problem_of_its_file(project: Repository) -> None:
    sparse(project, *COORDINATED)
    blob = project.git("rev-parse", f"HEAD:{LOG}")
    (project.path / ".git/objects" / blob[:2] / blob[2:]).unlink()

    report = read_features(as_checkout(project))[NAME]

    (problem,) = problems(report)
    assert problem.startswith(f"{LOG}: cannot be read: {LOG}: object {blob} is missing")
    assert report.unreadable == ("WP01", "WP02")


def test_a_checkout_that_was_made_full_again_is_an_ordinary_one(project: Repository) -> None:
    sparse(project, *WITHOUT_SPECS)
    project.git("sparse-checkout", "disable")
    (project.path / LOG).unlink()

    assert detect_phase(project.path / HERE).phase is Phase.TASKS


def test_a_project_that_is_left_out_whole_is_surveyed_and_shown(project: Repository) -> None:
    sparse(project, *WITHOUT_SPECS)
    worktree = find_worktree(project.path, env=project.environment)

    with pytest.raises(UnboundFeatureError):
        survey(worktree)
    found = survey(worktree, feature=NAME)
    (seen,) = overview(project.path, feature=NAME).features

    assert found.reports[NAME].phase is seen.detected.phase is seen.effective is Phase.REVIEW


def test_what_was_read_from_a_commit_is_not_read_again_from_the_index(project: Repository) -> None:
    sparse(project, *WITHOUT_SPECS)
    readings = Readings()
    with GitTree(find_worktree(project.path, env=project.environment).git, "HEAD") as tree:
        expected = read_features(tree, readings)
    parsed = readings.parsed
    tree_here = as_checkout(project)

    assert read_features(tree_here, readings) == expected
    assert readings.parsed == parsed
    assert tree_here._blobs._reader is None


def test_a_dot_git_that_leads_nowhere_leaves_the_files_alone(tmp_path: Path) -> None:
    place = tmp_path / "copied"
    (place / HERE).mkdir(parents=True)
    (place / HERE / "plan.md").write_text("plan\n")
    (place / ".git").write_text("gitdir: /nowhere/at/all\n")

    assert detect_phase(place / HERE).phase is Phase.PLAN
