"""Changing a store as somebody would who knows SQLite: around the triggers, and putting them back."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from kitty_guardian.events.queries import Queries
from kitty_guardian.events.rows import Row, hash_of
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.tables import COLUMNS, DEFINITIONS, INSERT

NAMES = tuple(COLUMNS.split(", "))
TRIGGERS = tuple(statement for statement in DEFINITIONS if statement.startswith("CREATE TRIGGER"))


@contextlib.contextmanager
def tampering(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection without triggers and checks; the triggers are there again afterwards, word for word."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for trigger in TRIGGERS:
            connection.execute(f"DROP TRIGGER {trigger.split()[2]}")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        yield connection
        for trigger in TRIGGERS:
            connection.execute(trigger)
    finally:
        connection.close()


def change(path: Path, position: int, column: str, value: object) -> None:
    """Give one field another value; bytes become text, whether they are UTF-8 or not."""
    given = "CAST(? AS TEXT)" if isinstance(value, bytes) else "?"
    with tampering(path) as connection:
        connection.execute(f"UPDATE events SET {column} = {given} WHERE position = ?", (value, position))  # noqa: S608


def rows_of(store: SqliteEventStore) -> list[Row]:
    """Every row."""
    return [row for row in Queries(store._database).records() if isinstance(row, tuple)]


def rewrite(path: Path, rows: list[Row]) -> None:
    """Put other rows in place of all there are, with every place and every hash made to fit: a perfect forgery."""
    previous = ""
    versions: dict[str, int] = {}
    forged: list[Row] = []
    for number, row in enumerate(rows, start=1):
        versions[row[1]] = versions.get(row[1], -1) + 1
        fitting: Row = (number, row[1], versions[row[1]], *row[3:8], previous, "")
        previous = hash_of(fitting)
        forged.append((*fitting[:9], previous))
    with tampering(path) as connection:
        connection.execute("DELETE FROM events")
        connection.executemany(INSERT, forged)
