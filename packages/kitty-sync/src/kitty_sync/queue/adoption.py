"""After a login: rows of the queue nobody was logged in for move into the scope's queue, once, and none is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import attrs

from kitty_paths import QueueScope, StateRoot, Surface
from kitty_sync.queue.events import same_event
from kitty_sync.queue.schema import check_schema, is_blank, open_queue
from kitty_sync.storage.databases import read, transaction
from kitty_sync.storage.locking import holding

_PIECE: Final = 500  # rows that move together


@attrs.frozen
class Adoption:
    """What became of the rows of the unauthenticated queue.

    Attributes:
        source: The queue they were in, absolute.
        destination: The queue they are in now, absolute.
        moved: Rows that were copied, found in the destination again, and then removed from the source.
        already_there: Rows the destination had already with the same content; removed from the source.
        conflicts: Ids of events the destination has with other content; these rows stay where they are.
        left: Rows in the source when all was done, those of `conflicts` included.
    """

    source: Path
    destination: Path
    moved: int = 0
    already_there: int = 0
    conflicts: tuple[str, ...] = ()
    left: int = 0


class _Row(NamedTuple):
    id: int
    event_id: str
    event_type: str
    data: str
    timestamp: int
    retry_count: int | None
    coalesce_key: str | None

    @property
    def content(self) -> tuple[str, str]:
        return self.event_type, self.data


def adopt(root: StateRoot, scope: QueueScope) -> Adoption:
    """Move the rows of the unauthenticated queue into this scope's; see `move_rows`. Creates nothing without any."""
    source = root.queues.unauthenticated
    if not _has_rows(root, source):
        return Adoption(source.path, root.queues.scoped(scope).path)
    with holding(root, root.queues.active_scope_lock):
        return move_rows(root, scope)


def move_rows(root: StateRoot, scope: QueueScope) -> Adoption:
    """Move the rows of the unauthenticated queue into this scope's; the caller holds the lock of the active scope.

    Piece by piece: copied and committed there, read again there row by row, and only then removed here. Cut short at
    any point a row is in one queue or in both, never in none; the next call finds the copy and removes the original.

    Raises:
        StateError: A queue cannot be read or written; no row is lost.
    """
    source, destination = root.queues.unauthenticated, root.queues.scoped(scope)
    outcome = Adoption(source.path, destination.path)
    if not _has_rows(root, source):
        return outcome
    with open_queue(root, source) as old, open_queue(root, destination) as new:
        for rows in _pieces(old):
            outcome = _move_piece(old, new, rows, outcome)
        (left,) = old.execute("SELECT count(*) FROM queue").fetchone()
    return attrs.evolve(outcome, left=left)


def _has_rows(root: StateRoot, source: Surface) -> bool:
    def ask(connection: sqlite3.Connection) -> bool:
        if is_blank(connection):
            return False
        check_schema(connection, source.path)
        return connection.execute("SELECT 1 FROM queue LIMIT 1").fetchone() is not None

    return bool(read(root, source, ask))


def _pieces(connection: sqlite3.Connection) -> Iterator[list[_Row]]:
    # Each row is looked at once, so rows that stay are no endless loop.
    behind = (-(2**63), 0)
    while True:
        rows = [
            _Row(*row)
            for row in connection.execute(
                "SELECT id, event_id, event_type, data, timestamp, retry_count, coalesce_key FROM queue"
                " WHERE (timestamp, id) > (?, ?) ORDER BY timestamp, id LIMIT ?",
                (*behind, _PIECE),
            )
        ]
        if not rows:
            return
        yield rows
        behind = (rows[-1].timestamp, rows[-1].id)


def _move_piece(old: sqlite3.Connection, new: sqlite3.Connection, rows: list[_Row], before: Adoption) -> Adoption:
    copied: set[str] = set()
    with transaction(new):
        for row in rows:
            cursor = new.execute(
                "INSERT INTO queue (event_id, event_type, data, timestamp, retry_count, coalesce_key)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING",
                row[1:],
            )
            if cursor.rowcount:
                copied.add(row.event_id)
    # Committed: from here on the destination has them. Read again, row by row, before anything goes.
    arrived: list[_Row] = []
    conflicts: list[_Row] = []
    for row in rows:
        held = new.execute("SELECT event_type, data FROM queue WHERE event_id = ?", (row.event_id,)).fetchone()
        if held is not None:  # else it was delivered in this very moment; the next call takes care of it
            (arrived if same_event(row.content, held) else conflicts).append(row)
    with transaction(old):
        for row in arrived:
            old.execute(
                "DELETE FROM queue WHERE id = ? AND event_id = ? AND event_type = ? AND data = ?",
                (row.id, row.event_id, *row.content),
            )
    moved = sum(row.event_id in copied for row in arrived)
    return attrs.evolve(
        before,
        moved=before.moved + moved,
        already_there=before.already_there + len(arrived) - moved,
        conflicts=(*before.conflicts, *(row.event_id for row in conflicts)),
    )
