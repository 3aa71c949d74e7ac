"""The guardian's commands through the real entry point, with a real guardian: codes, streams, fields and effects."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from cli.program import BIN
from support.guarded import committed_beside
from support.repositories import Repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli.program import Outcome, Program

STATUS = [
    "schema",
    "running",
    "pid",
    "worktree",
    "feature",
    "phase",
    "mode",
    "healthy",
    "level",
    "violations",
    "protected_files",
    "features",
    "detected",
]
DECISION = ["path", "allowed", "rule", "reason", "hint"]
ENTRY = ["id", "path", "at", "size", "sha256", "reason"]
EVENT = ["schema", "event_id", "event_type", "at", "payload"]
LEGAL = "print('legal')\n"


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)


def guard(program: Program) -> None:
    """Start the guardian; a test that needs one fails here if there is none."""
    outcome = program("guardian", "start")
    assert outcome.code == 0, outcome.err


def break_the_rule(shop: Repository, data: bytes = b"not legal\n") -> None:
    """Write to a protected file and wait until it is as it was."""
    app = shop.path / "src" / "app.py"
    app.write_bytes(data)
    eventually(lambda: app.is_file() and app.read_bytes() == LEGAL.encode())


def entries(program: Program, count: int) -> list[dict[str, object]]:
    """What is in quarantine once `count` entries are."""
    found: list[dict[str, object]] = []

    def enough() -> bool:
        found[:] = program("guardian", "quarantine", "list", "--json").json["entries"]
        return len(found) >= count

    eventually(enough)
    return found


def is_one_sentence_with_a_hint(outcome: Outcome) -> bool:
    first, *rest = outcome.err.splitlines()
    return (
        first.startswith("error: ")
        and "Traceback" not in outcome.err
        and any(line.startswith("hint: ") for line in rest)
    )


EVERY_COMMAND = [
    ["start"],
    ["restart"],
    ["stop"],
    ["status"],
    ["phase"],
    ["check", "src/app.py"],
    ["explain", "src/app.py"],
    ["log"],
    ["quarantine", "list"],
    ["quarantine", "show", "X"],
    ["quarantine", "restore", "X"],
    ["quarantine", "drop", "--older-than", "1d"],
    ["policy", "show"],
]


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)
def test_outside_a_repository_every_command_says_so(spec_kitty: Program, command: list[str]) -> None:
    outcome = spec_kitty("guardian", *command)
    assert (outcome.code, outcome.out) == (2, "")
    assert "is not in a git repository" in outcome.err
    assert is_one_sentence_with_a_hint(outcome)


def test_a_directory_that_was_removed_is_said_to_be(spec_kitty: Program, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    script = 'cd "$1" && rmdir "$1" && exec "$2" guardian status'
    command = ["sh", "-c", script, "sh", str(tmp_path / "gone"), str(BIN / "spec-kitty")]
    done = subprocess.run(command, env=spec_kitty.environment, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: The current directory does not exist any more\nhint: ")


@pytest.mark.parametrize("command", [["start"], ["phase"], ["check", "a"], ["explain", "a"]], ids=" ".join)
def test_a_repository_that_is_no_project_is_refused(spec_kitty: Program, tmp_path: Path, command: list[str]) -> None:
    repository = Repository(tmp_path / "plain")
    repository.write("a", "")
    repository.commit()
    spec_kitty.where = repository.path
    outcome = spec_kitty("guardian", *command)
    assert (outcome.code, outcome.out) == (2, "")
    assert is_one_sentence_with_a_hint(outcome)


@pytest.mark.parametrize("command", [["start"], ["check", "a"]], ids=" ".join)
def test_an_unknown_feature_is_answered_with_a_hint(in_shop: Program, command: list[str]) -> None:
    outcome = in_shop("guardian", *command, "--feature", "001-card")
    assert (outcome.code, outcome.out) == (2, "")
    assert "001-card" in outcome.err
    assert "001-cart" in outcome.err


def test_a_worktree_bound_to_no_feature_lists_them(in_shop: Program, shop: Repository) -> None:
    shop.feature("002-search", "plan")
    shop.feature("003-login", "plan")
    shop.commit()
    shop.git("checkout", "--quiet", "-b", "main")
    outcome = in_shop("guardian", "start")
    assert (outcome.code, outcome.out) == (2, "")
    assert all(name in outcome.err for name in ("001-cart", "002-search", "003-login"))
    assert is_one_sentence_with_a_hint(outcome)


@pytest.mark.parametrize("command", [["start"], ["policy", "show"], ["check", "a"]], ids=" ".join)
def test_an_invalid_policy_is_reported_with_its_line(in_shop: Program, shop: Repository, command: list[str]) -> None:
    shop.write(".kittify/guardian.toml", 'mode = "enforce"\nmoed = 1\n')
    outcome = in_shop("guardian", *command)
    assert outcome.code == 2
    assert ".kittify/guardian.toml:2" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_source_that_matches_nothing_is_no_protection(in_shop: Program, shop: Repository) -> None:
    shop.write(".kittify/guardian.toml", 'source = ["sources/"]\n')
    shop.commit()
    outcome = in_shop("guardian", "start", "--json")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.error["code"] == "guardian.source.empty"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--feature", "001-cart", "--all"], "--feature and --all exclude each other"),
        (["--accept-current"], "--accept-current needs --reason TEXT: it goes into the record"),
        (["--accept-current", "--reason", " "], "--accept-current needs --reason TEXT: it goes into the record"),
        (["--reason", "why"], "--reason belongs to --accept-current"),
    ],
)
def test_options_that_contradict_each_other_are_a_usage_error(
    in_shop: Program, arguments: list[str], message: str
) -> None:
    assert in_shop("guardian", "start", *arguments) == (
        2,
        "",
        f"error: {message}\nhint: spec-kitty guardian start --help\n",
    )


def test_without_a_guardian_status_says_no(in_shop: Program, shop: Repository) -> None:
    outcome = in_shop("guardian", "status")
    assert outcome.code == 1
    assert outcome.out == f"○ not guarded  {shop.path}\n"
    assert outcome.err == "hint: spec-kitty guardian start\n"
    reported = in_shop("guardian", "status", "--json")
    assert reported.code == 1
    assert list(reported.json) == STATUS
    assert reported.json["running"] is False
    assert reported.json["schema"] == "spec-kitty/guardian-status/1"


def test_stopping_what_does_not_run_is_no_error(in_shop: Program) -> None:
    assert in_shop("guardian", "stop") == (0, "was not running\n", "")
    assert in_shop("guardian", "stop", "--json").json["running"] is False


def test_start_watches_when_it_returns_and_a_second_one_finds_it(in_shop: Program, shop: Repository) -> None:
    first = in_shop("guardian", "start", "--json")
    assert first.code == 0
    assert list(first.json) == STATUS
    assert (first.json["feature"], first.json["phase"], first.json["mode"]) == ("001-cart", "plan", "enforce")
    assert first.json["protected_files"] > 0
    break_the_rule(shop)
    second = in_shop("guardian", "start")
    assert second.code == 0
    assert second.out.startswith("already running\n")
    assert f"pid       {first.json['pid']}" in second.out
    reported = in_shop.run("status", "--json", program="spec-kitty-guardian").json
    assert (reported["running"], reported["pid"], reported["violations"]) == (True, first.json["pid"], 1)
    assert in_shop("guardian", "stop", "--reason", "done").out.startswith(f"stopped (pid {first.json['pid']})")
    assert in_shop("guardian", "status").code == 1


def test_start_says_what_it_protects(in_shop: Program) -> None:
    outcome = in_shop("guardian", "start")
    assert "● guarded" in outcome.out
    assert "001-cart (plan)" in outcome.out
    assert "src/  2 files" in outcome.out


def test_what_changed_meanwhile_is_listed_and_kept(in_shop: Program, shop: Repository) -> None:
    guard(in_shop)
    in_shop("guardian", "stop")
    shop.write("src/app.py", "meanwhile\n")
    outcome = in_shop("guardian", "start")
    assert "changed while nothing watched: 1 path" in outcome.out
    assert (shop.path / "src/app.py").read_text(encoding="utf-8") == LEGAL
    (entry,) = entries(in_shop, 1)
    assert str(entry["id"]) in outcome.out


def test_what_changed_meanwhile_can_be_accepted_with_a_reason(in_shop: Program, shop: Repository) -> None:
    guard(in_shop)
    in_shop("guardian", "stop")
    shop.write("src/app.py", "by hand\n")
    assert in_shop("guardian", "start", "--accept-current", "--reason", "by hand").code == 0
    assert (shop.path / "src/app.py").read_text(encoding="utf-8") == "by hand\n"


def test_restart_takes_up_no_phase_that_head_looks_like(in_shop: Program, shop: Repository) -> None:
    guard(in_shop)
    shop.feature("001-cart", "tasks")
    assert in_shop("guardian", "status", "--json").json["phase"] == "plan"
    in_shop("guardian", "stop")
    shop.feature("001-cart", "tasks")
    shop.commit()
    assert in_shop("guardian", "restart", "--accept-current", "--reason", "planned").code == 0
    assert in_shop("guardian", "status", "--json").json["phase"] == "plan"


def test_restart_is_refused_while_head_does_not_count(in_shop: Program, shop: Repository) -> None:
    guard(in_shop)
    shop.git("update-ref", "HEAD", committed_beside(shop, {"src/app.py": "not legal\n"}))
    pid = in_shop("guardian", "status", "--json").json["pid"]

    outcome = in_shop("guardian", "restart")
    reported = in_shop("guardian", "restart", "--json")

    assert (outcome.code, outcome.out) == (reported.code, reported.out) == (2, "")
    assert is_one_sentence_with_a_hint(outcome)
    assert reported.error["code"] == "guardian.head.unattested"
    assert in_shop("guardian", "status", "--json").json["pid"] == pid
    break_the_rule(shop)


def test_check_for_another_feature_is_answered_from_the_record(in_shop: Program, shop: Repository) -> None:
    shop.feature("002-search", "implement")
    shop.commit()
    guard(in_shop)
    in_shop("guardian", "stop")
    shop.feature("002-search", "finished")
    shop.feature("001-cart", "implement")
    shop.commit()

    for name in ("002-search", "002", "2", "search"):
        found = in_shop("guardian", "check", "src/app.py", "--feature", name, "--json")
        assert (found.code, found.json["phase"]) == (0, "implement")
    for mine in ([], ["--feature", "001"], ["--feature", "cart"]):
        found = in_shop("guardian", "check", "src/app.py", *mine, "--json")
        assert (found.code, found.json["phase"]) == (1, "plan")


def test_in_the_foreground_it_stays_until_it_is_interrupted(in_shop: Program, shop: Repository) -> None:
    with subprocess.Popen(
        [BIN / "spec-kitty", "guardian", "start", "--foreground"],
        cwd=in_shop.where,
        env=in_shop.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        eventually(lambda: in_shop("guardian", "status").code == 0)
        break_the_rule(shop)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.decode().endswith("stopped; this worktree is not guarded any more\n")
    assert out.decode().startswith("● guarded")
    assert err.startswith(b"starting in the foreground; Ctrl-C stops it\n")
    assert in_shop("guardian", "status").code == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["src/app.py"], 1),
        (["src/app.py", "README.md"], 1),
        (["README.md"], 0),
        (["kitty-specs/001-cart/plan.md"], 0),
        (["src/app.py", "--phase", "implement"], 0),
        (["src/app.py", "--feature", "001-cart", "--phase", "plan"], 1),
    ],
)
def test_check_answers_with_its_exit_code(in_shop: Program, arguments: list[str], code: int) -> None:
    assert in_shop("guardian", "check", *arguments).code == code


def test_check_as_json_has_exactly_the_fields_of_the_contract(in_shop: Program) -> None:
    reported = in_shop("guardian", "check", "src/app.py", "README.md", "--json").json
    assert list(reported) == ["schema", "allowed", "phase", "decisions"]
    assert (reported["allowed"], reported["phase"]) == (False, "plan")
    assert [list(decision) for decision in reported["decisions"]] == [DECISION, DECISION]
    assert [decision["allowed"] for decision in reported["decisions"]] == [False, True]


def test_check_without_a_path_judges_what_differs_from_head(in_shop: Program, shop: Repository) -> None:
    assert in_shop("guardian", "check").out.startswith("nothing to judge")
    assert in_shop("guardian", "check", "--json").json["phase"] is None
    shop.write("src/new.py", "")
    outcome = in_shop("guardian", "check")
    assert outcome.code == 1
    assert outcome.out.startswith("✗ src/new.py  denied in plan  plan.block:src/\n")


def test_paths_are_relative_to_where_one_is(in_shop: Program, shop: Repository) -> None:
    in_shop.where = shop.path / "src"
    assert in_shop("guardian", "check", "app.py", "--json").json["decisions"][0]["path"] == "src/app.py"
    in_shop.where = shop.path.parent
    assert in_shop("-C", "shop/src", "guardian", "explain", "app.py", "--json").code == 1


def test_an_unknown_phase_is_a_usage_error(in_shop: Program) -> None:
    code, out, err = in_shop("guardian", "check", "a", "--phase", "planing")
    assert (code, out) == (2, "")
    assert "'plan'" in err


def test_explain_says_why_and_what_decides(in_shop: Program) -> None:
    outcome = in_shop("guardian", "explain", "src/app.py")
    assert outcome.code == 1
    assert "denied in plan  plan.block:src/" in outcome.out
    assert "001-cart is in plan phase, as HEAD reads" in outcome.out
    guard(in_shop)
    assert "001-cart is in plan phase, as recorded" in in_shop("guardian", "explain", "README.md").out


def test_explain_as_json_has_the_fields_of_check(in_shop: Program) -> None:
    reported = in_shop("guardian", "explain", "kitty-specs/001-cart/plan.md", "--json")
    assert reported.code == 0
    assert list(reported.json) == ["schema", "allowed", "phase", "decisions"]


def test_the_log_is_json_lines_with_the_fields_of_the_contract(in_shop: Program, shop: Repository) -> None:
    guard(in_shop)
    break_the_rule(shop)
    entries(in_shop, 1)
    lines = [json.loads(line) for line in in_shop("guardian", "log", "--json").out.splitlines()]
    assert all(list(line) == EVENT for line in lines)
    (violation,) = [line for line in lines if line["event_type"] == "PolicyViolationAttempted"]
    wanted = {"path", "phase", "rule", "operation", "action", "layer", "quarantine_id"}
    assert wanted <= set(violation["payload"])
    human = in_shop("guardian", "log").out
    assert "guarding 001-cart in plan" in human
    assert "✗ src/app.py" in human


def test_a_log_without_a_line_says_so_on_stderr(in_shop: Program) -> None:
    assert in_shop("guardian", "log") == (0, "", "nothing was recorded yet\n")


def test_the_log_is_followed_until_interrupted(in_shop: Program, shop: Repository) -> None:
    guard(in_shop)
    with subprocess.Popen(
        [BIN / "spec-kitty", "guardian", "log", "--follow", "--json"],
        cwd=in_shop.where,
        env=in_shop.environment,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event_type"] == "PhaseEntered"
        break_the_rule(shop)
        assert json.loads(process.stdout.readline())["payload"]["path"] == "src/app.py"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130


def test_what_was_taken_is_listed_shown_and_brought_back(in_shop: Program, shop: Repository, tmp_path: Path) -> None:
    data = b"\x00\xff not text\r\n"
    guard(in_shop)
    break_the_rule(shop, data)
    (entry,) = entries(in_shop, 1)
    assert list(entry) == ENTRY
    assert (entry["path"], entry["size"], entry["reason"]) == ("src/app.py", len(data), "violation")
    listed = in_shop("guardian", "quarantine", "list")
    assert str(entry["id"]) == listed.out.splitlines()[1].split()[0]
    shown = subprocess.run(
        [BIN / "spec-kitty", "guardian", "quarantine", "show", str(entry["id"])],
        cwd=in_shop.where,
        env=in_shop.environment,
        capture_output=True,
        check=True,
    )
    assert shown.stdout == data
    restored = in_shop("guardian", "quarantine", "restore", str(entry["id"]), "--to", "../mine", "--json")
    assert restored.json["id"] == entry["id"]
    assert (tmp_path / "mine").read_bytes() == data
    again = in_shop("guardian", "quarantine", "restore", str(entry["id"]), "--to", "../mine")
    assert again.code == 2
    assert "nothing is overwritten" in again.err


def test_bringing_it_back_where_it_is_forbidden_is_refused(in_shop: Program, shop: Repository) -> None:
    guard(in_shop)
    shop.write("src/new.py", "new\n")
    (entry,) = entries(in_shop, 1)
    outcome = in_shop("guardian", "quarantine", "restore", str(entry["id"]))
    assert (outcome.code, outcome.out) == (1, "")
    assert is_one_sentence_with_a_hint(outcome)
    assert not (shop.path / "src/new.py").exists()


def test_an_unknown_entry_is_answered_with_a_hint(in_shop: Program) -> None:
    outcome = in_shop("guardian", "quarantine", "show", "01NOPE")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.endswith("hint: spec-kitty guardian quarantine list\n")


def test_an_empty_quarantine_says_so(in_shop: Program) -> None:
    assert in_shop("guardian", "quarantine", "list") == (0, "quarantine is empty\n", "")


def test_only_old_entries_are_dropped(in_shop: Program, shop: Repository) -> None:
    guard(in_shop)
    break_the_rule(shop)
    entries(in_shop, 1)
    kept = in_shop("guardian", "quarantine", "drop", "--older-than", "30d", "--json")
    assert (kept.code, kept.json["entries"]) == (0, [])
    time.sleep(1.1)
    dropped = in_shop("guardian", "quarantine", "drop", "--older-than", "1s")
    assert dropped.out.endswith("dropped 1 entry\n")
    assert in_shop("guardian", "quarantine", "list").out == "quarantine is empty\n"


def test_a_file_name_cannot_write_to_the_terminal(in_shop: Program, shop: Repository) -> None:
    guard(in_shop)
    shop.write("src/\x1b[31mred\x07.py", "x")
    entries(in_shop, 1)
    for command in (["quarantine", "list"], ["log"], ["explain", "src/\x1b[31mred"]):
        outcome = in_shop("guardian", *command)
        assert "\x1b" not in outcome.out + outcome.err
        assert "\\x1b[31mred" in outcome.out


@pytest.mark.parametrize("duration", ["", "soon", "5", "-5m", "0s", "5 minutes"])
def test_a_bad_duration_is_answered_with_an_example(in_shop: Program, duration: str) -> None:
    for command in (["allow", "src/app.py", "--for", duration], ["pause", "--for", duration]):
        outcome = in_shop.on_terminal("guardian", *command, "--reason", "why")
        assert (outcome.code, outcome.out) == (2, "")
        assert "15m" in outcome.err


@pytest.mark.parametrize("command", [["allow", "src/app.py"], ["pause"]], ids=" ".join)
def test_an_exception_needs_a_reason(in_shop: Program, command: list[str]) -> None:
    assert in_shop.on_terminal("guardian", *command, "--for", "5m").err.startswith("error: Missing option '--reason'")
    blank = in_shop.on_terminal("guardian", *command, "--for", "5m", "--reason", " ")
    assert (blank.code, blank.out) == (2, "")
    assert "say why" in blank.err


@pytest.mark.parametrize("command", [["allow", "src/app.py"], ["pause"]], ids=" ".join)
def test_an_exception_is_refused_without_a_terminal(in_shop: Program, shop: Repository, command: list[str]) -> None:
    guard(in_shop)
    outcome = in_shop("guardian", *command, "--for", "5m", "--reason", "why")
    assert (outcome.code, outcome.out) == (2, "")
    assert is_one_sentence_with_a_hint(outcome)
    break_the_rule(shop)


@pytest.mark.parametrize("command", [["allow", "src/app.py"], ["allow", "src"], ["pause"]], ids=" ".join)
def test_an_exception_lets_the_write_stand(in_shop: Program, shop: Repository, command: list[str]) -> None:
    guard(in_shop)
    outcome = in_shop.on_terminal("guardian", *command, "--for", "5m", "--reason", "a hotfix")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("✓ ")
    assert "; recorded\n" in outcome.out
    shop.write("src/app.py", "hotfix\n")
    shop.write("kitty-specs/001-cart/tasks/WP01.md", "not yet\n")
    if command[0] == "allow":  # then everything else is held as before
        eventually(lambda: not (shop.path / "kitty-specs/001-cart/tasks").exists())
    assert (shop.path / "src/app.py").read_text(encoding="utf-8") == "hotfix\n"
    assert "a hotfix" in in_shop("guardian", "log").out


def test_without_a_guardian_there_is_nothing_to_make_an_exception_from(in_shop: Program) -> None:
    outcome = in_shop.on_terminal("guardian", "pause", "--for", "5m", "--reason", "why")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (1, "hint: spec-kitty guardian start")


def completed(program: Program, *words: str) -> list[str]:
    program.environment |= {
        "_SPEC_KITTY_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("spec-kitty", *words)),
        "COMP_CWORD": str(len(words)),
    }
    outcome = program()
    del program.environment["_SPEC_KITTY_COMPLETE"]
    assert (outcome.code, outcome.err) == (0, "")
    return [line.partition(",")[2] for line in outcome.out.splitlines() if line]


def test_feature_names_are_completed(in_shop: Program, shop: Repository) -> None:
    shop.feature("002-search", "plan")
    assert completed(in_shop, "guardian", "start", "--feature", "0") == ["001-cart", "002-search"]
    assert completed(in_shop, "guardian", "check", "--feature", "002") == ["002-search"]
    in_shop.where = shop.path.parent
    assert completed(in_shop, "-C", "shop", "guardian", "start", "--feature", "002") == ["002-search"]


def test_quarantine_ids_are_completed(in_shop: Program, shop: Repository) -> None:
    guard(in_shop)
    break_the_rule(shop)
    (entry,) = entries(in_shop, 1)
    assert completed(in_shop, "guardian", "quarantine", "show", "0") == [entry["id"]]


def test_outside_a_repository_nothing_is_completed(spec_kitty: Program) -> None:
    assert completed(spec_kitty, "guardian", "start", "--feature", "0") == []
    assert completed(spec_kitty, "guardian", "quarantine", "restore", "0") == []
