"""The tutorial is run as it is written: every block of every step, in a shell, in order."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.checkout import ROOT

TUTORIAL = ROOT / "docs" / "tutorials" / "first-guard.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Everything the tutorial asks to type; the environment that runs this test stands for `make sync`."""
    typed = "\n".join(BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")))
    typed = typed.replace("make sync\n", "").replace(
        'export PATH="$PWD/.venv/bin:$PATH"', f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    )
    # Whatever step fails, nothing is left running.
    tidy = "trap 'cd \"$START/first-guard\" 2>/dev/null && spec-kitty guardian stop >/dev/null 2>&1' EXIT"
    file = tmp_path / "tutorial.sh"
    file.write_text(f"set -eu\nSTART=${{PWD%/*}}\n{tidy}\n{typed}", encoding="utf-8")
    return file


@pytest.mark.timeout(120)
def test_the_tutorial_does_what_it_says(script: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    home = tmp_path / "home"
    clone.mkdir()
    home.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "SPEC_KITTY_"))}
    environment |= {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1"}
    done = subprocess.run(["sh", script], cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert "denied, as the exit code says" in said
    # Undone, then created things gone and the deleted one back, then allowed in the next phase.
    assert said.count('print("hello")') == 1
    assert "src/app.py" in said
    assert not any("deep" in line for line in said if line.startswith("src"))
    assert said.count('print("a feature nobody planned")') == 2  # shown, and brought back
    assert 'print("hello, whoever you are")' in said
    assert not (tmp_path / "first-guard").exists()
