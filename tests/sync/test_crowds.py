"""Many processes at once: every write of every one of them is there in the end."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from kitty_paths import StateRoot
from kitty_sync.clock import LamportClock
from kitty_sync.config import SyncConfig
from kitty_sync.queue.events import EventQueue
from kitty_sync.queue.scope import enter_scope
from kitty_sync.tracker.credentials import TrackerCredentials
from sync.one_write import ADA
from sync.states import event, is_sound, names

SCRIPT = Path(__file__).with_name("crowd.py")

pytestmark = [pytest.mark.serial, pytest.mark.timeout(600)]


def start(root: StateRoot, what: str, members: int, each: int) -> list[subprocess.Popen[str]]:
    crowd = [
        subprocess.Popen(
            [sys.executable, SCRIPT, str(root), what, str(number), str(each)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(members)
    ]  # fmt: skip
    for member in crowd:
        assert member.stdin is not None
        member.stdin.write("\n")
        member.stdin.flush()
    return crowd


def finish(crowd: list[subprocess.Popen[str]]) -> list[str]:
    said = []
    for member in crowd:
        out, err = member.communicate()
        assert member.returncode == 0, err
        said += out.split()
    return said


def test_20_processes_with_1000_events_each_make_20000_rows(root: StateRoot) -> None:
    crowd = start(root, "queue", 20, 1_000)
    queue = EventQueue(root, root.queues.unauthenticated)
    seen = 0
    while any(member.poll() is None for member in crowd):
        count = queue.count()  # a reader in the crowd sees whole commits only, and never fewer than before
        assert count >= seen
        seen = count
        time.sleep(0.1)  # leaves the two cores to the crowd
    finish(crowd)

    rows = queue.batch(100_000)
    assert len(rows) == queue.count() == 20_000
    assert {row.event_id for row in rows} == {
        f"{number:02}-{index:04}" for number in range(20) for index in range(1_000)
    }
    for number in range(20):
        own = [row.data["index"] for row in rows if row.event_id.startswith(f"{number:02}-")]
        assert own == list(range(1_000)), "each process's events are read in the order it queued them"
    assert is_sound(queue.surface.path)


def test_a_login_in_the_middle_of_a_crowd_loses_no_event_and_doubles_none(root: StateRoot) -> None:
    crowd = start(root, "queue", 6, 150)
    queue = EventQueue(root, root.queues.unauthenticated)
    while queue.count() < 100:
        assert any(member.poll() is None for member in crowd)
    first = enter_scope(root, ADA)
    finish(crowd)
    second = enter_scope(root, ADA)  # picks up what was on its way into the old queue

    assert first.moved >= 100
    assert second.left == 0
    after = names(EventQueue(root, root.queues.scoped(ADA)))
    assert len(after) == len(set(after)) == 900
    assert names(queue) == []


def test_every_setting_of_a_crowd_is_kept(root: StateRoot) -> None:
    finish(start(root, "config", 8, 10))

    assert len(SyncConfig(root).read().repo_defaults) == 80


def test_every_credential_of_a_crowd_is_kept(root: StateRoot) -> None:
    finish(start(root, "credentials", 8, 10))

    assert len(TrackerCredentials(root).providers()) == 80


def test_no_number_of_the_clock_is_given_out_twice_or_left_out(root: StateRoot) -> None:
    numbers = [int(word) for word in finish(start(root, "clock", 8, 50))]

    assert sorted(numbers) == list(range(1, 401))
    assert LamportClock(root).tick().value == 401


def test_what_was_acknowledged_before_a_kill_is_there_after_it(root: StateRoot) -> None:
    script = SCRIPT.with_name("acknowledging.py")
    acknowledged: set[str] = set()
    for generation in range(5):
        crowd = [
            subprocess.Popen(
                [sys.executable, script, str(root), f"{generation}-{number}"], stdout=subprocess.PIPE, text=True
            )
            for number in range(6)
        ]
        for length, member in enumerate(crowd, start=3):
            assert member.stdout is not None
            acknowledged.update(member.stdout.readline().strip() for _ in range(4 * length))
            member.kill()
        for member in crowd:
            out, _ = member.communicate()
            acknowledged.update(line for line in out.splitlines(keepends=True) if line.endswith("\n"))
    acknowledged = {name.strip() for name in acknowledged}

    queue = EventQueue(root, root.queues.unauthenticated)
    assert len(acknowledged) > 500
    assert acknowledged <= set(names(queue))
    assert is_sound(queue.surface.path)
    queue.append([event("afterwards")])
