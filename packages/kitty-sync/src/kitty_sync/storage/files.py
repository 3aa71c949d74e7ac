"""Whole files: read without a trace, replaced at once or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kitty_paths import StateRoot, Surface
from kitty_sync.errors import StateError
from kitty_sync.storage.directories import check_root, ensure_parent, refuse_links, sync_directory
from kitty_sync.storage.faults import aside_hint, explained

_PRIVATE = 0o600
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_CLOSE_ON_EXEC = getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
# A pipe or a terminal put in a file's place must not make anybody wait.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)


def read_bytes(root: StateRoot, surface: Surface) -> bytes | None:
    """Give a file's bytes, or None where there is none; creates nothing.

    Raises:
        StateError: The root cannot be used, or the file cannot be read.
    """
    if not check_root(root):
        return None
    with explained(surface.path, "read"):
        try:
            fd = os.open(surface.path, os.O_RDONLY | _AT_ONCE | _CLOSE_ON_EXEC | _BINARY)
        except FileNotFoundError:
            if surface.path.is_symlink():
                raise StateError(
                    f"{surface.path} is a link that leads nowhere", path=surface.path, hint=aside_hint(surface.path)
                ) from None
            return None
        with os.fdopen(fd, "rb") as file:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                return file.read()
    raise StateError(f"{surface.path} is no regular file", path=surface.path, hint=aside_hint(surface.path))


def replace(root: StateRoot, surface: Surface, data: bytes) -> None:
    """Put `data` in a file's place: whoever looks, and whenever we are killed, sees the old file or the new one.

    The caller holds the file's lock. The draft has one name, so a killed writer leaves one draft at most, and the next
    writer removes it.

    Args:
        root: The root the surface belongs to; made where missing.
        surface: The file; its new mode is 0600 whatever the umask and whatever it was.
        data: All of the new content. It is on disk when this returns.

    Raises:
        StateError: It cannot be written; the old file is untouched.
    """
    path = surface.path
    ensure_parent(root, path)
    refuse_links(root, path)
    draft = draft_of(path)
    with explained(path, "write"):
        draft.unlink(missing_ok=True)
        try:
            _write_new(draft, data)
            os.replace(draft, path)  # noqa: PTH105 - the one call this function is about
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def draft_of(path: Path) -> Path:
    """Give the name a file is written under before it takes its place."""
    return path.with_name(f"{path.name}.new")


def _write_new(path: Path, data: bytes) -> None:
    fd = create_private(path)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def create_private(path: Path) -> int:
    """Create a file that was not there, of mode 0600 under any umask, and give its descriptor.

    Raises:
        FileExistsError: It was there.
        OSError: It cannot be made.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _CLOSE_ON_EXEC | _BINARY
    fd = os.open(path, flags, _PRIVATE)
    _undo_umask(fd)
    return fd


def open_private(path: Path) -> int:
    """Open a file for reading and writing, creating it with mode 0600 where it is missing; gives its descriptor.

    Raises:
        OSError: It cannot be opened, or is a link.
    """
    try:
        return create_private(path)
    except FileExistsError:
        return os.open(path, os.O_RDWR | _NO_FOLLOW | _CLOSE_ON_EXEC | _BINARY)


def _undo_umask(fd: int) -> None:
    if hasattr(os, "fchmod") and os.fstat(fd).st_mode & 0o777 != _PRIVATE:
        os.fchmod(fd, _PRIVATE)
