"""What is left of a work tree that is gone or was never finished: put aside, not deleted, so that its place is free."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

from kitty_guardian.errors import GitError, TransitionRefusedError
from kitty_guardian.events.identifiers import next_ulid
from kitty_guardian.project.checkouts import Checkout, list_checkouts
from kitty_guardian.project.regular import read_regular
from kitty_guardian.project.repository import Worktree

_LONG: Final = 300.0
"""Seconds that git may take to remove a registration."""
_OWN: Final = "spec-kitty"
"""What a guardian keeps in git's directory: quarantine, trail, record."""
_LIMIT: Final = 1 << 14
_INITIALISING: Final = "initializing"


def clear(worktree: Worktree, root: Path) -> tuple[str, ...]:
    """Free the place of a work tree that git knows and that is missing or unfinished; no other one is touched.

    What stands there and what its guardian kept are put aside by renaming. Whoever calls it sees to it that no other
    process makes a work tree there meanwhile.

    Args:
        worktree: Any work tree of the repository.
        root: Where the work tree is to be; absolute, without symbolic links.

    Returns:
        What was put aside and where, as sentences for people.

    Raises:
        TransitionRefusedError: A person locked it, or something cannot be put aside; that stays as it is.
        GitError: Git could not.
    """
    left = next((each for each in list_checkouts(worktree.git) if each.named == root), None)
    if left is None or (left.root is not None and not left.unfinished):
        return ()
    said = tuple(_put_aside(worktree, left))
    worktree.git.run("worktree", "remove", "--force", "--force", os.fspath(root), timeout=_LONG)
    return said


def _put_aside(worktree: Worktree, left: Checkout) -> Iterator[str]:
    root, own_parts = left.named, tuple(_registered(worktree, left.named))
    for part in own_parts:
        _refuse_locked(part, root)
    if os.path.lexists(root):
        aside = root.with_name(f"{root.name}.unfinished-{next_ulid()}")
        _rename(root, aside)
        # It points at a registration whose name the new work tree gets: git, run here, would act on that one.
        _unlink(aside / ".git")
        yield f"{root} was never finished: what stood there is in {aside}"
    for part in own_parts:
        if os.path.lexists(part / _OWN):
            kept = worktree.common_dir / _OWN / f"kept-{part.name}-{next_ulid()}"
            _rename(part / _OWN, kept)
            yield f"{root} was gone: what its guardian kept (quarantine, trail) is in {kept}"


def _registered(worktree: Worktree, root: Path) -> Iterator[Path]:
    """Git's own directories of the work tree at `root`."""
    try:
        parts = sorted((worktree.common_dir / "worktrees").iterdir())
    except OSError:
        return
    for part in parts:
        pointer = _line(part / "gitdir")
        if pointer and Path(os.path.realpath(part / pointer)).parent == root:
            yield part


def _refuse_locked(part: Path, root: Path) -> None:
    """A person locks a work tree that is not always there, such as one on a disk that is not mounted now.

    Raises:
        TransitionRefusedError: It is locked so.
    """
    if os.path.lexists(part / "locked") and (why := _line(part / "locked")) != _INITIALISING:
        because = f": {why}" if why else ""
        raise TransitionRefusedError(
            f"{root} is not there, and its work tree is locked{because}",
            gate="workspace",
            hint=f"bring it back, or give it up: git worktree unlock {shlex.quote(os.fspath(root))}",
        )


def _line(path: Path) -> str:
    try:
        return os.fsdecode(read_regular(path, _LIMIT) or b"").strip()
    except OSError:
        return ""


def _rename(path: Path, target: Path) -> None:
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.rename(target)
    except OSError as error:
        _refuse(path, error)


def _unlink(path: Path) -> None:
    try:
        if path.is_file() or path.is_symlink():
            path.unlink()
    except OSError as error:
        raise GitError(f"{path} cannot be removed: {error.strerror}", hint=f"rm {shlex.quote(str(path))}") from error


def _refuse(path: Path, error: OSError) -> NoReturn:
    raise TransitionRefusedError(
        f"{path} cannot be put aside: {error.strerror}",
        gate="workspace",
        hint=f"look at it, then move it away: mv {shlex.quote(str(path))} {shlex.quote(f'{path}.old')}",
    ) from error
