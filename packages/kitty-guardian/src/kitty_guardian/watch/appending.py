"""An append-only file of JSON lines that survives a crash of its writer and its own removal by somebody else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_KEPT_BYTES = 4 << 20
"""Of each file the last lines are kept in memory: enough to find what is in quarantine after somebody emptied it."""


class AppendFile:
    """Appends lines to one file, each with a single `write(2)`.

    Args:
        path: The file; created private to its owner.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = self._open()
        self._size = os.fstat(self.fd).st_size
        self._kept = bytearray(os.pread(self.fd, min(self._size, _KEPT_BYTES), max(0, self._size - _KEPT_BYTES)))

    def _open(self) -> int:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        # A line cut short by a power loss must not swallow the next one.
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            os.write(fd, b"\n")
        return fd

    def write(self, line: Mapping[str, Any]) -> bytes:
        """Append one line and give it; undecodable file names are surrogates, which ASCII escapes carry."""
        data = json.dumps(line, ensure_ascii=True).encode() + b"\n"
        os.write(self.fd, data)
        self._size += len(data)
        self._kept += data
        if len(self._kept) > 2 * _KEPT_BYTES:
            del self._kept[: self._kept.index(b"\n", len(self._kept) - _KEPT_BYTES) + 1]
        return data

    def is_in_place(self) -> bool:
        """Whether the file on disk is still the one that is held open, and nobody cut it or wrote into it."""
        try:
            standing = self.path.lstat()
        except OSError:
            return False
        return standing.st_ino == os.fstat(self.fd).st_ino and standing.st_size == self._size

    def write_anew(self) -> None:
        """Put the file back on disk: somebody removed, exchanged or cut it, or wrote lines of their own into it."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.pread(self.fd, os.fstat(self.fd).st_size, 0)
        data = held if len(held) == self._size else bytes(self._kept)
        self.path.unlink(missing_ok=True)
        # The descriptor's number stays, since others hold it.
        fresh = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.write(fresh, data)
        self._size = len(data)
        os.dup2(fresh, self.fd, inheritable=False)
        os.close(fresh)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.fd)
