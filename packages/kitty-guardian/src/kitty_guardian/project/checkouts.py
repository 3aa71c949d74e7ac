"""The work trees of a repository, as git lists them."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from kitty_guardian.project.git import Git

_BRANCHES = "refs/heads/"
_INITIALISING = "initializing"
"""Why git holds a work tree locked while it makes it."""
_USAGE = 129
"""The status with which git ends when it does not know an option."""


@attrs.frozen
class Checkout:
    """One work tree.

    Attributes:
        named: Where git says that it is; absolute, without symbolic links.
        root: The same, or None where no work tree stands there (it was removed, is bare, or is kept apart).
        commit: What its HEAD resolves to, or None.
        branch: The branch it is on, without `refs/heads/`; None: detached.
        is_main: Whether it is the main one.
        unfinished: Whether git was ended while it made it.
    """

    named: Path
    root: Path | None
    commit: str | None
    branch: str | None
    is_main: bool
    unfinished: bool = False


def list_checkouts(git: Git) -> tuple[Checkout, ...]:
    """Every work tree that git knows, the main one first; in its place, a bare repository has neither root nor commit.

    Raises:
        GitError: Git could not list them.
    """
    status, output = git.attempt("worktree", "list", "--porcelain", "-z", accept=(0, _USAGE))
    end = b"\0"
    if status == _USAGE:  # git before 2.36
        output, end = git.run("worktree", "list", "--porcelain"), b"\n"
    found: list[Checkout] = []
    for record in output.split(end + end):
        facts = dict(os.fsdecode(line).partition(" ")[::2] for line in record.split(end) if line)
        if "worktree" not in facts:
            continue
        # The first one is the main one: a bare repository in its place must not let the next one pass for it.
        named, is_bare = Path(os.path.realpath(facts["worktree"])), "bare" in facts
        found.append(
            Checkout(
                named,
                root=named if (named / ".git").exists() and not is_bare else None,
                commit=None if is_bare else _born(facts.get("HEAD")),
                branch=facts.get("branch", "").removeprefix(_BRANCHES) or None,
                is_main=not found,
                unfinished=facts.get("locked") == _INITIALISING,
            )
        )
    return tuple(found)


def _born(commit: str | None) -> str | None:
    return None if commit is None or not commit.strip("0") else commit
