"""How tests look at a living daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kitty_paths import StateRoot
from kitty_sync.daemon import lifecycle
from kitty_sync.storage.locking import is_held
from support.guarded import eventually

# Holds a root's daemon lock without being a daemon, until its stdin is closed or a signal comes.
HOLDER = """
import sys
from kitty_paths import StateRoot
from kitty_sync.storage.locking import HeldLock
root = StateRoot.at(sys.argv[1])
lock = HeldLock(root, root.daemon.lock)
assert lock.acquire(5.0)
print("held", flush=True)
sys.stdin.read()
"""


def started(root: StateRoot) -> int:
    """Start the root's daemon and give its process id."""
    pid = lifecycle.start(root).status.pid
    assert pid is not None
    return pid


def ended(root: StateRoot) -> None:
    """Wait until nobody holds the root's daemon lock."""
    eventually(lambda: not is_held(root.daemon.lock), "the daemon ended")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not fetched yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def stranger(root: StateRoot) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody else who holds the root's daemon lock and answers nothing."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, os.fspath(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()
