"""Group fsync: what a revert wrote survives a power loss 100 milliseconds later (enforcement model, section 3)."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from kitty_guardian.watch.swap import sync_file_system
from kitty_guardian.watch.tree import WorkTree, parent_of

GROUP_SECONDS = 0.05
_ONE_BY_ONE = 64


class GroupSync(threading.Thread):
    """Makes reverts durable in the background, many at once.

    Args:
        tree: The work tree.
        slots: The quarantine directory, open.
        logs: Files that are appended to (journal, audit trail), open.
    """

    def __init__(self, tree: WorkTree, slots: int, logs: Iterable[int]) -> None:
        super().__init__(name="group-sync", daemon=True)
        self._tree = tree
        self._slots = slots
        self._logs = tuple(logs)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._paths: set[str] = set()
        self._fresh: set[str] = set()
        self._ending = False

    def add(self, paths: set[str], fresh: set[str]) -> None:
        """Hand over what was just written; both sets are emptied."""
        with self._lock:
            self._paths |= paths
            self._fresh |= fresh
        paths.clear()
        fresh.clear()
        self._wake.set()

    def finish(self) -> None:
        """Make everything durable and end."""
        self._ending = True
        self._wake.set()
        if self.is_alive():
            self.join()
        self.sync()

    def run(self) -> None:
        """Sync whenever there is something, a short while after the first of it came."""
        nap = threading.Event()
        while not self._ending:
            self._wake.wait()
            self._wake.clear()
            nap.wait(GROUP_SECONDS)
            self.sync()

    def sync(self) -> None:
        """Make everything handed over so far durable."""
        with self._lock:
            paths, self._paths = self._paths, set()
            fresh, self._fresh = self._fresh, set()
        if not paths and not fresh:
            return
        if len(paths) + len(fresh) > _ONE_BY_ONE:
            sync_file_system(self._slots)
            if os.fstat(self._slots).st_dev != self._tree.device:
                sync_file_system(self._tree.fd)
            return
        for name in fresh:
            _sync(name, self._slots)
        for path in paths | {parent_of(path) or "." for path in paths}:
            _sync(path, self._tree.fd)
        for log in (*self._logs, self._slots):
            with contextlib.suppress(OSError):
                os.fsync(log)


def _sync(name: str, directory: int) -> None:
    """Sync one file or directory; what is gone, unreadable or no such thing needs none."""
    with contextlib.suppress(OSError):
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file so that a crash leaves the old or the new content."""
    draft = path.with_name(f"{path.name}.new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
