"""The event store in one SQLite file: `<git common dir>/spec-kitty/events.db`."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from kitty_guardian.errors import EventStoreError, GuardianError, InvalidEventError
from kitty_guardian.events.admission import Admitted, admit, check_stream
from kitty_guardian.events.board import Board
from kitty_guardian.events.conflicts import conflict
from kitty_guardian.events.database import Database
from kitty_guardian.events.judging import Bench
from kitty_guardian.events.queries import Queries
from kitty_guardian.events.rows import Row, UnreadableRow, placed
from kitty_guardian.events.store import Write
from kitty_guardian.events.tables import INSERT
from kitty_guardian.model.events import Event
from kitty_guardian.model.phases import Phase

if TYPE_CHECKING:
    from kitty_guardian.events.validators import Validator

_MISSED_AT_MOST: Final = 100


class SqliteEventStore:
    """Streams of events in one file, for one thread; another thread or process opens a store of its own.

    Args:
        path: The file, absolute. It is made where that is possible (0600, in a folder of 0700); where it may only be
            read, reading works and appending does not.
        validators: What every event that is not history has to pass; None: the law (`validators.DEFAULT`).
        read_only: Only read, also where writing were possible; makes nothing.
        patience: Seconds to wait for other writers.

    Attributes:
        path: The file.

    Raises:
        EventStoreError: There is no store and none may be made, or it is damaged, foreign or of another version.
    """

    def __init__(
        self,
        path: Path,
        *,
        validators: Sequence[Validator] | None = None,
        read_only: bool = False,
        patience: float = 5.0,
    ) -> None:
        self.path = path
        self._database = Database(path, reading=read_only, patience=patience)
        self._queries = Queries(self._database)
        self._bench = Bench(validators)
        self._board: Board | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def writable(self) -> bool:
        """Whether events may be appended here."""
        return self._database.writable

    def is_in_place(self) -> bool:
        """Whether the file on disk is still the one that is open."""
        return self._database.is_in_place()

    # Writing

    def append(self, stream: str, events: Sequence[Event], *, expected_version: int | None) -> int:
        """Validate, then persist, all or nothing (`EventStore.append`)."""
        return self.commit((Write(stream, events, expected_version),))[-1].version

    def commit(self, writes: Sequence[Write]) -> tuple[Event, ...]:
        """As `append`, for several streams at once: all of them or none (`EventStore.commit`)."""
        with _without_collecting():
            return self._commit(writes)

    def _commit(self, writes: Sequence[Write]) -> tuple[Event, ...]:
        admitted = [(write, admit(write)) for write in writes]
        if not admitted:
            return ()
        ids = [one.event_id for _, several in admitted for one in several]
        if len(set(ids)) < len(ids):
            twice = next(event_id for event_id in ids if ids.count(event_id) > 1)
            raise InvalidEventError(f"the event `{twice}` is to be appended twice at once")
        judged = any(
            self._bench.has_to_judge(write.stream, (one.metadata for one in several)) for write, several in admitted
        )
        if judged:
            self.board()  # nobody waits while all that happened is folded: only what is new then is folded below
        try:
            with self._database.transaction() as connection:
                stored, rows = self._place(admitted)
                self._bench.check_history(stored)
                if judged:
                    self._bench.judge(stored, self._board_at(stored[0].position - 1))
                connection.executemany(INSERT, rows)
        except GuardianError as error:
            # Whoever tries again hears that it was done already, not that it came too late.
            if not isinstance(error, EventStoreError) or isinstance(error.__cause__, sqlite3.IntegrityError):
                self._refuse_known(ids)
            raise
        if self._board is not None and self._board.position == stored[0].position - 1:
            self._fold(self._board, stored)
        return tuple(stored)

    def _refuse_known(self, ids: Sequence[str]) -> None:
        for event_id, stream, version, position in self._queries.places(ids):
            raise InvalidEventError(
                f"the event `{event_id}` is in the store already: `{stream}`, version {version}, position {position}"
            )

    def _place(self, admitted: Sequence[tuple[Write, Sequence[Admitted]]]) -> tuple[list[Event], list[Row]]:
        first = admitted[0][0].stream
        position, previous, version = self._queries.ends(first)
        versions = {first: version}
        stored: list[Event] = []
        rows: list[Row] = []
        for write, several in admitted:
            stream, expected = write.stream, write.expected_version
            version = versions[stream] if stream in versions else self._queries.version(stream)
            if expected is not None and expected != version:
                missed = self._queries.stream(stream, expected + 1, _MISSED_AT_MOST)
                raise conflict(stream, expected, version, tuple(missed))
            for one in several:
                version, position = version + 1, position + 1
                event, row = placed(one, stream, version, position, previous)
                previous = event.hash
                stored.append(event)
                rows.append(row)
            versions[stream] = version
        return stored, rows

    # Reading

    def version(self, stream: str) -> int:
        """Version of the stream's last event; -1 without one."""
        check_stream(stream)
        return self._queries.version(stream)

    def read(self, stream: str, *, since: int = 0, limit: int | None = None) -> Iterator[Event]:
        """The events of one stream from version `since` on, in order."""
        check_stream(stream)
        return self._queries.stream(stream, since, limit)

    def read_all(self, *, after: int = 0, limit: int | None = None) -> Iterator[Event]:
        """All events with a position beyond `after`, in order."""
        return self._queries.all(after, limit)

    def head(self) -> tuple[int, str]:
        """Position and hash of the last event; (0, "") of an empty store."""
        return self._queries.head()

    def has(self, event_id: str) -> bool:
        """Whether an event of that id is in the store."""
        with contextlib.suppress(UnicodeEncodeError):
            return any(self._queries.places((event_id,)))
        return False

    def lanes(self) -> dict[tuple[str, str], str]:
        """The lane of every work package, by feature and work package, without folding anything."""
        return self._queries.lanes()

    def records(self) -> Iterator[Row | UnreadableRow]:
        """Every row as it stands, in order of positions, whatever is in it: for verification."""
        return self._queries.records()

    def alterations(self) -> tuple[str, ...]:
        """What differs from the table as it was made: for verification."""
        return self._queries.alterations()

    def damage(self) -> tuple[str, ...]:
        """What SQLite itself finds wrong with the file: for verification."""
        return self._queries.damage()

    # What it adds up to

    def board(self) -> Board:
        """Everything folded up to the head; the same object each time, which callers do not change."""
        return self._board_at(self._queries.head()[0])

    def _board_at(self, head: int) -> Board:
        board = self._board or Board()
        if board.position != head:
            with _without_collecting():
                self._fold(board, self._queries.all(board.position, None))
        self._board = board
        return board

    def phase_of(self, feature: str, scope: Collection[str] = ()) -> Phase | None:
        """The phase of a feature that is enforced, or None where nothing was recorded of it (`PhaseStore`)."""
        return self.board().phase_of(feature, scope)

    def refresh(self) -> None:
        """Fold what other writers appended since."""
        self.board()

    def _fold(self, board: Board, events: Iterable[Event]) -> None:
        self._board = None  # half of a fold is worse than none
        for event in events:
            try:
                board.apply(event)
            except (LookupError, ValueError, TypeError, AttributeError) as error:
                raise EventStoreError(
                    f"the event at position {event.position} of the event store `{self.path}` "
                    f"says what cannot be: {error}",
                    hint="spec-kitty events verify",
                ) from error
        self._board = board

    def checkpoint(self) -> None:
        """Bring what others need not wait for from the log into the file itself; best effort."""
        self._database.checkpoint()

    def copy_to(self, path: Path) -> None:
        """Write everything that is held open into a new file, also where the store's own was removed or exchanged.

        Raises:
            EventStoreError: It cannot be written, or may only be read here.
        """
        self._database.copy_to(path)

    def close(self) -> None:
        """Let go of everything."""
        self._database.close()


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Keep the collector of cycles from looking through ten thousands of new events again and again: none has any."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
