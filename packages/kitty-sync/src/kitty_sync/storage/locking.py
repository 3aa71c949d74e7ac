"""Locks that the operating system lets go of when their holder dies, however it dies."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from typing import Self

from kitty_paths import StateRoot, Surface
from kitty_sync.errors import BusyError
from kitty_sync.storage.directories import ensure_parent, refuse_links
from kitty_sync.storage.faults import explained
from kitty_sync.storage.files import open_private

TIMEOUT = 10.0
"""Seconds a command waits for another; upstream's patience."""

_POLL_SECONDS = 0.005
# Asking needs no right to write; Windows' locks do.
_ASKING = os.O_RDWR if sys.platform == "win32" else os.O_RDONLY | os.O_CLOEXEC
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}


class HeldLock:
    """A lock on a file below the root; made when it is first wanted, and never removed.

    A removed lock file could be held twice: whoever finds that the file on disk is another one takes that one.

    Args:
        root: The root the lock belongs to.
        surface: The lock file.
    """

    def __init__(self, root: StateRoot, surface: Surface) -> None:
        self._root = root
        self._surface = surface
        self._fd: int | None = None

    def acquire(self, timeout: float, *, shared: bool = False) -> bool:
        """Take the lock within `timeout` seconds; False if somebody else keeps holding it.

        Args:
            timeout: Seconds; 0 asks once.
            shared: Together with others that share it. Windows has no such lock: there it is exclusive.

        Raises:
            StateError: The lock file cannot be made or opened.
        """
        deadline = time.monotonic() + timeout
        while True:
            if self._fd is None:
                self._fd = self._open()
            with explained(self._surface.path, "lock"):
                taken = _try_lock(self._fd, shared=shared)
            if taken and self.is_in_place():
                return True
            if taken:
                self.release()  # somebody removed the file: the one on disk is the one that counts
            if time.monotonic() >= deadline:
                self.release()
                return False
            if not taken:
                time.sleep(_POLL_SECONDS)

    def _open(self) -> int:
        path = self._surface.path
        ensure_parent(self._root, path)
        refuse_links(self._root, path)
        with explained(path, "open"):
            return open_private(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def is_in_place(self) -> bool:
        """Whether the file on disk is still the one that is locked."""
        if self._fd is None:
            return False
        try:
            standing = self._surface.path.stat()
        except OSError:
            return False
        return os.path.samestat(standing, os.fstat(self._fd))

    def release(self) -> None:
        """Let go; without effect where nothing is held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


@contextlib.contextmanager
def holding(root: StateRoot, surface: Surface, *, timeout: float = TIMEOUT, shared: bool = False) -> Iterator[None]:
    """Hold a lock while the body runs.

    Raises:
        BusyError: Somebody else held it for `timeout` seconds.
        StateError: The lock file cannot be made or opened.
    """
    lock = HeldLock(root, surface)
    try:
        if not lock.acquire(timeout=timeout, shared=shared):
            raise BusyError(
                f"another process has held {surface.path} for {timeout:g} s",
                path=surface.path,
                hint="try again in a moment",
            )
        yield
    finally:
        lock.release()


def is_held(surface: Surface) -> bool:
    """Whether a living process holds the lock exclusively; creates nothing.

    Raises:
        StateError: The lock file cannot be opened.
    """
    with explained(surface.path, "look at"):
        try:
            fd = os.open(surface.path, _ASKING)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            return not _try_lock(fd, shared=True)
        finally:
            os.close(fd)


if sys.platform == "win32":

    def _try_lock(fd: int, *, shared: bool) -> bool:
        import msvcrt

        del shared
        os.lseek(fd, 0, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise
        return True

else:

    def _try_lock(fd: int, *, shared: bool) -> bool:
        import fcntl

        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
