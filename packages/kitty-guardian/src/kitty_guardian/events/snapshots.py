"""Reading the store without writing a byte: from a read-only mount, as another user, or while nobody has it open.

A reader of a WAL database wants to make its two companions, `-wal` and `-shm`. Where both are there, it shares them
with the writers. Where neither is there, nobody writes: the file is read as it stands, and again if it changed. Where
a writer died, what it left is copied and put in order in memory.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from kitty_guardian.errors import EventStoreError
from kitty_guardian.events.tables import check

_TRIES = 50
_NAP = 0.01
_YOUNG = 50_000_000  # nanoseconds; a file system's clock may stand still for some of them
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def companion(path: Path, suffix: str) -> Path:
    """Give the path of SQLite's own file beside a database: `-wal`, `-shm` or `-journal`."""
    return path.with_name(path.name + suffix)


@attrs.frozen
class _Standing:
    """The files at one moment, as `stat` shows them.

    They are never opened here: closing one would drop the locks that other connections of this process hold on it.

    Attributes:
        files: Which file each is, how long, and when it was written; None where there is none.
        youngest: When one of them was written last, nanoseconds.
    """

    files: tuple[tuple[int, int, int, int] | None, ...]
    youngest: int = attrs.field(eq=False)

    @classmethod
    def of(cls, path: Path) -> _Standing:
        found = [_stat(file) for file in (path, companion(path, "-wal"), companion(path, "-journal"))]
        return cls(tuple(found), max((status[-1] for status in found if status is not None), default=0))

    @property
    def is_idle(self) -> bool:
        """Whether nobody has it open for writing: SQLite keeps a log or a journal beside it then."""
        return self.files[1] is None and self.files[2] is None

    def still_holds(self, path: Path) -> bool:
        """Whether nobody wrote since; no, where that cannot be told from a timestamp so young."""
        return abs(time.time_ns() - self.youngest) >= _YOUNG and _Standing.of(path) == self


class Snapshot:
    """Answers questions to the store as it is when they are asked.

    Args:
        path: The file.
        patience: Seconds to wait for a writer.

    Raises:
        EventStoreError: There is no store, or what is there is none.
        sqlite3.Error: It cannot be read.
        OSError: As above.
    """

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._connection: sqlite3.Connection | None = None
        self._standing: _Standing | None = None  # None: SQLite itself follows what changes
        self._closed = False
        self.rows("SELECT 1")

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Everything a SELECT gives.

        Raises:
            EventStoreError: There is no store any more, or it was closed.
            sqlite3.Error: It cannot be read.
            OSError: As above.
        """
        if self._closed:
            raise EventStoreError(f"the event store `{self._path}` was closed", hint="open it again")
        for _ in range(_TRIES):
            if self._connection is None or (self._standing is not None and _Standing.of(self._path) != self._standing):
                self._connect()
            assert self._connection is not None  # noqa: S101 - for the type checker
            try:
                answer = self._connection.execute(statement, parameters).fetchall()
            except (sqlite3.DatabaseError, UnicodeDecodeError):
                if self._standing is None or self._standing.still_holds(self._path):
                    raise
            else:
                if self._standing is None or self._standing.still_holds(self._path):
                    return answer
            time.sleep(_NAP)
        raise EventStoreError(f"the event store `{self._path}` changes faster than it can be read", hint="try again")

    def close(self) -> None:
        """Let go of everything."""
        self._disconnect()
        self._closed = True

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connect(self) -> None:
        self._disconnect()
        standing = _Standing.of(self._path)
        found = standing.files[0]
        if found is None or found[2] == 0:
            raise self._none()
        if standing.is_idle:
            self._standing = standing
            self._connection = self._opened(f"{self._path.as_uri()}?mode=ro&immutable=1")
            return
        try:
            self._connection = self._opened(f"{self._path.as_uri()}?mode=ro")
            self._standing = None
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in _BUSY:
                raise
            self._connection = self._put_in_order()
            self._standing = standing

    def _opened(self, uri: str) -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=self._patience, isolation_level=None)
        try:
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA query_only = ON")
            self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        if not check(connection, self._path):
            raise self._none()

    def _none(self) -> EventStoreError:
        return EventStoreError(f"there is no event store at `{self._path}` yet", hint="spec-kitty init")

    def _put_in_order(self) -> sqlite3.Connection:
        """Copy the database and its log, let SQLite recover the copy, and keep that in memory."""
        import tempfile

        with tempfile.TemporaryDirectory(prefix="spec-kitty-") as directory:
            copy = Path(directory, "events.db")
            for suffix in ("-wal", "-journal", ""):
                source = companion(self._path, suffix)
                if source.exists():
                    companion(copy, suffix).write_bytes(source.read_bytes())
            recovered = sqlite3.connect(f"{copy.as_uri()}?mode=rw", uri=True, isolation_level=None)
            memory = sqlite3.connect(":memory:", isolation_level=None)
            try:
                self._check(recovered)
                recovered.backup(memory)
            except BaseException:
                memory.close()
                raise
            finally:
                recovered.close()
        memory.execute("PRAGMA query_only = ON")
        return memory


def _stat(path: Path) -> tuple[int, int, int, int] | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
