"""A folder that was open was not watched; a step that closes it makes every further write one that is seen."""

from __future__ import annotations

import os
from pathlib import Path

from kitty_guardian.transitions.requests import Command, TransitionRequest
from kitty_guardian.watch import daemon, lifecycle
from kitty_guardian.workflow import asking
from support.guarded import FEATURE, eventually, project, snapshot
from support.repositories import Repository


def handed_in(tmp_path: Path) -> Repository:
    """A guarded work tree whose work package has just been handed in, by its own guardian."""
    repository = project(tmp_path / "work", "plan")
    repository.feature(FEATURE, "tasks", log=True)
    repository.commit("tasks are written")
    own = repository.worktree(repository.path / f".worktrees/{FEATURE}-WP01", f"{FEATURE}-WP01")
    lifecycle.start(own.path)
    for command, to in ((Command.IMPLEMENT, ""), (Command.MOVE, "for_review")):
        if command is Command.MOVE:
            own.write("src/app.py", "print('work')\n")
            own.commit("work")
        asking.transition(
            own.path,
            TransitionRequest(
                command, feature=FEATURE, work_package="WP01", to=to, actor="ada", workspace=os.fspath(own.path)
            ),
        )
    return own


def test_a_write_right_after_the_hand_in_is_undone_long_before_the_next_comparison(tmp_path: Path) -> None:
    own = handed_in(tmp_path)
    try:
        before = snapshot(own.path / "src")
        for number in range(20):  # each would wait for the next comparison of everything, if nobody watched
            own.write("src/app.py", f"print({number})\n")
            own.write(f"src/pkg/deep/new_{number}.py", "evil\n")
            eventually(lambda: snapshot(own.path / "src") == before, "the writes are undone")
        assert lifecycle.status(own.path).violations >= 2
        assert daemon._SHORTEST_SCAN_INTERVAL * 20 > 20.0, "else this test would prove nothing"
    finally:
        lifecycle.stop(own.path)
