"""The root and the directories below it: looked at before anything is read, made when something is written."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

from kitty_paths import StateRoot
from kitty_paths.layout import VARIABLE
from kitty_sync import environment
from kitty_sync.errors import ForeignRootError, LinkedFileError, RootNotADirectoryError
from kitty_sync.storage.faults import aside_hint, explained, quoted

_PRIVATE = 0o700


def check_root(root: StateRoot) -> bool:
    """Say whether the root exists; creates nothing.

    Raises:
        RootNotADirectoryError: Something else is there, or above it.
        ForeignRootError: It belongs to another user: what lies in it is theirs to decide, and not to be trusted.
        StateError: It cannot be looked at.
    """
    base = root.base
    with explained(base, "look at the root"):
        try:
            status = base.stat()
        except FileNotFoundError:
            if base.is_symlink():
                raise _no_directory(base, "a link that leads nowhere") from None
            return False
        except NotADirectoryError:
            above = next((parent for parent in base.parents if os.path.lexists(parent)), base)
            raise _no_directory(above, "not a directory", root=base) from None
    if not stat.S_ISDIR(status.st_mode):
        raise _no_directory(base, "not a directory")
    user = environment.user_id()
    if user is not None and status.st_uid != user:
        raise ForeignRootError(
            f"the root {base} belongs to user {status.st_uid}, and this is user {user}",
            path=base,
            hint=f"set {VARIABLE} to a directory of your own",
        )
    return True


def _no_directory(path: Path, what: str, *, root: Path | None = None) -> RootNotADirectoryError:
    subject = f"the root {path}" if root is None else f"the root {root} cannot be made: {path}"
    return RootNotADirectoryError(
        f"{subject} is {what}",
        path=path,
        hint=f"mv {quoted(path)} {quoted(path)}.aside, or set {VARIABLE} to another place",
    )


def ensure_directory(root: StateRoot, directory: Path) -> None:
    """Make the root, a directory below it and everything between, where missing; what is there stays as it is.

    Whatever the umask, a new directory has mode 0700; and it is on disk when this returns.

    Args:
        root: Checked as in `check_root`.
        directory: The root itself or below it, absolute.

    Raises:
        StateError: See `check_root`; or a directory cannot be made, or is a link to somewhere else.
    """
    check_root(root)
    missing: list[Path] = []
    step = directory
    with explained(directory, "make"):
        while not os.path.lexists(step):
            missing.append(step)
            step = step.parent
    refuse_links(root, directory)
    for each in reversed(missing):
        with explained(each, "make"):
            _make(each)


def _make(directory: Path) -> None:
    # Somebody else may make it at the same moment: that is as good.
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=_PRIVATE)
        if stat.S_IMODE(directory.stat().st_mode) != _PRIVATE:
            directory.chmod(_PRIVATE)  # the umask took something away
        sync_directory(directory.parent)


def ensure_parent(root: StateRoot, path: os.PathLike[str]) -> None:
    """Make the directory that `path` lies in; see `ensure_directory`."""
    ensure_directory(root, Path(path).parent)


def refuse_links(root: StateRoot, path: Path) -> None:
    """Refuse to write where a link below the root leads elsewhere.

    The root may be a link: that is how it was chosen. Below it a link would let state land where the root is not.

    Raises:
        LinkedFileError: `path`, or a directory between it and the root, is a symbolic link.
        StateError: It cannot be looked at.
    """
    for each in (path, *path.parents):
        if each == root.base or root.base not in each.parents:
            return
        with explained(each, "look at"):
            is_link = each.is_symlink()
        if is_link:
            raise LinkedFileError(
                f"{each} is a symbolic link, and state is not written through links", path=each, hint=aside_hint(each)
            )


def sync_directory(directory: Path) -> None:
    """Make names that came or went in `directory` survive a power loss, where the system offers it.

    Raises:
        OSError: The system offers it and failed.
    """
    if sys.platform == "win32":
        return  # directories cannot be opened there
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
