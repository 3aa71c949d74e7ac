"""The tutorials are run as they are written: every block of every step, in a shell, in order."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.checkout import ROOT

TUTORIALS = ROOT / "docs" / "tutorials"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run(tutorial: str, project: str, directory: Path) -> list[str]:
    """Type everything that a tutorial asks to type; give the lines that were said.

    Args:
        tutorial: Its file.
        project: The folder that it makes beside the clone.
        directory: Where to put clone, home and script.
    """
    typed = "\n".join(BLOCK.findall((TUTORIALS / tutorial).read_text(encoding="utf-8")))
    # The environment that runs this test stands for `make sync`.
    typed = typed.replace("make sync\n", "").replace(
        'export PATH="$PWD/.venv/bin:$PATH"', f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    )
    # Whatever step fails, nothing is left running.
    places = f'"$START/{project}" "$START/{project}"/.worktrees/*'
    stop = '(cd "$each" 2>/dev/null && spec-kitty guardian stop >/dev/null 2>&1)'
    tidy = f"trap 'for each in {places}; do {stop} || true; done' EXIT"
    script = directory / "tutorial.sh"
    script.write_text(f"set -eu\nSTART=${{PWD%/*}}\n{tidy}\n{typed}", encoding="utf-8")
    clone, home = directory / "clone", directory / "home"
    clone.mkdir()
    home.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "SPEC_KITTY_"))}
    environment |= {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1"}
    done = subprocess.run(["sh", script], cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (directory / project).exists()
    return done.stdout.splitlines()


@pytest.mark.timeout(120)
def test_the_first_guard_does_what_its_tutorial_says(tmp_path: Path) -> None:
    said = run("first-guard.md", "first-guard", tmp_path)
    assert "denied, as the exit code says" in said
    # Undone, then created things gone and the deleted one back, then allowed in the next phase.
    assert said.count('print("hello")') == 1
    assert "src/app.py" in said
    assert not any("deep" in line for line in said if line.startswith("src"))
    assert said.count('print("a feature nobody planned")') == 2  # shown, and brought back
    assert 'print("hello, whoever you are")' in said


@pytest.mark.timeout(120)
def test_the_way_from_an_idea_to_a_review_is_as_its_tutorial_says(tmp_path: Path) -> None:
    said = run("from-idea-to-review.md", "idea", tmp_path)
    # Both gates that are tried too early are shut.
    assert "refused: nobody has specified anything yet" in said
    assert "refused: a step is open" in said
    # What was implemented stands, the specification does not change any more, nor the source that is reviewed.
    assert "hello Ada" in said
    assert "Whoever starts the program with a name is greeted by that name." in said
    assert not any(line.endswith("src/app.py") for line in said if line.startswith(" M"))
    assert 'print("one more thing")' not in said
    # Done, merged, and on record from the first to the last step.
    assert any(line.startswith("done  WP01") for line in said)
    assert 'print("hello", *sys.argv[1:2])' in said
    assert any(re.search(r"refused: plan +gate:spec\.md", line) for line in said)
    assert any(re.search(r"approved → done +001-say-hello-by-name", line) for line in said)
    (verified,) = [line for line in said if "as they were recorded; every hash, version and move" in line]
    assert verified.startswith("✓")
    assert re.fullmatch(r"[0-9]+:[0-9a-f]{64}", next(line for line in said if re.match(r"[0-9]+:[0-9a-f]", line)))
