"""`state doctor` and `state paths`: what the code uses, what is wrong with it, and nothing touched (FR-009, SC-004)."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from kitty_paths import QueueScope, StateRoot, TrackerScope
from kitty_sync.clock import LamportClock
from kitty_sync.errors import WrongSchemaError
from kitty_sync.queue.events import EventQueue
from spec_kitty_cli.diagnosis import diagnose
from support.unprivileged import as_anyone, place_for_anyone

if TYPE_CHECKING:
    from pathlib import Path

    from cli.program import Outcome, Program

FIELDS = ["schema", "root", "source", "default_root", "healthy", "surfaces", "daemon", "findings"]


def root_of(program: Program) -> StateRoot:
    """The root that the library gives for the program's environment: what every command reads and writes."""
    return StateRoot.resolve(program.environment)


def finding(outcome: Outcome, code: str) -> dict[str, Any]:
    """The one finding with that code."""
    (found,) = [each for each in outcome.json["findings"] if each["code"] == code]
    assert isinstance(found, dict)
    return found


def everything_below(directory: Path) -> list[tuple[str, int, int]]:
    return sorted((str(path), path.lstat().st_mode, path.lstat().st_mtime_ns) for path in directory.rglob("*"))


@pytest.fixture
def state(spec_kitty: Program) -> StateRoot:
    """A root below the test's home, with a session and a configuration as they should be."""
    root = root_of(spec_kitty)
    root.auth.directory.path.mkdir(parents=True, mode=0o700)
    for surface in (root.auth.session, root.sync.config):
        surface.path.write_text("# x", encoding="utf-8")
        surface.path.chmod(surface.mode)
    root.base.chmod(0o755)
    return root


@pytest.mark.parametrize("value", [None, "", "{home}/elsewhere", "~/elsewhere", "{home}/with space/é/"])
def test_the_reported_root_is_the_one_the_code_uses(spec_kitty: Program, value: str | None) -> None:
    if value is not None:
        spec_kitty.environment["SPEC_KITTY_HOME"] = value.format(home=spec_kitty.home)
    root = root_of(spec_kitty)
    reported = spec_kitty("state", "doctor", "--json").json
    assert list(reported) == FIELDS
    assert reported["schema"] == "spec-kitty/state-doctor/1"
    assert reported["root"] == str(root.base)
    assert reported["source"] == root.source
    assert reported["default_root"] == str(root.default_base)
    assert [each["path"] for each in reported["surfaces"]] == [str(surface) for surface in root.surfaces()]


def test_a_new_user_is_healthy_and_nothing_is_made(spec_kitty: Program) -> None:
    outcome = spec_kitty("state", "doctor")
    assert (outcome.code, outcome.err) == (0, "")
    assert "healthy, 0 of 23 surfaces in use" in outcome.out
    assert everything_below(spec_kitty.home) == []


def test_a_surface_has_exactly_the_fields_of_the_contract(spec_kitty: Program, state: StateRoot) -> None:
    surfaces = {each["name"]: each for each in spec_kitty("state", "doctor", "--json").json["surfaces"]}
    assert surfaces["auth.session"] == {
        "name": "auth.session",
        "path": str(state.auth.session),
        "kind": "file",
        "secret": True,
        "exists": True,
        "mode": "0600",
    }
    assert surfaces["sync.clock"]["exists"] is False
    assert surfaces["sync.clock"]["mode"] is None


def test_a_healthy_root_is_said_to_be_and_left_alone(spec_kitty: Program, state: StateRoot) -> None:
    before = everything_below(state.base)
    outcome = spec_kitty("state", "doctor", "--json")
    assert outcome.code == 0
    assert outcome.json["healthy"] is True
    assert outcome.json["findings"] == []
    assert everything_below(state.base) == before


def test_a_secret_that_others_can_read_must_be_mended(spec_kitty: Program, state: StateRoot) -> None:
    state.auth.session.path.chmod(0o644)
    outcome = spec_kitty("state", "doctor", "--json")
    assert outcome.code == 1
    assert outcome.json["healthy"] is False
    assert list(found := finding(outcome, "state.secret.open")) == ["code", "severity", "message", "hint"]
    assert found["severity"] == "error"
    assert found["hint"] == f"chmod 600 {state.auth.session}"
    assert "0644 (want 0600)" in spec_kitty("state", "doctor").out


