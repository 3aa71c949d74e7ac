"""A work tree that is gone with its part of the git directory has no guardian; what it knew is in the store."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch import lifecycle
from support.guarded import FEATURE, eventually, project


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_guardian_of_a_removed_work_tree_ends_and_leaves_nothing_behind(tmp_path: Path) -> None:
    repository = project(tmp_path / "work", "tasks")
    own = repository.worktree(repository.path / f".worktrees/{FEATURE}-WP01", f"{FEATURE}-WP01")
    state = find_worktree(own.path)
    pid = lifecycle.start(own.path).status.pid
    assert pid is not None
    own.write("src/app.py", "print('ahead')\n")
    eventually(lambda: own.git("status", "--porcelain") == "", "the write is undone")

    own.path.rename(tmp_path / "elsewhere")
    shutil.rmtree(state.git_dir)

    eventually(lambda: is_gone(pid), "the guardian ends")
    assert not state.git_dir.exists()
    with SqliteEventStore(Path(find_worktree(repository.path).state.events), read_only=True) as store:
        told = [event.event_type for event in store.read(f"audit-{state.name}")]
    assert told[0] == "PhaseEntered"
    assert "PolicyViolationAttempted" in told
    assert told[-1] == "GuardianStopped"
