"""The database is upstream's; one that is damaged, another or locked is refused and kept; unknown ones are counted."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kitty_paths import QueueScope, StateRoot
from kitty_sync.errors import BusyError, DamagedFileError, StateError, WrongSchemaError
from kitty_sync.queue.events import EventQueue
from kitty_sync.queue.listing import QueueKind, queues
from kitty_sync.queue.scope import enter_scope
from kitty_sync.storage.databases import companion
from sync.states import event, everything, fill, names

# name, type, not null, default, primary key; as the facts have it
QUEUE = [
    ("id", "INTEGER", 0, None, 1),
    ("event_id", "TEXT", 1, None, 0),
    ("event_type", "TEXT", 1, None, 0),
    ("data", "TEXT", 1, None, 0),
    ("timestamp", "INTEGER", 1, None, 0),
    ("retry_count", "INTEGER", 0, "0", 0),
    ("coalesce_key", "TEXT", 0, None, 0),
]
SEVEN = [
    (name, "TEXT", 1, None, 0)
    for name in (
        "project_uuid", "mission_slug", "target_branch", "mission_type", "manifest_version", "artifact_path",
        "content_hash",
    )
]  # fmt: skip
BODIES = [
    ("id", "INTEGER", 0, None, 1),
    *SEVEN,
    ("hash_algorithm", "TEXT", 1, "'sha256'", 0),
    ("content_body", "TEXT", 1, None, 0),
    ("size_bytes", "INTEGER", 1, None, 0),
    ("retry_count", "INTEGER", 1, "0", 0),
    ("next_attempt_at", "REAL", 1, "0.0", 0),
    ("created_at", "REAL", 1, None, 0),
    ("last_error", "TEXT", 0, None, 0),
]
FAILURES = [
    ("id", "INTEGER", 0, None, 1),
    *SEVEN,
    ("hash_algorithm", "TEXT", 1, "'sha256'", 0),
    ("size_bytes", "INTEGER", 1, None, 0),
    ("failure_reason", "TEXT", 1, None, 0),
    ("failure_count", "INTEGER", 1, "1", 0),
    ("first_failed_at", "REAL", 1, None, 0),
    ("last_failed_at", "REAL", 1, None, 0),
]
# A queue as upstream's earliest version of it made them: no coalesce_key, no WAL, no other tables.
EARLY = """
    CREATE TABLE queue (id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT UNIQUE NOT NULL, event_type TEXT NOT NULL,
        data TEXT NOT NULL, timestamp INTEGER NOT NULL, retry_count INTEGER DEFAULT 0);
    INSERT INTO queue (event_id, event_type, data, timestamp, retry_count) VALUES ('theirs', 'T', '{"x": 1}', 7, 3);
"""


def asked(database: Path, question: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(database) as connection:
        rows = connection.execute(question).fetchall()
    connection.close()
    return rows


def made_by(script: str, database: Path) -> None:
    database.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(database) as connection:
        connection.executescript(script)
    connection.close()


def test_the_schema_is_upstreams(root: StateRoot) -> None:
    database = fill(root, ["a"]).surface.path

    tables = {
        "queue": QUEUE,
        "body_upload_queue": BODIES,
        "body_upload_failure_log": FAILURES,
    }
    for table, columns in tables.items():
        assert [row[1:] for row in asked(database, f"PRAGMA table_info({table})")] == columns
    indexes = asked(database, "SELECT name FROM sqlite_master WHERE type = 'index' AND sql NOT NULL")
    assert {row[0] for row in indexes} == {
        "idx_timestamp", "idx_retry", "idx_coalesce_key", "idx_body_queue_next_attempt", "idx_body_queue_namespace",
        "idx_body_failure_last_failed_at",
    }  # fmt: skip
    assert asked(database, "PRAGMA journal_mode") == [("wal",)]
    assert "AUTOINCREMENT" in str(asked(database, "SELECT sql FROM sqlite_master WHERE name = 'queue'"))


def test_an_id_of_a_row_is_never_used_again(root: StateRoot) -> None:
    queue = fill(root, ["a", "b"])
    first = [row.id for row in queue.batch()]
    asked(queue.surface.path, "DELETE FROM queue")

    fill(root, ["c"])

    assert queue.batch()[0].id > max(first)


def test_a_queue_of_an_early_upstream_is_taken_over_with_its_rows(root: StateRoot) -> None:
    made_by(EARLY, root.queues.unauthenticated.path)
    queue = EventQueue.active(root)
    assert [(row.event_id, row.retry_count) for row in queue.batch()] == [("theirs", 3)], "read before any change"

    queue.append([event("ours")])

    assert names(queue) == ["theirs", "ours"]
    assert "coalesce_key" in {str(row[1]) for row in asked(queue.surface.path, "PRAGMA table_info(queue)")}


def test_rows_that_wait_for_upload_are_left_alone(root: StateRoot) -> None:
    queue = fill(root, ["a"])
    made_by(
        "INSERT INTO body_upload_queue (project_uuid, mission_slug, target_branch, mission_type, manifest_version,"
        " artifact_path, content_hash, content_body, size_bytes, created_at)"
        " VALUES ('u', 'm', 'b', 't', 'v', 'p', 'h', 'text', 4, 1.5)",
        queue.surface.path,
    )

    enter_scope(root, QueueScope("https://kitty.example", "ada@example.org", "t_01"))

    assert asked(queue.surface.path, "SELECT content_body FROM body_upload_queue") == [("text",)]


def garbage(database: Path) -> None:
    database.write_bytes(b"this is no database, but might be precious " * 100)


def cut_short(database: Path) -> None:
    data = database.read_bytes()
    database.write_bytes(data[: len(data) // 3 * 2 + 7])


def overwritten_inside(database: Path) -> None:
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (database.stat().st_size - 4096))


def another_database(database: Path) -> None:
    database.unlink()
    made_by("CREATE TABLE something (x); INSERT INTO something VALUES (1)", database)


def another_table(database: Path) -> None:
    database.unlink()
    made_by("CREATE TABLE queue (id INTEGER PRIMARY KEY, message TEXT)", database)


def headless(database: Path) -> None:
    companion(database, "-wal").write_bytes(b"frames of a log" * 100)
    database.write_bytes(b"")


def beheaded(database: Path) -> None:
    companion(database, "-wal").write_bytes(b"frames of a log" * 100)
    database.unlink()


def a_directory(database: Path) -> None:
    database.unlink()
    database.mkdir()


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (garbage, DamagedFileError),
        (cut_short, DamagedFileError),
        (overwritten_inside, DamagedFileError),
        (another_database, WrongSchemaError),
        (another_table, WrongSchemaError),
        (headless, DamagedFileError),
        (beheaded, DamagedFileError),
        (a_directory, StateError),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_queue_that_cannot_be_understood_is_refused_and_kept(
    root: StateRoot, damage: object, error: type[StateError]
) -> None:
    queue = fill(root, [f"{number}" for number in range(200)])
    assert callable(damage)
    damage(queue.surface.path)
    before = everything(root.base)

    uses = (
        lambda: queue.append([event("new")]),
        queue.count,
        lambda: queue.batch(1000),
        lambda: enter_scope(root, QueueScope("https://kitty.example", "ada", "t")),
    )
    for use in uses:
        with pytest.raises(error) as caught:
            use()
        assert str(queue.surface) in caught.value.message
        assert caught.value.hint

    after = everything(root.base)
    assert {name: after[name] for name in before if not name.endswith("-shm")} == {
        name: before[name] for name in before if not name.endswith("-shm")
    }


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
"""


