"""What a branch that is to be worked on brings along: nothing that only a person or a command may write."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from typing import Final

from kitty_guardian.errors import TransitionRefusedError
from kitty_guardian.project.policyfile import read_policy_file
from kitty_guardian.project.repository import Worktree
from kitty_guardian.rules.matching import ALWAYS, ALWAYS_REACHES
from kitty_guardian.rules.normalise import Rejection, normalise
from kitty_guardian.rules.policy import POLICY_PATH

_LINKS: Final = frozenset({b"120000", b"160000"})
"""Modes of symbolic links and of other repositories: what lies below them is not in the commit."""
_SHOWN: Final = 5
_LONG: Final = 120.0


def refuse_protected_changes(home: Worktree, tip: str, name: str, remedy: str) -> None:
    """A work tree begins with the policy and the status that its feature's home has, not with its branch's own.

    Compared is the branch with where it left what HEAD of `home` has. What HEAD of `home` has the same way came from
    there, by a merge perhaps.

    Args:
        home: The work tree where the feature is kept; it has a commit.
        tip: The commit that the branch is at.
        name: How to name it in a command.
        remedy: What gives the branch up: half a sentence with a command.

    Raises:
        TransitionRefusedError: What is always protected was changed on the branch.
        GitError: Git could not compare.
    """
    own = home.head_commit()
    if own is None or own == tip:
        return
    status, output = home.git.attempt("merge-base", "--all", own, tip, accept=(0, 1))
    bases = output.decode("ascii").split() if status == 0 else []
    changed = _changed(home, own, tip)
    for base in bases:
        changed &= _changed(home, base, tip)
    if changed:
        paths = sorted(changed)
        shown = ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
        since = bases[0] if bases else own
        asked = " ".join(shlex.quote(path) for path in paths[:_SHOWN])
        raise TransitionRefusedError(
            f"branch {name} changes what is always protected: {shown}",
            gate="workspace",
            hint=f"look at it: git log -p {since[:12]}..{shlex.quote(name)} -- {asked}; {remedy}",
        )


def refuse_other_policy(place: Worktree, tip: str) -> None:
    """A work tree that no guardian held yet begins with the policy that its commit has, not with one on disk.

    Args:
        place: The work tree.
        tip: The commit that its HEAD is at.

    Raises:
        TransitionRefusedError: Another one stands there.
        PolicyError: What stands there cannot be read.
        GitError: Git could not tell.
    """
    if os.path.lexists(place.state.guardian.adoption):
        return
    on_disk = read_policy_file(place.root)
    status, committed = place.git.attempt("cat-file", "blob", f"{tip}:{POLICY_PATH}", accept=(0, 128))
    if on_disk is not None and (status or _lines(on_disk) != _lines(committed)):
        root = shlex.quote(os.fspath(place.root))
        raise TransitionRefusedError(
            f"{POLICY_PATH} of {place.root} is not as its commit has it",
            gate="workspace",
            hint=f"look at it: git -C {root} diff HEAD -- {POLICY_PATH}; "
            f"or undo it: git -C {root} checkout HEAD -- {POLICY_PATH}",
        )


def _lines(policy: bytes) -> list[bytes]:
    """A policy, whatever line ends git gives it."""
    return policy.replace(b"\r\n", b"\n").split(b"\n")


def _changed(home: Worktree, before: str, after: str) -> set[str]:
    """The always protected paths that differ between two commits."""
    return set(_protected(home.git.lines_z(
        "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-ext-diff", before, after, timeout=_LONG
    )))  # fmt: skip


def _protected(rows: list[bytes]) -> Iterator[str]:
    for said, raw in zip(rows[::2], rows[1::2], strict=True):
        path, modes = os.fsdecode(raw), said.removeprefix(b":").split(b" ")[:2]
        readings = normalise(path)
        if isinstance(readings, Rejection):
            continue
        keys = [reading.key for reading in readings]
        is_link = not _LINKS.isdisjoint(modes)
        if any(ALWAYS.find(key) is not None or (is_link and ALWAYS_REACHES(key)) for key in keys):
            yield path
