"""SQLite databases below the root: private, in WAL mode, and on disk when a transaction ends."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from kitty_paths import StateRoot, Surface
from kitty_sync.errors import (
    AccessDeniedError,
    BusyError,
    DamagedFileError,
    DiskFullError,
    ReadOnlyStateError,
    StateError,
)
from kitty_sync.storage.directories import check_root, ensure_parent, refuse_links
from kitty_sync.storage.faults import aside_hint, elsewhere_hint, explained, quoted, room_hint
from kitty_sync.storage.files import create_private

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds a writer waits for other writers. They take turns without a queue, so in a crowd some wait long."""

_READ_ONLY = 1  # statvfs: ST_RDONLY
_CREATING = threading.Lock()
_NAP = 0.01
_TRIES = 20
_YOUNG = 50_000_000  # nanoseconds; a file system's clock may stand still for some of them
_LITTLE_ROOM = 1 << 16  # bytes


@contextlib.contextmanager
def writing(
    root: StateRoot,
    surface: Surface,
    *,
    check: Callable[[sqlite3.Connection], None],
    patience: float = PATIENCE,
) -> Iterator[sqlite3.Connection]:
    """Open a database for writing, made where missing; what is open is closed when the body ends.

    Args:
        root: The root it belongs to.
        surface: The database.
        check: Raises where the database is another one than it should be; asked before anything in it is changed.
        patience: Seconds to wait for other writers.

    Raises:
        StateError: It cannot be made, opened or used, in the body too; the file is as the last commit left it.
    """
    path = surface.path
    ensure_parent(root, path)
    refuse_links(root, path)
    _refuse_headless(path)
    # One thread at a time: closing the new file would drop the locks of a thread that found it made already.
    with explained(path, "make"), contextlib.suppress(FileExistsError), _CREATING:
        os.close(create_private(path))
    with translated(path, "write"):
        connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=patience, isolation_level=None)
        try:
            _prepare(connection)
            check(connection)
            _turn_to_wal(connection, patience)
            yield connection
        finally:
            connection.close()


def read(root: StateRoot, surface: Surface, ask: Callable[[sqlite3.Connection], T]) -> T | None:
    """Give what `ask` finds in a database, or None where there is none or it is empty; creates nothing.

    SQLite makes the `-wal` and `-shm` of a WAL database where they are missing, even for a reader. They are missing
    while nobody has it open; then it is read as if it could not change, and again if it did.

    Args:
        root: The root it belongs to.
        surface: The database.
        ask: Is given a connection that can only read; may be called more than once.

    Raises:
        StateError: It cannot be opened or read.
    """
    path = surface.path
    if not check_root(root):
        return None
    _refuse_headless(path)
    for _ in range(_TRIES):
        with explained(path, "read"):
            before = _Standing.of(path)
        if before is None:
            return None
        if not before.is_idle:
            break
        try:
            answer = _asked(path, "mode=ro&immutable=1", ask)
        except StateError:
            if before.still_holds(path):
                raise
        else:
            if before.still_holds(path):
                return answer
        time.sleep(_NAP)
    return _asked_of_open(path, ask)


def _asked_of_open(path: Path, ask: Callable[[sqlite3.Connection], T]) -> T:
    try:
        return _asked(path, "mode=ro", ask)
    except ReadOnlyStateError as error:
        if getattr(error.__cause__, "sqlite_errorcode", None) != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
    # A writer was stopped in the middle: nobody can read the database before that is undone, as its next writer would.
    return _asked(path, "mode=rw", ask)


def _asked(path: Path, how: str, ask: Callable[[sqlite3.Connection], T]) -> T:
    with translated(path, "read"):
        connection = sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, timeout=PATIENCE, isolation_level=None)
        try:
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA query_only = ON")
            return ask(connection)
        finally:
            connection.close()


