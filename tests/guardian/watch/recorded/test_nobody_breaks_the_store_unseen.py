"""The event store is a file that an agent can write: whatever is done to it, what was in force stays, and is told."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kitty_guardian.errors import GuardianError
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.verification import verify
from kitty_guardian.model.events import EventType, feature_stream
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch import lifecycle
from kitty_guardian.watch.request import StartRequest
from kitty_guardian.watch.trail import read_trail
from support.guarded import FEATURE, eventually, guarded, session, snapshot
from support.repositories import Repository

Break = Callable[[Path], None]


def store_of(repository: Repository) -> Path:
    return Path(find_worktree(repository.path).state.events)


def trail(repository: Repository) -> list[Mapping[str, Any]]:
    return [event["payload"] for event in read_trail(find_worktree(repository.path))]


def is_told(repository: Repository) -> bool:
    return any(payload.get("rule") == "always:event-store" for payload in trail(repository))


@contextlib.contextmanager
def opened_raw(path: Path) -> Iterator[sqlite3.Connection]:
    """The store's file as anyone with SQLite can open it."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        yield connection
    finally:
        connection.close()


def remove(path: Path) -> None:
    path.unlink()


def exchange(path: Path) -> None:
    for part in path.parent.glob(f"{path.name}*"):
        part.unlink()
    SqliteEventStore(path).close()


def fill_with_rubbish(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"nothing of the kind\n" * 500)


def put_a_folder_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