def test_a_secret_directory_that_others_can_enter_must_be_mended(spec_kitty: Program, state: StateRoot) -> None:
    state.auth.directory.path.chmod(0o755)
    outcome = spec_kitty("state", "doctor", "--json")
    assert finding(outcome, "state.secret.open")["hint"] == f"chmod 700 {state.auth.directory}"


def test_a_hint_can_be_pasted_whatever_the_path(spec_kitty: Program) -> None:
    spec_kitty.environment["SPEC_KITTY_HOME"] = f"{spec_kitty.home}/a b"
    root = root_of(spec_kitty)
    root.base.mkdir()
    root.tracker.credentials.path.write_text("x", encoding="utf-8")
    root.tracker.credentials.path.chmod(0o640)
    hint = finding(spec_kitty("state", "doctor", "--json"), "state.secret.open")["hint"]
    assert hint == f"chmod 600 '{root.tracker.credentials}'"


def test_a_root_that_is_a_file_must_be_mended(spec_kitty: Program) -> None:
    root_of(spec_kitty).base.write_text("", encoding="utf-8")
    outcome = spec_kitty("state", "doctor")
    assert outcome.code == 1
    assert "is not a directory" in outcome.out
    assert "1 thing to mend" in outcome.out


def test_a_root_that_is_a_dangling_link_must_be_mended(spec_kitty: Program) -> None:
    root_of(spec_kitty).base.symlink_to("nowhere")
    assert (
        "a link that leads nowhere"
        in finding(spec_kitty("state", "doctor", "--json"), "state.root.not-a-directory")["message"]
    )


