"""The workflow through the real entry point: each step by its command, in order, and no other way."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from kitty_guardian.watch import lifecycle
from spec_kitty_cli import words
from support.recorded import record
from support.repositories import Repository, work_package_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli.program import Outcome, Program

FEATURE = "001-home-guard"
HERE = f"kitty-specs/{FEATURE}"
SPEC = "# Home guard\n\nForbidden writes are undone within a second, and what was written is kept.\n"
PLAN = "# Plan\n\nWatch with inotify; exchange each file with its legal bytes; keep the other bytes.\n"
OWN = f".worktrees/{FEATURE}-WP01"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Repository]:
    """A committed repository with sources and tests that is no project yet; its guardians are stopped afterwards."""
    repository = Repository(tmp_path / "project")
    repository.write("src/app.py", "print('legal')\n")
    repository.write("tests/test_app.py", "def test(): ...\n")
    repository.commit()
    yield repository
    for git in (repository.path / ".git", *(repository.path / ".worktrees").glob("*/.git")):
        lifecycle.stop(git.parent)


@pytest.fixture
def kitty(spec_kitty: Program, project: Repository) -> Program:
    """The program, run in the project."""
    spec_kitty.where = project.path
    return spec_kitty


@pytest.fixture
def in_tasks(kitty: Program, project: Repository) -> Program:
    """The program in a project with a feature in tasks and two work packages, the second after the first."""
    assert kitty("init").code == 0
    assert kitty("specify", "Home guard").code == 0
    project.write(f"{HERE}/spec.md", SPEC)
    assert kitty("plan").code == 0
    project.write(f"{HERE}/plan.md", PLAN)
    assert kitty("tasks").code == 0
    write_work_packages(project)
    return kitty


def write_work_packages(project: Repository) -> None:
    """Two in place of the scaffold, the second after the first; committed."""
    (project.path / HERE / "tasks" / "WP01.md").unlink()
    project.write(f"{HERE}/tasks/WP01-watch.md", work_package_text("WP01"))
    second = work_package_text("WP02").replace("dependencies: []", "dependencies: [WP01]")
    project.write(f"{HERE}/tasks/WP02-undo.md", second)
    project.commit("work packages")


def lanes(program: Program) -> dict[str, str | None]:
    (board,) = program("wp", "list", "--json").json["features"]
    return {package["id"]: package["lane"] for package in board["work_packages"]}


def refused(outcome: Outcome, *said: str) -> None:
    assert (outcome.code, outcome.out) == (1, ""), outcome
    assert outcome.err.startswith("refused: ")
    assert "nothing was changed" in outcome.err
    for text in said:
        assert text in outcome.err


def test_the_whole_way_from_an_empty_project_to_an_approved_work_package(kitty: Program, project: Repository) -> None:
    begun = kitty("init")
    assert begun.code == 0
    assert re.search(r"source +src/ +1 file", begun.out)
    project.commit("a project")

    specified = kitty("specify", "Home guard")
    assert (specified.code, (project.path / HERE / "spec.md").exists()) == (0, True)
    assert "hint: spec-kitty plan" in specified.err

    refused(kitty("plan"), f"{HERE}/spec.md", "gate:spec.md", "spec-kitty plan")
    assert not (project.path / HERE / "plan.md").exists()

    project.write(f"{HERE}/spec.md", SPEC)
    assert kitty("plan").code == 0
    refused(kitty("tasks"), f"{HERE}/plan.md", "gate:plan.md", "spec-kitty tasks")

    project.write(f"{HERE}/plan.md", PLAN)
    assert kitty("tasks").code == 0
    refused(kitty("implement", "WP01"), "WP01", "gate:work-packages")

    write_work_packages(project)
    assert lanes(kitty) == {"WP01": None, "WP02": None}

    implementing = kitty("implement", "WP01")
    assert implementing.code == 0, implementing
    own = Repository(project.path / OWN, init=False)
    assert f"hint: cd {own.path}" in implementing.err
    assert lifecycle.status(own.path).running
    assert lanes(kitty) == {"WP01": "in_progress", "WP02": "planned"}
    assert "after WP01" in kitty("wp", "list").out

    refused(kitty("wp", "move", "WP01", "for_review"), "committed", "spec-kitty wp move WP01 for_review")
    own._commits = 100  # later dates
    own.write("src/app.py", "print('watching')\n")
    own.commit("WP01 watches")
    assert kitty("wp", "move", "WP01", "for_review").code == 0
    assert kitty("review", "WP01", "--actor", "ben").code == 0
    assert kitty("review", "WP01", "--actor", "ben", "--verdict", "approved", "--reference", "PR-7").code == 0
    assert lanes(kitty) == {"WP01": "approved", "WP02": "planned"}

    shown = kitty("wp", "list").out
    assert shown.startswith(f"{FEATURE}  tasks phase, 1 of 2 done\n\nplanned ")
    assert re.search(r"^approved +WP01 +now +ben +Part WP01$", shown, re.MULTILINE)

    history = [move["to"] for move in kitty("wp", "show", "1", "--json").json["moves"]]
    assert history == ["planned", "claimed", "in_progress", "for_review", "in_review", "approved"]

    listed = kitty("events", "list").out
    assert listed.count("refused: ") == 4
    assert "WP01 in_review → approved" in listed
    assert kitty("events", "verify").code == 0
    assert json.loads(kitty("events", "export").out.splitlines()[-1])["schema"] == "spec-kitty/events-head/1"
    kitty.where = own.path
    verified = kitty("guardian", "verify", "--json")
    assert verified.code == 0, verified
    assert [verified.json[name] for name in ("chain_ok", "hooks_ok", "worktree_ok")] == [True, None, True]


# JSON


def test_a_transition_is_one_object_with_what_was_done_and_what_comes_next(kitty: Program) -> None:
    assert kitty("init", "--json").json["schema"] == "spec-kitty/init/1"

    found = kitty("specify", "Home guard", "--json", "--actor", "ada").json

    assert (found["schema"], found["feature"], found["phase"]) == ("spec-kitty/specify/1", FEATURE, "specify")
    assert (found["work_package"], found["lane"], found["changed"]) == (None, None, True)
    assert f"{HERE}/spec.md" in found["written"]
    assert found["next"] == "spec-kitty plan"


def test_a_refusal_is_one_object_that_names_its_gate(kitty: Program) -> None:
    kitty("init")
    kitty("specify", "Home guard")

    outcome = kitty("plan", "--json")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.error["code"] == "guardian.transition.refused"
    assert outcome.error["gate"] == "gate:spec.md"
    assert "spec-kitty plan" in outcome.error["hint"]


def test_implement_tells_where_the_work_tree_is_and_how_it_is_guarded(in_tasks: Program, project: Repository) -> None:
    found = in_tasks("implement", "WP01", "--json").json

    assert (found["schema"], found["work_package"], found["lane"]) == ("spec-kitty/implement/1", "WP01", "in_progress")
    assert (found["worktree"], found["created"]) == (str(project.path / OWN), True)
    assert (found["guardian"]["running"], found["guardian"]["phase"]) == (True, "implement")


def test_going_on_with_what_is_in_progress_changes_nothing(in_tasks: Program) -> None:
    in_tasks("implement", "WP01")

    again = in_tasks("implement", "wp1", "--json").json
    shown = in_tasks("implement", "WP01")

    assert (again["changed"], again["created"], again["work_package"]) == (False, False, "WP01")
    assert shown.code == 0
    assert shown.out.startswith("· ")
    assert "(it was there)" in shown.out


def test_the_board_as_json_has_everything_a_script_asks_for(in_tasks: Program) -> None:
    in_tasks("implement", "WP01", "--actor", "ada")

    found = in_tasks("wp", "list", "--json").json

    assert found["schema"] == "spec-kitty/wp-list/1"
    (board,) = found["features"]
    assert (board["feature"], board["phase"], board["finished"], board["recorded"]) == (
        FEATURE,
        "implement",
        False,
        True,
    )
    first, second = board["work_packages"]
    assert (first["lane"], first["actor"], first["waits_for"], first["title"]) == (
        "in_progress",
        "ada",
        [],
        "Part WP01",
    )
    assert (second["lane"], second["dependencies"], second["waits_for"]) == ("planned", ["WP01"], ["WP01"])


# Steps


def test_a_second_init_has_nothing_to_do(kitty: Program, project: Repository) -> None:
    kitty("init")
    project.commit()

    again = kitty("init")

    assert again.code == 0
    assert "already" in again.out
    assert project.git("status", "--porcelain") == ""


def test_init_takes_the_roots_that_are_named(kitty: Program, project: Repository) -> None:
    found = kitty("init", "--source", "lib/", "--tests", "spec/", "--json").json

    assert [root["pattern"] for root in (*found["source"], *found["tests"])] == ["lib/", "spec/"]
    assert "lib/" in (project.path / ".kittify" / "guardian.toml").read_text()


def test_steps_are_taken_one_at_a_time(kitty: Program, project: Repository) -> None:
    kitty("init")
    kitty("specify", "Home guard")
    project.write(f"{HERE}/tasks/WP01-watch.md", work_package_text("WP01"))
    project.commit()

    refused(kitty("tasks"), "spec-kitty plan")
    refused(kitty("implement", "WP01"), "spec-kitty plan")


def test_going_back_takes_reopen_and_a_reason(in_tasks: Program) -> None:
    refused(in_tasks("plan"), "spec-kitty reopen plan")
    assert in_tasks("reopen", "plan").code == 2
    assert in_tasks("reopen", "plan", "--reason", " ").code == 2

    reopened = in_tasks("reopen", "plan", "--reason", "the API has changed", "--json")

    assert (reopened.code, reopened.json["phase"]) == (0, "plan")
    assert "reopened" in in_tasks("events", "list").out


def test_research_can_come_first(kitty: Program, project: Repository) -> None:
    kitty("init")

    assert kitty("research", "Home guard", "--json").json["phase"] == "research"
    assert (project.path / HERE / "research.md").exists()
    assert kitty("specify", FEATURE, "--json").json["phase"] == "specify"
    assert kitty("research", "Other", "--feature", FEATURE).code == 2


def test_a_work_package_waits_for_those_before_it(in_tasks: Program) -> None:
    refused(in_tasks("implement", "WP02"), "depends on WP01", "dependencies")


def test_a_lane_that_somebody_wrote_into_a_file_is_no_move(in_tasks: Program, project: Repository) -> None:
    project.write(f"{HERE}/tasks/WP01-watch.md", work_package_text("WP01", lane="done"))

    assert lanes(in_tasks)["WP01"] is None


def test_an_edge_that_is_none_is_refused_and_can_be_forced_with_a_reason(in_tasks: Program) -> None:
    in_tasks("implement", "WP01")

    refused(in_tasks("wp", "move", "WP01", "done"), "in_progress to done")
    assert in_tasks("wp", "move", "WP01", "done", "--force").code == 2
    forced = in_tasks("wp", "move", "WP01", "done", "--force", "--reason", "merged by hand", "--actor", "ada")
    assert forced.code == 0, forced
    assert lanes(in_tasks)["WP01"] == "done"
    assert "forced" in in_tasks("wp", "show", "WP01").out


def test_a_verdict_needs_what_it_refers_to(in_tasks: Program) -> None:
    in_tasks("implement", "WP01")

    without = in_tasks("review", "WP01", "--verdict", "approved")
    alone = in_tasks("review", "WP01", "--reference", "PR-7")

    assert (without.code, alone.code) == (2, 2)
    assert "--reference" in without.err
    assert "--verdict" in alone.err
    refused(in_tasks("review", "WP01", "--verdict", "approved", "--reference", "PR-7"))


# The board


def test_all_is_one_line_for_each_feature(in_tasks: Program, project: Repository) -> None:
    project.feature("002-done", "finished", work_packages=("WP01", "WP02"))
    project.commit()
    record(project)
    in_tasks("implement", "WP01")

    shown = in_tasks("wp", "list", "--all")

    assert shown.code == 0
    assert re.search(rf"implement +0/2 +1 in_progress +{FEATURE}\n", shown.out)
    assert re.search(r"✓ +finished +2/2 +002-done\n", shown.out)
    assert shown.out.endswith("2 features, 1 finished; 4 work packages\n")
    assert in_tasks("wp", "list", "--all", "--feature", "1").code == 2


def test_what_was_not_recorded_is_said_to_be_what_the_files_say(kitty: Program, project: Repository) -> None:
    project.feature(FEATURE, "implement", log=True)

    for command in (("list",), ("list", "--all"), ("show", "WP01")):
        outcome = kitty("wp", *command)
        assert outcome.code == 0
        assert f"note: {FEATURE} is not recorded yet; this is what the files say" in outcome.err
    assert "in_progress" in kitty("wp", "show", "WP01").out


def test_a_feature_without_work_packages_says_how_they_come(kitty: Program, project: Repository) -> None:
    project.feature(FEATURE, "plan")

    outcome = kitty("wp", "list")

    assert (outcome.code, outcome.out) == (0, f"{FEATURE}  plan phase, 0 of 0 done\n")
    assert "tasks/WP01-" in outcome.err


def test_without_any_feature_that_is_said(kitty: Program) -> None:
    kitty("init")

    assert kitty("wp", "list").out == "no feature is active\n"
    assert kitty("wp", "list", "--json").json == {"schema": "spec-kitty/wp-list/1", "features": []}


# What people and programs get wrong


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("wp", "move", "WP01", "plannd"), "did you mean planned?"),
        (("wp", "move", "WP01", "elsewhere"), "there are planned, claimed, in_progress"),
        (("wp", "move", "WP01"), "Missing argument 'LANE'"),
        (("wp", "show", "WP77"), "there is no work package 'WP77'"),
        (("wp", "show", ""), "there is no work package ''"),
        (("wp", "show", "WP01\x1b[2J"), "there is no work package"),
        (("wp", "list", "--feature", "009"), "there is no feature '009'"),
        (("wp", "list", "--feature", ""), "there is no feature ''"),
        (("plan", "--feature", "009"), "there is no feature '009'"),
        (("plan", "--actor", " "), "--actor"),
        (("plan", "--actor", "a\nb"), "control character"),
        (("wp", "move", "WP01", "planned", "--reference", "\x07"), "control character"),
        (("wp", "move", "WP01", "blocked", "--reason", ""), "--reason"),
        (("wp", "move", "WP01", "blocked", "--verdict", "fine"), "--verdict"),
        (("review", "WP01", "--verdict", "approved", "--reference", ""), "--reference"),
        (("reopen", "specfy", "--reason", "x"), "specfy"),
        (("specify",), "Missing argument 'NAME'"),
        (("specify", "???"), "no folder name"),
        (("specify", ""), "it is blank"),
        (("specify", "two\nlines"), "control character"),
        (("research", " "), "it is blank"),
    ],
)
def test_bad_input_ends_with_2_and_says_what_is_wrong(in_tasks: Program, arguments: tuple[str, ...], said: str) -> None:
    before = in_tasks("events", "export", "--head").out

    outcome = in_tasks(*arguments)

    assert (outcome.code, outcome.out) == (2, ""), outcome
    assert outcome.err.startswith("error: ")
    assert said in outcome.err
    assert "\x1b[2J" not in outcome.err
    assert in_tasks("events", "export", "--head").out == before


@pytest.mark.parametrize("work_package", ["WP77", "x", "../WP01"])
def test_a_work_package_that_is_not_there_is_refused_by_every_command(in_tasks: Program, work_package: str) -> None:
    for command in (("implement", work_package), ("review", work_package), ("wp", "move", work_package, "blocked")):
        outcome = in_tasks(*command)
        assert outcome.code in {1, 2}, outcome
        assert work_package in outcome.err


@pytest.mark.parametrize(
    "command",
    [
        ("init",),
        ("specify", "x"),
        ("research", "x"),
        ("plan",),
        ("tasks",),
        ("implement", "WP01"),
        ("review", "WP01"),
        ("reopen", "plan", "--reason", "x"),
        ("wp", "list"),
        ("wp", "show", "WP01"),
        ("wp", "move", "WP01", "planned"),
        ("guardian", "verify"),
        ("events", "list"),
        ("events", "verify"),
        ("events", "export"),
    ],
    ids=" ".join,
)
def test_outside_of_a_repository_every_command_ends_with_2(spec_kitty: Program, command: tuple[str, ...]) -> None:
    outcome = spec_kitty(*command)

    assert (outcome.code, outcome.out) == (2, "")
    assert "not in a git repository" in outcome.err


def test_control_characters_in_a_reason_never_reach_the_terminal(in_tasks: Program) -> None:
    in_tasks("implement", "WP01")
    in_tasks("wp", "move", "WP01", "blocked", "--reason", "no key\x1b]0;owned\x07 yet")

    for command in (("wp", "show", "WP01"), ("wp", "list"), ("events", "list")):
        outcome = in_tasks(*command)
        assert outcome.code == 0
        assert "\x1b" not in outcome.out + outcome.err
        assert "\x07" not in outcome.out + outcome.err


def test_no_color_and_a_pipe_write_no_escape_codes(in_tasks: Program) -> None:
    in_tasks.environment["NO_COLOR"] = "1"

    for command in (("wp", "list"), ("plan",), ("implement", "WP02"), ("events", "list")):
        outcome = in_tasks.on_terminal(*command)
        assert "\x1b" not in outcome.out + outcome.err


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "now"), (59, "now"), (60, "1 min"), (7199, "119 min"), (7200, "2 h"), (172800, "2 days"), (8640000, "3 mon")],
)
def test_ages_are_short(seconds: int, said: str) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)

    assert words.age((now - timedelta(seconds=seconds)).isoformat(), now) == said


@pytest.mark.parametrize("text", ["", None, "yesterday", "2026-03-01T10:00:00"])
def test_what_is_no_time_has_no_age(text: str | None) -> None:
    assert words.age(text, datetime(2026, 3, 1, tzinfo=UTC)) == ""


# Completion


def test_work_packages_lanes_and_features_are_completed(in_tasks: Program) -> None:
    def completed(*typed: str) -> list[str]:
        in_tasks.environment |= {
            "_SPEC_KITTY_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["spec-kitty", *typed]),
            "COMP_CWORD": str(len(typed)),
        }
        return [line.rpartition(",")[2] for line in in_tasks().out.splitlines() if line]

    assert completed("wp", "show", "wp") == ["WP01", "WP02"]
    assert completed("wp", "move", "WP01", "i") == ["in_progress", "in_review"]
    assert completed("plan", "--feature", "0") == [FEATURE]
    assert completed("wp", "show", "--feature", "009", "W") == []
