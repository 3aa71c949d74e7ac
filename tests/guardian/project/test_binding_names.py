from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from kitty_guardian.errors import InvalidValueError, UnboundFeatureError, UnknownFeatureError
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.binding import Binding, bind
from kitty_guardian.project.handles import plain_name
from kitty_guardian.project.repository import Worktree, find_worktree
from support.repositories import Repository

ULID = "01KW1JXXTH8YVMADWF0G80H7AB"


def reports(*names: str, finished: tuple[str, ...] = ()) -> Mapping[str, PhaseReport]:
    done = {"WP01": Lane.DONE}
    return {name: PhaseReport(name, Phase.PLAN, work_packages=done if name in finished else {}) for name in names}


def worktree(path: str = "/home/ada/project") -> Worktree:
    """A work tree as a value; whoever reads its repository finds none."""
    return Worktree(Path(path), Path(path, ".git"), Path(path, ".git"))


KNOWN = reports("001-first", "034-home-guard", "kernel-clock-single-door", "house-rules-01KZZZZZ")


@pytest.mark.parametrize(
    ("folder", "feature", "part"),
    [
        ("034-home-guard", "034-home-guard", ""),
        ("034-home-guard-WP01", "034-home-guard", "WP01"),
        ("034-home-guard-WP12", "034-home-guard", "WP12"),
        ("034-home-guard-lane-a", "034-home-guard", "lane-a"),
        ("034-home-guard-lane-planning", "034-home-guard", "lane-planning"),
        ("house-rules-01KZZZZZ-lane-b", "house-rules-01KZZZZZ", "lane-b"),
        ("house-rules-01KZZZZZ-coord", "house-rules-01KZZZZZ", "coord"),
        ("kernel-clock-single-door", "kernel-clock-single-door", ""),
        ("kernel-clock-single-door-lane-a", "kernel-clock-single-door", "lane-a"),
    ],
)
def test_the_folder_below_worktrees_binds_in_every_era(folder: str, feature: str, part: str) -> None:
    binding = bind(worktree(f"/home/ada/project/.worktrees/{folder}"), KNOWN, branch="main")

    assert binding == Binding((feature,), f"the work tree's folder is .worktrees/{folder}", part)


@pytest.mark.parametrize(
    ("branch", "feature", "part"),
    [
        ("034-home-guard", "034-home-guard", ""),
        ("034-home-guard-WP01", "034-home-guard", "WP01"),
        ("kitty/mission-034-home-guard", "034-home-guard", ""),
        ("kitty/mission-034-home-guard-lane-a", "034-home-guard", "lane-a"),
        ("kitty/mission-house-rules-01KZZZZZ", "house-rules-01KZZZZZ", ""),
        ("kitty/mission-house-rules-01KZZZZZ-lane-c", "house-rules-01KZZZZZ", "lane-c"),
        ("kitty/mission-kernel-clock-single-door-lane-a", "kernel-clock-single-door", "lane-a"),
        ("house-rules-01KZZZZZ", "house-rules-01KZZZZZ", ""),
    ],
)
def test_the_branch_binds_in_every_era(branch: str, feature: str, part: str) -> None:
    assert bind(worktree(), KNOWN, branch=branch) == Binding((feature,), f"the branch is {branch}", part)


@pytest.mark.parametrize(
    "branch",
    [
        None,
        "main",
        "kernel-clock-single-door",
        "feature/034-home-guard",
        "034",
        "034-home-guard-WP",
        "034-home",
        "099-gone",
        "kitty/mission-",
        "kitty/mission-099-gone-lane-a",
        "kitty/mission-home-guard",
    ],
)
def test_no_other_branch_binds(branch: str | None) -> None:
    with pytest.raises(UnboundFeatureError):
        bind(worktree(), KNOWN, branch=branch)


def test_a_folder_elsewhere_does_not_bind() -> None:
    with pytest.raises(UnboundFeatureError):
        bind(worktree("/home/ada/034-home-guard"), KNOWN)


def test_the_folder_precedes_the_branch_so_that_switching_rebinds_nothing() -> None:
    binding = bind(worktree("/home/ada/project/.worktrees/034-home-guard"), KNOWN, branch="001-first")

    assert binding.features == ("034-home-guard",)


def test_a_folder_of_an_unknown_feature_leaves_it_to_the_branch() -> None:
    binding = bind(worktree("/home/ada/project/.worktrees/099-gone-WP01"), KNOWN, branch="001-first-WP01")

    assert binding.features == ("001-first",)


def test_a_name_that_ends_like_a_suffix_is_taken_whole_first() -> None:
    known = reports("010-the-lane-a", "010-the")

    binding = bind(worktree(), known, branch="010-the-lane-a")

    assert (binding.features, binding.part) == (("010-the-lane-a",), "")


def test_the_part_is_kept_when_the_same_feature_is_asked_for_and_not_when_another_is() -> None:
    place = worktree("/home/ada/project/.worktrees/034-home-guard-WP02")

    assert bind(place, KNOWN, feature="034").part == "WP02"
    assert bind(place, KNOWN, feature="001").part == ""
    assert bind(place, KNOWN, every=True).part == ""


def project_with_ids(repository: Repository, ids: Mapping[str, object]) -> Worktree:
    """A repository whose features have these mission ids in `meta.json`."""
    for name, mission_id in ids.items():
        repository.write(f"kitty-specs/{name}/meta.json", "\ufeff" + json.dumps({"mission_id": mission_id}))
    repository.commit()
    return find_worktree(repository.path, env=repository.environment)


