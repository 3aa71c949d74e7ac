"""Disk space kept back, so that legal bytes can come back on a full disk (enforcement model, section 7)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

RESERVE_BYTES = 4 << 20


class Reserve:
    """One preallocated file that is given up when the disk is full.

    Args:
        directory: Where the file is kept; created.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "reserve"
        self.fill()

    def fill(self) -> bool:
        """Take the space (again); False if the disk has none to spare."""
        if self._path.exists():
            return True
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, RESERVE_BYTES)
            else:  # macOS
                os.write(fd, bytes(RESERVE_BYTES))
        except OSError:
            self.release()
            return False
        finally:
            os.close(fd)
        return True

    def release(self) -> bool:
        """Give the space back to the disk; False if it was given already."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True

    def close(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
