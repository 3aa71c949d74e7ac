"""`tracker connect`, `disconnect`, `status` and `map`: secrets go in and are never seen again."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.program import BIN
from kitty_paths import StateRoot
from kitty_sync.tracker import connection
from kitty_sync.tracker.credentials import TrackerCredentials
from spec_kitty_cli import app, boundary

if TYPE_CHECKING:
    from cli.program import Outcome, Program

TOKEN = "tok3n-6f1d0c9b8a7e"  # noqa: S105 - the secret that must not be seen


def root_of(program: Program) -> StateRoot:
    return StateRoot.resolve(program.environment)


def connected(program: Program, *options: str, stdin: str = f"{TOKEN}\n") -> Outcome:
    return program.run("tracker", "connect", "linear", "--workspace", "acme", *options, stdin=stdin.encode())


def kept(program: Program) -> str | None:
    """The token that is kept for linear."""
    values = TrackerCredentials(root_of(program)).load("linear")
    return None if values is None else values["token"].reveal()


@pytest.mark.parametrize("stdin", [TOKEN, f"{TOKEN}\n", f"{TOKEN}\r\n"])
def test_a_credential_from_stdin_is_kept_and_not_shown(spec_kitty: Program, stdin: str) -> None:
    outcome = connected(spec_kitty, "--credential", "token=-", stdin=stdin)
    assert outcome.code == 0
    assert TOKEN not in outcome.out + outcome.err
    assert kept(spec_kitty) == TOKEN
    assert root_of(spec_kitty).tracker.credentials.path.stat().st_mode & 0o777 == 0o600


def test_a_credential_from_a_file_is_kept_and_the_file_is_left(spec_kitty: Program) -> None:
    file = spec_kitty.where / "linear.toml"
    file.write_text(f'token = "{TOKEN}"\n', encoding="utf-8")
    outcome = connected(spec_kitty, "--credential-file", str(file), stdin="")
    assert outcome.code == 0
    assert kept(spec_kitty) == TOKEN
    assert file.read_text(encoding="utf-8") == f'token = "{TOKEN}"\n'


@pytest.mark.parametrize("value", [f"token={TOKEN}", f"token=-{TOKEN}", TOKEN, f"{TOKEN}=-x", "token", "=-", ""])
def test_a_credential_on_the_command_line_is_refused_and_not_repeated(spec_kitty: Program, value: str) -> None:
    outcome = connected(spec_kitty, "--credential", value)
    assert (outcome.code, outcome.out) == (2, "")
    assert TOKEN not in outcome.err
    assert not root_of(spec_kitty).base.exists()


@pytest.mark.parametrize("stdin", ["", "\n", "two\nlines", "\x00", "x" * 100_000])
def test_a_stdin_that_holds_no_credential_is_refused(spec_kitty: Program, stdin: str) -> None:
    outcome = connected(spec_kitty, "--credential", "token=-", stdin=stdin)
    assert (outcome.code, outcome.out) == (2, "")
    assert "x" * 40 not in outcome.err
    assert not root_of(spec_kitty).base.exists()


def test_two_credentials_from_one_stdin_are_refused(spec_kitty: Program) -> None:
    assert connected(spec_kitty, "--credential", "token=-", "--credential", "key=-").code == 2


def test_without_a_terminal_a_missing_credential_is_an_error_and_no_prompt(spec_kitty: Program) -> None:
    outcome = connected(spec_kitty, stdin="")
    assert outcome.code == 2
    assert "--credential token=-" in outcome.err


@pytest.mark.parametrize("options", [[], ["--credential", "token=-"]])
def test_on_a_terminal_it_is_asked_for_without_an_echo(spec_kitty: Program, options: list[str]) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["setsid", "-c", "-w", BIN / "spec-kitty", "tracker", "connect", "linear", "--workspace", "acme", *options],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=spec_kitty.where, env=spec_kitty.environment,
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = b""
        while b"token of" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, f"{TOKEN}\n".encode())
        while select.select([ours], [], [], 30)[0]:
            try:
                shown += os.read(ours, 4096)
            except OSError:
                break  # the last of them let go of the terminal
        assert process.wait() == 0
    os.close(ours)
    assert TOKEN.encode() not in shown
    assert kept(spec_kitty) == TOKEN


def test_a_bug_with_a_secret_in_hand_shows_none_of_it(
    spec_kitty: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def bug(*values: object, **more: object) -> None:
        raise ZeroDivisionError(f"{values} {more} {more['credentials']!r}")

    reports = tmp_path / "reports"
    reports.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(reports))
    monkeypatch.setattr(connection, "connect", bug)
    monkeypatch.setenv("SPEC_KITTY_HOME", str(root_of(spec_kitty).base))
    (tmp_path / "file.toml").write_text(f'token = "{TOKEN}"', encoding="utf-8")
    arguments = [
        "tracker",
        "connect",
        "linear",
        "--workspace",
        "acme",
        "--credential-file",
        str(tmp_path / "file.toml"),
    ]
    assert boundary.run(app.spec_kitty(), "spec-kitty", arguments) == 3
    (report,) = reports.iterdir()
    text = report.read_text(encoding="utf-8")
    assert "ZeroDivisionError" in text
    assert "Secret(***)" in text
    assert TOKEN not in text + "".join(capsys.readouterr())


def test_connecting_again_replaces_what_was_kept(spec_kitty: Program) -> None:
    connected(spec_kitty, "--credential", "token=-", stdin="old")
    connected(spec_kitty, "--credential", "token=-")
    assert kept(spec_kitty) == TOKEN


def test_disconnecting_forgets_the_credentials_and_keeps_the_mappings(spec_kitty: Program) -> None:
    connected(spec_kitty, "--credential", "token=-")
    spec_kitty("tracker", "map", "WP01", "ACME-7")
    assert spec_kitty("tracker", "disconnect", "linear").code == 0
    assert kept(spec_kitty) is None
    assert TOKEN not in root_of(spec_kitty).tracker.credentials.path.read_text(encoding="utf-8")
    assert spec_kitty("tracker", "disconnect", "linear").code == 1
    connected(spec_kitty, "--credential", "token=-")
    assert [each["wp_id"] for each in spec_kitty("tracker", "map", "--json").json["mappings"]] == ["WP01"]


def test_what_is_connected_is_listed_without_a_secret(spec_kitty: Program) -> None:
    assert spec_kitty("tracker", "status").code == 1
    assert not root_of(spec_kitty).base.exists()
    connected(spec_kitty, "--credential", "token=-")
    outcome = spec_kitty("tracker", "status", "--json")
    assert outcome.code == 0
    (found,) = outcome.json["connections"]
    assert found.pop("store").startswith(str(root_of(spec_kitty).tracker.directory))
    assert found == {
        "provider": "linear", "workspace": "acme", "offline": False, "credential_names": ["token"], "mappings": 0,
    }  # fmt: skip
    assert TOKEN not in outcome.out + spec_kitty("tracker", "status").out


def test_who_has_one_workspace_need_not_name_it(spec_kitty: Program) -> None:
    assert spec_kitty("tracker", "connect", "local", "--json").json["workspace"] == "default"


def test_the_local_tracker_makes_and_maps_issues_offline(spec_kitty: Program) -> None:
    assert spec_kitty("tracker", "connect", "local", "--workspace", "acme").code == 0
    assert spec_kitty("tracker", "map", "WP01", "--new", "Empty carts").out == "✓ WP01 is local-1 (local)\n"
    assert "Empty carts" in spec_kitty("tracker", "status", "local").out
    assert spec_kitty("tracker", "map").out.splitlines()[1].split() == ["WP01", "local", "local-1"]
    assert spec_kitty("tracker", "map", "WP02", "local-9").code == 2  # there is no such issue
    assert spec_kitty("tracker", "map", "WP02", "local-1").code == 2  # it is WP01's
    assert spec_kitty("tracker", "map", "WP01", "--remove").code == 0
    assert spec_kitty("tracker", "map", "WP01", "--remove").code == 1
    assert spec_kitty("tracker", "map").out == "nothing is mapped yet\n"


def test_a_mapping_may_say_how_people_call_the_issue(spec_kitty: Program) -> None:
    connected(spec_kitty, "--credential", "token=-")
    spec_kitty("tracker", "map", "WP01", "7f3a", "--key", "ACME-7", "--url", "https://linear.example/ACME-7")
    (found,) = spec_kitty("tracker", "map", "--json").json["mappings"]
    assert (found["external_id"], found["external_key"]) == ("7f3a", "ACME-7")
    assert "ACME-7 https://linear.example/ACME-7" in spec_kitty("tracker", "map").out


@pytest.mark.parametrize(
    "arguments",
    [["WP01"], ["WP01", "A-1", "--remove"], ["WP01", "A-1", "--new", "x"], ["--remove"], ["--new", "x"]],
)
def test_a_map_that_could_mean_several_things_is_refused(spec_kitty: Program, arguments: list[str]) -> None:
    connected(spec_kitty, "--credential", "token=-")
    assert spec_kitty("tracker", "map", *arguments).code == 2


def test_where_several_are_connected_one_has_to_be_named(spec_kitty: Program) -> None:
    assert spec_kitty("tracker", "map", "WP01", "X-1").code == 1  # none is connected
    connected(spec_kitty, "--credential", "token=-")
    spec_kitty("tracker", "connect", "local", "--workspace", "acme")
    assert "--provider" in spec_kitty("tracker", "map", "WP01", "X-1").err
    assert spec_kitty("tracker", "map", "WP01", "X-1", "--provider", "linear").code == 0


def test_an_unknown_tracker_is_answered_with_the_known_ones(spec_kitty: Program) -> None:
    code, out, err = spec_kitty("tracker", "connect", "liner", "--workspace", "acme")
    assert (code, out) == (2, "")
    assert "linear" in err


@pytest.mark.parametrize(
    "damage",
    [
        f"token = {TOKEN}\n",
        f'token = "{TOKEN}\n',
        f'[tracker.providers.linear\ntoken = "{TOKEN}"\n',
        f'[tracker.providers.linear]\ntoken = "{TOKEN}"\ntoken = "{TOKEN}"\n',
        f'[tracker.providers]\nlinear = "{TOKEN}"\n',
        f'[[tracker]]\ntoken = "{TOKEN}"\n',
        f'[tracker.providers.linear]\n"{TOKEN}" 7\n',
        f"{TOKEN}\n",
        f"\x00{TOKEN}",
    ],
    ids=range(9),
)
def test_a_broken_file_of_credentials_is_refused_kept_and_not_quoted(spec_kitty: Program, damage: str) -> None:
    path = root_of(spec_kitty).tracker.credentials.path
    path.parent.mkdir()
    path.write_text(damage, encoding="utf-8")
    path.chmod(0o600)
    for outcome in (
        connected(spec_kitty, "--credential", "token=-", stdin="new"),
        spec_kitty("tracker", "status"),
        spec_kitty("tracker", "map"),
        spec_kitty("tracker", "disconnect", "linear"),
    ):
        assert (outcome.code, outcome.out) == (2, "")
        assert str(path) in outcome.err
        assert TOKEN not in outcome.err
    assert path.read_text(encoding="utf-8") == damage


@pytest.mark.parametrize(
    "text", [f"token = {TOKEN}", f"token = ['{TOKEN}']", f"[{TOKEN}]", f'"{TOKEN} x" = "y"', "\xff"]
)
def test_a_broken_credential_file_is_refused_and_not_quoted(spec_kitty: Program, text: str) -> None:
    file = spec_kitty.where / "linear.toml"
    file.write_text(text, encoding="latin-1")
    outcome = connected(spec_kitty, "--credential-file", str(file))
    assert (outcome.code, outcome.out) == (2, "")
    assert TOKEN not in outcome.err
    assert not root_of(spec_kitty).base.exists()
