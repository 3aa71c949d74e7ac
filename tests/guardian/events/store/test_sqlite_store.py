"""The store in a SQLite file keeps every promise of an event store."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from guardian.events.store.protocol_suite import EventStoreSuite
from guardian.events.store.samples import AUDIT, FEATURE, PHASES, WP01, WP02, blocked, entered, moved, opened
from kitty_guardian.errors import EventStoreError, EventStoreReadOnlyError, TransitionRefusedError
from kitty_guardian.events.queries import LANES
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.verification import verify
from kitty_guardian.model.lanes import Lane

if TYPE_CHECKING:
    from kitty_guardian.events.validators import Validator


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "spec-kitty" / "events.db"


class TestSqliteEventStore(EventStoreSuite):
    def opened(self, place: Path, validators: Sequence[Validator] = ()) -> SqliteEventStore:
        return SqliteEventStore(place, validators=validators)


# What is SQLite's own


def test_the_file_is_private(place: Path) -> None:
    with opened(place) as store:
        store.append(AUDIT, [blocked()], expected_version=None)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.parent.iterdir()}
        assert modes["events.db"] == modes["events.db-wal"] == 0o600
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700


def test_every_commit_is_on_the_disk(place: Path) -> None:
    with opened(place) as store:
        database = store._database
        assert database.rows("PRAGMA journal_mode") == [("wal",)]
        assert database.rows("PRAGMA synchronous") == [(2,)]


def _another(columns: str, *, words: str = "INSERT") -> str:
    """A statement that adds what is like the second event but for `columns` (the table's, in order)."""
    return f"{words} INTO events SELECT {columns} FROM events WHERE position = 2"  # noqa: S608 - our own words


FORBIDDEN = {
    "a payload": "UPDATE events SET payload = '{}'",
    "a position": "UPDATE events SET position = 9 WHERE position = 1",
    "a time, quietly": "UPDATE OR IGNORE events SET at = 'never'",
    "removing": "DELETE FROM events",
    "replacing": _another("*", words="INSERT OR REPLACE"),
    "replacing by id": _another(
        "3, stream, 2, event_id, event_type, at, payload, metadata, hash, hash", words="REPLACE"
    ),
    "replacing by version": _another(
        "3, stream, 1, 'new', event_type, at, payload, metadata, hash, hash", words="REPLACE"
    ),
    "a gap": _another("4, stream, 2, 'new', event_type, at, payload, metadata, hash, 'x'"),
    "a place before the first": _another("0, stream, 2, 'new', event_type, at, payload, metadata, hash, 'x'"),
    "no place": _another("NULL, stream, 7, 'new', event_type, at, payload, metadata, hash, 'x'"),
    "a gap in a stream": _another("3, stream, 7, 'new', event_type, at, payload, metadata, hash, 'x'"),
    "another hash before": _another("3, stream, 2, 'new', event_type, at, payload, metadata, 'other', 'x'"),
    "no JSON": _another("3, stream, 2, 'new', event_type, at, '{', metadata, hash, 'x'"),
    "what is no text": _another("3, stream, 2, 'new', event_type, x'00', payload, metadata, hash, 'x'"),
    "quietly": _another("3, stream, 2, 'new', 7, at, payload, metadata, 'other', 'x'", words="INSERT OR IGNORE"),
}


@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN)
def test_no_program_changes_what_happened(place: Path, statement: str) -> None:
    with opened(place) as store:
        store.append(WP01, [moved(), moved()], expected_version=-1)
        before = list(store.records())
        stranger = sqlite3.connect(place, isolation_level=None)
        with pytest.raises(sqlite3.IntegrityError):
            stranger.execute(statement)
        stranger.close()
        assert list(store.records()) == before
        assert verify(store, validators=()).ok


def test_lanes_are_told_without_folding(place: Path) -> None:
    with opened(place) as store:
        assert store.lanes() == {}
        store.append(WP01, [moved("planned"), moved("claimed"), moved("in_progress")], expected_version=-1)
        store.append(WP02, [moved("planned", work_package="WP02")], expected_version=-1)
        store.append("workPackage-002-a-b/WP01", [moved("done")], expected_version=-1)
        store.append(PHASES, [entered()], expected_version=-1)
        assert store.lanes() == {
            (FEATURE, "WP01"): "in_progress", (FEATURE, "WP02"): "planned", ("002-a-b", "WP01"): "done"
        }  # fmt: skip
        plan = store._database.rows(f"EXPLAIN QUERY PLAN {LANES}")
        assert "COVERING INDEX" in str(plan)


def test_the_board_is_one_and_up_to_date(place: Path) -> None:
    with opened(place) as one, opened(place) as two:
        board = one.board()
        assert board.position == 0
        two.append(WP01, [moved("planned")], expected_version=-1)
        assert one.board() is board
        assert (board.position, board.head) == two.head()
        one.append(WP01, [moved("claimed")], expected_version=0)
        assert board.feature(FEATURE).lanes() == {"WP01": Lane.CLAIMED}
        two.refresh()
        assert two.board().feature(FEATURE) == board.feature(FEATURE)


def test_an_event_is_found_by_its_id(place: Path) -> None:
    event = moved()
    with opened(place) as store:
        assert not store.has(event.event_id)
        store.append(WP01, [event], expected_version=-1)
        assert store.has(event.event_id)
        assert not store.has("other")
        assert not store.has("\udcff")


def test_who_appends_without_a_law_of_his_own_is_held_to_the_law(place: Path) -> None:
    with SqliteEventStore(place) as store, pytest.raises(TransitionRefusedError):
        store.append(WP01, [moved("done", "planned")], expected_version=-1)


def test_a_store_belongs_to_its_thread(place: Path) -> None:
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            store.append(AUDIT, [blocked()], expected_version=None)
        except EventStoreError as error:
            caught.append(error)
        with opened(place) as own:
            own.append(AUDIT, [blocked()], expected_version=None)

    with opened(place) as store:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert len(caught) == 1
        assert store.head()[0] == 1


def test_a_closed_store_says_so(place: Path) -> None:
    store = opened(place)
    store.close()
    store.close()
    for ask in (store.head, store.board, store.lanes, lambda: store.append(AUDIT, [blocked()], expected_version=None)):
        with pytest.raises(EventStoreError, match="closed"):
            ask()


def test_a_store_that_is_only_read_makes_nothing(place: Path) -> None:
    place.parent.mkdir()
    with pytest.raises(EventStoreError, match="no event store"):
        SqliteEventStore(place, read_only=True)
    assert list(place.parent.iterdir()) == []
    opened(place).close()
    before = sorted(place.parent.iterdir())
    with SqliteEventStore(place, read_only=True) as reader:
        assert not reader.writable
        assert reader.head() == (0, "")
        assert sorted(place.parent.iterdir()) == before
        with pytest.raises(EventStoreReadOnlyError) as caught:
            reader.append(AUDIT, [blocked()], expected_version=None)
        assert caught.value.hint is not None


def test_a_reader_sees_what_is_written_meanwhile(place: Path) -> None:
    opened(place).close()
    with SqliteEventStore(place, read_only=True, validators=()) as reader:
        assert reader.head() == (0, "")
        for number in range(3):
            with opened(place) as writer:
                writer.append(AUDIT, [blocked()], expected_version=None)
                assert reader.head() == writer.head()
            assert reader.head()[0] == number + 1
            assert reader.board().position == number + 1
