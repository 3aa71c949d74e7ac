"""A child process that dies at its n-th step while it reverts: run with `python crashing.py WORK N ATTACK`.

Ends with status 9 where it died, 0 if there were fewer steps than N.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch import quarantine, record
from kitty_guardian.watch.appending import AppendFile
from kitty_guardian.watch.request import StartRequest
from kitty_guardian.watch.session import Session

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def main(work: str, at: int, attack: str) -> None:
    """Open the guard, do the attack, revert it, and die on the way."""
    session = Session(find_worktree(Path(work)), StartRequest(feature="001-home-guard"))
    session.begin()
    module, _, name = attack.partition(":")
    getattr(importlib.import_module(module), name)(Path(work))
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == at:
            os._exit(9)

    def dying(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        def call(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
            step()
            result = function(*arguments, **named)
            step()
            return result

        return call

    # Before and after every move, every staged thing and every line of the journal.
    for owner, name in (
        (quarantine, "exchange"),
        (quarantine, "place"),
        (os, "rename"),
        (quarantine, "dress"),
        (AppendFile, "write"),
        (record.LegalRecord, "content"),
    ):
        original = getattr(owner, name)
        setattr(owner, name, dying(original))
    session.guard.scan()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
