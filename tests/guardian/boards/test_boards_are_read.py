"""The board: what was recorded counts, files speak only where nothing was, and what is meant is found by its names."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import attrs
import pytest

from kitty_guardian.boards.reading import boards, report
from kitty_guardian.boards.values import FeatureBoard, Package, UnknownWorkPackageError
from kitty_guardian.errors import EventStoreError, NotAProjectError, UnknownFeatureError
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.repository import find_worktree
from support.recorded import record
from support.repositories import Repository, transition, work_package_text

if TYPE_CHECKING:
    from pathlib import Path

CART = "kitty-specs/001-cart"


def lanes(board: FeatureBoard) -> dict[str, Lane | None]:
    return {package.id: package.lane for package in board.packages}


def test_the_lanes_of_a_feature_are_those_that_were_recorded(shop: Repository) -> None:
    (board,) = boards(shop.path, feature="001-cart").features

    assert (board.feature, board.phase, board.recorded, board.finished) == ("001-cart", Phase.IMPLEMENT, True, False)
    assert lanes(board) == {"WP01": Lane.IN_PROGRESS, "WP02": Lane.IN_PROGRESS}


def test_who_moved_a_work_package_and_when_is_told(shop: Repository) -> None:
    (board,) = boards(shop.path, feature="001-cart").features

    assert attrs.astuple(board.packages[0])[:4] == (
        "WP01",
        Lane.IN_PROGRESS,
        "Part WP01",
        f"{CART}/tasks/WP01-part.md",
    )
    assert board.packages[0].actor == "ada"
    assert board.packages[0].since.startswith("2026-03-01T10:00:00")


def test_a_lane_that_is_written_into_a_file_moves_nothing(shop: Repository) -> None:
    log = shop.path / CART / "status.events.jsonl"
    log.write_text(log.read_text() + transition("WP01", "done", number=9) + "\n", encoding="utf-8")
    shop.write(f"{CART}/tasks/WP02-part.md", work_package_text("WP02", lane="done"))

    for details in (True, False):
        (board,) = boards(shop.path, feature="001-cart", details=details).features
        assert lanes(board) == {"WP01": Lane.IN_PROGRESS, "WP02": Lane.IN_PROGRESS}


def test_a_work_package_that_only_a_file_knows_has_no_lane_yet(shop: Repository) -> None:
    shop.write(f"{CART}/tasks/WP03-pay-by-card.md", work_package_text("WP03"))

    (short,) = boards(shop.path, feature="001-cart", details=False).features
    (whole,) = boards(shop.path, feature="001-cart").features

    assert lanes(short)["WP03"] is lanes(whole)["WP03"] is None
    assert (short.packages[2].title, whole.packages[2].title) == ("pay by card", "Part WP03")


def test_a_feature_that_was_not_recorded_is_read_from_its_files_and_that_is_said(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "new")
    repository.feature("001-cart", "review", log=True)
    repository.feature("002-old", "implement", work_packages=("WP01", "WP02"))

    first, second = boards(repository.path, every=True).features

    assert (first.recorded, first.phase, lanes(first)) == (False, Phase.REVIEW, {"WP01": Lane.FOR_REVIEW})
    assert first.packages[0].actor == "ada"
    assert (second.recorded, lanes(second)) == (False, {"WP01": Lane.IN_PROGRESS, "WP02": Lane.IN_PROGRESS})
    assert (second.packages[0].actor, second.packages[0].since) == (None, "")


def test_files_in_the_folders_of_lanes_are_found(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "old")
    repository.write("kitty-specs/001-cart/spec.md", "# Cart\n")
    repository.write("kitty-specs/001-cart/tasks/doing/WP01-total.md", work_package_text("WP01", lane="doing"))
    repository.commit()

    before = boards(repository.path).features[0]
    record(repository)
    after = boards(repository.path).features[0]

    for board in (before, after):
        assert lanes(board) == {"WP01": Lane.IN_PROGRESS}
        assert board.packages[0].path == "kitty-specs/001-cart/tasks/doing/WP01-total.md"
    assert (before.recorded, after.recorded) == (False, True)


def test_a_work_package_that_cannot_be_read_has_no_lane(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "odd")
    repository.write("kitty-specs/001-cart/tasks/WP01.md", "---\nlane: doing\nlane: done\n---\n")

    (board,) = boards(repository.path).features

    assert lanes(board) == {"WP01": None}
    assert "has the key 'lane' twice" in board.packages[0].problems[0]


def test_what_a_work_package_waits_for_is_what_is_not_finished_yet(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "shop")
    repository.write("kitty-specs/001-cart/spec.md", "# Cart\n")
    three = (("WP01", "done", "[]"), ("WP02", "planned", "[WP01]"), ("WP03", "planned", "[WP01, WP02]"))
    for name, lane, needs in three:
        head = f"work_package_id: {name}\ntitle: Part\nlane: {lane}\ndependencies: {needs}\n"
        repository.write(f"kitty-specs/001-cart/tasks/{name}.md", f"---\n{head}---\n# Do it\n\nAll of it.\n")
    repository.commit()
    record(repository)

    (board,) = boards(repository.path).features

    assert [board.waits_for(package) for package in board.packages] == [(), (), ("WP02",)]


def test_only_what_is_planned_waits() -> None:
    packages = (Package("WP01", Lane.PLANNED), Package("WP02", Lane.IN_PROGRESS, dependencies=("WP01",)))
    board = FeatureBoard("001-cart", Phase.IMPLEMENT, finished=False, recorded=True, packages=packages)

    assert board.waits_for(packages[1]) == ()


# Which feature is meant


def test_all_is_every_feature_in_the_order_of_names(shop: Repository) -> None:
    shop.feature("003-new", "specify")

    found = boards(shop.path, every=True, details=False)

    assert [board.feature for board in found.features] == ["001-cart", "002-pay", "003-new"]
    assert [board.recorded for board in found.features] == [True, True, False]
    assert [board.phase for board in found.features] == [Phase.IMPLEMENT, Phase.PLAN, Phase.SPECIFY]


def test_without_a_binding_the_unfinished_ones_are_told_and_that_they_are(shop: Repository) -> None:
    shop.feature("003-done", "finished")
    shop.commit()
    record(shop)

    found = boards(shop.path)

    assert [board.feature for board in found.features] == ["001-cart", "002-pay"]
    assert not found.is_bound


def test_the_only_unfinished_feature_needs_no_binding(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "shop")
    repository.feature("001-cart", "tasks")
    repository.feature("002-done", "finished")
    repository.commit()
    record(repository)

    found = boards(repository.path)

    assert ([board.feature for board in found.features], found.is_bound) == (["001-cart"], True)
    assert found.binding == "it is the only unfinished one"


def test_the_branch_says_which_feature_a_work_tree_is_for(shop: Repository) -> None:
    shop.git("checkout", "--quiet", "-b", "002-pay")

    found = boards(shop.path)

    assert ([board.feature for board in found.features], found.binding) == (["002-pay"], "the branch is 002-pay")


def test_a_work_packages_own_work_tree_shows_its_feature_from_where_that_is_kept(shop: Repository) -> None:
    own = shop.worktree(shop.path / ".worktrees" / "001-cart-WP01", "001-cart-WP01")
    shop.write(f"{CART}/tasks/WP03-later.md", work_package_text("WP03"))

    (board,) = boards(own.path).features

    assert board.feature == "001-cart"
    assert list(lanes(board)) == ["WP01", "WP02", "WP03"]


def test_what_was_begun_in_the_main_work_tree_since_is_known_in_every_other(shop: Repository) -> None:
    own = shop.worktree(shop.path / ".worktrees" / "001-cart-WP01", "001-cart-WP01")
    shop.feature("003-new", "plan", work_packages=())
    shop.feature("004-newer", "implement")

    (board,) = boards(own.path, feature="003").features
    short = boards(own.path, every=True, details=False).features

    assert (board.feature, board.phase, board.recorded) == ("003-new", Phase.PLAN, False)
    assert lanes(short[3]) == {"WP01": Lane.IN_PROGRESS}


def test_where_every_feature_is_finished_nothing_is_shown(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "shop")
    repository.feature("001-cart", "finished")
    repository.feature("002-till", "finished")
    repository.commit()
    record(repository)

    found = boards(repository.path)

    assert (found.features, found.is_bound, found.binding) == ((), True, "no feature is active")


@pytest.mark.parametrize("name", ["001-cart", "001", "1", "cart"])
def test_a_feature_answers_to_each_of_its_names(shop: Repository, name: str) -> None:
    assert boards(shop.path, feature=name).features[0].feature == "001-cart"


def test_a_feature_whose_folder_is_gone_is_still_recorded(shop: Repository) -> None:
    shutil.rmtree(shop.path / CART)

    (board,) = boards(shop.path, feature="001-cart").features

    assert lanes(board) == {"WP01": Lane.IN_PROGRESS, "WP02": Lane.IN_PROGRESS}
    assert board.packages[0].path == ""


def test_a_name_that_no_feature_has_is_an_error(shop: Repository) -> None:
    with pytest.raises(UnknownFeatureError, match="there is no feature '009'"):
        boards(shop.path, feature="009")


def test_what_is_no_project_has_no_board(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "none")
    with pytest.raises(NotAProjectError):
        boards(repository.path)


def test_a_store_that_is_none_is_an_error_and_no_empty_board(shop: Repository) -> None:
    store = find_worktree(shop.path).common_dir / "spec-kitty" / "events.db"
    for name in ("events.db-wal", "events.db-shm"):
        store.with_name(name).unlink(missing_ok=True)
    store.write_bytes(b"this is no database, whatever it is called\n" * 200)

    with pytest.raises(EventStoreError):
        boards(shop.path, every=True)


# One work package


def test_a_work_package_comes_with_its_moves(shop: Repository) -> None:
    found = report(shop.path, "WP01", feature="001-cart")

    assert (found.board.feature, found.package.id) == ("001-cart", "WP01")
    assert [(event.payload["from_lane"], event.payload["to_lane"]) for event in found.history] == [
        ("planned", "in_progress")
    ]


@pytest.mark.parametrize("name", ["WP01", "wp01", "WP1", "1"])
def test_a_work_package_answers_to_each_spelling(shop: Repository, name: str) -> None:
    assert report(shop.path, name, feature="001-cart").package.id == "WP01"


@pytest.mark.parametrize("name", ["WP09", "", "planned", "WP01\x1b[31m", "WP" + "9" * 5000])
def test_a_work_package_that_is_not_there_is_named_with_those_that_are(shop: Repository, name: str) -> None:
    with pytest.raises(UnknownWorkPackageError, match=r"in 001-cart \(it holds WP01, WP02\)"):
        report(shop.path, name, feature="001-cart")


def test_a_work_package_that_several_features_have_is_not_guessed(shop: Repository) -> None:
    shop.feature("003-more", "implement")
    shop.commit()
    record(shop)

    with pytest.raises(UnknownWorkPackageError, match="001-cart, 003-more have it"):
        report(shop.path, "WP01")
    assert report(shop.path, "WP02").board.feature == "001-cart"


def test_a_work_package_that_was_not_recorded_has_no_history(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "new")
    repository.feature("001-cart", "implement", log=True)

    found = report(repository.path, "WP01")

    assert (found.package.lane, found.history, found.board.recorded) == (Lane.IN_PROGRESS, (), False)
