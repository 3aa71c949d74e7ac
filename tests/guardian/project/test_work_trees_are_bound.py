"""Real work trees of every era, bound to their feature by name, with the reason (facts, sections 6.2 and 7)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kitty_guardian.errors import NotAProjectError, NotARepositoryError, UnboundFeatureError, UnknownFeatureError
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.pins import Adoption, states_of
from kitty_guardian.project.repository import Worktree, find_worktree, require_project
from kitty_guardian.project.survey import Survey, survey
from support.reading import adopted
from support.repositories import Repository, work_package_text

OLD, NEW, BARE, NUMBERED = "034-home-guard", "home-guard-01KW1JXX", "kernel-clock-single-door", "035-house-rules"
ULID = "01KZ2K4M6N8P0Q2R4S6T8V0W2X"


@pytest.fixture(name="project")
def _project(repository: Repository) -> Repository:
    """Features of every era; NUMBERED has a mission id in its metadata only."""
    for name in (OLD, NEW, BARE, NUMBERED):
        repository.feature(name, "implement", work_packages=("WP01", "WP02"))
    repository.write(f"kitty-specs/{NUMBERED}/meta.json", json.dumps({"mission_id": ULID, "mission_number": 35}))
    repository.commit("features of every era")
    return repository


def worktree_of(repository: Repository) -> Worktree:
    return find_worktree(repository.path, env=repository.environment)


def surveyed(repository: Repository, *, feature: str | None = None, prior: Adoption | None = None) -> Survey:
    return survey(worktree_of(repository), feature=feature, prior=prior)


def linked(repository: Repository, folder: str, branch: str) -> Repository:
    return repository.worktree(repository.path / ".worktrees" / folder, branch)


@pytest.mark.parametrize(
    ("folder", "branch", "feature", "part"),
    [
        # up to 0.10
        (OLD, OLD, OLD, ""),
        # 0.11 to 3.0
        (f"{OLD}-WP02", f"{OLD}-WP02", OLD, "WP02"),
        # 3.1
        (f"{OLD}-lane-a", f"kitty/mission-{OLD}-lane-a", OLD, "lane-a"),
        # 3.1.1 on
        (f"{NEW}-lane-b", f"kitty/mission-{NEW}-lane-b", NEW, "lane-b"),
        (f"{NEW}-coord", f"kitty/mission-{NEW}", NEW, "coord"),
        (f"{BARE}-lane-a", f"kitty/mission-{BARE}-lane-a", BARE, "lane-a"),
        # numbered features of a later tool: the number left out, the first eight of the mission's id put behind
        ("house-rules-01KZ2K4M-lane-a", "kitty/mission-house-rules-01KZ2K4M-lane-a", NUMBERED, "lane-a"),
    ],
)
def test_a_folder_below_worktrees_binds_in_every_era(
    project: Repository, folder: str, branch: str, feature: str, part: str
) -> None:
    binding = surveyed(linked(project, folder, branch)).binding

    assert (binding.features, binding.part) == ((feature,), part)
    assert binding.reason == f"the work tree's folder is .worktrees/{folder}"


@pytest.mark.parametrize(
    ("branch", "feature", "part"),
    [
        (OLD, OLD, ""),
        (f"{OLD}-WP01", OLD, "WP01"),
        (f"kitty/mission-{OLD}", OLD, ""),
        (f"kitty/mission-{OLD}-lane-a", OLD, "lane-a"),
        (f"kitty/mission-{NEW}", NEW, ""),
        (f"kitty/mission-{NEW}-lane-a", NEW, "lane-a"),
        (f"kitty/mission-{BARE}", BARE, ""),
        (NEW, NEW, ""),
        ("kitty/mission-house-rules-01KZ2K4M", NUMBERED, ""),
    ],
)
def test_a_branch_binds_in_every_era_in_the_main_work_tree_and_in_any_other(
    project: Repository, tmp_path: Path, branch: str, feature: str, part: str
) -> None:
    elsewhere = project.worktree(tmp_path / "elsewhere", branch)
    found = surveyed(elsewhere).binding
    assert (found.features, found.part, found.reason) == ((feature,), part, f"the branch is {branch}")

    project.git("worktree", "remove", "--force", str(elsewhere.path))
    project.git("checkout", "--quiet", branch)
    assert surveyed(project).binding == found


@pytest.mark.parametrize(
    "branch", ["main", BARE, f"feature/{OLD}", "034", "home-guard", f"{OLD}x", "kitty/mission-house"]
)
def test_nothing_else_binds(project: Repository, branch: str) -> None:
    if branch != "main":
        project.git("checkout", "--quiet", "-b", branch)

    with pytest.raises(UnboundFeatureError) as caught:
        surveyed(project)

    assert f"unfinished: {', '.join(sorted((OLD, NEW, BARE, NUMBERED)))}" in caught.value.message


def test_a_folder_of_the_same_name_elsewhere_binds_nothing(project: Repository, tmp_path: Path) -> None:
    with pytest.raises(UnboundFeatureError):
        surveyed(project.worktree(tmp_path / OLD, "something-else"))


def test_switching_branches_in_a_features_own_work_tree_rebinds_nothing(project: Repository) -> None:
    own = linked(project, f"{OLD}-WP01", f"{OLD}-WP01")
    before = surveyed(own).binding

    for branch in (NEW, f"kitty/mission-{NEW}-lane-a"):
        own.git("checkout", "--quiet", "-b", branch)
        assert surveyed(own).binding == before


def test_what_was_bound_stays_bound_whatever_the_branch_is_called_since(project: Repository) -> None:
    project.git("checkout", "--quiet", "-b", f"{OLD}-WP01")
    prior = adopted(surveyed(project))
    for branch in ("something", f"{NUMBERED}-WP02", f"kitty/mission-{NEW}"):
        project.git("checkout", "--quiet", "-b", branch)

        found = surveyed(project, prior=prior).binding

        assert (found.features, found.part) == ((OLD,), "WP01")
        assert found.reason == f"bound to {OLD} since {prior.at:%Y-%m-%d %H:%M}"


def test_a_new_folder_rebinds_nothing_and_is_in_research(project: Repository) -> None:
    prior = adopted(surveyed(project, feature=OLD))
    project.write("kitty-specs/036-mine/tasks/WP01.md", work_package_text("WP01", lane="doing"))
    project.write("kitty-specs/036-mine/spec.md", "mine\n")

    found = surveyed(project, prior=prior)

    assert found.binding.features == (OLD,)
    assert (found.reports["036-mine"].phase, found.reports["036-mine"].work_packages) == (Phase.RESEARCH, {})


def finish(project: Repository, *names: str) -> None:
    for name in names:
        project.feature(name, "finished", work_packages=("WP01", "WP02"))
    project.commit("finished")


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("branch", ["main", NEW, f"{NUMBERED}-WP01", f"kitty/mission-{BARE}-lane-a"])
def test_what_takes_the_place_of_a_finished_or_removed_feature_is_asked_for(
    project: Repository, branch: str, *, gone: bool
) -> None:
    prior = adopted(surveyed(project, feature=OLD))
    if branch != "main":
        project.git("checkout", "--quiet", "-b", branch)
    if gone:
        project.git("rm", "--quiet", "-r", f"kitty-specs/{OLD}")
        project.commit(add=False)
    else:
        finish(project, OLD)

    with pytest.raises(UnboundFeatureError) as caught:
        surveyed(project, prior=prior)

    unfinished = sorted((NEW, BARE, NUMBERED))
    state = "in no commit any more" if gone else "finished"
    assert f"is bound to {OLD}, which is {state}; unfinished: {', '.join(unfinished)}" in caught.value.message
    assert caught.value.hint == f"say which it is now: spec-kitty guardian start --feature {unfinished[0]}, or --all"
    assert surveyed(project, feature=BARE, prior=prior).binding.features == (BARE,)


def test_a_features_own_work_tree_is_not_bound_to_another_when_that_is_finished(project: Repository) -> None:
    own = linked(project, f"{OLD}-WP01", f"{OLD}-WP01")
    prior = adopted(surveyed(own))
    finish(project, OLD)
    project.git("worktree", "move", str(own.path), str(project.path / ".worktrees" / f"{NEW}-WP01"))
    moved = Repository(project.path / ".worktrees" / f"{NEW}-WP01", init=False)
    moved.git("checkout", "--quiet", "-b", f"{NEW}-WP01")
    assert surveyed(moved).binding.features == (NEW,)

    kept = surveyed(moved, prior=prior).binding
    assert (kept.features, kept.part) == ((OLD,), "WP01")


def test_where_everything_is_finished_it_is_bound_to_nothing(project: Repository) -> None:
    prior = adopted(surveyed(project, feature=OLD))
    finish(project, OLD, NEW, BARE, NUMBERED)

    found = surveyed(project, prior=prior).binding

    assert (found.features, found.reason) == ((), "no feature is active: each of its 4 features is finished")


def test_with_every_feature_asked_for_one_that_is_finished_is_left_out(project: Repository) -> None:
    prior = adopted(survey(worktree_of(project), every=True))
    finish(project, OLD)

    assert surveyed(project, prior=prior).binding.features == tuple(sorted((NEW, BARE, NUMBERED)))


def test_a_feature_in_doubt_is_not_taken_for_finished(project: Repository) -> None:
    prior = adopted(surveyed(project, feature=OLD))
    project.feature(OLD, "finished", work_packages=("WP01", "WP02"))
    project.write(f"kitty-specs/{OLD}/tasks/WP01-part.md", "---\nlane: 'done\n---\n")
    project.commit()

    found = surveyed(project, prior=prior)

    assert found.binding.features == (OLD,)
    assert states_of(found.reports, prior)[OLD].phase is Phase.IMPLEMENT


def test_numbers_that_are_there_twice_are_ambiguous_and_bind_nothing(project: Repository) -> None:
    project.feature("034-other", "plan")
    project.feature("080-a", "plan")
    project.feature("080-b", "plan")
    project.commit()
    for asked in ("034", "34", "080"):
        with pytest.raises(UnknownFeatureError, match=f"'{asked}' names 2 features: "):
            surveyed(project, feature=asked)

    assert surveyed(project, feature="034-other").binding.features == ("034-other",)
    assert surveyed(linked(project, "034-other-WP01", "034-other-WP01")).binding.features == ("034-other",)
    for number, branch in enumerate(("034-WP01", "kitty/mission-034", "kitty/mission-080-lane-a")):
        with pytest.raises(UnboundFeatureError):
            surveyed(linked(project, f"080-WP0{number}", branch))


def test_a_plain_name_that_two_features_have_is_ambiguous_and_an_id_is_not(project: Repository) -> None:
    with pytest.raises(UnknownFeatureError, match=f"'home-guard' names 2 features: {OLD}, {NEW}"):
        surveyed(project, feature="home-guard")

    for asked, feature in (("01KW1JXX", NEW), ("01KZ2K4M", NUMBERED), (ULID, NUMBERED), ("35", NUMBERED)):
        assert surveyed(project, feature=asked).binding.features == (feature,)


def test_two_missions_of_one_id_are_ambiguous_and_bind_nothing(project: Repository) -> None:
    project.write("kitty-specs/036-house-rules/meta.json", json.dumps({"mission_id": ULID}))
    project.commit()

    with pytest.raises(UnknownFeatureError, match="names 2 features"):
        surveyed(project, feature=ULID)
    with pytest.raises(UnboundFeatureError):
        surveyed(linked(project, "house-rules-01KZ2K4M-lane-a", "kitty/mission-house-rules-01KZ2K4M-lane-a"))


def test_an_id_that_only_the_disk_claims_binds_nothing(project: Repository) -> None:
    project.write(f"kitty-specs/{OLD}/meta.json", json.dumps({"mission_id": "01KAAAAA" + "0" * 18}))
    project.git("checkout", "--quiet", "-b", "kitty/mission-home-guard-01KAAAAA")

    with pytest.raises(UnboundFeatureError):
        surveyed(project)


def test_a_relative_gitdir_is_one_work_tree_as_well(project: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    own = linked(project, f"{OLD}-WP02", f"{OLD}-WP02")
    (own.path / ".git").write_text(f"gitdir: ../../.git/worktrees/{OLD}-WP02\n")
    (project.path / f".git/worktrees/{OLD}-WP02/gitdir").write_text(f"../../../.worktrees/{OLD}-WP02/.git\n")
    monkeypatch.chdir("/")

    found = surveyed(own)

    assert (found.binding.features, found.binding.part) == ((OLD,), "WP02")
    assert worktree_of(own).git_dir == project.path / f".git/worktrees/{OLD}-WP02"
    assert worktree_of(own).is_linked


@pytest.mark.parametrize("folder", [".worktrees/034-home-guard-WP01", "034-home-guard-WP01"])
def test_work_trees_of_a_bare_repository_have_no_main_one(project: Repository, tmp_path: Path, folder: str) -> None:
    project.git("clone", "--quiet", "--bare", str(project.path), str(tmp_path / "bare.git"))
    bare = tmp_path / "bare.git"
    project.git("--git-dir", str(bare), "worktree", "add", "--quiet", "-b", "034-home-guard-WP01", str(bare / folder))
    own = Repository(bare / folder, init=False)

    found = surveyed(own)

    assert (found.binding.features, found.binding.part) == ((OLD,), "WP01")
    assert found.copies == {}
    with pytest.raises(NotARepositoryError, match="bare"):
        find_worktree(bare, env=project.environment)


def test_a_detached_head_binds_by_folder_only(project: Repository) -> None:
    project.git("worktree", "add", "--quiet", "--detach", str(project.path / ".worktrees" / f"{OLD}-WP01"))
    own = Repository(project.path / ".worktrees" / f"{OLD}-WP01", init=False)
    assert (surveyed(own).binding.features, surveyed(own).binding.part) == ((OLD,), "WP01")

    project.git("checkout", "--quiet", "--detach")
    with pytest.raises(UnboundFeatureError):
        surveyed(project)


def test_without_a_commit_every_folder_is_in_research_and_the_branch_binds(repository: Repository) -> None:
    repository.feature(OLD, "implement")
    with pytest.raises(UnboundFeatureError):
        surveyed(repository)

    repository.git("symbolic-ref", "HEAD", f"refs/heads/{OLD}")
    found = surveyed(repository)

    assert (found.head, found.binding.features, found.binding.reason) == (None, (OLD,), f"the branch is {OLD}")
    assert found.reports[OLD].phase is Phase.RESEARCH
    assert found.reports[OLD].evidence == ("HEAD does not have this folder yet",)


def test_a_rebase_does_not_unbind(project: Repository) -> None:
    project.git("checkout", "--quiet", "-b", f"{OLD}-WP01")
    project.write("a", "one\n")
    project.commit()
    project.git("checkout", "--quiet", "main")
    project.write("a", "two\n")
    project.commit()
    project.git("checkout", "--quiet", f"{OLD}-WP01")
    for command in (("rebase", "--merge", "main"), ("rebase", "--apply", "main")):
        project.git(*command, check=False)
        assert project.git("symbolic-ref", "--quiet", "HEAD", check=False) == ""

        assert worktree_of(project).head_branch() == f"{OLD}-WP01"
        assert surveyed(project).binding.part == "WP01"
        project.git("rebase", "--abort")


def test_a_bisection_does_not_unbind(project: Repository) -> None:
    for number in range(4):
        project.commit(f"step {number}")
    project.git("checkout", "--quiet", "-b", f"{OLD}-WP01")
    project.git("bisect", "start", "HEAD", "HEAD~4")

    assert project.git("symbolic-ref", "--quiet", "HEAD", check=False) == ""
    assert surveyed(project).binding.part == "WP01"
    project.git("bisect", "reset")
    assert worktree_of(project).head_branch() == f"{OLD}-WP01"


@pytest.mark.parametrize("name", ["BISECT_START", "rebase-merge/head-name", "rebase-apply/head-name"])
@pytest.mark.parametrize("kind", ["a pipe", "a link", "a directory"])
def test_what_is_no_note_of_git_names_no_branch_and_holds_nobody_up(project: Repository, name: str, kind: str) -> None:
    project.git("checkout", "--quiet", "--detach")
    place = project.path / ".git" / name
    place.parent.mkdir(exist_ok=True)
    project.write("a-name", f"refs/heads/{OLD}\n")
    if kind == "a pipe":
        os.mkfifo(place)
    elif kind == "a link":
        place.symlink_to(project.path / "a-name")
    else:
        place.mkdir()

    assert worktree_of(project).head_branch() is None
    with pytest.raises(UnboundFeatureError):
        surveyed(project)


def test_a_rebase_or_bisection_of_no_branch_names_none(project: Repository) -> None:
    head = project.head()
    for number in range(4):
        project.commit(f"step {number}")
    project.git("checkout", "--quiet", "--detach")
    project.git("bisect", "start", "HEAD", head)

    assert worktree_of(project).head_branch() is None


@pytest.mark.parametrize("below", ["", "kitty-specs", "kitty-specs/034-home-guard/tasks"])
def test_a_husk_is_refused_and_not_taken_for_the_work_tree_around_it(project: Repository, below: str) -> None:
    own = linked(project, f"{OLD}-WP01", f"{OLD}-WP01")
    (own.path / ".git").unlink()

    with pytest.raises(NotARepositoryError, match=r"is no git work tree: it has no \.git") as caught:
        find_worktree(own.path / below, env=project.environment)

    assert str(own.path) in caught.value.message
    assert caught.value.exit_code == 2
    assert find_worktree(project.path / ".worktrees", env=project.environment).root == project.path


def test_a_linked_project_folder_is_refused_with_its_reason(repository: Repository) -> None:
    other = Repository(repository.path.parent / "other")
    other.feature(OLD)
    (repository.path / "kitty-specs").symlink_to(other.path / "kitty-specs")

    with pytest.raises(NotAProjectError, match="kitty-specs is a symbolic link") as caught:
        require_project(worktree_of(repository))

    assert caught.value.hint == "put the folder itself in the link's place"


def test_where_everything_is_finished_no_branch_takes_its_place(project: Repository) -> None:
    prior = adopted(surveyed(project, feature=OLD))
    finish(project, OLD, NEW, BARE, NUMBERED)
    project.git("checkout", "--quiet", "-b", f"{NUMBERED}-WP01")

    assert surveyed(project, prior=prior).binding.features == ()