def test_a_queue_that_stays_locked_is_told_and_works_afterwards(root: StateRoot) -> None:
    queue = fill(root, ["a"])
    impatient = EventQueue(root, queue.surface, patience=0.05)
    holder = subprocess.Popen(
        [sys.executable, "-c", LOCK, queue.surface], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        with pytest.raises(BusyError) as caught:
            impatient.append([event("b")])
        assert str(queue.surface) in caught.value.message
        assert names(queue) == ["a"], "reading goes on"
    finally:
        holder.communicate("\n")

    impatient.append([event("b")])
    assert names(queue) == ["a", "b"]


def test_a_row_that_was_only_in_the_log_when_its_writer_was_killed_is_there(root: StateRoot) -> None:
    queue = fill(root, ["a"])
    script = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute(\"INSERT INTO queue (event_id, event_type, data, timestamp) VALUES ('b', 'T', '{}', 9999999999)\")\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, queue.surface], check=False)
    assert companion(queue.surface.path, "-wal").stat().st_size > 0

    assert names(queue) == ["a", "b"], "a reader takes it from the log"
    queue.append([event("c")])
    assert names(queue) == ["a", "b", "c"]


def test_a_writer_of_another_program_that_was_killed_in_the_middle_is_undone(root: StateRoot) -> None:
    made_by(EARLY, root.queues.unauthenticated.path)
    script = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 1')\n"
        "c.execute('BEGIN')\n"
        "for n in range(200):\n"
        "    row = (n, 'x' * 900)\n"
        "    c.execute('INSERT INTO queue (event_id, event_type, data, timestamp) VALUES (?, 1, ?, 1)', row)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    database = root.queues.unauthenticated.path
    subprocess.run([sys.executable, "-c", script, database], check=False)
    assert companion(database, "-journal").stat().st_size > 0
    assert database.stat().st_size > 20_000, "half of it is written"

    assert names(EventQueue.active(root)) == ["theirs"]


def test_every_queue_is_listed_known_or_not(root: StateRoot, ada: QueueScope) -> None:
    enter_scope(root, ada)
    fill(root, ["a", "b"])
    directory = root.queues.directory.path
    short, long = directory / f"queue-{'0' * 16}.db", directory / f"queue-{'f' * 64}.db"
    made_by(EARLY, short)
    long.write_bytes(b"no database")
    for name in ("queue-xyz.db", f"queue-{'0' * 17}.db", "notes.txt", f"queue-{'0' * 16}.db.bak"):
        (directory / name).write_bytes(b"not ours")
    before = everything(root.base)

    listed = queues(root)

    assert [(report.path.name, report.kind, report.active, report.events, report.oldest) for report in listed] == [
        ("queue.db", QueueKind.UNAUTHENTICATED, False, 0, None),
        ("queue-4efd3700aeb15214.db", QueueKind.ACTIVE, True, 2, listed[1].oldest),
        (short.name, QueueKind.UNKNOWN, False, 1, 7),
        (long.name, QueueKind.UNKNOWN, False, None, None),
    ]
    assert listed[3].problem is not None
    assert long.name in listed[3].problem
    assert everything(root.base) == before
