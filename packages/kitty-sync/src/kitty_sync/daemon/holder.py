"""Who holds a lock, as the kernel tells, and a signal to that process and to no other.

A process id in a file is a rumour: the process may be gone and its number somebody else's. So a daemon that does not
answer is only ever signalled when the kernel's own list says that this process holds the daemon's lock, and through a
handle that cannot come to mean another process in between. Where the kernel tells neither, nothing is signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOCKS = Path("/proc/locks")


def holder_of(lock: Path, table: Path = LOCKS) -> int | None:
    """Give the process that holds an exclusive lock on a file, or None where nobody does or the kernel does not tell.

    Args:
        lock: The lock file; absolute.
        table: The kernel's list of locks.
    """
    try:
        st = lock.stat()
        lines = table.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    place = f"{os.major(st.st_dev):02x}:{os.minor(st.st_dev):02x}:{st.st_ino}"
    return next(_holders(lines, place), None)


def _holders(lines: Iterable[str], place: str) -> Iterator[int]:
    # 1: FLOCK  ADVISORY  WRITE 1234 fd:00:5678 0 EOF; a waiting one has `->` behind its number, a stranger's pid is 0
    for line in lines:
        fields = line.split()
        if fields[1:2] == ["FLOCK"] and fields[3:4] == ["WRITE"] and fields[5:6] == [place] and int(fields[4]) > 0:
            yield int(fields[4])


def signal_holder(lock: Path, number: signal.Signals, table: Path = LOCKS) -> int | None:
    """Send a signal to the process that holds a lock; gives its id, or None when nothing was sent.

    Args:
        lock: The lock file; absolute.
        number: The signal.
        table: The kernel's list of locks.
    """
    pid = holder_of(lock, table)
    if pid is None or not hasattr(os, "pidfd_open"):
        return None
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            # Asked again now that the handle is open: from here on it means this one process, even after its end.
            if holder_of(lock, table) == pid:
                signal.pidfd_send_signal(handle, number)
                return pid
        finally:
            os.close(handle)
    return None
