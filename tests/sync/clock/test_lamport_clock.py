"""The clock only grows: over restarts, damage, wall clocks that jump, and numbers from elsewhere."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitty_paths import QueueScope, StateRoot
from kitty_sync import environment
from kitty_sync.clock import BELIEVED, MOST, LamportClock
from kitty_sync.errors import DamagedFileError, InvalidEventError
from kitty_sync.queue.events import Event, EventQueue
from kitty_sync.queue.scope import enter_scope
from sync.states import event, everything, fill


@pytest.fixture
def clock(root: StateRoot) -> LamportClock:
    return LamportClock(root, node_id="04420b92391a")


def written(root: StateRoot, data: str | bytes) -> Path:
    root.base.mkdir(exist_ok=True)
    path = Path(root.sync.clock)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_a_new_clock_begins_at_one_and_counts(root: StateRoot, clock: LamportClock) -> None:
    assert clock.peek() is None
    assert [clock.tick().value for _ in range(3)] == [1, 2, 3]
    assert LamportClock(root).tick().value == 4
    peeked = clock.peek()
    assert peeked is not None
    assert (peeked.value, peeked.node_id, peeked.recovered) == (4, "04420b92391a", None)


def test_the_file_is_upstreams(root: StateRoot) -> None:
    at = datetime(2026, 7, 1, 10, 0, 0, 123456, UTC)
    written(root, '{\n  "value": 42,\n  "node_id": "04420b92391a",\n  "updated_at": "2026-07-01T09:00:00+00:00"\n}')

    LamportClock(root, now=lambda: at).tick()

    assert Path(root.sync.clock).read_text() == (
        '{\n  "value": 43,\n  "node_id": "04420b92391a",\n  "updated_at": "2026-07-01T10:00:00.123456+00:00"\n}\n'
    )


@pytest.mark.parametrize(
    "at",
    [
        "yesterday",
        "9999-12-31T23:59:59",
        "9999-12-31T23:59:59.999999-14:00",
        "0001-01-01T00:00:00+14:00",
        5,
        None,
        "2026-07-01T10:00:00Z",
    ],
)
def test_whatever_the_file_says_about_when_the_number_goes_on(root: StateRoot, at: object) -> None:
    written(root, json.dumps({"value": 42, "node_id": "04420b92391a", "updated_at": at}))

    tick = LamportClock(root).tick()

    assert (tick.value, tick.recovered) == (43, None)
    assert json.loads(Path(root.sync.clock).read_text())["updated_at"].startswith("20")


def test_who_counts_is_a_hash_of_machine_and_login(root: StateRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "host_name", lambda: "box1")
    monkeypatch.setattr(environment, "login_name", lambda: "ada")

    assert LamportClock(root).tick().node_id == "04420b92391a" == hashlib.sha256(b"box1:ada").hexdigest()[:12]


def test_a_number_from_elsewhere_pushes_it_on_and_never_back(clock: LamportClock) -> None:
    assert clock.receive(10).value == 11
    assert clock.receive(3).value == 12
    assert clock.tick().value == 13


@pytest.mark.parametrize("remote", [-1, BELIEVED, 2**63 - 2, 2**100, True, 1.5, "7", None])
def test_what_is_no_number_does_not_move_it(root: StateRoot, clock: LamportClock, remote: object) -> None:
    clock.tick()
    before = everything(root.base)

    with pytest.raises(InvalidEventError) as caught:
        clock.receive(remote)  # type: ignore[arg-type]

    assert caught.value.hint is not None
    assert everything(root.base) == before


def test_behind_the_highest_number_that_is_believed_it_counts_on(clock: LamportClock) -> None:
    assert clock.receive(BELIEVED - 1).value == BELIEVED
    assert clock.tick().value == BELIEVED + 1


@pytest.mark.parametrize("value", [MOST - 1, MOST, 2**63 - 2])
def test_a_clock_at_its_end_is_damaged_and_recovers(root: StateRoot, clock: LamportClock, value: int) -> None:
    EventQueue.active(root).append([event("a", lamport_clock=41)])
    written(root, json.dumps({"value": value, "node_id": "04420b92391a", "updated_at": None}))

    tick = clock.tick()

    assert tick.value == 42
    assert tick.recovered is not None
    assert f"{value} and whatever else is not below {BELIEVED} was not believed" in tick.recovered
    assert clock.tick().value == 43


@pytest.mark.parametrize("others", [[], [7, 12]])
def test_a_queued_number_that_nobody_counted_to_is_not_believed(
    root: StateRoot, clock: LamportClock, others: list[int]
) -> None:
    numbers = [*others, 2**63 - 2]
    EventQueue.active(root).append([event(f"e{number}", lamport_clock=number) for number in numbers])

    tick = clock.tick()

    assert tick.value == max(others, default=0) + 1
    assert tick.recovered is not None
    assert str(2**63 - 2) in tick.recovered


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-(10**10), 10**9), min_size=1, max_size=8))
def test_a_wall_clock_that_jumps_moves_neither_number_nor_record_back(
    tmp_path_factory: pytest.TempPathFactory, jumps: list[int]
) -> None:
    root = StateRoot.at(tmp_path_factory.mktemp("clock"))
    records = []
    for number, jump in enumerate(jumps, start=1):
        at = datetime(2026, 7, 1, tzinfo=UTC) + timedelta(seconds=jump)
        assert LamportClock(root, now=partial(_at, at)).tick().value == number
        records.append(json.loads(Path(root.sync.clock).read_text())["updated_at"])
    assert records == sorted(records)


def _at(time: datetime) -> datetime:
    return time


DAMAGED = [
    b"",
    b"{",
    b"not json",
    b"\xff\xfe",
    b"null",
    b"[" * 100_000,
    b"[]",
    b'{"value": "42", "node_id": "04420b92391a"}',
    b'{"value": true, "node_id": "04420b92391a"}',
    b'{"value": -1, "node_id": "04420b92391a"}',
    b'{"value": 1e3, "node_id": "04420b92391a"}',
    b'{"value": 99999999999999999999999, "node_id": "04420b92391a"}',
    b'{"node_id": "04420b92391a"}',
    b'{"value": 3}',
    b'{"value": 3, "node_id": "UPPER"}',
    b'{"value": 3, "node_id": 7}',
]


@pytest.mark.parametrize("data", DAMAGED)
def test_a_damaged_clock_goes_on_behind_the_queues_and_says_so(
    root: StateRoot, ada: QueueScope, clock: LamportClock, data: bytes
) -> None:
    EventQueue.active(root).append([event("a", lamport_clock=41)])
    enter_scope(root, ada)
    EventQueue.active(root).append([event("b", lamport_clock=57), event("c", lamport_clock=12)])
    EventQueue(root, root.queues.unauthenticated).append([event("late", lamport_clock=50), event("none")])
    path = written(root, data)

    tick = clock.tick()

    assert tick.value == 58
    assert tick.recovered is not None
    assert str(path) in tick.recovered
    assert "57" in tick.recovered
    assert Path(root.sync.clock_damaged).read_bytes() == data, "what it said is kept"
    assert clock.tick().recovered is None


def test_a_queue_of_unknown_owner_counts_too(root: StateRoot, clock: LamportClock) -> None:
    enter_scope(root, QueueScope("https://other.example", "bob@example.org", "t_02"))
    fill(root, ["x"])
    EventQueue.active(root).append([event("b", lamport_clock=1_000)])
    Path(root.queues.active_scope).unlink()
    written(root, b"broken")

    assert clock.tick().value == 1_001


def test_a_clock_that_is_gone_goes_on_behind_the_queues_too(root: StateRoot, clock: LamportClock) -> None:
    EventQueue.active(root).append([event("a", lamport_clock=41)])

    tick = clock.tick()

    assert tick.value == 42
    assert tick.recovered is not None
    assert "missing" in tick.recovered


def test_numbers_that_delivered_events_had_are_taken_from_the_remains(root: StateRoot, clock: LamportClock) -> None:
    written(root, b'{\n  "value": 900,\n  "node_id": "0442')

    assert clock.tick().value == 901


def test_a_number_that_was_cut_short_is_not_believed(root: StateRoot, clock: LamportClock) -> None:
    EventQueue.active(root).append([event("a", lamport_clock=41)])
    written(root, b'{\n  "value": 9')

    assert clock.tick().value == 42


def test_rows_that_are_no_events_do_not_matter(root: StateRoot, clock: LamportClock) -> None:
    queue = EventQueue.active(root)
    queue.append([event("a", lamport_clock="99"), event("b", lamport_clock=True), event("c", lamport_clock=2**70)])
    queue.append([Event("d", "T", {"lamport_clock": 5}), event("broken")])
    with sqlite3.connect(queue.surface) as connection:
        connection.execute("UPDATE queue SET data = '{' WHERE event_id = 'broken'")
    connection.close()
    written(root, b"broken")

    assert clock.tick().value == 6


def test_without_a_queue_that_can_be_read_it_does_not_guess(root: StateRoot, clock: LamportClock) -> None:
    EventQueue.active(root).append([event("a", lamport_clock=41)])
    root.queues.directory.path.mkdir()
    broken = root.queues.directory.path / f"queue-{'a' * 16}.db"
    broken.write_bytes(b"no database")
    path = written(root, b"broken")

    with pytest.raises(DamagedFileError) as caught:
        clock.tick()

    assert str(broken) in caught.value.message
    assert caught.value.hint is not None
    assert path.read_bytes() == b"broken"

    broken.rename(broken.with_suffix(".aside"))
    assert clock.tick().value == 42


def test_looking_at_a_damaged_clock_changes_nothing(root: StateRoot, clock: LamportClock) -> None:
    written(root, b"broken")
    before = everything(root.base)

    with pytest.raises(DamagedFileError):
        clock.peek()

    assert everything(root.base) == before


def test_what_was_kept_of_an_earlier_damage_stays_beside_the_later(root: StateRoot, clock: LamportClock) -> None:
    written(root, b"first")
    clock.tick()
    written(root, b"second")

    recovered = clock.tick().recovered

    assert Path(root.sync.clock_damaged).read_bytes() == b"first\nsecond"
    assert recovered is not None
    assert "behind what was kept before" in recovered

    written(root, b"second")
    clock.tick()
    assert Path(root.sync.clock_damaged).read_bytes() == b"first\nsecond", "the same again is kept already"


def test_a_whole_number_that_was_written_with_a_point_is_taken_from_the_remains(
    root: StateRoot, clock: LamportClock
) -> None:
    written(root, b'{"value": 1000.0, "node_id": "04420b92391a"}')

    assert clock.tick().value == 1_001
