"""A database is read as it was at one moment, whoever writes meanwhile; nothing is made by reading."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kitty_paths import StateRoot, Surface
from kitty_sync.errors import DiskFullError, StateError
from kitty_sync.storage import databases
from kitty_sync.storage.databases import companion, read, transaction, translated, writing
from sync.states import event, fill


def anything(connection: sqlite3.Connection) -> None:
    """No check."""
    del connection


def numbers(connection: sqlite3.Connection) -> list[int]:
    return [number for (number,) in connection.execute("SELECT x FROM t ORDER BY x")]


@pytest.fixture
def surface(root: StateRoot) -> Surface:
    """A database with one number in it, written a while ago."""
    surface = root.queues.unauthenticated
    add(root, surface, 1)
    os.utime(surface, (time.time() - 60,) * 2)
    return surface


def add(root: StateRoot, surface: Surface, number: int) -> None:
    with writing(root, surface, check=anything) as connection, transaction(connection):
        connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
        connection.execute("INSERT INTO t VALUES (?)", (number,))


def test_what_changed_while_it_was_read_is_read_again(root: StateRoot, surface: Surface) -> None:
    asked = 0

    def ask(connection: sqlite3.Connection) -> list[int]:
        nonlocal asked
        asked += 1
        if asked == 1:
            before = numbers(connection)
            add(root, surface, 2)
            return before
        return numbers(connection)

    assert read(root, surface, ask) == [1, 2]
    assert asked > 1


def test_a_change_that_a_young_timestamp_does_not_show_is_read_too(root: StateRoot, surface: Surface) -> None:
    # A file system's clock moves in steps: two writes within one look like one.
    os.utime(surface)
    stamp = Path(surface).stat().st_mtime_ns
    asked = 0

    def ask(connection: sqlite3.Connection) -> list[int]:
        nonlocal asked
        asked += 1
        before = numbers(connection)
        if asked == 1:
            add(root, surface, 2)
            os.utime(surface, ns=(stamp, stamp))
        return before

    assert read(root, surface, ask) == [1, 2]


def test_an_error_that_comes_of_a_change_is_not_believed(root: StateRoot, surface: Surface) -> None:
    asked = 0

    def ask(connection: sqlite3.Connection) -> list[int]:
        nonlocal asked
        asked += 1
        if asked == 1:
            add(root, surface, 2)
            raise StateError("torn", path=surface.path)
        return numbers(connection)

    assert read(root, surface, ask) == [1, 2]


def test_an_error_that_stays_is_raised(root: StateRoot, surface: Surface) -> None:
    def ask(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT nothing FROM nowhere")

    with pytest.raises(StateError) as caught:
        read(root, surface, ask)

    assert str(surface) in caught.value.message


def test_a_reader_sees_the_last_commit_of_a_writer_that_is_not_done(root: StateRoot, surface: Surface) -> None:
    with writing(root, surface, check=anything) as connection:
        with transaction(connection):
            connection.execute("INSERT INTO t VALUES (2)")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (3)")
        assert read(root, surface, numbers) == [1, 2]
        connection.execute("COMMIT")
        assert read(root, surface, numbers) == [1, 2, 3]


def test_reading_does_not_take_the_locks_of_a_writer_in_the_same_process(root: StateRoot, surface: Surface) -> None:
    # POSIX locks belong to a process: closing any descriptor of the file would drop them all.
    other = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0); c.execute('PRAGMA journal_mode = DELETE')"
    )
    with writing(root, surface, check=anything) as connection:
        connection.execute("SELECT * FROM t").fetchall()
        read(root, surface, numbers)
        done = subprocess.run([sys.executable, "-c", other, surface], capture_output=True, text=True, check=False)
        assert "database is locked" in done.stderr
        assert companion(surface.path, "-wal").exists()


def test_a_reader_cannot_write(root: StateRoot, surface: Surface) -> None:
    with pytest.raises(StateError):
        read(root, surface, lambda connection: connection.execute("INSERT INTO t VALUES (2)"))

    assert read(root, surface, numbers) == [1]


@pytest.mark.parametrize("size", [0, None])
def test_none_and_an_empty_one_are_nothing(root: StateRoot, size: int | None) -> None:
    root.base.mkdir()
    if size is not None:
        Path(root.queues.unauthenticated).touch()

    assert read(root, root.queues.unauthenticated, numbers) is None
    assert len(list(root.base.iterdir())) == (0 if size is None else 1)


def test_an_error_in_a_transaction_takes_all_of_it_back(root: StateRoot, surface: Surface) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        with transaction(connection):
            connection.execute("INSERT INTO t VALUES (2)")
            raise ZeroDivisionError

    with writing(root, surface, check=anything) as connection:
        with pytest.raises(ZeroDivisionError):
            fail(connection)
        assert not connection.in_transaction

    assert read(root, surface, numbers) == [1]


def test_what_is_written_is_synchronised_and_in_wal_mode(root: StateRoot, surface: Surface) -> None:
    with writing(root, surface, check=anything) as connection:
        pragmas = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "temp_store")
        }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "temp_store": 2}


def test_without_shared_memory_a_rollback_journal_does(root: StateRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    # A file system that cannot map memory, such as a network share: SQLite then stays with the mode it has.
    real = sqlite3.connect

    def connect(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = real(*arguments, **options)  # type: ignore[call-overload]
        connection.execute("PRAGMA locking_mode = NORMAL")
        return Stubborn(connection)  # type: ignore[return-value]

    class Stubborn:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self._connection = connection

        def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
            if statement == "PRAGMA journal_mode = WAL":
                statement = "PRAGMA journal_mode"
            return self._connection.execute(statement, *values)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> object:
            return getattr(self._connection, name)

    monkeypatch.setattr(sqlite3, "connect", connect)
    queue = fill(root, ["a"])
    queue.append([event("b")])

    monkeypatch.undo()
    assert queue.count() == 2
    assert [path.name for path in root.base.iterdir()] == ["queue.db"]


def test_a_failed_write_on_a_full_disk_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    error.sqlite_errorname = "SQLITE_IOERR_WRITE"

    class Full:
        f_bavail = 1
        f_frsize = 4096
        f_flag = 0

    for status, kind in ((Full(), DiskFullError), (None, StateError)):
        monkeypatch.setattr(databases, "_file_system", lambda _, status=status: status)
        with pytest.raises(kind) as caught, translated(tmp_path / "queue.db", "write"):
            raise error
        assert type(caught.value) is kind