def put_a_pipe_there(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def cut(path: Path) -> None:
    with opened_raw(path) as raw:
        raw.execute("DELETE FROM events WHERE position = (SELECT max(position) FROM events)")


def rewrite(path: Path) -> None:
    with opened_raw(path) as raw:
        raw.execute("UPDATE events SET payload = replace(payload, '\"plan\"', '\"implement\"')")


REMOVALS = [remove, exchange, fill_with_rubbish, put_a_folder_there, put_a_pipe_there]


@pytest.mark.parametrize("breaking", REMOVALS)
def test_a_store_that_is_taken_away_under_a_guardian_comes_back(planned: Repository, breaking: Break) -> None:
    with guarded(planned) as report:
        path = store_of(planned)
        with SqliteEventStore(path, read_only=True) as store:
            before = [event.hash for event in store.read_all()]
        breaking(path)
        sources = snapshot(planned.path / "src")
        planned.write("src/app.py", "print('now?')\n")
        eventually(lambda: snapshot(planned.path / "src") == sources, "the write is undone")

        eventually(lambda: is_told(planned), "it is told")
        told = next(payload for payload in trail(planned) if payload.get("rule") == "always:event-store")
        if told["action"] == "restored":
            with SqliteEventStore(path, read_only=True) as store:
                assert [event.hash for event in store.read_all()][: len(before)] == before
                assert verify(store).ok
        else:  # whoever opened what was put there damaged the log that both share: nothing is put back then
            assert (breaking, told["action"]) == (fill_with_rubbish, "unresolved")
            assert any("bring it back" in note or "damaged" in note for note in lifecycle.status(planned.path).notes)
        assert lifecycle.status(planned.path).pid == report.status.pid
        assert lifecycle.status(planned.path).phase == "plan"


@pytest.mark.parametrize("breaking", [cut, rewrite])
def test_a_store_that_is_rewritten_under_a_guardian_opens_nothing(planned: Repository, breaking: Break) -> None:
    with guarded(planned):
        breaking(store_of(planned))
        sources = snapshot(planned.path / "src")
        planned.write("src/app.py", "print('now?')\n")
        eventually(lambda: snapshot(planned.path / "src") == sources, "the write is undone")
        assert lifecycle.status(planned.path).phase == "plan"


@pytest.mark.parametrize("breaking", [*REMOVALS, cut, rewrite])
def test_a_store_that_was_broken_while_nobody_watched_moves_nothing(planned: Repository, breaking: Break) -> None:
    with session(planned):
        pass
    breaking(store_of(planned))

    with session(planned) as opened:
        assert opened.phase_of(FEATURE) is Phase.PLAN
        assert not opened.guard.situation.judge("src/app.py").allowed
        assert any("store" in problem for problem in opened.status()["problems"])


def test_a_person_may_take_a_broken_store_as_it_is_and_that_is_recorded(planned: Repository) -> None:
    with session(planned):
        pass
    exchange(store_of(planned))

    request = StartRequest(feature=FEATURE, accept_current="restored from a backup")
    with session(planned, request=request) as opened:
        assert opened.standings.broken is None
        assert opened.phase_of(FEATURE) is Phase.PLAN
        assert not any("store" in problem for problem in opened.status()["problems"])
    with session(planned) as opened:
        assert opened.standings.broken is None


def test_a_phase_that_was_written_past_the_law_with_a_right_hash_does_not_verify(planned: Repository) -> None:
    with session(planned):
        path = store_of(planned)
        with SqliteEventStore(path, validators=()) as store:
            payload = {"feature": FEATURE, "phase": "implement", "from_phase": "plan", "actor": "eve"}
            event = new_event(EventType.PHASE_ENTERED, payload, metadata={"source": "command", "feature": FEATURE})
            store.append(feature_stream(FEATURE), [event], expected_version=store.version(feature_stream(FEATURE)))
            assert not verify(store).ok


def test_such_a_phase_opens_nothing(planned: Repository) -> None:
    with session(planned) as opened:
        with SqliteEventStore(store_of(planned), validators=()) as store:
            payload = {"feature": FEATURE, "phase": "implement", "from_phase": "plan", "actor": "eve"}
            event = new_event(EventType.PHASE_ENTERED, payload, metadata={"source": "command", "feature": FEATURE})
            store.append(feature_stream(FEATURE), [event], expected_version=store.version(feature_stream(FEATURE)))
        sources = snapshot(planned.path / "src")
        planned.write("src/app.py", "print('now?')\n")
        opened.guard.scan()

        assert snapshot(planned.path / "src") == sources
        assert opened.phase_of(FEATURE) is Phase.PLAN
        assert any("event store" in problem for problem in opened.status()["problems"])


def test_a_store_that_somebody_holds_locked_holds_up_no_revert_and_loses_no_line(planned: Repository) -> None:
    with guarded(planned):
        raw = sqlite3.connect(store_of(planned), isolation_level=None)
        raw.execute("BEGIN IMMEDIATE")
        sources = snapshot(planned.path / "src")
        began = time.monotonic()
        for number in range(20):
            planned.write(f"src/new_{number}.py", "print('now?')\n")
        eventually(lambda: snapshot(planned.path / "src") == sources, "the writes are undone")
        undone_after = time.monotonic() - began
        paths = {f"src/new_{number}.py" for number in range(20)}
        eventually(lambda: paths <= {payload.get("path") for payload in trail(planned)}, "they are told meanwhile")
        with SqliteEventStore(store_of(planned), read_only=True) as store:
            assert not paths & {event.payload.get("path") for event in store.read("audit-main")}
        raw.execute("ROLLBACK")
        raw.close()

        def is_stored() -> bool:
            with SqliteEventStore(store_of(planned), read_only=True) as store:
                return paths <= {event.payload.get("path") for event in store.read("audit-main")}

        eventually(is_stored, "every line is in the store")
    assert undone_after < 5.0, "far beyond what is promised: the store's patience is not waited for"


def test_a_trail_from_before_the_store_is_taken_in_once(planned: Repository) -> None:
    with session(planned) as opened:
        planned.write("src/app.py", "print('now?')\n")
        opened.guard.scan()
    lines = Path(find_worktree(planned.path).state.guardian.violations).read_bytes()
    store_of(planned).unlink()
    for _ in range(2):
        with contextlib.suppress(GuardianError), session(planned):
            pass
    with SqliteEventStore(store_of(planned), read_only=True) as store:
        ids = [event.event_id for event in store.read("audit-main")]
    assert len(ids) == len(set(ids))
    assert all(f'"{event_id}"'.encode() in Path(find_worktree(planned.path).state.guardian.violations).read_bytes()
               for event_id in ids)  # fmt: skip
    assert lines.count(b"PolicyViolationAttempted") == 1
    assert sum(payload.get("path") == "src/app.py" for payload in trail(planned)) == 1
