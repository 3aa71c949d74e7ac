"""How the program speaks: colours by wish, streams kept apart, one directory to run in."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import termios
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.program import BIN
from spec_kitty_cli import words
from spec_kitty_cli.console import Console

if TYPE_CHECKING:
    from cli.program import Program
    from support.repositories import Repository

ESCAPE = "\x1b["


def on_a_terminal(program: Program, *arguments: str, columns: int = 0) -> str:
    """What a terminal receives on stdout; it is as wide as `columns` says, or does not know how wide it is."""
    ours, theirs = pty.openpty()
    if columns:
        termios.tcsetwinsize(theirs, (24, columns))
    with subprocess.Popen(
        [BIN / "spec-kitty", *arguments], stdout=theirs, cwd=program.where, env=program.environment
    ) as process:
        os.close(theirs)
        received = b""
        try:
            while chunk := os.read(ours, 4096):
                received += chunk
        except OSError:
            pass  # Linux ends a terminal that nobody holds any more this way
        process.wait()
    os.close(ours)
    return received.decode()


def test_a_pipe_gets_no_colours(spec_kitty: Program) -> None:
    assert ESCAPE not in spec_kitty("state", "doctor").out


def test_a_terminal_gets_colours(spec_kitty: Program) -> None:
    assert ESCAPE in on_a_terminal(spec_kitty, "state", "doctor")


def test_no_color_is_honoured_on_a_terminal(spec_kitty: Program) -> None:
    spec_kitty.environment["NO_COLOR"] = "1"
    assert ESCAPE not in on_a_terminal(spec_kitty, "state", "doctor")


def test_an_empty_no_color_is_no_wish(spec_kitty: Program) -> None:
    spec_kitty.environment["NO_COLOR"] = ""
    assert ESCAPE in on_a_terminal(spec_kitty, "state", "doctor")


def test_force_color_colours_a_pipe(spec_kitty: Program) -> None:
    spec_kitty.environment["FORCE_COLOR"] = "1"
    assert ESCAPE in spec_kitty("state", "doctor").out


def test_force_color_of_zero_is_no_wish(spec_kitty: Program) -> None:
    spec_kitty.environment["FORCE_COLOR"] = "0"
    assert ESCAPE not in spec_kitty("state", "doctor").out


def test_no_color_beats_force_color(spec_kitty: Program) -> None:
    spec_kitty.environment |= {"NO_COLOR": "1", "FORCE_COLOR": "1"}
    assert ESCAPE not in spec_kitty("state", "doctor").out


def test_the_option_beats_the_environment(spec_kitty: Program) -> None:
    spec_kitty.environment["NO_COLOR"] = "1"
    assert ESCAPE in spec_kitty("--color", "always", "state", "doctor").out
    spec_kitty.environment = {**spec_kitty.environment, "NO_COLOR": "", "FORCE_COLOR": "1"}
    assert ESCAPE not in spec_kitty("--color", "never", "state", "doctor").out


def test_errors_are_coloured_by_the_same_wish(spec_kitty: Program) -> None:
    assert ESCAPE in spec_kitty("--color=always", "xyzzy").err
    assert ESCAPE not in spec_kitty("xyzzy").err


def test_json_is_never_coloured(spec_kitty: Program) -> None:
    outcome = spec_kitty("--color=always", "state", "doctor", "--json")
    assert ESCAPE not in outcome.out
    assert outcome.json["healthy"] is True


def test_a_file_name_that_is_not_utf8_leaves_as_its_bytes(spec_kitty: Program) -> None:
    root = os.fsdecode(os.fsencode(spec_kitty.home) + b"/caf\xe9")
    spec_kitty.environment["SPEC_KITTY_HOME"] = root
    done = subprocess.run(
        [BIN / "spec-kitty", "state", "paths", "sync.config"],
        cwd=spec_kitty.where,
        env=spec_kitty.environment,
        capture_output=True,
        check=True,
    )
    assert done.stdout == os.fsencode(root) + b"/config.toml\n"


def test_a_terminal_without_the_signs_gets_stand_ins(spec_kitty: Program) -> None:
    spec_kitty.environment |= {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    outcome = spec_kitty("state", "doctor")
    assert outcome.code == 0
    assert "\\u25cb" in outcome.out


def test_c_runs_in_another_directory(spec_kitty: Program, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    spec_kitty.where = tmp_path
    outcome = spec_kitty("-C", "a", "-C", "b", "guardian", "status")
    assert outcome.code == 2
    assert str(tmp_path / "a" / "b") in outcome.err


def test_c_to_nowhere_is_a_usage_error(spec_kitty: Program) -> None:
    code, out, err = spec_kitty("-C", "nowhere", "state", "doctor")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "error: Invalid value for '-C': cannot change to `nowhere`: No such file or directory",
        "hint: spec-kitty --help",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345, "12 kB"),
        (2_500_000, "2.5 MB"),
        (40_000_000_000_000, "40000 GB"),
    ],
)
def test_sizes_are_short(number: int, text: str) -> None:
    assert words.size(number) == text


def test_counts_agree_with_their_noun() -> None:
    assert [words.count(n, "entry", "entries") for n in (0, 1, 2)] == ["0 entries", "1 entry", "2 entries"]
    assert words.count(2, "file") == "2 files"


def test_times_are_this_machines_and_what_is_no_time_stays() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert words.moment(at) == at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert words.moment("2026-01-02T03:04:05.678+00:00") == words.moment(at)
    assert words.moment("soon") == "soon"


def test_json_carries_times_and_paths_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    Console(json=True).emit("thing", {"at": at, "path": Path("/a/b")})
    found = json.loads(capsys.readouterr().out)
    assert found == {"schema": "spec-kitty/thing/1", "at": at.isoformat(), "path": "/a/b"}


def test_nothing_for_people_is_printed_in_json_mode(capsys: pytest.CaptureFixture[str]) -> None:
    Console(json=True).show("hello")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("columns", [20, 50, 80, 200])
def test_a_table_is_cut_where_the_terminal_ends(in_shop: Program, shop: Repository, columns: int) -> None:
    name = "002-" + "-".join(["a", "name", "that", "goes", "on", "for", "longer", "than", "anyone", "reads"] * 2)
    shop.feature(name, "plan")
    shop.commit()
    in_shop.environment["NO_COLOR"] = "1"
    in_shop.environment.pop("COLUMNS", None)

    (row,) = (
        line
        for line in on_a_terminal(in_shop, "guardian", "phase", "--all", columns=columns).splitlines()
        if "002-a" in line
    )

    cell = row[row.index("002-") :]
    if columns == 200:
        assert cell == name
    else:
        assert name.startswith(cell.removesuffix("…"))
        assert cell.endswith("…")
        assert len(row) == columns or (columns == 20 and len(cell) == 12), "some of it is kept on any terminal"


def test_a_table_in_a_pipe_is_whole_whatever_the_terminal(in_shop: Program, shop: Repository) -> None:
    name = "002-" + "long-" * 30 + "name"
    shop.feature(name, "plan")
    shop.commit()
    in_shop.environment["COLUMNS"] = "40"

    assert f"{name}\n" in in_shop("guardian", "phase", "--all").out


def test_an_empty_table_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Console().table([])
    assert capsys.readouterr().out == ""
