"""Liveness by held locks: a lock file is held as long as its process lives, and no longer."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from kitty_guardian.errors import GuardianBusyError

_POLL_SECONDS = 0.02


class HeldLock:
    """An exclusive lock on a file.

    Args:
        path: The file; created, never removed (a removed lock file could be held twice).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = self._open()

    def _open(self) -> int:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self, *, timeout: float) -> bool:
        """Take the lock within `timeout` seconds; False if somebody else keeps holding it."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_POLL_SECONDS)
            else:
                return True

    def is_in_place(self) -> bool:
        """Whether the file on disk is still the one that is locked: a removed lock file could be held twice."""
        try:
            return self._path.stat().st_ino == os.fstat(self._fd).st_ino
        except OSError:
            return False

    def take_again(self) -> bool:
        """Lock the file that is on disk now; False if somebody else holds that one."""
        old, self._fd = self._fd, self._open()
        os.close(old)
        return self.acquire(timeout=0.0)

    def close(self) -> None:
        """Let go."""
        os.close(self._fd)


@contextlib.contextmanager
def holding(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold a lock for a while.

    Raises:
        GuardianBusyError: Somebody else holds it for longer than `timeout` seconds.
    """
    lock = HeldLock(path)
    try:
        if not lock.acquire(timeout=timeout):
            raise GuardianBusyError(f"another process holds `{path}`", hint="try again in a moment")
        yield
    finally:
        lock.close()


def is_held(path: Path) -> bool:
    """Whether some living process holds the lock."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