def test_a_numbered_feature_is_found_by_the_id_in_its_metadata(repository: Repository) -> None:
    found = project_with_ids(
        repository, {"034-home-guard": ULID, "035-home-guard": "01KAAAAA" + "0" * 18, "001-first": 7}
    )
    known = reports("034-home-guard", "035-home-guard", "001-first", "002-no-meta")

    assert bind(found, known, branch="kitty/mission-home-guard-01KW1JXX-lane-a").features == ("034-home-guard",)
    assert bind(found, known, feature=ULID).features == ("034-home-guard",)
    assert bind(found, known, feature="01KW1JXX").features == ("034-home-guard",)
    with pytest.raises(UnboundFeatureError):
        bind(found, known, branch="kitty/mission-home-guard-01KZZZZZ")


def test_broken_metadata_matches_no_id(repository: Repository) -> None:
    repository.write("kitty-specs/001-first/meta.json", "{")
    repository.write("kitty-specs/002-second/meta.json", "[]")
    found = project_with_ids(repository, {"003-third": "not a ulid"})

    with pytest.raises(UnknownFeatureError):
        bind(found, reports("001-first", "002-second", "003-third"), feature="01KW1JXX")


def test_without_a_commit_there_are_no_ids(repository: Repository) -> None:
    found = find_worktree(repository.path, env=repository.environment)

    with pytest.raises(UnknownFeatureError):
        bind(found, reports("001-first"), feature=ULID)


@pytest.mark.parametrize(
    ("asked", "feature"),
    [
        ("034-home-guard", "034-home-guard"),
        ("034", "034-home-guard"),
        ("34", "034-home-guard"),
        ("1", "001-first"),
        ("home-guard", "034-home-guard"),
        ("house-rules", "house-rules-01KZZZZZ"),
        ("kernel-clock-single-door", "kernel-clock-single-door"),
    ],
)
def test_a_feature_may_be_asked_for_by_any_of_its_names(asked: str, feature: str) -> None:
    assert bind(worktree(), KNOWN, feature=asked) == Binding((feature,), f"{asked} was asked for")


def test_what_was_asked_for_precedes_folder_and_branch() -> None:
    place = worktree("/home/ada/project/.worktrees/034-home-guard")

    assert bind(place, KNOWN, feature="001", branch="034-home-guard").features == ("001-first",)


@pytest.mark.parametrize(("asked", "candidates"), [("080", "080-other, 080-same"), ("same", "080-same, same-01KZZZZZ")])
def test_an_ambiguous_name_is_an_error_with_its_candidates(asked: str, candidates: str) -> None:
    with pytest.raises(UnknownFeatureError, match=f"'{asked}' names 2 features: {candidates}"):
        bind(worktree(), reports("080-same", "080-other", "same-01KZZZZZ"), feature=asked)


def test_a_whole_name_is_never_ambiguous() -> None:
    assert bind(worktree(), reports("same", "001-same"), feature="same").features == ("same",)


def test_an_unknown_name_comes_with_a_suggestion() -> None:
    with pytest.raises(UnknownFeatureError, match="there is no feature '034-home-gard'") as caught:
        bind(worktree(), KNOWN, feature="034-home-gard")

    assert caught.value.hint == "did you mean 034-home-guard?"


def test_an_unknown_name_in_an_empty_project_says_so() -> None:
    with pytest.raises(UnknownFeatureError, match="it holds none") as caught:
        bind(worktree(), {}, feature="x")

    assert caught.value.hint == "give the name of a folder below kitty-specs/"


def test_all_binds_every_unfinished_feature() -> None:
    known = reports("002-b", "001-a", "003-done", finished=("003-done",))

    assert bind(worktree(), known, every=True) == Binding(
        ("001-a", "002-b"), "every unfinished feature was asked for (2 of 3)", every=True
    )


def test_a_feature_and_all_exclude_each_other() -> None:
    with pytest.raises(InvalidValueError):
        bind(worktree(), KNOWN, feature="001-first", every=True)


def test_unbound_with_unfinished_features_lists_the_first_ten() -> None:
    names = [f"{number:03}-x" for number in range(1, 15)]

    with pytest.raises(UnboundFeatureError) as caught:
        bind(worktree(), reports(*names, finished=("002-x",)), branch="main")

    assert caught.value.message == (
        "/home/ada/project is bound to no feature; unfinished: 001-x, 003-x, 004-x, 005-x, 006-x, 007-x, "
        "008-x, 009-x, 010-x, 011-x and 3 more"
    )
    assert caught.value.hint == "spec-kitty guardian start --feature NAME, or --all"
    assert caught.value.exit_code == 2


def test_even_a_single_unfinished_feature_is_not_guessed() -> None:
    with pytest.raises(UnboundFeatureError) as caught:
        bind(worktree(), reports("001-first"))

    assert caught.value.hint == "spec-kitty guardian start --feature 001-first, or --all"


def test_with_none_active_nothing_is_bound() -> None:
    assert bind(worktree(), {}) == Binding((), "no feature is active: kitty-specs/ holds no feature")
    assert bind(worktree(), reports("001-a", finished=("001-a",))) == Binding(
        (), "no feature is active: each of its 1 features is finished"
    )


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("034-home-guard", "home-guard"),
        ("home-guard-01KW1JXX", "home-guard"),
        ("034-home-guard-01KW1JXX", "home-guard"),
        ("home-guard", "home-guard"),
        ("home-guard-01kw1jxx", "home-guard-01kw1jxx"),
    ],
)
def test_a_plain_name_has_neither_number_nor_id(name: str, plain: str) -> None:
    assert plain_name(name) == plain
