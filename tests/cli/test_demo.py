"""`spec-kitty demo`: true or it says so, and gone afterwards."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.program import BIN
from kitty_guardian.rules.policy import POLICY_PATH
from spec_kitty_cli import app, boundary
from spec_kitty_cli.demo import stage

if TYPE_CHECKING:
    from cli.program import Program


@pytest.fixture
def temporary(spec_kitty: Program, tmp_path: Path) -> Path:
    """The directory that the demonstration makes its own directory in."""
    place = tmp_path / "temporary"
    place.mkdir()
    spec_kitty.environment["TMPDIR"] = str(place)
    return place


def processes_in(place: Path) -> list[str]:
    """Command lines of running processes that name `place`."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it has ended meanwhile
    return [line for line in lines if str(place) in line]


def test_the_demo_holds_every_claim_and_leaves_nothing(spec_kitty: Program, temporary: Path) -> None:
    outcome = spec_kitty("demo")
    assert (outcome.code, outcome.err) == (0, "")
    assert re.search(r"✓ undone after \d+\.\d ms, byte for byte", outcome.out)
    assert re.search(r"✓ gone after \d+\.\d ms, folders and all", outcome.out)
    assert re.search(r"✓ back after \d+\.\d ms, byte for byte", outcome.out)
    assert "✗" not in outcome.out
    assert "All 17 claims held" in outcome.out
    assert list(temporary.iterdir()) == []
    assert processes_in(temporary) == []
    assert list(spec_kitty.home.iterdir()) == []


def test_the_demo_fits_a_narrow_terminal(spec_kitty: Program, temporary: Path) -> None:
    del temporary
    assert max(map(len, spec_kitty("demo").out.splitlines())) <= 80


def test_an_interrupted_demo_stops_its_guardian_and_cleans_up(spec_kitty: Program, temporary: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(
            [BIN / "spec-kitty", "demo"], env=spec_kitty.environment | {"PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            while b"holds" not in process.stdout.readline():
                pass
            assert processes_in(temporary) != []
            process.send_signal(number)
            process.communicate(timeout=60)
        assert process.returncode == 130
        assert processes_in(temporary) == []
        assert list(temporary.iterdir()) == []


def test_a_claim_that_does_not_hold_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A guardian that only observes undoes nothing: the demonstration must notice.
    monkeypatch.setattr(stage, "_FILES", stage._FILES | {POLICY_PATH: 'mode = "observe"\n'})
    monkeypatch.setattr(stage, "PATIENCE_SECONDS", 0.2)
    assert boundary.run(app.spec_kitty(), "spec-kitty", ["demo"]) == 1
    out = capsys.readouterr().out
    assert "✗ not true: undone some time, byte for byte" in out
    assert "✗ not true: gone some time, folders and all" in out
    assert "✓ nothing runs, nothing watches" in out
    told, _, listed = out.rpartition("claims did not hold:\n")
    assert [f"✗ not true: {line.strip()}" in told for line in listed.splitlines()] == [True] * told.count("✗")
