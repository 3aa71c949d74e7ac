"""How many events a queue takes a second, beside what one might do instead.

Run it with the workspace's Python: `.venv/bin/python benchmarks/event_queue.py [EVENTS]`. Target: 20 processes queue
20 000 events, each in a transaction of its own, at 100 a second or more, and none is missing; the disk decides. The
alternatives write the same rows from one process: upstream's way (rollback journal, a connection for each event), and a
file of JSON lines that is synchronised after each line, which has no ids, no order and no way to remove a row.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kitty_paths import StateRoot
from kitty_sync.queue.events import Event, EventQueue, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 100
PROCESSES = 20
MEMBER = """
import sys
from kitty_paths import StateRoot
from kitty_sync.queue.events import Event, EventQueue
root, number, count = StateRoot.at(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sys.stdin.readline()
for index in range(count):
    EventQueue.active(root).append([Event(f"{number}-{index}", "WPCreated", {"index": index, "padding": "x" * 400})])
"""


def event(index: int) -> Event:
    """An event of the usual size."""
    return Event(f"e{index}", "WPCreated", {"index": index, "padding": "x" * 400})


def one_by_one(root: StateRoot, count: int) -> None:
    for index in range(count):
        EventQueue.active(root).append([event(index)])


def together(root: StateRoot, count: int) -> None:
    EventQueue.active(root).append([event(index) for index in range(count)])


def drained(root: StateRoot, count: int) -> None:
    queue = EventQueue.active(root)
    while rows := queue.batch(1_000):
        queue.settle({row.event_id: Verdict.SUCCESS for row in rows})
    assert queue.count() == 0 or count == 0


def upstream(root: StateRoot, count: int) -> None:
    root.base.mkdir(exist_ok=True)
    database = root.base / "upstream.db"
    for index in range(count):
        connection = sqlite3.connect(database)
        with connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS queue (id INTEGER PRIMARY KEY, event_id TEXT UNIQUE, data TEXT)"
            )
            connection.execute("INSERT INTO queue (event_id, data) VALUES (?, ?)", (f"e{index}", event(index).text()))
        connection.close()


def lines(root: StateRoot, count: int) -> None:
    root.base.mkdir(exist_ok=True)
    fd = os.open(root.base / "lines.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for index in range(count):
        os.write(fd, json.dumps(dict(event(index).data)).encode() + b"\n")
        os.fsync(fd)
    os.close(fd)


def crowd(root: StateRoot, count: int) -> None:
    each = count // PROCESSES
    members = [
        subprocess.Popen([sys.executable, "-c", MEMBER, root, str(number), str(each)], stdin=subprocess.PIPE)
        for number in range(PROCESSES)
    ]
    for member in members:
        member.communicate(b"\n")
        assert member.returncode == 0
    assert EventQueue.active(root).count() == each * PROCESSES


def main(count: int) -> int:
    print(f"{'':44}{'events':>8}{'seconds':>9}{'a second':>10}")
    rates = {}
    with tempfile.TemporaryDirectory() as directory:

        def measure(name: str, work: Callable[[StateRoot, int], None], events: int, where: str) -> None:
            started = time.perf_counter()
            work(StateRoot.at(Path(directory) / where), events)
            taken = time.perf_counter() - started
            rates[name] = events / taken
            print(f"{name:44}{events:8}{taken:9.2f}{rates[name]:10.0f}")

        measure("kitty_sync, one call for each", one_by_one, count // 10, "single")
        measure("kitty_sync, one call for all", together, count, "together")
        measure("kitty_sync, read and settled by 1000", drained, count, "together")
        measure("upstream's way, one connection for each", upstream, count // 10, "upstream")
        measure("a line and an fsync for each", lines, count // 10, "lines")
        measure(f"kitty_sync, {PROCESSES} processes, one call for each", crowd, count, "crowd")
    rate = rates[f"kitty_sync, {PROCESSES} processes, one call for each"]
    met = rate >= TARGET
    print(f"target {TARGET} a second from {PROCESSES} processes: {'met' if met else 'MISSED'} ({rate:.0f})")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
