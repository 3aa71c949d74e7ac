"""What the operating system says when a file cannot be used, told as one of our errors with the next command."""

from __future__ import annotations

import contextlib
import errno
import shlex
from collections.abc import Iterator
from pathlib import Path

from kitty_paths.layout import VARIABLE
from kitty_sync.errors import (
    AccessDeniedError,
    DiskFullError,
    ReadOnlyStateError,
    RootNotADirectoryError,
    StateError,
)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM}
_NO_DIRECTORY = {errno.ENOTDIR, errno.ELOOP}


@contextlib.contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn an `OSError` of the body into a `StateError`.

    Args:
        path: What the body works on, absolute.
        doing: The verb of the message: "cannot `doing` `path`".

    Raises:
        StateError: The body raised an `OSError`; a class of its own for a full disk, permissions and the like.
    """
    try:
        yield
    except OSError as error:
        raise fault(error, path, doing) from error


def fault(error: OSError, path: Path, doing: str) -> StateError:
    """Give the error to raise for `error`; see `explained`."""
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    message = f"cannot {doing} {path}: {reason}"
    if error.errno in _FULL:
        return DiskFullError(message, path=path, hint=room_hint(path))
    if error.errno == errno.EROFS:
        return ReadOnlyStateError(message, path=path, hint=elsewhere_hint())
    if error.errno in _DENIED:
        return AccessDeniedError(message, path=path, hint=f"ls -ld {quoted(path.parent)} {quoted(path)}")
    if error.errno in _NO_DIRECTORY:
        return RootNotADirectoryError(message, path=path, hint=f"ls -ld {quoted(path.parent)}")
    return StateError(message, path=path, hint=f"ls -ld {quoted(path.parent)} {quoted(path)}")


def room_hint(path: Path) -> str:
    """Give what to do where there is no room for `path`."""
    return f"make room, then run it again; what is free: df -h {quoted(path.parent)}"


def elsewhere_hint() -> str:
    """Give what to do where nothing can be written."""
    return f"make it writable, or set {VARIABLE} to a place that is"


def aside_hint(path: Path) -> str:
    """Give what to do with a file that stands in the way but must not be lost."""
    return f"mend it, or put it aside: mv {quoted(path)} {quoted(path)}.aside"


def quoted(path: Path) -> str:
    """Give a path as a shell takes it."""
    return shlex.quote(str(path))
