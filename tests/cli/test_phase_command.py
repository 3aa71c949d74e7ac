"""`guardian phase` through the real entry point: what files look like beside what is enforced."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from support.corpus import corpus
from support.repositories import Repository, transition, work_package_text

if TYPE_CHECKING:
    from pathlib import Path

    from cli.program import Program

CONTRACT = [
    "feature",
    "phase",
    "effective_phase",
    "evidence",
    "work_packages",
    "changes_requested",
    "problems",
]
CART = "kitty-specs/001-cart"


def test_one_feature_is_one_object_with_the_fields_of_the_contract(in_shop: Program) -> None:
    found = in_shop("guardian", "phase", "--json").json

    assert list(found)[: len(CONTRACT) + 1] == ["schema", *CONTRACT]
    assert found["schema"] == "spec-kitty/guardian-phase/1"
    assert (found["feature"], found["phase"], found["effective_phase"]) == ("001-cart", "plan", "plan")
    assert found["evidence"] == ["plan.md exists and there is no work package"]
    assert (found["work_packages"], found["changes_requested"], found["problems"]) == ({}, False, [])
    assert (found["bound"], found["recorded"], found["enforced"]) == (True, False, True)


def test_without_a_record_the_enforced_phase_is_what_head_holds(in_shop: Program, shop: Repository) -> None:
    shop.write(f"{CART}/tasks/WP01.md", work_package_text("WP01", lane="doing"))

    found = in_shop("guardian", "phase", "--json").json

    assert (found["phase"], found["effective_phase"], found["recorded"]) == ("implement", "plan", False)


def test_what_files_look_like_never_moves_what_is_enforced(in_shop: Program, shop: Repository) -> None:
    assert in_shop("guardian", "start").code == 0
    in_shop("guardian", "stop")
    shop.write(f"{CART}/tasks/WP01.md", work_package_text("WP01", lane="doing"))
    shop.commit()

    shown = in_shop("guardian", "phase")
    found = in_shop("guardian", "phase", "--json").json

    assert (found["phase"], found["effective_phase"], found["recorded"]) == ("implement", "plan", True)
    assert "detected  implement  WP01 is in_progress (tasks/WP01.md:4)" in shown.out
    assert "enforced  plan       recorded " in shown.out
    assert "files move nothing; what does: `spec-kitty tasks --feature 001-cart`" in shown.err
    assert "restart" not in shown.err


def test_a_running_guardian_says_what_its_feature_looks_like(in_shop: Program, shop: Repository) -> None:
    assert in_shop("guardian", "start").code == 0
    assert in_shop("guardian", "status", "--json").json["detected"] == {"001-cart": "plan"}
    (shop.path / CART / "plan.md").unlink()

    found = in_shop("guardian", "status", "--json").json

    assert (found["features"], found["detected"]) == ({"001-cart": "plan"}, {"001-cart": "specify"})
    assert "looks like  001-cart (specify)" in in_shop("guardian", "status").out


def test_all_is_a_table_and_a_list_of_every_feature(in_shop: Program, shop: Repository) -> None:
    shop.feature("002-done", "finished", work_packages=("WP01", "WP02"))
    shop.feature("003-review", "review", log=True)
    shop.commit()

    shown = in_shop("guardian", "phase", "--all")
    found = in_shop("guardian", "phase", "--all", "--json").json

    assert [each["feature"] for each in found["features"]] == ["001-cart", "002-done", "003-review"]
    assert [each["phase"] for each in found["features"]] == ["plan", "tasks", "review"]
    assert [each["enforced"] for each in found["features"]] == [True, False, True]
    assert "finished  nothing   2/2   002-done" in shown.out
    assert shown.out.endswith("3 features, 1 finished\n")


def test_a_worktree_that_is_bound_to_nothing_shows_what_is_unfinished(in_shop: Program, shop: Repository) -> None:
    shop.feature("002-done", "finished")
    shop.git("checkout", "--quiet", "-b", "main-line")
    shop.commit()

    shown = in_shop("guardian", "phase")

    assert shown.code == 0
    assert "bound to no feature; these are unfinished" in shown.err
    assert "001-cart" in shown.out
    assert "002-done" not in shown.out


def test_where_everything_is_finished_that_is_said(in_shop: Program, shop: Repository) -> None:
    shop.git("checkout", "--quiet", "-b", "main-line")
    shutil.rmtree(shop.path / CART)
    shop.feature("002-done", "finished")
    shop.commit()

    assert in_shop("guardian", "phase").out == "no feature is active: each of its 1 features is finished\n"
    assert in_shop("guardian", "phase", "--json").json == {"schema": "spec-kitty/guardian-phase/1", "features": []}


@pytest.mark.parametrize("name", ["001-cart", "001", "1", "cart"])
def test_a_feature_answers_to_each_of_its_names(in_shop: Program, name: str) -> None:
    assert in_shop("guardian", "phase", "--feature", name, "--json").json["feature"] == "001-cart"


def test_a_name_that_no_feature_has_is_refused_with_a_suggestion(in_shop: Program) -> None:
    outcome = in_shop("guardian", "phase", "--feature", "001-card")

    assert (outcome.code, outcome.out) == (2, "")
    assert "did you mean 001-cart?" in outcome.err


def test_an_empty_name_is_a_name_that_no_feature_has(in_shop: Program) -> None:
    outcome = in_shop("guardian", "phase", "--feature", "")

    assert (outcome.code, outcome.out) == (2, "")
    assert "there is no feature ''" in outcome.err


def test_one_feature_and_all_exclude_each_other(in_shop: Program) -> None:
    outcome = in_shop("guardian", "phase", "--all", "--feature", "001")

    assert outcome.code == 2
    assert "exclude each other" in outcome.err


def test_what_cannot_be_read_is_shown_with_its_place_and_not_guessed(in_shop: Program, shop: Repository) -> None:
    shop.write(f"{CART}/tasks/WP01.md", "---\nlane: doing\nlane: done\n---\n")
    shop.write(f"{CART}/tasks/WP02.md", work_package_text("WP02", lane="planned"))
    shop.commit()

    shown = in_shop("guardian", "phase")
    found = in_shop("guardian", "phase", "--json").json

    assert shown.code == 0
    assert "tasks or implement or review" in shown.out
    assert f"✗ {CART}/tasks/WP01.md:3: has the key 'lane' twice" in shown.out
    assert found["work_packages"] == {"WP02": "planned"}
    assert found["unreadable"] == ["WP01"]
    assert found["candidates"] == found["effective_candidates"] == ["tasks", "implement", "review"]
    assert found["problems"] == [{"path": f"{CART}/tasks/WP01.md", "line": 3, "message": "has the key 'lane' twice"}]


def test_a_file_that_cannot_be_read_may_be_mended_while_the_rest_is_held(in_shop: Program, shop: Repository) -> None:
    shop.write(f"{CART}/tasks/WP01.md", "---\nlane: doing\nlane: done\n---\n")
    shop.commit()

    mend, source, spec = (
        in_shop("guardian", "check", path, "--json").json["decisions"][0]
        for path in (f"{CART}/tasks/WP01.md", "src/app.py", f"{CART}/spec.md")
    )

    assert (mend["allowed"], mend["rule"]) == (True, "malformed")
    assert not source["allowed"]  # tasks and review deny it
    assert not spec["allowed"]  # implement denies it


def test_a_work_packages_own_work_tree_asks_for_its_lane_where_it_is_kept(
    spec_kitty: Program, shop: Repository
) -> None:
    shop.feature("002-pay", "tasks", work_packages=("WP01", "WP02"), log=True)
    shop.commit()
    own = shop.worktree(shop.path / ".worktrees" / "002-pay-WP01", "002-pay-WP01")
    log = shop.path / "kitty-specs/002-pay/status.events.jsonl"
    log.write_text(log.read_text() + transition("WP01", "for_review", number=5) + "\n", encoding="utf-8")
    log.write_text(log.read_text() + transition("WP02", "in_progress", number=6) + "\n", encoding="utf-8")
    shop.git("add", "kitty-specs")
    shop.commit(add=False)
    spec_kitty.where = own.path

    found = spec_kitty("guardian", "phase", "--json").json

    assert (found["feature"], found["phase"], found["effective_phase"]) == ("002-pay", "review", "review")
    assert (found["scope"], found["read_from"]) == (["WP01"], str(shop.path))


def test_a_husk_below_worktrees_is_refused(spec_kitty: Program, shop: Repository) -> None:
    husk = shop.path / ".worktrees" / "001-cart-WP01" / "src"
    husk.mkdir(parents=True)
    spec_kitty.where = husk

    outcome = spec_kitty("guardian", "phase")

    assert outcome.code == 2
    assert "001-cart-WP01 is no git work tree: it has no .git" in outcome.err


def test_a_linked_kitty_specs_is_refused_with_its_reason(spec_kitty: Program, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "linked")
    repository.write("elsewhere/001-cart/spec.md", "spec")
    (repository.path / "kitty-specs").symlink_to("elsewhere")
    repository.commit()
    spec_kitty.where = repository.path

    outcome = spec_kitty("guardian", "phase")

    assert outcome.code == 2
    assert "kitty-specs is a symbolic link" in outcome.err


def test_every_feature_of_a_real_project_is_shown(spec_kitty: Program, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "real")
    shutil.copytree(corpus("v3.2.2"), repository.path, dirs_exist_ok=True)
    repository.commit()
    spec_kitty.where = repository.path

    shown = spec_kitty("guardian", "phase", "--all")
    found = spec_kitty("guardian", "phase", "--all", "--json").json["features"]

    assert shown.out.endswith("206 features, 185 finished\n")
    assert sum(len(each["work_packages"]) for each in found) == 1372  # those of every log, and files no log moves
    assert all(each["phase"] == each["effective_phase"] for each in found)
