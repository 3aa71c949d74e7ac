"""The tables of a queue: upstream's first generation, column by column, so that either program can read the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kitty_paths import StateRoot, Surface
from kitty_sync.errors import WrongSchemaError
from kitty_sync.storage.databases import PATIENCE, transaction, writing
from kitty_sync.storage.faults import aside_hint

_NAMESPACE: Final = (
    "project_uuid",
    "mission_slug",
    "target_branch",
    "mission_type",
    "manifest_version",
    "artifact_path",
    "content_hash",
)
_NAMESPACE_COLUMNS = ", ".join(f"{name} TEXT NOT NULL" for name in _NAMESPACE)

_TABLES: Final = {
    "queue": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        event_id TEXT UNIQUE NOT NULL,
        event_type TEXT NOT NULL,
        data TEXT NOT NULL,
        timestamp INTEGER NOT NULL,
        retry_count INTEGER DEFAULT 0,
        coalesce_key TEXT
    """,
    "body_upload_queue": f"""
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        {_NAMESPACE_COLUMNS},
        hash_algorithm TEXT NOT NULL DEFAULT 'sha256',
        content_body TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        retry_count INTEGER NOT NULL DEFAULT 0,
        next_attempt_at REAL NOT NULL DEFAULT 0.0,
        created_at REAL NOT NULL,
        last_error TEXT,
        UNIQUE ({", ".join(_NAMESPACE)})
    """,
    "body_upload_failure_log": f"""
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        {_NAMESPACE_COLUMNS},
        hash_algorithm TEXT NOT NULL DEFAULT 'sha256',
        size_bytes INTEGER NOT NULL,
        failure_reason TEXT NOT NULL,
        failure_count INTEGER NOT NULL DEFAULT 1,
        first_failed_at REAL NOT NULL,
        last_failed_at REAL NOT NULL,
        UNIQUE ({", ".join(_NAMESPACE)}, failure_reason)
    """,
}
_INDEXES: Final = {
    "idx_timestamp": "queue(timestamp)",
    "idx_retry": "queue(retry_count)",
    "idx_coalesce_key": "queue(coalesce_key)",
    "idx_body_queue_next_attempt": "body_upload_queue(next_attempt_at)",
    "idx_body_queue_namespace": "body_upload_queue(project_uuid, mission_slug, target_branch)",
    "idx_body_failure_last_failed_at": "body_upload_failure_log(last_failed_at DESC)",
}
COLUMNS: Final = frozenset({"id", "event_id", "event_type", "data", "timestamp", "retry_count"})
"""What the table `queue` must have to be one; `coalesce_key` came to upstream later."""


@contextmanager
def open_queue(root: StateRoot, surface: Surface, *, patience: float = PATIENCE) -> Iterator[sqlite3.Connection]:
    """Open a queue for writing, made where missing, with all its tables.

    Raises:
        WrongSchemaError: The database is another one; nothing in it was changed.
        StateError: It cannot be made, opened or used, in the body too.
    """
    path = surface.path
    with writing(
        root, surface, check=lambda connection: check_schema(connection, path), patience=patience
    ) as connection:
        ensure_schema(connection, path)
        yield connection


def ensure_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables and indexes that are missing.

    Args:
        connection: Open for writing, in no transaction.
        path: The database, for messages.

    Raises:
        WrongSchemaError: The database is another one; nothing was changed.
    """
    if _is_complete(connection):
        return
    with transaction(connection):
        check_schema(connection, path)
        for name, columns in _TABLES.items():
            connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
        if "coalesce_key" not in _columns(connection):
            connection.execute("ALTER TABLE queue ADD COLUMN coalesce_key TEXT")
        for name, place in _INDEXES.items():
            connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {place}")


def check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """See that the database is a queue, or is still blank.

    Raises:
        WrongSchemaError: It is another one.
    """
    if is_blank(connection):
        return
    columns = _columns(connection)
    if missing := sorted(COLUMNS - columns):
        what = f"its table `queue` lacks {', '.join(missing)}" if columns else "it has no table `queue`"
        raise WrongSchemaError(f"{path} is a database, but no queue: {what}", path=path, hint=aside_hint(path))


def is_blank(connection: sqlite3.Connection) -> bool:
    """Whether the database has no table at all: its maker was stopped before it came to that."""
    return not _objects(connection)


def _is_complete(connection: sqlite3.Connection) -> bool:
    return _objects(connection) >= {*_TABLES, *_INDEXES} and _columns(connection) >= {*COLUMNS, "coalesce_key"}


def _objects(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def _columns(connection: sqlite3.Connection) -> set[str]:
    return {row[1] for row in connection.execute("PRAGMA table_info(queue)")}
