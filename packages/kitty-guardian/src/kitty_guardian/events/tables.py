"""The table of events: how it is made, which rules SQLite itself keeps on it, and how one is told from another file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kitty_guardian.errors import EventStoreError
from kitty_guardian.events.faults import quoted

APPLICATION_ID: Final = 0x534B4576  # "SKEv"
SCHEMA_VERSION: Final = 1
COLUMNS: Final = "position, stream, version, event_id, event_type, at, payload, metadata, previous, hash"

INSERT: Final = f"INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own words

# Only appending is possible, also for a program that knows nothing of this one: no row changes or goes, and a new one
# takes the next place in the store and in its stream and names the hash before it. The second trigger also refuses what
# INSERT OR REPLACE would replace, since such a row has no next place.
DEFINITIONS: Final = (
    """CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    event_id TEXT NOT NULL UNIQUE,
    event_type TEXT NOT NULL,
    at TEXT NOT NULL,
    payload TEXT NOT NULL CHECK (json_valid(payload)),
    metadata TEXT NOT NULL CHECK (json_valid(metadata)),
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    UNIQUE (stream, version)
) STRICT""",
    """CREATE TRIGGER events_never_change BEFORE UPDATE ON events BEGIN
    SELECT raise(ABORT, 'events are append-only');
END""",
    """CREATE TRIGGER events_never_go BEFORE DELETE ON events BEGIN
    SELECT raise(ABORT, 'events are append-only');
END""",
    """CREATE TRIGGER events_come_in_order BEFORE INSERT ON events
WHEN NEW.position IS NOT 1 + (SELECT coalesce(max(position), 0) FROM events)
    OR NEW.version IS NOT 1 + (SELECT coalesce(max(version), -1) FROM events WHERE stream = NEW.stream)
    OR NEW.previous IS NOT coalesce((SELECT hash FROM events WHERE position = NEW.position - 1), '')
    OR EXISTS (SELECT 1 FROM events WHERE event_id = NEW.event_id)
BEGIN
    SELECT raise(ABORT, 'events are appended in order');
END""",
)

_NAP = 0.01
_LOG_PAGES = 1000  # as a log grows, so does its file, and every sync of a growing file is a third dearer
_LOG_BYTES = 5 << 20  # what is left of the log: as much as it holds before it begins anew, in place


def prepare(connection: sqlite3.Connection) -> None:
    """Set up a connection: durable commits, nothing outside the store's folder, triggers that nobody skips."""
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA recursive_triggers = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")


def establish(connection: sqlite3.Connection, path: Path, patience: float) -> None:
    """Make the table in an empty database; leave any other database as it is.

    Raises:
        EventStoreError: It is no event store, or one of another version.
        sqlite3.Error: It cannot be read or written.
    """
    if not check(connection, path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not check(connection, path):  # another process was not faster
                for statement in DEFINITIONS:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    _turn_to_wal(connection, patience)


def check(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether it is an event store of ours; False for an empty database.

    Raises:
        EventStoreError: It is something else, or of another version.
        sqlite3.Error: It cannot be read.
    """
    # One statement sees one state: another process may be making the table right now.
    application, version, tables = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if application == APPLICATION_ID:
        if version == SCHEMA_VERSION:
            return True
        raise EventStoreError(
            f"the event store `{path}` has schema version {version}; this program knows {SCHEMA_VERSION}",
            hint="install the version of kitty-guardian that wrote it, or a newer one",
        )
    if (application, version, tables) == (0, 0, 0):
        return False
    raise EventStoreError(
        f"`{path}` is a database of another program, not an event store",
        hint=f"put it where it belongs: mv {quoted(path)} {quoted(path)}.aside",
    )


def alterations(objects: Sequence[tuple[object, object, object]]) -> tuple[str, ...]:
    """What differs from the table as it was made, sentences without a full stop.

    Args:
        objects: Type, name and definition of everything in the database (`sqlite_schema`).
    """
    found = {name: (kind, sql) for kind, name, sql in objects if not str(name).startswith("sqlite_")}
    problems: list[str] = []
    for definition in DEFINITIONS:
        kind, name = definition.split()[1:3]
        standing = found.pop(name, None)
        if standing is None:
            problems.append(f"the {kind.lower()} `{name}` is gone")
        elif standing[1] != definition:
            problems.append(f"the {kind.lower()} `{name}` was altered")
    problems.extend(f"there is a {kind} `{name}` that does not belong here" for name, (kind, _) in found.items())
    return tuple(problems)


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
