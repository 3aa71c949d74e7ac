"""The daemon's log: one line for each thing that happened, and never more than two files of a bounded size."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime

from kitty_sync.storage import directories
from kitty_sync.storage.faults import explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kitty_paths import StateRoot

MOST_BYTES = 1 << 20
_LONGEST_LINE = 4096


def open_log(root: StateRoot) -> int:
    """Open the root's log for appending, made if it has to be (mode 0600), and give its descriptor.

    Raises:
        StateError: It cannot be opened; a link in its place is refused, since it would lead out of the root.
    """
    path = root.daemon.log.path
    directories.ensure_parent(root, path)
    directories.refuse_links(root, path)
    with explained(path, "write"):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        return os.open(path, flags, root.daemon.log.mode)


class DaemonLog:
    """The log of a running daemon.

    Args:
        root: Whose daemon.
        most_bytes: How large the file may grow before it becomes the old one; a line more is possible.
        streams: Descriptors of this process that point to the log too, such as 2, so that what an interpreter says in
            its last moment is kept; they move along when the file is changed for a new one.
        echo: Is given each line as well; for a daemon in the foreground.

    Raises:
        StateError: The log cannot be opened.
    """

    def __init__(
        self,
        root: StateRoot,
        *,
        most_bytes: int = MOST_BYTES,
        streams: tuple[int, ...] = (),
        echo: Callable[[str], None] | None = None,
    ) -> None:
        self._root = root
        self._most_bytes = most_bytes
        self._streams = streams
        self._echo = echo
        self._fd = -1
        self._take(open_log(root))

    def say(self, text: str) -> None:
        """Add a line; a full disk loses the line and nothing else."""
        plain = " ".join(text.split())[:_LONGEST_LINE]
        if self._echo is not None:
            self._echo(plain)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with contextlib.suppress(OSError):
            self._rotate_when_full()
            os.write(self._fd, f"{now} {plain}\n".encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Let go of the file; what follows goes nowhere."""
        with contextlib.suppress(OSError):
            os.close(self._fd)
        self._fd = -1

    def _rotate_when_full(self) -> None:
        if os.fstat(self._fd).st_size < self._most_bytes or not os.path.isdir(self._root.base):  # noqa: PTH112 - Path.is_dir raises where it may not look
            return
        self._root.daemon.log.path.replace(self._root.daemon.old_log)
        self._take(open_log(self._root))

    def _take(self, fd: int) -> None:
        for stream in self._streams:
            os.dup2(fd, stream)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
