"""Upstream's lock on a feature's status: whoever writes log and `status.json` holds it (facts, section 6.6)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kitty_guardian.errors import GuardianBusyError

PATIENCE: Final = 10.0
"""Seconds."""

_DIRECTORY: Final = "spec-kitty-locks"
_POLL_SECONDS: Final = 0.02


def lock_path(common_dir: Path, feature: str) -> Path:
    """Where upstream keeps the lock file of a feature.

    Args:
        common_dir: What all work trees of the repository share.
        feature: Folder name below `kitty-specs/`.
    """
    return common_dir / _DIRECTORY / f"{feature}.status.lock"


@contextlib.contextmanager
def holding_status(common_dir: Path, feature: str, *, timeout: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a feature's status, against upstream's tools too (they lock the whole file with `flock`).

    Args:
        common_dir: What all work trees of the repository share.
        feature: Folder name below `kitty-specs/`.
        timeout: Seconds to wait for it.

    Raises:
        GuardianBusyError: Somebody else held it all the time.
        OSError: The lock file cannot be made.
    """
    path = lock_path(common_dir, feature)
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout
    while (fd := _try(path)) is None:
        if time.monotonic() >= deadline:
            raise GuardianBusyError(f"another process holds `{path}`", hint="try again in a moment")
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        os.close(fd)


def _try(path: Path) -> int | None:
    """The descriptor that holds the lock, or None where somebody else does."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_in_place(path, fd):
            return fd
    except BlockingIOError:
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _is_in_place(path: Path, fd: int) -> bool:
    """Whether the locked file is the one on disk: some tools remove theirs when they let go."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(fd))
    except FileNotFoundError:
        return False
