"""Events are queued once, read in order, never evicted, and go only when they were delivered."""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitty_paths import StateRoot
from kitty_sync.config import SyncConfig
from kitty_sync.errors import EventConflictError, InvalidEventError
from kitty_sync.queue.events import Appended, Event, EventQueue, Settled, Verdict
from sync.states import event, fill, names


@pytest.fixture
def queue(root: StateRoot) -> EventQueue:
    return EventQueue.active(root)


def test_an_event_comes_back_as_it_went_in(queue: EventQueue) -> None:
    envelope = {"event_id": "01KW", "event_type": "WPCreated", "payload": {"name": "Überblick \ud800", "n": 1.5}}

    assert queue.append([Event.from_envelope(envelope)]) == Appended(1, 0)

    (row,) = queue.batch()
    assert (row.event_id, row.event_type, row.data, row.retry_count) == ("01KW", "WPCreated", envelope, 0)


def test_the_same_event_twice_is_one_row_where_it_was(queue: EventQueue) -> None:
    queue.append([event("a"), event("b")])

    respelled = Event("a", "WPCreated", {"event_type": "WPCreated", "event_id": "a"})
    assert queue.append([respelled, event("c"), event("c")]) == Appended(1, 2)

    assert names(queue) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "other",
    [event("b", more=1), Event("b", "WPAssigned", {"event_id": "b"}), Event("b", "WPCreated", {"event_id": "b"})],
)
def test_an_id_with_other_content_is_refused_with_all_that_came_along(queue: EventQueue, other: Event) -> None:
    queue.append([event("a"), event("b")])
    before = queue.batch()

    with pytest.raises(EventConflictError) as caught:
        queue.append([event("c"), other])

    assert caught.value.event_id == "b"
    assert str(queue.surface) in caught.value.message
    assert queue.batch() == before


def test_one_and_true_are_not_the_same_content(queue: EventQueue) -> None:
    queue.append([event("a", flag=1)])

    with pytest.raises(EventConflictError):
        queue.append([event("a", flag=True)])


@pytest.mark.parametrize(
    "wrong",
    [
        Event("", "WPCreated", {}),
        Event("  ", "WPCreated", {}),
        Event("a", "", {}),
        Event("\ud800", "WPCreated", {}),
        Event("a", "\udcff", {}),
        Event("a", "WPCreated", {"event_id": "b"}),
        Event("a", "WPCreated", {"event_type": "WPAssigned"}),
        Event("a", "WPCreated", {"x": float("nan")}),
        Event("a", "WPCreated", {"x": {1, 2}}),
        Event.from_envelope({"event_id": 7, "event_type": "WPCreated"}),
        Event.from_envelope({}),
    ],
)
def test_what_is_no_event_is_refused_before_anything_is_made(root: StateRoot, queue: EventQueue, wrong: Event) -> None:
    with pytest.raises(InvalidEventError):
        queue.append([event("good"), wrong])

    assert not root.base.exists()


def test_nothing_is_ever_evicted(root: StateRoot, queue: EventQueue) -> None:
    SyncConfig(root).set("sync.max_queue_size", 3)

    queue.append([event(f"{number}") for number in range(50)])

    assert queue.count() == 50


def test_order_survives_a_wall_clock_that_jumps(root: StateRoot) -> None:
    times = itertools.chain([1_700_000_000, 4_000_000_000, 100, 0, -5, 1_700_000_001], itertools.repeat(50))
    queue = EventQueue(root, root.queues.unauthenticated, now=lambda: next(times))
    for number in range(8):
        queue.append([event(f"{number}a"), event(f"{number}b")])

    assert names(queue) == [f"{number}{letter}" for number in range(8) for letter in "ab"]
    stamps = [row.timestamp for row in queue.batch()]
    assert stamps == sorted(stamps)


def test_rows_of_another_program_are_read_in_timestamp_order(root: StateRoot, queue: EventQueue) -> None:
    fill(root, ["a"])
    with sqlite3.connect(queue.surface) as connection:
        for name, timestamp in (("late", 4_000_000_000), ("early", 5), ("negative", -5)):
            connection.execute(
                "INSERT INTO queue (event_id, event_type, data, timestamp) VALUES (?, 'T', '{}', ?)", (name, timestamp)
            )
    connection.close()

    assert names(queue) == ["negative", "early", "a", "late"]


@settings(deadline=None, max_examples=30)
@given(sizes=st.lists(st.integers(0, 7), max_size=6), limit=st.integers(1, 5))
def test_pages_make_up_the_whole(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limit: int) -> None:
    root = StateRoot.at(tmp_path_factory.mktemp("pages"))
    queue = EventQueue.active(root)
    wanted = []
    for number, size in enumerate(sizes):
        batch = [f"{number}-{index}" for index in range(size)]
        queue.append([event(name) for name in batch])
        wanted += batch

    got: list[str] = []
    last = None
    while rows := queue.batch(limit, after=last):
        assert len(rows) <= limit
        got += [row.event_id for row in rows]
        last = rows[-1]
    assert got == wanted


