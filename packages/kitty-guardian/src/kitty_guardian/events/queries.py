"""What is asked of the table of events, and the answers as events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, cast

from kitty_guardian.errors import EventStoreError
from kitty_guardian.events.chain import START
from kitty_guardian.events.database import Database
from kitty_guardian.events.rows import Row, UnreadableRow, events_of
from kitty_guardian.events.tables import COLUMNS, alterations
from kitty_guardian.model.events import NO_STREAM, Event, subject_of

_PAGE: Final = 1000
_IDS_AT_ONCE: Final = 500
_LEAST: Final = -(1 << 63)

_HEAD: Final = "SELECT position, hash FROM events ORDER BY position DESC LIMIT 1"
_ENDS: Final = """
SELECT position, hash, (SELECT coalesce(max(version), -1) FROM events WHERE stream = ?)
FROM events ORDER BY position DESC LIMIT 1
"""
_VERSION: Final = "SELECT coalesce(max(version), -1) FROM events WHERE stream = ?"
_STREAM: Final = f"SELECT {COLUMNS} FROM events WHERE stream = ? AND version >= ? ORDER BY version LIMIT ?"  # noqa: S608
_ALL: Final = f"SELECT {COLUMNS} FROM events WHERE position >= ? ORDER BY position LIMIT ?"  # noqa: S608
_POSITIONS: Final = "SELECT position FROM events WHERE position >= ? ORDER BY position LIMIT ?"
_PLACES: Final = "SELECT event_id, stream, version, position FROM events WHERE event_id IN "
LANES: Final = """
SELECT last.stream, json_extract(events.payload, '$.to_lane')
FROM (SELECT stream, max(version) AS version FROM events
      WHERE stream >= 'workPackage-' AND stream < 'workPackage.' GROUP BY stream) AS last
JOIN events ON events.stream = last.stream AND events.version = last.version
"""


class Queries:
    """Reads the table.

    Args:
        database: Where it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._path = database.path

    def head(self) -> tuple[int, str]:
        """Position and hash of the last event; (0, "") without one."""
        rows = self._database.rows(_HEAD)
        return (rows[0][0], rows[0][1]) if rows else (0, START)

    def ends(self, stream: str) -> tuple[int, str, int]:
        """As `head`, and as `version`."""
        rows = self._database.rows(_ENDS, (stream,))
        return (rows[0][0], rows[0][1], rows[0][2]) if rows else (0, START, NO_STREAM)

    def version(self, stream: str) -> int:
        """Version of a stream's last event; -1 without one."""
        return int(self._database.rows(_VERSION, (stream,))[0][0])

    def stream(self, name: str, since: int, limit: int | None) -> Iterator[Event]:
        """The events of a stream from a version on."""
        return self._pages(_STREAM, (name,), max(since, 0), 2, limit)

    def all(self, after: int, limit: int | None) -> Iterator[Event]:
        """The events beyond a position."""
        return self._pages(_ALL, (), after + 1, 0, limit)

    def _pages(
        self, statement: str, given: tuple[object, ...], start: int, counted: int, limit: int | None
    ) -> Iterator[Event]:  # fmt: skip
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            rows = cast("list[Row]", self._database.rows(statement, (*given, start, size)))
            try:
                yield from events_of(rows)
            except UnreadableRow as error:
                raise EventStoreError(
                    f"the event at position {error.position} of the event store `{self._path}` "
                    f"cannot be read: {error.reason}",
                    hint="spec-kitty events verify",
                ) from error
            if len(rows) < size:
                return
            following = int(rows[-1][counted]) + 1
            if following <= start:
                raise EventStoreError(
                    f"the event store `{self._path}` gives its events out of order", hint="spec-kitty events verify"
                )
            start = following
            left = None if left is None else left - size

    def places(self, ids: Sequence[str]) -> Iterator[tuple[str, str, int, int]]:
        """Id, stream, version and position of those of these events that are there."""
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            statement = f"{_PLACES}({', '.join('?' * len(some))})"
            yield from cast("list[tuple[str, str, int, int]]", self._database.rows(statement, some))

    def lanes(self) -> dict[tuple[str, str], str]:
        """The lane of every work package, by feature and work package."""
        return {subject_of(stream): lane for stream, lane in self._database.rows(LANES)}

    # For verification

    def records(self) -> Iterator[Row | UnreadableRow]:
        """Every row as it stands, in order of positions, whatever is in it."""
        start = _LEAST
        while rows := self._records(start):
            for row in rows:
                yield row
                start = row.position if isinstance(row, UnreadableRow) else row[0]
            start += 1

    def _records(self, start: int) -> Sequence[Row | UnreadableRow]:
        try:
            return cast("list[Row]", self._database.rows(_ALL, (start, _PAGE)))
        except EventStoreError:
            positions = self._database.rows(_POSITIONS, (start, _PAGE))
        return [self._record(position) for (position,) in positions]

    def _record(self, position: int) -> Row | UnreadableRow:
        try:
            rows = cast("list[Row]", self._database.rows(_ALL, (position, 1)))
        except EventStoreError as error:
            return UnreadableRow(position, error.message)
        return rows[0] if rows else UnreadableRow(position, "SQLite does not find it where it belongs")

    def alterations(self) -> tuple[str, ...]:
        """What differs from the table as it was made."""
        objects = self._database.rows("SELECT type, name, sql FROM sqlite_schema")
        return alterations([(kind, name, sql) for kind, name, sql in objects])

    def damage(self) -> tuple[str, ...]:
        """What SQLite itself finds wrong with the file, rows and indexes that do not agree among it."""
        return tuple(line for (line,) in self._database.rows("PRAGMA integrity_check(10)") if line != "ok")
