"""What SQLite and the disk say when they cannot, put as errors of this package with the way out."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from kitty_guardian.errors import EventStoreError, EventStoreReadOnlyError

_LITTLE_ROOM = 1 << 16  # bytes
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class translated:  # noqa: N801 - used like a function
    """Turn an error of SQLite or of the file system in the body into an `EventStoreError`.

    Args:
        path: The store's file.
        doing: The verb of the message: "the event store `path` cannot be `doing`".
    """

    __slots__ = ("_doing", "_path")

    def __init__(self, path: Path, doing: str) -> None:
        self._path = path
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise sqlite_fault(error, self._path, self._doing) from error
        if isinstance(error, UnicodeDecodeError):  # what SQLite quotes in its message is not text any more
            raise _damaged(f"the event store `{self._path}` cannot be {self._doing}", self._path) from error
        if isinstance(error, OSError):
            raise _system_fault(error, self._path, self._doing) from error


def sqlite_fault(error: sqlite3.Error, path: Path, doing: str) -> EventStoreError:
    """The error for what SQLite said."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    message = f"the event store `{path}` cannot be {doing}: {error}"
    if isinstance(error, sqlite3.ProgrammingError):
        return EventStoreError(message, hint="a store belongs to the thread that opened it; open another one")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return EventStoreError(
            f"{message}; another process is writing to it, try again", hint=f"see who: fuser -v {quoted(path)}"
        )
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return _damaged(message, path)
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return _full(message, path)
    if code == sqlite3.SQLITE_READONLY:
        return read_only(message)
    return EventStoreError(message, hint=f"ls -ld {quoted(path.parent)} {quoted(path)}*; df -h {quoted(path.parent)}")


def _system_fault(error: OSError, path: Path, doing: str) -> EventStoreError:
    message = f"the event store `{path}` cannot be {doing}: {error.strerror or error}"
    if error.errno in _FULL:
        return _full(message, path)
    if error.errno in _READ_ONLY and doing != "read":
        return read_only(message)
    return EventStoreError(message, hint=f"ls -ld {quoted(path.parent)} {quoted(path)}")


def read_only(message: str) -> EventStoreReadOnlyError:
    """The error for what may only be read here."""
    return EventStoreReadOnlyError(message, hint="run the command outside, where the repository may be written")


def quoted(path: Path) -> str:
    """A path as a shell takes it."""
    import shlex

    return shlex.quote(os.fspath(path))


def _damaged(message: str, path: Path) -> EventStoreError:
    return EventStoreError(
        f"{message}; it is damaged", hint=f"keep it and start anew: mv {quoted(path)} {quoted(path)}.damaged"
    )


def _full(message: str, path: Path) -> EventStoreError:
    return EventStoreError(
        f"{message}; there is no room left", hint=f"make room and try again: df -h {quoted(path.parent)}"
    )


def _is_full(path: Path) -> bool:
    # SQLite tells a full disk from other failures of writing only sometimes.
    try:
        status = os.statvfs(path.parent)
    except OSError:
        return False
    return status.f_bavail * status.f_frsize < _LITTLE_ROOM