@pytest.mark.parametrize("verdict", Verdict)
def test_a_row_goes_only_after_success_or_duplicate(root: StateRoot, queue: EventQueue, verdict: Verdict) -> None:
    fill(root, ["a", "b"])

    settled = queue.settle({"a": verdict, "never queued": Verdict.SUCCESS, "\ud800": Verdict.SUCCESS})

    gone = verdict in {Verdict.SUCCESS, Verdict.DUPLICATE}
    assert settled == Settled(deleted=int(gone), kept=int(not gone), unknown=2)
    assert names(queue) == (["b"] if gone else ["a", "b"])


def test_only_a_refusal_is_counted(root: StateRoot, queue: EventQueue) -> None:
    fill(root, ["refused", "pending", "unreachable"])
    for _ in range(2):
        queue.settle({"refused": Verdict.REJECTED, "pending": Verdict.PENDING, "unreachable": Verdict.TRANSIENT})

    assert {row.event_id: row.retry_count for row in queue.batch()} == {"refused": 2, "pending": 0, "unreachable": 0}


@pytest.mark.parametrize(
    ("word", "verdict"),
    [
        ("success", Verdict.SUCCESS),
        ("accepted", Verdict.SUCCESS),
        ("warning", Verdict.SUCCESS),
        ("duplicate", Verdict.DUPLICATE),
        ("queued", Verdict.PENDING),
        ("pending", Verdict.PENDING),
        ("rejected", Verdict.REJECTED),
        ("failed_transient", Verdict.TRANSIENT),
        ("SUCCESS", Verdict.TRANSIENT),
        ("something new", Verdict.TRANSIENT),
        (None, Verdict.TRANSIENT),
        (["success"], Verdict.TRANSIENT),
    ],
)
def test_a_word_that_nobody_knows_settles_nothing(word: object, verdict: Verdict) -> None:
    assert Verdict.of(word) is verdict


@pytest.mark.parametrize("text", ["[1, 2", "5", "[]", "null", "", "[" * 100_000])
def test_a_row_that_is_no_json_object_is_kept_and_named(root: StateRoot, queue: EventQueue, text: str) -> None:
    fill(root, ["a"])
    with sqlite3.connect(queue.surface) as connection:
        connection.execute("UPDATE queue SET data = ?", (text,))
    connection.close()

    (row,) = queue.batch()
    with pytest.raises(InvalidEventError, match="a is no JSON object"):
        _ = row.data
    assert row.text == text


def test_a_row_that_is_no_json_is_not_taken_for_the_same_event(root: StateRoot, queue: EventQueue) -> None:
    fill(root, ["a"])
    with sqlite3.connect(queue.surface) as connection:
        connection.execute("UPDATE queue SET data = '{'")
    connection.close()

    with pytest.raises(EventConflictError):
        queue.append([event("a")])

    assert queue.batch()[0].text == "{"


def test_threads_of_one_process_do_not_get_in_each_others_way(root: StateRoot, queue: EventQueue) -> None:
    failed: list[BaseException] = []

    def member(number: int) -> None:
        try:
            for index in range(40):
                queue.append([event(f"{number}-{index}")])
                assert queue.count() > 0
        except BaseException as error:  # noqa: BLE001 - shown by the main thread
            failed.append(error)

    threads = [threading.Thread(target=member, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not failed
    assert queue.count() == 240
    # SQLite's companions stay where a reader was the last to close: it may not remove them.
    assert {path.name for path in root.base.iterdir()} <= {"queue.db", "queue.db-wal", "queue.db-shm"}


def test_the_text_in_the_row_is_the_whole_envelope(root: StateRoot, queue: EventQueue) -> None:
    fill(root, ["a"])

    with sqlite3.connect(queue.surface) as connection:
        (text,) = connection.execute("SELECT data FROM queue").fetchone()
    connection.close()

    assert json.loads(text) == {"event_id": "a", "event_type": "WPCreated"}
    assert Path(queue.surface).name == "queue.db"


@pytest.mark.parametrize("timestamp", ["2026-01-01T00:00:00", b"\x00", "99999999999999999999x"])
def test_a_time_that_is_no_number_does_not_keep_events_out(queue: EventQueue, timestamp: object) -> None:
    queue.append([event("a"), event("odd")])
    with sqlite3.connect(queue.surface) as connection:
        connection.execute("UPDATE queue SET timestamp = ? WHERE event_id = 'odd'", (timestamp,))
    connection.close()

    assert queue.append([event("b")]) == Appended(1, 0)

    assert sorted(names(queue)) == ["a", "b", "odd"]
