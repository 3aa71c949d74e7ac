"""Every shell block of a skill is run as it is written, in a home of its own, and does what the skill says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.checkout import ROOT

SKILL = ROOT / "docs" / "skills" / "spk-team-upsun-cli-sync" / "SKILL.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
SENTENCE = "`SPEC_KITTY_HOME` selects the root for all local Spec Kitty state"


def run(home: Path, script: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin")),
        "HOME": str(home),
        "TMPDIR": str(home.parent / "tmp"),
        "LANG": "C.UTF-8",
    }
    # Whatever step fails, nothing is left running.
    tidy = "trap 'spec-kitty sync daemon stop >/dev/null 2>&1' EXIT"
    return subprocess.run(
        ["sh", "-c", f"set -eu\n{tidy}\n{script}"], cwd=home.parent / "work", env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


@pytest.fixture(name="home")
def _home(tmp_path: Path) -> Path:
    for name in ("home", "work", "tmp"):
        (tmp_path / name).mkdir()
    return tmp_path / "home"


def test_it_says_the_sentence_and_has_a_name_and_a_description() -> None:
    text = SKILL.read_text(encoding="utf-8")
    front = re.match(r"---\nname: (\S+)\ndescription: (.+)\n---\n", text)
    assert front is not None
    assert front[1] == SKILL.parent.name
    assert SENTENCE in text


def test_every_block_does_what_the_skill_says(home: Path) -> None:
    blocks = BLOCK.findall(SKILL.read_text(encoding="utf-8"))
    done = run(home, "\n".join(blocks))
    assert done.returncode == 0, done.stdout + done.stderr
    root = home / ".spec-kitty-upsun"
    assert f"isolated: state lands below {root}" in done.stdout
    assert f"root    {root}" in done.stdout
    assert "healthy" in done.stdout
    # Everything that came to be lies below the chosen root, and the token is shown nowhere.
    assert {path for path in home.parent.rglob("*") if path.is_file() and not path.is_relative_to(root)} == set()
    assert (root / "config.toml").read_text(encoding="utf-8").count("https://teamspace.example") == 1
    assert "an-example-token" not in done.stdout + done.stderr
    assert not (root / "sync-daemon").exists()


def test_its_verification_fails_where_state_would_land_elsewhere(home: Path) -> None:
    (verification,) = [block for block in BLOCK.findall(SKILL.read_text(encoding="utf-8")) if "case " in block]
    # The variable is set for the shell and not handed on, as when somebody forgets `export`.
    done = run(home, f'SPEC_KITTY_HOME="$HOME/.spec-kitty-upsun"\n{verification}')
    assert done.returncode == 1
    assert "NOT isolated" in done.stderr
    assert list(home.iterdir()) == []
