"""Whose queue is in use, and what becomes of events nobody was logged in for."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitty_paths import QueueScope, StateRoot
from kitty_sync.errors import BusyError, DamagedFileError, InvalidScopeError
from kitty_sync.queue.adoption import adopt
from kitty_sync.queue.events import EventQueue
from kitty_sync.queue.record import write_scope
from kitty_sync.queue.scope import active_scope, enter_scope, leave_scope
from kitty_sync.storage import locking
from kitty_sync.storage.locking import HeldLock
from sync.states import event, everything, fill, names


def test_the_record_is_one_line_that_upstream_reads(root: StateRoot) -> None:
    enter_scope(root, QueueScope(" https://Kitty.Example/ ", "Ada@example.org", "T_01"))

    assert Path(root.queues.active_scope).read_bytes() == b"https://kitty.example|ada@example.org|t_01\n"


@pytest.mark.parametrize(
    "text", ["https://kitty.example|ada@example.org|t_01", " https://Kitty.Example/|ada@example.org|T_01\n\n"]
)
def test_upstreams_record_is_read(root: StateRoot, ada: QueueScope, text: str) -> None:
    root.base.mkdir()
    Path(root.queues.active_scope).write_text(text)

    assert active_scope(root) == ada
    assert EventQueue.active(root).surface == root.queues.scoped(ada)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"one", b"a|b", b"a|b|c|d", b"a||c", b" | | ", b"a|b|c\nd|e|f", b"\xff|b|c", b"a|b|c\x00"]
)
def test_a_record_that_says_nothing_clear_is_refused_and_kept(root: StateRoot, ada: QueueScope, data: bytes) -> None:
    root.base.mkdir()
    record = Path(root.queues.active_scope)
    record.write_bytes(data)

    for use in (active_scope, EventQueue.active, lambda root: enter_scope(root, ada), leave_scope):
        with pytest.raises(DamagedFileError) as caught:
            use(root)
        assert str(record) in caught.value.message
        assert caught.value.hint is not None
        assert "mv " in caught.value.hint

    assert record.read_bytes() == data
    assert not root.queues.unauthenticated.path.exists(), "no event goes to the wrong queue"


@pytest.mark.parametrize(
    "scope",
    [
        QueueScope("", "ada", "t"),
        QueueScope("https://k", " ", "t"),
        QueueScope("https://k", "ada", ""),
        QueueScope("https://k", "a|b", "t"),
        QueueScope("https://k", "ada", "t\nu"),
    ],
)
def test_a_scope_that_the_record_cannot_hold_is_refused(root: StateRoot, scope: QueueScope) -> None:
    with pytest.raises(InvalidScopeError):
        enter_scope(root, scope)

    assert active_scope(root) is None


PARTS = st.text(st.characters(codec="utf-8", exclude_characters="|"), min_size=1).filter(
    lambda text: text.strip() != ""
)


@settings(deadline=None, max_examples=50)
@given(server=PARTS, user=PARTS, team=PARTS)
def test_what_is_recorded_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, server: str, user: str, team: str
) -> None:
    root = StateRoot.at(tmp_path_factory.mktemp("scope"))
    scope = QueueScope(server, user, team)
    try:
        write_scope(root, scope)
    except InvalidScopeError:
        assert active_scope(root) is None
    else:
        assert active_scope(root) == scope


def test_a_login_moves_the_rows_once_and_says_so(root: StateRoot, ada: QueueScope) -> None:
    old = fill(root, [f"{number:04}" for number in range(1_234)])
    before = old.batch(10_000)

    report = enter_scope(root, ada)

    new = EventQueue.active(root)
    assert (report.moved, report.already_there, report.conflicts, report.left) == (1_234, 0, (), 0)
    assert (report.source, report.destination) == (old.surface.path, new.surface.path)
    assert old.count() == 0
    kept = [(row.event_id, row.text, row.timestamp, row.retry_count) for row in new.batch(10_000)]
    assert kept == [(row.event_id, row.text, row.timestamp, row.retry_count) for row in before]

    again = enter_scope(root, ada)
    assert (again.moved, again.already_there, again.left) == (0, 0, 0)


def test_what_retries_and_keys_a_row_has_move_with_it(root: StateRoot, ada: QueueScope) -> None:
    old = fill(root, ["a"])
    with sqlite3.connect(old.surface) as connection:
        connection.execute("UPDATE queue SET retry_count = 5, coalesce_key = 'k', timestamp = 42")
    connection.close()

    enter_scope(root, ada)

    with sqlite3.connect(root.queues.scoped(ada)) as connection:
        row = connection.execute("SELECT event_id, retry_count, coalesce_key, timestamp FROM queue").fetchone()
    connection.close()
    assert row == ("a", 5, "k", 42)


def test_a_row_the_scope_has_already_is_not_doubled(root: StateRoot, ada: QueueScope) -> None:
    EventQueue(root, root.queues.scoped(ada)).append([event("a")])
    fill(root, ["a", "b"])

    report = enter_scope(root, ada)

    assert (report.moved, report.already_there, report.left) == (1, 1, 0)
    assert names(EventQueue.active(root)) == ["a", "b"]


def test_a_row_with_other_content_under_its_id_stays_and_is_named(root: StateRoot, ada: QueueScope) -> None:
    new = EventQueue(root, root.queues.scoped(ada))
    new.append([event("a", whose="the scope's")])
    old = fill(root, ["a", "b"])

    report = enter_scope(root, ada)

    assert (report.moved, report.conflicts, report.left) == (1, ("a",), 1)
    assert names(old) == ["a"]
    assert new.batch()[0].data["whose"] == "the scope's"


def test_rows_that_come_late_are_picked_up_by_the_next_look(root: StateRoot, ada: QueueScope) -> None:
    enter_scope(root, ada)
    EventQueue(root, root.queues.unauthenticated).append([event("late")])

    assert adopt(root, ada).moved == 1
    assert names(EventQueue.active(root)) == ["late"]


def test_a_login_of_somebody_else_leaves_the_first_ones_queue_alone(root: StateRoot, ada: QueueScope) -> None:
    enter_scope(root, ada)
    fill(root, ["ada's"])
    bob = QueueScope(ada.server, "bob@example.org", ada.team)

    enter_scope(root, bob)
    fill(root, ["bob's"])

    assert names(EventQueue(root, root.queues.scoped(ada))) == ["ada's"]
    assert names(EventQueue.active(root)) == ["bob's"]


def test_after_a_logout_events_are_nobodys_and_every_queue_is_as_it_was(root: StateRoot, ada: QueueScope) -> None:
    enter_scope(root, ada)
    fill(root, ["a"])

    assert leave_scope(root)
    assert not leave_scope(root)
    fill(root, ["b"])

    assert active_scope(root) is None
    assert names(EventQueue(root, root.queues.scoped(ada))) == ["a"]
    assert names(EventQueue(root, root.queues.unauthenticated)) == ["b"]


def test_a_login_whose_rows_cannot_move_still_counts_and_keeps_them(root: StateRoot, ada: QueueScope) -> None:
    root.base.mkdir()
    broken = Path(root.queues.unauthenticated)
    broken.write_bytes(b"no database")

    with pytest.raises(DamagedFileError) as caught:
        enter_scope(root, ada)

    assert str(broken) in caught.value.message
    assert broken.read_bytes() == b"no database"
    assert active_scope(root) == ada, "new events go to the scope's queue, not to the broken one"


def test_a_login_waits_for_another_and_gives_up_with_an_error(
    root: StateRoot, ada: QueueScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(root, ["a"])
    other = HeldLock(root, root.queues.active_scope_lock)
    assert other.acquire(0)
    before = everything(root.base)
    monkeypatch.setattr(locking.holding, "__kwdefaults__", {"timeout": 0.05, "shared": False})

    with other, pytest.raises(BusyError) as caught:
        enter_scope(root, ada)

    assert str(root.queues.active_scope_lock) in caught.value.message
    assert everything(root.base) == before
