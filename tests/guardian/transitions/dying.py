"""A child process that does a command and dies at its n-th step: run with `python dying.py WORK N COMMAND…`.

Ends with status 9 where it died, 0 if there were fewer steps than N.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from kitty_guardian import workflow
from kitty_guardian.events import logfile
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.project.git import Git
from kitty_guardian.transitions import writing
from kitty_guardian.watch import lifecycle

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def main(work: str, at: int, command: str, *arguments: str) -> None:
    """Do the command, and die on the way."""
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == at:
            os._exit(9)

    def dying(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        def call(*given: Arguments.args, **named: Arguments.kwargs) -> Result:
            step()
            result = function(*given, **named)
            step()
            return result

        return call

    real_run = Git.run

    def run(git: Git, *given: str, **named: object) -> bytes:
        """Only what changes something is a step."""
        if given[:2] == ("worktree", "add"):
            step()
        return real_run(git, *given, **named)  # type: ignore[arg-type]

    setattr(Git, "run", run)  # noqa: B010 - a type checker knows that it is no attribute to set
    # Before and after the append, every file, every replaced file and the guardian's start.
    owners: tuple[tuple[object, str], ...] = (
        (SqliteEventStore, "commit"), (writing, "_put"), (logfile, "_replace"), (lifecycle, "start"),
    )  # fmt: skip
    for owner, name in owners:
        setattr(owner, name, dying(getattr(owner, name)))
    getattr(workflow, command)(Path(work), *arguments, actor="ada")
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], *sys.argv[4:])
