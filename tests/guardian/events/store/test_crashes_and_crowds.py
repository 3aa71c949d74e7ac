"""What was acknowledged is there, whoever is killed when, and however many write at once."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guardian.events.store import appending
from guardian.events.store.samples import AUDIT, WP01, WP02, blocked, moved, opened
from kitty_guardian.errors import EventStoreError, VersionConflict
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.verification import verify
from kitty_guardian.model.events import work_package_stream

KILLS = 12


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "spec-kitty" / "events.db"


def started(path: Path, stream: str, count: int, together: int) -> subprocess.Popen[str]:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    arguments: list[str | Path] = [sys.executable, str(appending.__file__), path, stream, str(count), str(together)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environ)


def is_whole(store: SqliteEventStore) -> bool:
    report = verify(store, validators=())
    assert report.ok, report.breaks
    assert [event.position for event in store.read_all()] == list(range(1, report.events + 1))
    return True


@pytest.mark.parametrize("together", [1, 40])
def test_what_a_killed_writer_acknowledged_is_there(path: Path, together: int) -> None:
    acknowledged: list[str] = []
    for number in range(KILLS):
        process = started(path, WP01, 0, together)
        assert process.stdout is not None
        acknowledged.extend(process.stdout.readline().strip() for _ in range(1 + number * together))
        time.sleep(0.001 * number)
        process.send_signal(signal.SIGKILL)
        acknowledged.extend(process.stdout.read().split())
        process.wait()
        process.stdout.close()
    with opened(path) as store:
        assert is_whole(store)
        ids = [event.event_id for event in store.read(WP01)]
        # Of the last append of each, and of no other, one may not have heard.
        assert len(ids) % together == 0
        assert [event_id for event_id in ids if event_id in set(acknowledged)] == acknowledged
        assert len(ids) - len(acknowledged) <= KILLS * together


def test_a_reader_that_is_killed_harms_nobody(path: Path) -> None:
    with opened(path) as store:
        store.append(AUDIT, [blocked()], expected_version=None)
        child = os.fork()
        if child == 0:
            with opened(path) as other:
                other.head()
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        store.append(AUDIT, [blocked()], expected_version=None)
        assert is_whole(store)


def test_a_store_does_not_go_on_in_a_forked_process(path: Path) -> None:
    with opened(path) as store:
        child = os.fork()
        if child == 0:
            try:
                store.append(AUDIT, [blocked()], expected_version=None)
            except EventStoreError as error:
                os._exit(7 if "another process" in error.message else 1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        store.append(AUDIT, [blocked()], expected_version=None)
        assert is_whole(store)


def test_a_log_cut_anywhere_holds_a_beginning_of_what_was_appended(path: Path, tmp_path: Path) -> None:
    with opened(path) as store:
        for version in range(-1, 9):
            store.append(WP01, [moved()], expected_version=version)
        events = list(store.read_all())
        log = path.with_name("events.db-wal").read_bytes()
        database = path.read_bytes()
        lengths = set()
        for end in (*range(0, len(log), 1009), len(log)):
            copy = tmp_path / "copy" / "events.db"
            shutil.rmtree(copy.parent, ignore_errors=True)
            copy.parent.mkdir()
            copy.write_bytes(database)
            copy.with_name("events.db-wal").write_bytes(log[:end])
            with opened(copy) as left:
                found = list(left.read_all())
                assert found == events[: len(found)]
                assert is_whole(left)
                left.append(WP02, [moved(work_package="WP02")], expected_version=-1)
                assert is_whole(left)
            lengths.add(len(found))
        assert lengths == set(range(len(events) + 1))


@pytest.mark.parametrize("place", [100, 5_000, -2_000, -10])
def test_a_log_with_a_wrong_bit_holds_a_beginning_of_what_was_appended(path: Path, tmp_path: Path, place: int) -> None:
    with opened(path) as store:
        for version in range(-1, 9):
            store.append(WP01, [moved()], expected_version=version)
        events = list(store.read_all())
        log = bytearray(path.with_name("events.db-wal").read_bytes())
        log[place] ^= 4
        copy = tmp_path / "copy" / "events.db"
        copy.parent.mkdir()
        copy.write_bytes(path.read_bytes())
        copy.with_name("events.db-wal").write_bytes(log)
    with opened(copy) as left:
        found = list(left.read_all())
        assert found == events[: len(found)]
        assert is_whole(left)


def test_a_store_without_its_file_is_not_a_new_one(path: Path) -> None:
    with opened(path) as store:
        store.append(AUDIT, [blocked()], expected_version=None)
        copy = path.parent.with_name("copy")
        shutil.copytree(path.parent, copy)
    (copy / "events.db").unlink()
    before = (copy / "events.db-wal").read_bytes()
    for read_only in (False, True):
        with pytest.raises(EventStoreError, match="gone or empty") as caught:
            SqliteEventStore(copy / "events.db", read_only=read_only)
        assert caught.value.hint is not None
    assert (copy / "events.db-wal").read_bytes() == before


@pytest.mark.parametrize("exchange", ["removed", "exchanged"])
def test_nothing_is_appended_to_a_file_that_is_gone(path: Path, exchange: str) -> None:
    with opened(path) as store:
        store.append(AUDIT, [blocked()], expected_version=None)
        path.rename(path.with_name("elsewhere"))
        if exchange == "exchanged":
            shutil.copy(path.with_name("elsewhere"), path)
        assert not store.is_in_place()
        with pytest.raises(EventStoreError, match="removed or exchanged"):
            store.append(AUDIT, [blocked()], expected_version=None)
        path.with_name("elsewhere").rename(path)
        store.append(AUDIT, [blocked()], expected_version=None)
        assert is_whole(store)


def test_who_waits_too_long_is_told_and_nothing_is_written(path: Path) -> None:
    with opened(path) as store, SqliteEventStore(path, validators=(), patience=0.05) as impatient:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(EventStoreError, match="another process is writing") as caught:
            impatient.append(AUDIT, [blocked()], expected_version=None)
        assert caught.value.hint is not None
        assert impatient.head() == (0, "")
        holder.execute("ROLLBACK")
        holder.close()
        impatient.append(AUDIT, [blocked()], expected_version=None)
        assert is_whole(store)


@pytest.mark.serial
def test_a_crowd_on_one_stream_loses_no_update(path: Path) -> None:
    processes = [started(path, WP01, 40, 2) for _ in range(6)]
    outputs = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * 6
    with opened(path) as store:
        assert is_whole(store)
        events = list(store.read(WP01))
        assert [event.version for event in events] == list(range(6 * 40 * 2))
        ids = [event.event_id for event in events]
        assert sorted(ids) == sorted(event_id for output in outputs for event_id in output[:-1])
        for output in outputs:
            assert [event_id for event_id in ids if event_id in set(output)] == output[:-1]


@pytest.mark.serial
def test_a_crowd_on_streams_of_its_own_never_conflicts(path: Path) -> None:
    streams = [work_package_stream("001-login", f"WP{number:02}") for number in range(6)]
    processes = [started(path, stream, 40, 1) for stream in streams]
    outputs = [process.communicate()[0].split() for process in processes]
    assert [output[-1] for output in outputs] == ["0"] * 6
    with opened(path) as store:
        assert is_whole(store)
        assert [store.version(stream) for stream in streams] == [39] * 6


def test_one_of_two_who_look_at_the_same_moment_conflicts(path: Path) -> None:
    with opened(path) as one, opened(path) as two:
        version = one.version(WP01)
        one.append(WP01, [moved("planned", "genesis")], expected_version=version)
        with pytest.raises(VersionConflict, match="genesis → planned by ada"):
            two.append(WP01, [moved("planned", "genesis")], expected_version=version)
