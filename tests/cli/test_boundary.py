"""Whatever happens inside a command, the process ends with one of the contract's codes and without a traceback."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from cli.program import BIN
from kitty_guardian.errors import GuardianError, NotRunningError
from kitty_paths.errors import InvalidStateRootError
from spec_kitty_cli import boundary

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.program import Program


def program_that(act: Callable[[], object]) -> click.Group:
    """A program with one command, `act`, that does one thing."""

    @click.group()
    def group() -> None: ...

    @group.command(name="act")
    @click.option("--json", is_flag=True)
    @click.option("--token")
    def command(json: bool, token: str | None) -> object:
        del json, token
        return act()

    return group


def fail_with(error: BaseException) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory that reports are written to."""
    place = tmp_path / "reports"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.mark.parametrize(("answer", "code"), [(None, 0), (0, 0), (1, 1), ("text", 0)])
def test_a_commands_answer_is_the_exit_code(answer: object, code: int) -> None:
    assert boundary.run(program_that(lambda: answer), "p", ["act"]) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GuardianError("It went wrong", hint="do this"), 2),
        (NotRunningError("It went wrong", hint="do this"), 1),
        (InvalidStateRootError("It went wrong", hint="do this"), 2),
    ],
)
def test_an_expected_error_is_two_lines_and_its_own_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert boundary.run(program_that(fail_with(error)), "p", ["act"]) == code
    assert capsys.readouterr() == ("", "error: It went wrong\nhint: do this\n")


def test_an_error_without_a_hint_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    boundary.run(program_that(fail_with(GuardianError("It went wrong"))), "p", ["act"])
    assert capsys.readouterr().err == "error: It went wrong\n"


def test_an_expected_error_is_json_on_stderr_when_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    error = NotRunningError("Nobody is there", hint="start it")
    assert boundary.run(program_that(fail_with(error)), "p", ["act", "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err) == {"code": "guardian.not-running", "message": "Nobody is there", "hint": "start it"}


def test_a_usage_error_is_json_too(spec_kitty: Program) -> None:
    outcome = spec_kitty("state", "doctor", "--json", "--bad")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.error["code"] == "cli.usage"
    assert set(outcome.error) == {"code", "message", "hint"}


def test_a_missing_command_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert boundary.run(program_that(lambda: None), "p", ["--json"]) == 2
    assert json.loads(capsys.readouterr().err)["code"] == "cli.usage"


def test_json_behind_the_separator_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    boundary.run(program_that(lambda: None), "p", ["act", "--", "--json"])
    assert capsys.readouterr().err.startswith("error: ")


def test_an_interrupt_ends_quietly_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert boundary.run(program_that(fail_with(KeyboardInterrupt())), "p", ["act"]) == 130
    assert capsys.readouterr().err.strip() == ""


def test_a_bug_is_one_line_and_a_report(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert boundary.run(program_that(fail_with(ZeroDivisionError("by zero"))), "spec-kitty", ["act"]) == 3
    out, err = capsys.readouterr()
    (report,) = reports.iterdir()
    assert out == ""
    assert err == f"error: internal error, ZeroDivisionError; the report to paste into an issue: {report}\n"
    text = report.read_text(encoding="utf-8")
    assert "- command: `spec-kitty act`" in text
    assert "- click: " in text
    assert "ZeroDivisionError: by zero" in text
    assert "Traceback (most recent call last)" in text
    assert stat.S_IMODE(report.stat().st_mode) == 0o600


def test_a_bug_is_json_with_the_reports_place(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    boundary.run(program_that(fail_with(ZeroDivisionError())), "p", ["act", "--json"])
    said = json.loads(capsys.readouterr().err)
    assert said["code"] == "cli.internal"
    assert [Path(said["report"])] == list(reports.iterdir())


def test_a_report_holds_no_value_from_the_environment(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada-lovelace")
    monkeypatch.setenv("HOSTED_TOKEN", "s3cr")
    monkeypatch.setenv("LEVEL", "7")
    error = RuntimeError("s3cr was refused at /home/ada-lovelace/x in round 7")
    boundary.run(program_that(fail_with(error)), "p", ["act", "--token", "s3cr"])
    text = next(reports.iterdir()).read_text(encoding="utf-8")
    assert "RuntimeError: $HOSTED_TOKEN was refused at $HOME/x in round 7" in text
    assert "s3cr" not in text
    assert not [value for value in os.environ.values() if len(value) >= 8 and value in text]


def test_without_room_for_a_report_it_goes_to_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert boundary.run(program_that(fail_with(ZeroDivisionError())), "p", ["act"]) == 3
    err = capsys.readouterr().err
    assert "ZeroDivisionError" in err
    assert err.splitlines()[-1].endswith("not written (No such file or directory), it is above")


def test_a_reader_that_leaves_is_no_bug(spec_kitty: Program) -> None:
    # `| head -1`, without the race: nobody reads from the start.
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [BIN / "spec-kitty", "state", "paths"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        cwd=spec_kitty.where,
        env=spec_kitty.environment,
        check=False,
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_real_interrupt_leaves_no_traceback(spec_kitty: Program) -> None:
    # Whenever it comes once the command runs: here while it waits for a reader of its output.
    script = "import sys, time, click; from spec_kitty_cli import boundary\n"
    script += "g = click.Group('g'); g.command('w')(lambda: (print('ready', flush=True), time.sleep(30)))\n"
    script += "sys.exit(boundary.run(g, 'g', ['w']))"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=spec_kitty.environment
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert not re.search(rb"\S", err)