class _Standing(NamedTuple):
    """A database file at one moment, as `stat` shows it.

    It is never opened here: closing it would drop the locks that other connections of this process hold on it.

    Attributes:
        file: Which file it is, how long, and when it was written.
        is_idle: Whether nobody has it open for writing: SQLite keeps a log or a journal beside it then.
    """

    file: tuple[int, int, int, int]
    is_idle: bool

    @classmethod
    def of(cls, path: Path) -> _Standing | None:
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        if status.st_size == 0:
            return None
        is_idle = not companion(path, "-wal").exists() and not companion(path, "-journal").exists()
        return cls((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns), is_idle)

    def still_holds(self, path: Path) -> bool:
        """Whether nobody wrote to it since; no, where that cannot be told from a timestamp so young."""
        if abs(time.time_ns() - self.file[-1]) < _YOUNG:
            return False
        with explained(path, "read"):
            return _Standing.of(path) == self


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write in one piece: everything in the body is kept, or, if it raises, nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def companion(path: Path, suffix: str) -> Path:
    """Give the path of SQLite's own file beside a database: `-wal`, `-shm` or `-journal`."""
    return path.with_name(path.name + suffix)


def _refuse_headless(path: Path) -> None:
    # SQLite takes an empty database with a WAL for a new one and removes the WAL, with all the rows in it.
    log = companion(path, "-wal")
    with explained(path, "look at"):
        # The log first: it comes after the database and goes before it, so this order sees nothing that never was.
        left = _size(log)
        size = _size(path)
    if size == 0 and left > 0:
        raise DamagedFileError(
            f"{path} is gone or empty, while {log.name} beside it still holds rows",
            path=path,
            hint=f"put the database back; or give the rows up: mv {quoted(log)} {quoted(log)}.aside",
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _prepare(connection: sqlite3.Connection) -> None:
    # Temporary tables would land in TMPDIR, outside the root.
    connection.execute("PRAGMA temp_store = MEMORY")
    # Each commit is on the disk before it is called one: a power loss takes nothing back.
    connection.execute("PRAGMA synchronous = FULL")


def _turn_to_wal(connection: sqlite3.Connection, patience: float) -> None:
    deadline = time.monotonic() + patience
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                return  # a file system without shared memory: a rollback journal is as safe
        except sqlite3.OperationalError as error:
            # Nobody waits for the change of mode, so newcomers in a crowd have to ask again.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_NAP)


@contextlib.contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Turn an error of SQLite in the body into a `StateError`.

    Args:
        path: The database, absolute.
        doing: The verb of the message: "cannot `doing` `path`".
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _fault(error, path, doing) from error


def _fault(error: sqlite3.DatabaseError, path: Path, doing: str) -> StateError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    message = f"cannot {doing} {path}: {error}"
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return BusyError(
            f"{message}: another process is writing to it", path=path, hint=f"see who: fuser -v {quoted(path)}"
        )
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return DamagedFileError(message, path=path, hint=aside_hint(path))
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return DiskFullError(message, path=path, hint=room_hint(path))
    if code == sqlite3.SQLITE_READONLY or (code == sqlite3.SQLITE_CANTOPEN and _is_read_only(path)):
        return ReadOnlyStateError(message, path=path, hint=elsewhere_hint())
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}:
        return AccessDeniedError(message, path=path, hint=f"ls -ld {quoted(path.parent)} {quoted(path)}")
    return StateError(message, path=path, hint=f"ls -ld {quoted(path.parent)} {quoted(path)}")


def _is_full(path: Path) -> bool:
    # SQLite tells a full disk from other failures of writing only sometimes.
    status = _file_system(path)
    return status is not None and status.f_bavail * status.f_frsize < _LITTLE_ROOM


def _is_read_only(path: Path) -> bool:
    status = _file_system(path)
    return status is not None and bool(status.f_flag & _READ_ONLY)


if sys.platform == "win32":

    def _file_system(path: Path) -> None:
        del path  # nobody says there

else:

    def _file_system(path: Path) -> os.statvfs_result | None:
        try:
            return os.statvfs(path.parent)
        except OSError:
            return None
