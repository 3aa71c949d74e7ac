"""Whatever is changed in the store is found, and the first place of it is named."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardian.events.store.samples import AUDIT, PHASES, WP01, WP02, blocked, entered, moved, opened
from guardian.events.store.tampering import NAMES, change, rewrite, rows_of, tampering
from kitty_guardian.errors import EventStoreError, TransitionRefusedError
from kitty_guardian.events.board import Board
from kitty_guardian.events.chain import canonical
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.store import Write
from kitty_guardian.events.verification import BREAKS_AT_MOST, ChainReport, export, verify
from kitty_guardian.model.events import Event, Source

COUNT = 12


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    """A store with twelve events in four streams."""
    path = tmp_path / "spec-kitty" / "events.db"
    fill(path)
    return path


def fill(path: Path) -> None:
    with opened(path) as store:
        store.append(PHASES, [entered("research"), entered("specify")], expected_version=-1)
        store.commit([Write(WP01, [moved("planned")], -1), Write(WP02, [moved("planned", work_package="WP02")], -1)])
        store.append(AUDIT, [blocked(), blocked("undecodable \udcff")], expected_version=None)
        store.append(WP01, [moved("claimed"), moved("in_progress"), moved("for_review")], expected_version=0)
        store.append(PHASES, [entered("plan"), entered("tasks")], expected_version=1)
        store.append(WP02, [moved("canceled", work_package="WP02", event_id="the-last")], expected_version=0)


def verified(path: Path, head: tuple[int, str] | None = None) -> ChainReport:
    with opened(path) as store:
        return verify(store, head=head, validators=())


def test_an_untouched_store_is_whole(path: Path) -> None:
    with opened(path) as store:
        report = verify(store, validators=())
        assert (report.ok, report.events, (report.position, report.head)) == (True, COUNT, store.head())
        assert verify(store, head=store.head(), validators=()).ok


def test_an_empty_store_is_whole(tmp_path: Path) -> None:
    report = verified(tmp_path / "spec-kitty" / "events.db", head=(0, ""))
    assert (report.ok, report.events, report.position, report.head) == (True, 0, 0, "")


@pytest.mark.parametrize("position", range(1, COUNT + 1))
@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("stream", "workPackage-001-login/WP09", "content"), ("version", 77, "content"),
        ("event_id", "other", "content"),         ("event_type", "HeadAttested", "content"),
        ("at", "2020-01-01T00:00:00+00:00", "content"),
        ("payload", "{}", "content"), ("payload", "no json", "content"),
        ("metadata", '{"source":"adoption"}', "content"),
        ("previous", "0" * 64, "another hash"), ("hash", "0" * 64, "content"), ("hash", b"\xff\xfe", "read"),
    ],
)  # fmt: skip
def test_a_changed_field_is_named(path: Path, position: int, column: str, value: object, says: str) -> None:
    change(path, position, column, value)
    first = verified(path).breaks[0]
    assert (first.position, says in first.reason) == (position, True), first


@pytest.mark.parametrize("position", range(1, COUNT))
def test_a_removed_row_is_named(path: Path, position: int) -> None:
    with tampering(path) as connection:
        connection.execute("DELETE FROM events WHERE position = ?", (position,))
    first = verified(path).breaks[0]
    assert (first.position, "missing" in first.reason) == (position, True), first


@pytest.mark.parametrize("position", range(1, COUNT))
def test_a_row_that_was_removed_without_a_gap_is_named(path: Path, position: int) -> None:
    with tampering(path) as connection:
        connection.execute("DELETE FROM events WHERE position = ?", (position,))
        for later in range(position + 1, COUNT + 1):
            connection.execute("UPDATE events SET position = ? WHERE position = ?", (later - 1, later))
    first = verified(path).breaks[0]
    assert (first.position, "another hash" in first.reason) == (position, True), first


@pytest.mark.parametrize("position", range(1, COUNT))
def test_two_rows_that_changed_places_are_named(path: Path, position: int) -> None:
    with tampering(path) as connection:
        for old, new in ((position, 99), (position + 1, position), (99, position + 1)):
            connection.execute("UPDATE events SET position = ? WHERE position = ?", (new, old))
    assert verified(path).breaks[0].position == position


@pytest.mark.parametrize("position", [-5, 0, COUNT + 1])
def test_an_inserted_row_is_named(path: Path, position: int) -> None:
    with tampering(path) as connection:
        connection.execute(
            "INSERT INTO events SELECT ?, stream, 9, 'new', event_type, at, payload, metadata, previous, hash"
            " FROM events WHERE position = 3",
            (position,),
        )
    first = verified(path).breaks[0]
    assert (first.position, first.event_id) == (position, "new")


def test_a_cut_tail_is_told_by_a_head_that_was_kept(path: Path) -> None:
    with opened(path) as store:
        head = store.head()
        early = next(store.read_all(after=4, limit=1))
    with tampering(path) as connection:
        connection.execute("DELETE FROM events WHERE position > 8")
    assert verified(path).ok
    report = verified(path, head=head)
    assert [(one.position, "missing" in one.reason) for one in report.breaks] == [(COUNT, True)]
    assert verified(path, head=(early.position, early.hash)).ok


def test_a_perfect_forgery_is_told_by_a_head_that_was_kept(path: Path) -> None:
    with opened(path) as store:
        head, rows = store.head(), rows_of(store)
    payload = json.loads(rows[6][6]) | {"to_lane": "done"}
    rows[6] = (*rows[6][:6], canonical(payload), *rows[6][7:])
    rewrite(path, rows)
    assert verified(path).ok
    report = verified(path, head=head)
    assert [(one.position, "exported" in one.reason) for one in report.breaks] == [(COUNT, True)]


def test_what_the_law_would_not_have_let_in_is_named(path: Path) -> None:
    def no_review(event: Event, board: Board) -> None:
        if event.payload.get("to_lane") == "for_review" and board.position < COUNT:
            raise TransitionRefusedError("WP01 is not ready", gate="test")

    with opened(path) as store:
        (one,) = verify(store, validators=[no_review]).breaks
        rows = rows_of(store)
    assert (one.position, one.stream, one.reason) == (9, WP01, "illegal: WP01 is not ready")
    metadata = json.loads(rows[8][7]) | {"source": Source.ADOPTION}
    rows[8] = (*rows[8][:7], canonical(metadata), *rows[8][8:])
    rewrite(path, rows)
    with opened(path) as store:
        assert verify(store, validators=[no_review]).ok


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (6, '{"feature": "001-login", "phase": "plan"}'), (6, '{"feature":"001-login","phase":"holiday"}'), (6, "[]"),
        (6, '{"a":NaN}'), (7, "{}"), (7, '{"source":"command","line":7}'), (5, "2026-11-22 07:24"), (5, "yesterday"),
        (4, "WPStatusChanged"), (1, "elsewhere-1"), (3, ""),
    ],
)  # fmt: skip
def test_a_forgery_that_no_store_would_have_written_is_named(path: Path, column: int, value: str) -> None:
    with opened(path) as store:
        rows = rows_of(store)
    rows[9] = (*rows[9][:column], value, *rows[9][column + 1 :])  # type: ignore[assignment] # a row with another text
    rewrite(path, rows)
    report = verified(path)
    assert report.breaks[0].position == 10


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER events_never_change", "DROP TRIGGER events_never_go", "DROP TRIGGER events_come_in_order",
        "CREATE TABLE notes (text TEXT)", "CREATE INDEX quicker ON events (at)",
        "ALTER TABLE events ADD COLUMN note TEXT",
        "CREATE TRIGGER events_vanish AFTER INSERT ON events BEGIN SELECT 1; END",
        "CREATE VIEW all_of_them AS SELECT * FROM events",
    ],
)  # fmt: skip
def test_an_altered_table_is_named(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()
    assert [one.position for one in verified(path).breaks] == [0]


def test_a_trigger_that_does_nothing_is_named(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TRIGGER events_never_go")
    connection.execute("CREATE TRIGGER events_never_go BEFORE DELETE ON events BEGIN SELECT 1; END")
    connection.close()
    (one,) = verified(path).breaks
    assert one.reason == "the trigger `events_never_go` was altered"


def test_an_index_that_tells_another_story_is_named(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    (page,) = connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_events_2'"
    ).fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    raw = bytearray(path.read_bytes())
    start = raw.index(b"workPackage-001-login/WP02", (page - 1) * size, page * size)
    raw[start + 25] = ord("7")
    path.write_bytes(raw)
    with opened(path) as store:
        assert store.version(WP02) != 1
        assert any("damage" in one.reason for one in verify(store, validators=()).breaks)


def test_breaks_have_an_end(tmp_path: Path) -> None:
    path = tmp_path / "spec-kitty" / "events.db"
    with opened(path) as store:
        store.append(WP01, [moved() for _ in range(500)], expected_version=-1)
    with tampering(path) as connection:
        connection.execute("UPDATE events SET at = 'never' WHERE position > 3")
    report = verified(path)
    assert [one.position for one in report.breaks] == list(range(4, 4 + BREAKS_AT_MOST))


def test_the_export_can_be_checked_with_nothing_but_json_and_sha256(path: Path) -> None:
    with opened(path) as store:
        *events, anchor = [json.loads(json.dumps(line)) for line in export(store)]
        assert (anchor["position"], anchor["hash"]) == store.head()
    assert anchor["schema"] == "spec-kitty/events-head/1"
    previous = ""
    for position, line in enumerate(events, start=1):
        names = ("at", "event_id", "event_type", "metadata", "payload", "position", "stream", "version")
        text = json.dumps({name: line[name] for name in names}, sort_keys=True, separators=(",", ":"))
        assert line["schema"] == "spec-kitty/event/1"
        assert line["position"] == position
        assert line["previous"] == previous
        previous = hashlib.sha256(f"{previous}{text}".encode()).hexdigest()
        assert line["hash"] == previous
    assert anchor["hash"] == previous


def test_an_empty_export_has_a_head(tmp_path: Path) -> None:
    with opened(tmp_path / "spec-kitty" / "events.db") as store:
        assert list(export(store)) == [{"schema": "spec-kitty/events-head/1", "position": 0, "hash": ""}]


VALUES: dict[type, st.SearchStrategy[object]] = {
    str: st.text(st.characters(codec="utf-8"), max_size=40) | st.binary(max_size=20),
    int: st.integers(-(1 << 63), (1 << 63) - 1),
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_any_field_is_named_at_its_position(path: Path, data: st.DataObject) -> None:
    copy = path.with_name("copy.db")
    copy.unlink(missing_ok=True)
    shutil.copy(path, copy)
    position = data.draw(st.integers(1, COUNT))
    column = data.draw(st.integers(1, len(NAMES) - 1))
    with opened(copy) as store:
        old = rows_of(store)[position - 1][column]
    flips = st.builds(lambda at, bit: _flipped(str(old), at, bit), st.integers(0), st.integers(0, 7))
    value = data.draw(VALUES[type(old)] if isinstance(old, int) else VALUES[str] | flips)
    if value in {old, str(old).encode()}:
        return
    try:
        change(copy, position, NAMES[column], value)
    except sqlite3.IntegrityError:
        return  # there is another one like it: the table itself refuses
    assert verified(copy).breaks[0].position == position


def _flipped(text: str, at: int, bit: int) -> bytes:
    data = bytearray(text.encode())
    if data:
        data[at % len(data)] ^= 1 << bit
    return bytes(data)


def test_a_definition_that_is_no_text_is_damage(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"CREATE TRIGGER events_never_go") + 3] ^= 0x80
    path.write_bytes(raw)
    for read_only in (False, True):
        with pytest.raises(EventStoreError, match="damaged"):
            SqliteEventStore(path, validators=(), read_only=read_only)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bit_of_the_file_changes_unseen(path: Path, data: st.DataObject) -> None:
    copy = path.with_name("copy.db")
    raw = bytearray(path.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1), label="byte")] ^= 1 << data.draw(st.integers(0, 7), label="bit")
    copy.write_bytes(raw)
    original = _told(lambda: opened(path))
    found = _told(lambda: SqliteEventStore(copy, validators=(), read_only=True))
    assert found is None or found == original


def _told(opening: Callable[[], SqliteEventStore]) -> list[object] | None:
    """Every event of a store that verifies, or None."""
    try:
        with opening() as store:
            return list(store.read_all()) if verify(store, validators=()).ok else None
    except EventStoreError:
        return None
