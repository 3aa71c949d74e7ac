"""Killed between any two steps of a revert: the next start completes or undoes it, and no byte is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch.entries import list_entries
from kitty_guardian.watch.quarantine import read_journal
from support.guarded import bytes_of, session, snapshot
from support.repositories import Repository

_TESTS = Path(__file__).parents[2]
_MOST_STEPS = 60


def overwrite(root: Path) -> None:
    (root / "src/app.py").write_text("evil bytes that must not be lost\n")


def create(root: Path) -> None:
    (root / "src/new").mkdir()
    (root / "src/new/evil.py").write_text("evil bytes that must not be lost\n")


def delete(root: Path) -> None:
    (root / "src/app.py").unlink()


def chmod(root: Path) -> None:
    (root / "src/app.py").chmod(0o600)


def turn_into_link(root: Path) -> None:
    (root / "src/app.py").unlink()
    (root / "src/app.py").symlink_to("evil bytes that must not be lost")


@pytest.mark.parametrize("attack", ["overwrite", "create", "delete", "chmod", "turn_into_link"])
def test_death_at_any_step_is_made_good_by_the_next_start(planned: Repository, tmp_path: Path, attack: str) -> None:
    before = snapshot(planned.path / "src")
    pristine = tmp_path / "pristine"
    shutil.copytree(planned.path, pristine, symlinks=True)

    for step in range(1, _MOST_STEPS):
        shutil.rmtree(planned.path)
        shutil.copytree(pristine, planned.path, symlinks=True)
        died = subprocess.run(
            [
                sys.executable, str(Path(__file__).with_name("crashing.py")), str(planned.path), str(step),
                f"guardian.watch.test_crashes_lose_nothing:{attack}",
            ],
            env={**os.environ, "PYTHONPATH": str(_TESTS)},
            check=False,
        ).returncode  # fmt: skip
        with session(planned):
            assert snapshot(planned.path / "src") == before, f"step {step}"
            entries = list_entries(planned.path)
            if attack in {"overwrite", "turn_into_link"}:
                held = [bytes_of(planned, entry) for entry in entries]
                assert b"evil bytes that must not be lost" in b"".join(held), f"step {step}"
            journal = read_journal(Path(find_worktree(planned.path).state.guardian.journal))
            assert {line["state"] for line in journal.values()} <= {"taken", "undone", "put"}, f"step {step}"
            quarantine = Path(find_worktree(planned.path).state.guardian.quarantine)
            slots = {slot.name for slot in quarantine.iterdir()}
            assert slots == {entry.id for entry in entries}, f"step {step}"
        if died == 0:
            assert step > 4, "the attack was reverted in so few steps that nothing was tried"
            return
        assert died == 9
    pytest.fail(f"the revert has more than {_MOST_STEPS} steps")
