"""How many events the store takes a second, fully synced and held to the law, beside what the disk itself gives.

Run it with the workspace's Python: `.venv/bin/python benchmarks/event_store.py [EVENTS]`. Targets: 2 000 single appends
a second, each a move that is held to the law; 50 000 in batches of 1 000, of what comes in bulk: a guardian's notes in
an audit stream, and a feature's history as adoption writes it, of which the law asks only that it comes first; 25 000
events folded into a board in 0.5 s. Batches of moves that are held to the law are shown beside. The floors write the
bytes of the moves without a chain, an order or a law: rows and a COMMIT in a bare table, a line and an fsync in a file.
Each is measured three times and the best is shown: a busy machine only ever makes it worse.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs

from kitty_guardian.events.minting import new_event
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.store import Write
from kitty_guardian.events.verification import export, verify
from kitty_guardian.model.events import Event, audit_stream, feature_stream, work_package_stream

TRIES = 3
SINGLE_TARGET, BATCH_TARGET, FOLD_TARGET, LANES_TARGET = 2_000, 50_000, 0.5, 0.05
ROUND = ("claimed", "in_progress", "blocked", "in_progress", "planned")
"""Moves that the law lets go round for ever."""
PACKAGES = 40
NAMES = tuple(f"WP{number:02}" for number in range(PACKAGES))
BATCH = 1_000


def moves(feature: str, work_package: str, count: int) -> Iterator[Event]:
    """Legal moves of one work package, as transitions write them."""
    lane = "planned"
    for number in range(count):
        to_lane = ROUND[number % len(ROUND)]
        payload = {
            "mission_slug": feature, "wp_id": work_package, "from_lane": lane, "to_lane": to_lane, "actor": "ada",
            "execution_mode": "worktree", "force": False, "reason": "waits for a decision", "review_ref": None,
            "evidence": None,
        }  # fmt: skip
        facts = {
            "dependencies": [], "workspace": f"/repo/{feature}-{work_package}", "subtasks_open": [],
            "implementation": {"commits": 2}, "sandboxed": False,
        }  # fmt: skip
        metadata = {"source": "command", "feature": feature, "actor": "ada", "facts": facts}
        yield new_event("WPStatusChanged", payload, metadata=metadata)
        lane = to_lane


def prepared(path: Path, packages: int) -> SqliteEventStore:
    """A store with a feature in implement and its work packages planned: history, as adoption writes it."""
    store = SqliteEventStore(path)
    for name in features(packages):
        metadata = {"source": "adoption", "feature": name}
        phases = [
            new_event(
                "PhaseEntered", {"feature": name, "phase": phase, "actor": "ada", "reason": None}, metadata=metadata
            )
            for phase in ("research", "specify", "plan", "tasks", "implement")
        ]
        planned = [Write(work_package_stream(name, package), [seed(name, package)], -1) for package in NAMES]
        store.commit([Write(feature_stream(name), phases, -1), *planned])
    return store


def seed(feature: str, work_package: str) -> Event:
    payload = {"wp_id": work_package, "from_lane": None, "to_lane": "planned"}
    return new_event("WPStatusChanged", payload, metadata={"source": "adoption", "feature": feature})


def features(packages: int) -> list[str]:
    return [f"{number:03}-feature" for number in range(-(-packages // PACKAGES))]


def single(path: Path, count: int) -> float:
    store = prepared(path, PACKAGES)
    events = list(moves("000-feature", "WP01", count))
    stream = work_package_stream("000-feature", "WP01")
    version = 0
    store.board()
    started = time.perf_counter()
    for event in events:
        version = store.append(stream, [event], expected_version=version)
    taken = time.perf_counter() - started
    store.close()
    return taken


def notes(path: Path, count: int) -> float:
    """What a guardian did, in its own stream."""
    return batched(SqliteEventStore(path), [[Write(audit_stream("main"), note(size), None)] for size in sizes(count)])


def single_notes(path: Path, count: int) -> float:
    """As `notes`, each in an append of its own: what no validator judges."""
    return batched(SqliteEventStore(path), [[Write(audit_stream("main"), [one], None)] for one in note(count)])


def note(count: int) -> list[Event]:
    metadata = {"source": "guardian", "feature": "000-feature", "actor": "guardian"}
    payload = {
        "rule": "source", "operation": "write", "action": "restored", "phase": "plan", "layer": "watcher",
        "quarantine_id": None, "reason": "source is written in implement",
    }  # fmt: skip
    return [
        new_event("PolicyViolationAttempted", {"path": f"src/module_{number}.py", **payload}, metadata=metadata)
        for number in range(count)
    ]


def history(path: Path, count: int) -> float:
    """A whole feature at a time: its phase and the moves of its work packages, each with the hash of its line."""
    return batched(SqliteEventStore(path), [past(number, size) for number, size in enumerate(sizes(count))])


def past(number: int, count: int) -> list[Write]:
    feature = f"{number:03}-feature"
    metadata = {"source": "adoption", "feature": feature, "actor": "ada"}
    phase = {"feature": feature, "phase": "implement", "from_phase": None, "actor": "ada", "reason": None}
    writes = [Write(feature_stream(feature), [new_event("PhaseEntered", phase, metadata=metadata)], -1)]
    for package, name in enumerate(NAMES):
        share = (count - 1 + package) // PACKAGES
        lined = [attrs.evolve(one, metadata={**metadata, "line": f"{number:032}{package:032}"})
                 for one in moves(feature, name, share)]  # fmt: skip
        if lined:
            writes.append(Write(work_package_stream(feature, name), lined, -1))
    return writes


def judged(path: Path, count: int) -> float:
    """The moves of one work package after the other."""
    batches = []
    for number, size in enumerate(sizes(count)):
        feature, name = f"{number // PACKAGES:03}-feature", NAMES[number % PACKAGES]
        batches.append([Write(work_package_stream(feature, name), list(moves(feature, name, size)), 0)])
    return batched(prepared(path, len(batches)), batches)


def sizes(count: int) -> list[int]:
    return [min(BATCH, count - start) for start in range(0, count, BATCH)]


def batched(store: SqliteEventStore, batches: Sequence[Sequence[Write]]) -> float:
    started = time.perf_counter()
    for batch in batches:
        store.commit(batch)
    taken = time.perf_counter() - started
    store.close()
    return taken


def floor_batched(path: Path, count: int) -> float:
    return floor_sqlite(path, count, at_once=BATCH)


def floor_sqlite(path: Path, count: int, at_once: int = 1) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE lines (position INTEGER PRIMARY KEY, text TEXT)")
    texts = [(text,) for text in as_lines(count)]
    started = time.perf_counter()
    for start in range(0, count, at_once):
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO lines (text) VALUES (?)", texts[start : start + at_once])
        connection.execute("COMMIT")
    taken = time.perf_counter() - started
    connection.close()
    return taken


def floor_file(path: Path, count: int) -> float:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    texts = as_lines(count)
    started = time.perf_counter()
    for text in texts:
        os.write(fd, text.encode() + b"\n")
        os.fsync(fd)
    taken = time.perf_counter() - started
    os.close(fd)
    return taken


def as_lines(count: int) -> list[str]:
    return [json.dumps([event.payload, event.metadata]) for event in moves("000-feature", "WP01", count)]


def on_a_full_store(path: Path, work: Callable[[SqliteEventStore], object]) -> float:
    store = SqliteEventStore(path)
    started = time.perf_counter()
    work(store)
    taken = time.perf_counter() - started
    store.close()
    return taken


@attrs.frozen
class Figure:
    """One line of the table."""

    name: str
    events: int
    seconds: float
    target: str = ""
    met: bool = True

    def show(self) -> None:
        """Print it."""
        verdict = f"{self.target:>12}{'met' if self.met else 'MISSED':>8}" if self.target else ""
        print(f"{self.name:44}{self.events:8}{self.seconds:9.3f}{self.events / self.seconds:11.0f}{verdict}")


def measured(directory: Path, count: int) -> Iterator[Figure]:
    def best(work: Callable[[Path, int], float], events: int) -> float:
        places = (directory / f"{work.__name__}-{number}" for number in range(TRIES))
        return min(work(_made(place) / "events.db", events) for place in places)

    few = max(count // 10, 500)
    yield Figure("floor: a row and a COMMIT", few, best(floor_sqlite, few))
    yield Figure("floor: a line and an fsync", few, best(floor_file, few))
    yield Figure(f"floor: {BATCH} rows and a COMMIT", count, best(floor_batched, count))
    seconds = best(single, few)
    yield Figure(
        "one append for each, held to the law", few, seconds, f"{SINGLE_TARGET}/s", few / seconds >= SINGLE_TARGET
    )
    seconds = best(single_notes, few)
    yield Figure("one append for each, a note", few, seconds, f"{SINGLE_TARGET}/s", few / seconds >= SINGLE_TARGET)
    for work, what in ((notes, "a guardian's notes"), (history, "history")):
        seconds = best(work, count)
        yield Figure(
            f"one append for {BATCH}, {what}", count, seconds, f"{BATCH_TARGET}/s", count / seconds >= BATCH_TARGET
        )
    yield Figure(f"one append for {BATCH}, held to the law", count, best(judged, count))
    full = directory / f"{judged.__name__}-0" / "events.db"

    def best_of(work: Callable[[SqliteEventStore], object]) -> float:
        return min(on_a_full_store(full, work) for _ in range(TRIES))

    with SqliteEventStore(full) as store:
        events, packages = store.head()[0], len(store.lanes())
    seconds = best_of(SqliteEventStore.board)
    yield Figure("folded into a board", events, seconds, f"{FOLD_TARGET} s", seconds <= FOLD_TARGET)
    seconds = best_of(SqliteEventStore.lanes)
    yield Figure(f"lanes of {packages} work packages", events, seconds, f"{LANES_TARGET} s", seconds <= LANES_TARGET)
    yield Figure("read", events, best_of(lambda store: sum(1 for _ in store.read_all())))
    yield Figure("verified, hashes and law", events, best_of(_verified))
    yield Figure("exported", events, best_of(lambda store: sum(1 for _ in export(store))))


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _verified(store: SqliteEventStore) -> None:
    report = verify(store)
    assert report.ok, report.breaks


def main(count: int) -> int:
    print(f"{'':44}{'events':>8}{'seconds':>9}{'a second':>11}{'target':>12}")
    met = True
    with tempfile.TemporaryDirectory() as directory:
        for figure in measured(Path(directory), count):
            figure.show()
            met = met and figure.met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 25_000))
