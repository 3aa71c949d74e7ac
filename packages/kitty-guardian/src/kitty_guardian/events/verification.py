"""Whether the store still holds what was appended: every hash again, every version, and every decision of the law."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from kitty_guardian.errors import EventStoreError, InvalidEventError, TransitionRefusedError
from kitty_guardian.events.admission import readmit
from kitty_guardian.events.board import Board
from kitty_guardian.events.chain import START
from kitty_guardian.events.history import History
from kitty_guardian.events.judging import Bench
from kitty_guardian.events.rows import Row, UnreadableRow, event_of, hash_of
from kitty_guardian.model.events import NO_STREAM, Event

if TYPE_CHECKING:
    from kitty_guardian.events.sqlite import SqliteEventStore
    from kitty_guardian.events.validators import Validator

EVENT_SCHEMA: Final = "spec-kitty/event/1"
HEAD_SCHEMA: Final = "spec-kitty/events-head/1"
BREAKS_AT_MOST: Final = 100

_KINDS: Final = (int, str, int, str, str, str, str, str, str, str)


@attrs.frozen
class Break:
    """One place where the store is not what was appended.

    Attributes:
        position: Of the event; 0 for the table itself.
        stream: Its stream, as far as it can be read.
        event_id: Its id, as far as it can be read.
        reason: What is wrong there, one sentence without a full stop.
    """

    position: int
    stream: str
    event_id: str
    reason: str


@attrs.frozen
class ChainReport:
    """What `verify` found.

    Attributes:
        events: How many events there are.
        position: Of the last one; 0 without one.
        head: Its hash.
        breaks: The first `BREAKS_AT_MOST` broken places: alterations of the table, then events by position, then
            what SQLite says of the file. The first event in it is where the store was changed.
    """

    events: int
    position: int
    head: str
    breaks: tuple[Break, ...]

    @property
    def ok(self) -> bool:
        """Whether the store holds exactly what was appended."""
        return not self.breaks


def verify(
    store: SqliteEventStore, *, head: tuple[int, str] | None = None, validators: Sequence[Validator] | None = None
) -> ChainReport:
    """Check everything from the first event on.

    Args:
        store: The store.
        head: Position and hash that `export` or `EventStore.head` gave earlier: without one, nobody can tell that
            events were cut off the end.
        validators: What events that are not history had to pass; None: the law.
    """
    walk = _Walk(Bench(validators))
    found = [Break(0, "", "", reason) for reason in _asked(store.alterations)]
    anchor = None if head is None or head == (0, START) else head
    try:
        for row in store.records():
            found.extend(walk.take(row))
            if anchor is not None and walk.position >= anchor[0]:
                if (walk.position, walk.hash) != anchor:
                    found.append(Break(anchor[0], "", "", f"is not the event whose hash was exported, {anchor[1]}"))
                anchor = None
            if len(found) >= BREAKS_AT_MOST:
                break
        else:
            if anchor is not None:
                found.append(Break(anchor[0], "", "", f"is missing: the store ends at position {walk.position}"))
    except EventStoreError as error:
        found.append(Break(walk.position + 1, "", "", f"and what follows cannot be read: {error.message}"))
    # Last, since it is mostly a consequence; alone it says that rows and indexes do not agree.
    found.extend(Break(0, "", "", f"SQLite finds damage: {line}") for line in _asked(store.damage))
    return ChainReport(walk.events, walk.position, walk.hash, tuple(found[:BREAKS_AT_MOST]))


def _asked(ask: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    try:
        return ask()
    except EventStoreError as error:
        return (f"the table cannot be examined: {error.message}",)


def export(store: SqliteEventStore) -> Iterator[dict[str, Any]]:
    """Every event as a JSON object, in order, and last the head: whoever keeps that can prove later what there was.

    Raises:
        EventStoreError: The store cannot be read, or an event in it is damaged.
    """
    position, digest = 0, START
    for event in store.read_all():
        position, digest = event.position, event.hash
        yield {
            "schema": EVENT_SCHEMA,
            "position": position,
            "stream": event.stream,
            "version": event.version,
            "event_id": event.event_id,
            "event_type": event.event_type,
            "at": event.at.isoformat(),
            "payload": event.payload,
            "metadata": event.metadata,
            "previous": event.previous,
            "hash": digest,
        }
    yield {"schema": HEAD_SCHEMA, "position": position, "hash": digest}


class _Walk:
    """Goes from event to event, knowing what has to come next.

    Attributes:
        events: How many it has seen.
        position: Of the last.
        hash: Of the last.
    """

    def __init__(self, bench: Bench) -> None:
        self.events = 0
        self.position = 0
        self.hash = START
        self._bench = bench
        self._board: Board | None = Board()
        self._versions: dict[str, int] = {}
        self._ids: dict[str, int] = {}
        self._knows_previous = True
        self._history = History()

    def take(self, row: Row | UnreadableRow) -> Iterator[Break]:
        """One more row; gives what is wrong with it, at most one break for it and one for a gap before it."""
        expected, position = self.position + 1, row.position if isinstance(row, UnreadableRow) else row[0]
        if position > expected:
            several = (
                f"the events at positions {expected} to {position - 1} are" if position - expected > 1 else "it is"
            )
            yield Break(expected, "", "", f"{several} missing")
            self._knows_previous = False
        self.events += 1
        if isinstance(row, UnreadableRow):
            self.position, self._knows_previous, self._board = position, False, None
            yield Break(position, "", "", f"cannot be read: {row.reason}")
            return
        problem = self._problem_of(row, expected)
        if problem is not None:
            yield Break(position, str(row[1]), str(row[3]), problem)
        self.position, self.hash, self._knows_previous = position, str(row[9]), True

    def _problem_of(self, row: Row, expected: int) -> str | None:
        if tuple(map(type, row)) != _KINDS:
            self._board = None
            return "holds values of another kind than the table's"
        position, stream, version, event_id, previous = *row[:4], row[8]
        follows = self._versions.get(stream, NO_STREAM) + 1
        first = self._ids.setdefault(event_id, position)
        self._versions[stream] = version
        if position < expected:
            problem: str | None = "was inserted: positions begin with 1"
        elif self._knows_previous and previous != self.hash:
            problem = "does not follow the event before it: it names another hash as the previous one"
        elif hash_of(row) != row[9]:
            problem = "was changed: its content does not have its hash"
        elif version != follows:
            problem = f"has version {version} of its stream, where {follows} comes next"
        elif first != position:
            problem = f"has the id of the event at position {first}"
        else:
            problem = None
        return self._illegal(row) if problem is None else self._fold_anyway(row, problem)

    def _fold_anyway(self, row: Row, problem: str) -> str:
        """What comes after is judged by what the store says of this one, as long as that can be understood."""
        try:
            if self._board is not None:
                self._board.apply(event_of(row))
        except Exception:  # noqa: BLE001 - a changed event may break anything; it is reported already
            self._board = None
        return problem

    def _illegal(self, row: Row) -> str | None:
        try:
            event = event_of(row)
            said = readmit(event)
        except UnreadableRow as error:
            return self._fold_anyway(row, f"is no event: {error.reason}")
        except InvalidEventError as error:
            return self._fold_anyway(row, f"is no event that could have been appended: {error.message}")
        if said != row[3:8]:
            return self._fold_anyway(row, "is not written as the store writes")
        return self._refused(event)

    def _refused(self, event: Event) -> str | None:
        if self._board is None:
            return None  # nothing can be said about the law after what is broken before
        problem = None
        try:
            self._bench.check_history((event,), self._history)
            if self._bench.has_to_judge(event.stream, (event.metadata,)):
                self._bench.judge((event,), self._board)
        except TransitionRefusedError as error:
            problem = f"illegal: {error.message}"
        self._board.apply(event)
        return problem