def test_a_root_that_cannot_be_made_must_be_mended(spec_kitty: Program) -> None:
    (spec_kitty.home / "file").write_text("", encoding="utf-8")
    spec_kitty.environment["SPEC_KITTY_HOME"] = f"{spec_kitty.home}/file/below"
    outcome = spec_kitty("state", "doctor", "--json")
    assert outcome.code == 1
    assert "is not a directory" in finding(outcome, "state.root.uncreatable")["message"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_root_that_cannot_be_written_must_be_mended(spec_kitty: Program, state: StateRoot) -> None:
    state.base.chmod(0o500)
    try:
        outcome = spec_kitty("state", "doctor", "--json")
    finally:
        state.base.chmod(0o700)
    assert finding(outcome, "state.root.not-writable")["hint"] == f"chmod u+rwx {state.base}"


@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_a_root_of_another_user_is_told_as_that_and_nothing_else(mode: int) -> None:
    diagnose(StateRoot.at("/nonexistent/root"))  # loads what could not be loaded as another user
    with place_for_anyone() as place:
        theirs = place / "theirs"
        theirs.mkdir()
        theirs.chmod(mode)

        def work() -> None:
            found = diagnose(StateRoot.at(theirs))
            assert [finding.code for finding in found.findings] == ["sync.root.foreign"]
            assert not found.healthy
            assert found.daemon is None

        as_anyone(work)


@pytest.mark.parametrize("name", ["x" * 300, "closed/root"])
def test_a_root_that_cannot_be_looked_at_is_told_and_nothing_is_said_of_what_is_in_it(name: str) -> None:
    diagnose(StateRoot.at("/nonexistent/root"))  # loads what could not be loaded as another user
    with place_for_anyone() as place:
        (place / "closed").mkdir(mode=0)

        def work() -> None:
            found = diagnose(StateRoot.at(place / name))
            assert [finding.code for finding in found.findings] == ["state.root.unreadable"]
            assert not any(seen.exists for seen in found.seen)

        as_anyone(work)


def test_a_root_that_others_can_write_must_be_mended(spec_kitty: Program, state: StateRoot) -> None:
    state.base.chmod(0o775)
    assert finding(spec_kitty("state", "doctor", "--json"), "state.root.open")["severity"] == "error"


def test_a_directory_where_a_file_belongs_must_be_mended(spec_kitty: Program, state: StateRoot) -> None:
    state.sync.clock.path.mkdir()
    outcome = spec_kitty("state", "doctor", "--json")
    assert finding(outcome, "state.surface.kind")["message"] == "sync.clock is a directory, but is used as a file"
    assert outcome.code == 1


def test_a_file_where_a_directory_belongs_must_be_mended(spec_kitty: Program, state: StateRoot) -> None:
    state.queues.directory.path.write_text("", encoding="utf-8")
    assert "is no directory" in finding(spec_kitty("state", "doctor", "--json"), "state.surface.kind")["message"]


def test_a_secret_that_lies_outside_the_root_must_be_mended(spec_kitty: Program, state: StateRoot) -> None:
    outside = spec_kitty.home / "credentials"
    outside.write_text("x", encoding="utf-8")
    outside.chmod(0o600)
    state.tracker.credentials.path.symlink_to(outside)
    assert str(outside) in finding(spec_kitty("state", "doctor", "--json"), "state.secret.elsewhere")["message"]


def test_a_dangling_link_in_a_surfaces_place_is_reported(spec_kitty: Program, state: StateRoot) -> None:
    state.sync.clock.path.symlink_to("nowhere")
    assert finding(spec_kitty("state", "doctor", "--json"), "state.surface.unreadable")
    assert "?" in spec_kitty("state", "doctor").out


def test_a_public_file_that_others_can_write_is_a_warning_only(spec_kitty: Program, state: StateRoot) -> None:
    state.sync.config.path.chmod(0o666)
    outcome = spec_kitty("state", "doctor", "--json")
    assert outcome.code == 0
    assert finding(outcome, "state.surface.open")["severity"] == "warning"


def test_leftovers_in_the_default_home_are_mentioned_and_nothing_more(spec_kitty: Program, state: StateRoot) -> None:
    state.auth.session.path.chmod(0o644)  # what is wrong over there is not this root's business
    spec_kitty.environment["SPEC_KITTY_HOME"] = f"{spec_kitty.home}/elsewhere"
    outcome = spec_kitty("state", "doctor", "--json")
    assert outcome.code == 0
    assert len(outcome.json["findings"]) == 1
    left = finding(outcome, "state.default-home.leftovers")
    assert left["severity"] == "info"
    assert "sync.config, auth.directory, auth.session" in left["message"]


def test_the_default_home_by_another_way_holds_no_leftovers(spec_kitty: Program, state: StateRoot) -> None:
    (spec_kitty.home / "link").symlink_to(state.base)
    spec_kitty.environment["SPEC_KITTY_HOME"] = f"{spec_kitty.home}/link"
    assert spec_kitty("state", "doctor", "--json").json["findings"] == []


def test_without_a_home_directory_a_chosen_root_still_works(spec_kitty: Program) -> None:
    spec_kitty.environment |= {"HOME": "", "SPEC_KITTY_HOME": f"{spec_kitty.home}/chosen"}
    outcome = spec_kitty("state", "doctor", "--json")
    assert outcome.code == 0
    assert outcome.json["default_root"] is None


@pytest.mark.parametrize("command", [["doctor"], ["paths"], ["paths", "sync.config"]])
def test_a_variable_that_names_no_root_is_refused_with_a_way_out(spec_kitty: Program, command: list[str]) -> None:
    spec_kitty.environment["SPEC_KITTY_HOME"] = "relative/root"
    code, out, err = spec_kitty("state", *command)
    assert (code, out) == (2, "")
    assert "relative/root" in err
    assert [line.partition(":")[0] for line in err.splitlines()] == ["error", "hint"]


def test_one_name_prints_one_path_and_nothing_else(spec_kitty: Program) -> None:
    root = root_of(spec_kitty)
    for surface in root.surfaces():
        assert spec_kitty("state", "paths", surface.name) == (0, f"{surface}\n", "")


def test_all_paths_are_a_name_and_a_path_each(spec_kitty: Program) -> None:
    printed = [line.split(maxsplit=1) for line in spec_kitty("state", "paths").out.splitlines()]
    assert printed == [[surface.name, str(surface)] for surface in root_of(spec_kitty).surfaces()]


def test_paths_as_json_have_the_same_fields(spec_kitty: Program) -> None:
    reported = spec_kitty("state", "paths", "auth.session", "--json").json
    assert list(reported) == FIELDS
    assert [each["name"] for each in reported["surfaces"]] == ["auth.session"]


def test_an_unknown_name_is_answered_with_the_nearest(spec_kitty: Program) -> None:
    code, out, err = spec_kitty("state", "paths", "sync.confg")
    assert (code, out) == (2, "")
    assert "`sync.config`" in err


def test_asking_for_paths_makes_nothing(spec_kitty: Program) -> None:
    spec_kitty("state", "paths")
    spec_kitty("state", "paths", "--json")
    assert everything_below(spec_kitty.home) == []


def everything_that_is_read(root: StateRoot) -> dict[str, Path]:
    """Every surface whose content a command has to understand, one of each scoped kind."""
    scope = QueueScope("https://kitty.example", "ada", "t")
    surfaces = {
        "config": root.sync.config,
        "scope": root.queues.active_scope,
        "queue": root.queues.unauthenticated,
        "scoped queue": root.queues.scoped(scope),
        "credentials": root.tracker.credentials,
        "store": root.tracker.store(TrackerScope("local", "acme", "", "", "")),
    }
    return {name: surface.path for name, surface in surfaces.items()}


# What the runtime says about the same file.
COMMANDS = {
    "config": ["sync", "status"],
    "scope": ["sync", "status"],
    "credentials": ["tracker", "status"],
}


@pytest.mark.parametrize("which", ["config", "scope", "queue", "scoped queue", "credentials", "store"])
def test_what_no_command_can_understand_must_be_mended(spec_kitty: Program, state: StateRoot, which: str) -> None:
    path = everything_that_is_read(state)[which]
    path.parent.mkdir(exist_ok=True, mode=0o700)
    path.write_bytes(b"\xff no such thing \n" * 100)
    path.chmod(0o600)
    before = everything_below(state.base)

    outcome = spec_kitty("state", "doctor", "--json")

    assert (outcome.code, outcome.json["healthy"]) == (1, False)
    found = finding(outcome, "sync.state.damaged")
    assert found["severity"] == "error"
    assert str(path) in found["message"]
    assert found["hint"]
    assert everything_below(state.base) == before
    if which in COMMANDS:
        said = spec_kitty(*COMMANDS[which])
        assert said.code == 2
        assert found["message"] in said.err
        assert found["hint"] in said.err


def test_a_setting_that_no_command_accepts_must_be_mended(spec_kitty: Program, state: StateRoot) -> None:
    state.sync.config.path.write_text("[sync]\nmax_queue_size = 0\n", encoding="utf-8")
    outcome = spec_kitty("state", "doctor", "--json")
    assert outcome.code == 1
    assert finding(outcome, "sync.config.invalid")["message"] in spec_kitty("sync", "status").err


def test_a_damaged_clock_is_a_warning_because_the_next_event_recovers_it(spec_kitty: Program, state: StateRoot) -> None:
    state.sync.clock.path.write_text("{", encoding="utf-8")
    state.sync.clock.path.chmod(0o600)
    outcome = spec_kitty("state", "doctor", "--json")
    assert (outcome.code, outcome.json["healthy"]) == (0, True)
    assert finding(outcome, "sync.state.damaged")["severity"] == "warning"
    LamportClock(state).tick()
    assert spec_kitty("state", "doctor", "--json").json["findings"] == []


def test_a_queue_of_another_layout_must_be_mended(spec_kitty: Program, state: StateRoot) -> None:
    with sqlite3.connect(state.queues.unauthenticated) as connection:
        connection.execute("CREATE TABLE queue (x)")
    connection.close()
    state.queues.unauthenticated.path.chmod(0o600)
    with pytest.raises(WrongSchemaError) as caught:
        EventQueue.active(state).count()
    found = finding(spec_kitty("state", "doctor", "--json"), "sync.state.schema")
    assert (found["severity"], found["message"]) == ("error", caught.value.message)


@pytest.mark.parametrize("color", ["always", "never"])
def test_nothing_in_a_file_reaches_the_terminal_unspelled(spec_kitty: Program, state: StateRoot, color: str) -> None:
    owner = state.daemon.owner.path
    owner.parent.mkdir(parents=True)
    owner.write_text('{"pid": 1, "package_version": "\\u001b[31mX\\ud800"}', encoding="utf-8")
    outcome = spec_kitty("--color", color, "state", "doctor")
    assert outcome.code == 0
    assert "\x1b[31mX" not in outcome.out
    assert "\\x1b[31mX\\ud800" in outcome.out


def test_a_queue_that_is_gone_while_its_log_holds_rows_must_be_mended(spec_kitty: Program, state: StateRoot) -> None:
    state.queues.unauthenticated.path.with_name("queue.db-wal").write_bytes(b"rows")
    outcome = spec_kitty("state", "doctor", "--json")
    assert outcome.code == 1
    assert "still holds rows" in finding(outcome, "sync.state.damaged")["message"]
    assert finding(outcome, "sync.state.damaged")["hint"]
