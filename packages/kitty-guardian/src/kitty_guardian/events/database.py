"""The store's file: opened for writing where that is possible, else for reading in the way the place allows."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kitty_guardian.errors import EventStoreError
from kitty_guardian.events.faults import quoted, read_only, translated
from kitty_guardian.events.snapshots import Snapshot, companion
from kitty_guardian.events.tables import establish, prepare

Rows = list[tuple[Any, ...]]

_CREATING = threading.Lock()
_SMALLEST = 512  # bytes of SQLite's smallest page


class Database:
    """One connection to the file, for one thread.

    Args:
        path: The file, absolute. With a place that may be written it is made, and the folder it lies in.
        reading: Only read, also where writing were possible; makes nothing.
        patience: Seconds to wait for other writers.

    Attributes:
        path: As given.
        writable: Whether it may be written here.

    Raises:
        EventStoreError: There is none and none may be made, or it cannot be used.
    """

    def __init__(self, path: Path, *, reading: bool, patience: float) -> None:
        self.path = path
        self._snapshot: Snapshot | None = None
        self._connection: sqlite3.Connection | None = None
        self._process = os.getpid()
        _refuse_what_looks_empty(path)
        self.writable = not reading and _make(path)
        if not self.writable:
            with translated(path, "read"):
                self._snapshot = Snapshot(path, patience)
            return
        with translated(path, "opened"):
            connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=patience, isolation_level=None)
            try:
                prepare(connection)
                establish(connection, path, patience)
                self._identity = _identity(path)
            except BaseException:
                connection.close()
                raise
        self._connection = connection

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> Rows:
        """Everything a SELECT gives; no statement stays open, so no later write finds itself on an old state.

        Raises:
            EventStoreError: It cannot be read.
        """
        with translated(self.path, "read"):
            if self._snapshot is not None:
                return self._snapshot.rows(statement, parameters)
            return self._open().execute(statement, parameters).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write in one piece: everything in the body is kept and on disk, or, if it raises, nothing is.

        Raises:
            EventStoreReadOnlyError: It may only be read here.
            EventStoreError: It cannot be written.
        """
        if not self.writable:
            raise read_only(f"the event store `{self.path}` may only be read here")
        connection = self._open()
        with translated(self.path, "written"):
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._check_in_place()
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def checkpoint(self) -> None:
        """Bring the log into the file itself, as far as that holds up nobody; a failure changes nothing."""
        if self.writable and self.is_in_place():
            with contextlib.suppress(sqlite3.Error):
                self._open().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def copy_to(self, path: Path) -> None:
        """Write the whole database into a new file, 0600.

        Raises:
            EventStoreReadOnlyError: It may only be read here.
            EventStoreError: It cannot be written.
        """
        if not self.writable:
            raise read_only(f"the event store `{self.path}` may only be read here")
        with translated(path, "written"):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            copy = sqlite3.connect(path, isolation_level=None)
            try:
                self._open().backup(copy)
            finally:
                copy.close()

    def is_in_place(self) -> bool:
        """Whether the file on disk is still the one that is open; what is written to another is lost."""
        try:
            return self._snapshot is not None or _identity(self.path) == self._identity
        except OSError:
            return False

    def close(self) -> None:
        """Let go of everything; a second time changes nothing.

        Raises:
            EventStoreError: Another thread opened it.
        """
        with translated(self.path, "closed"):
            if self._snapshot is not None:
                self._snapshot.close()
            if self._connection is not None:
                self._connection.close()
        self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise EventStoreError(f"the event store `{self.path}` was closed", hint="open it again")
        if os.getpid() != self._process:
            # Two processes with one connection damage the file: SQLite's locks do not tell them apart.
            raise EventStoreError(
                f"the event store `{self.path}` was opened by another process", hint="open it in this one"
            )
        return self._connection

    def _check_in_place(self) -> None:
        if not self.is_in_place():
            raise EventStoreError(
                f"the event store `{self.path}` was removed or exchanged while it was open",
                hint="bring the file back, or open the store again to go on with what stands there now",
            )


def _make(path: Path) -> bool:
    """Whether the file may be written here; makes it where it is missing."""
    with translated(path, "made"):
        with contextlib.suppress(FileExistsError):
            path.parent.mkdir(mode=0o700)
        # One thread at a time: closing the new file would drop the locks of a thread that found it made already.
        with contextlib.suppress(FileExistsError), _CREATING:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    # SQLite needs the folder too, for its log.
    return os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _refuse_what_looks_empty(path: Path) -> None:
    # SQLite takes a few bytes for a new database and overwrites them. It takes an empty database with a log for a new
    # one and removes the log, with all the events in it.
    log = companion(path, "-wal")
    with translated(path, "read"):
        # The log first: it comes after the database and goes before it, so this order sees nothing that never was.
        left = _size(log)
        size = _size(path)
    if 0 < size < _SMALLEST:
        raise EventStoreError(
            f"`{path}` is not an event store: it has {size} bytes",
            hint=f"put it where it belongs: mv {quoted(path)} {quoted(path)}.aside",
        )
    if size == 0 and left > 0:
        raise EventStoreError(
            f"the event store `{path}` is gone or empty, while `{log.name}` beside it still holds events",
            hint=f"put the store back; or give the events up: mv {quoted(log)} {quoted(log)}.aside",
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0
