"""What happens on a disk with little room, or a read-only one; run in a mount namespace of its own.

Every function is given the store's path; the folder above the store's is the disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from guardian.events.store.samples import AUDIT, WP01, blocked, moved, opened
from kitty_guardian.errors import EventStoreError, EventStoreReadOnlyError
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.verification import verify


def append_until_full(path: Path) -> None:
    """Every event that was acknowledged is there, and appending goes on once there is room."""
    acknowledged: list[str] = []
    with opened(path) as store:

        def go_on() -> None:
            for _ in range(10_000):
                event = blocked("x" * 500)
                store.append(AUDIT, [event], expected_version=None)
                acknowledged.append(event.event_id)

        with pytest.raises(EventStoreError) as caught:
            go_on()
        assert str(path) in caught.value.message
        assert "df -h" in (caught.value.hint or "")
        assert len(acknowledged) > 20
        with pytest.raises(EventStoreError):
            store.append(AUDIT, [blocked("y" * 500_000)], expected_version=None)
        _holds(store, acknowledged)
        _remount(path, "size=8m")
        event = blocked("afterwards")
        store.append(AUDIT, [event], expected_version=None)
        _holds(store, [*acknowledged, event.event_id])
    with opened(path) as store:
        _holds(store, [*acknowledged, event.event_id])


def first_store_when_full(path: Path) -> None:
    """A store that cannot be made says so, and can be made later."""
    _fill(path)
    with pytest.raises(EventStoreError) as caught:
        opened(path)
    assert "df -h" in (caught.value.hint or "")
    assert not isinstance(caught.value, EventStoreReadOnlyError)
    _remount(path, "size=8m")
    with opened(path) as store:
        store.append(AUDIT, [blocked()], expected_version=None)


def read_on_read_only(path: Path) -> None:
    """Reading works where nobody had it open, and appending says so."""
    with opened(path) as store:
        store.append(WP01, [moved() for _ in range(3)], expected_version=-1)
        before = tuple(store.read_all())
    _remount(path, "ro")
    _reads(path, before)
    _remount(path, "rw")
    with opened(path) as store:
        store.append(WP01, [moved()], expected_version=2)


def read_what_a_dead_writer_left_on_read_only(path: Path) -> None:
    """Reading works although what was written last is in the log alone, with and without its index."""
    for suffixes in ((), ("-shm",)):
        shutil.rmtree(path.parent, ignore_errors=True)
        before = _die_writing(path)
        for suffix in suffixes:
            path.with_name(f"{path.name}{suffix}").unlink()
        _remount(path, "ro")
        _reads(path, before)
        _remount(path, "rw")
        with opened(path) as store:
            assert tuple(store.read_all()) == before
            store.append(WP01, [moved()], expected_version=2)


def read_beside_a_living_writer(path: Path) -> None:
    """Where the store is mounted read-only, and writers are at work outside: every new event is seen at once."""
    inside = path.parent.with_name("inside")
    with opened(path) as writer:
        writer.append(WP01, [moved()], expected_version=-1)
        inside.mkdir()
        subprocess.run(["mount", "--bind", path.parent, inside], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", inside], check=True)
        with opened(inside / path.name) as reader:
            assert not reader.writable
            for version in range(20):
                writer.append(WP01, [moved()], expected_version=version)
                assert reader.head() == writer.head()
                assert reader.board().position == version + 2
    with opened(inside / path.name) as reader:
        assert reader.head()[0] == 21
        with opened(path) as writer:
            writer.append(WP01, [moved()], expected_version=20)
            assert reader.head() == writer.head()
        assert reader.head()[0] == 22


def _reads(path: Path, expected: Sequence[object]) -> None:
    before = sorted((file.name, file.stat().st_mtime_ns) for file in path.parent.iterdir())
    for read_only in (False, True):
        with SqliteEventStore(path, validators=(), read_only=read_only) as store:
            assert not store.writable
            assert tuple(store.read_all()) == expected
            assert verify(store, validators=()).ok
            assert store.lanes()
            with pytest.raises(EventStoreReadOnlyError) as caught:
                store.append(WP01, [moved()], expected_version=2)
            assert caught.value.hint is not None
    assert sorted((file.name, file.stat().st_mtime_ns) for file in path.parent.iterdir()) == before


def _die_writing(path: Path) -> tuple[object, ...]:
    child = os.fork()
    if child == 0:
        store = opened(path)
        store.append(WP01, [moved() for _ in range(3)], expected_version=-1)
        os._exit(0)
    os.waitpid(child, 0)
    copy = path.parent.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(path.parent, copy)
    with opened(copy / path.name) as store:
        return tuple(store.read_all())


def _holds(store: SqliteEventStore, acknowledged: list[str]) -> None:
    assert [event.event_id for event in store.read_all()] == acknowledged
    assert verify(store, validators=()).ok


def _remount(path: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", path.parent.parent], check=True)


def _fill(path: Path) -> None:
    with path.parent.with_name("ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(os.urandom(4096))
        except OSError:
            return
