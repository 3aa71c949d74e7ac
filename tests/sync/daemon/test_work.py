"""The daemon's steps: one that fails is told and tried again, and keeps no other from its work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kitty_paths import StateRoot
from kitty_sync.daemon.log import DaemonLog
from kitty_sync.daemon.process import Daemon
from kitty_sync.daemon.work import QueueWatch, Step
from kitty_sync.errors import SyncError
from kitty_sync.queue.events import Event, EventQueue
from kitty_sync.storage.locking import HeldLock
from support.guarded import eventually


class Counting:
    """A step that fails as often as it is told to."""

    pause = 0.0

    def __init__(self, name: str, *failures: Exception) -> None:
        self.name = name
        self.runs = 0
        self._failures = list(failures)

    def run(self, say: Callable[[str], None]) -> None:
        self.runs += 1
        if self._failures:
            raise self._failures.pop(0)
        say(f"{self.name} went well")


@contextmanager
def daemon(root: StateRoot, *steps: Step) -> Iterator[Daemon]:
    """A daemon in this process, at work in a thread."""
    with HeldLock(root, root.daemon.lock) as lock:
        assert lock.acquire(1.0)
        working = Daemon(root, lock, DaemonLog(root), steps, tick=0.01)
        working.begin()
        thread = threading.Thread(target=working.run)
        thread.start()
        try:
            yield working
        finally:
            working.end("the test is over")
            thread.join()
            working.close()


def log_of(root: StateRoot) -> str:
    return root.daemon.log.path.read_text(encoding="utf-8")


@pytest.mark.parametrize("failure", [SyncError("no luck"), RuntimeError("a bug")])
def test_a_step_that_fails_is_told_and_tried_again(root: StateRoot, failure: Exception) -> None:
    failing, steady = Counting("failing", failure, failure), Counting("steady")
    with daemon(root, failing, steady) as working:
        eventually(lambda: steady.runs >= 1, "the other step works")
        eventually(lambda: "failing went well" in log_of(root), "it is tried until it goes well")
        assert working.status()["notes"] == ["not logged in: nothing is sent"]
    # Told once, however often it failed in the same way.
    assert sum(line.endswith(str(failure)) and " failing: " in line for line in log_of(root).splitlines()) == 1


def test_a_failure_that_lasts_is_in_the_status(root: StateRoot) -> None:
    with daemon(root, Counting("failing", *[SyncError("no luck")] * 100_000)) as working:
        eventually(lambda: "failing: no luck" in working.status()["notes"], "the status names it")


def test_counts_are_logged_when_they_change(root: StateRoot) -> None:
    said: list[str] = []
    watch = QueueWatch(root)
    watch.run(said.append)
    watch.run(said.append)
    assert len(said) == 1
    EventQueue.active(root).append([Event("01", "WPCreated", {"event_id": "01", "event_type": "WPCreated"})])
    watch.run(said.append)
    assert said[1] == f"{root.queues.unauthenticated}: 1 waiting; not logged in: nothing is sent"


def test_watching_makes_nothing(root: StateRoot) -> None:
    QueueWatch(root).run(lambda _: None)
    assert not root.base.exists()


def test_a_queue_that_cannot_be_read_is_said_to_be(root: StateRoot) -> None:
    root.base.mkdir()
    root.queues.unauthenticated.path.write_bytes(b"no database at all, but long enough to be taken for one" * 40)
    with daemon(root) as working:
        (queue,) = working.status()["queues"]
    assert queue["events"] is None
    assert str(root.queues.unauthenticated) in queue["problem"]
    assert root.queues.unauthenticated.path.read_bytes().startswith(b"no database at all")
