"""A store that cannot be opened, read or written says why and what to do, and nothing in it changes."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from guardian.events.store.samples import AUDIT, WP01, blocked, is_told, moved, opened
from kitty_guardian.errors import EventStoreError, EventStoreReadOnlyError
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.tables import APPLICATION_ID, SCHEMA_VERSION
from kitty_guardian.events.verification import verify
from support.unprivileged import as_anyone, place_for_anyone


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "spec-kitty" / "events.db"


def filled(path: Path) -> Path:
    with opened(path) as store:
        store.append(WP01, [moved("planned"), moved("claimed")], expected_version=-1)
    return path


def refused(path: Path, *words: str) -> EventStoreError:
    """The error of opening it either way; what stands there stays as it is."""
    before = path.read_bytes() if path.is_file() else None
    for read_only in (True, False):
        with pytest.raises(EventStoreError) as caught:
            SqliteEventStore(path, validators=(), read_only=read_only)
        assert is_told(caught.value, *words)
        assert caught.value.hint is not None
        assert (path.read_bytes() if path.is_file() else None) == before
    return caught.value


@pytest.mark.parametrize(
    "content", [b"not a database at all", b"SQLite format 3\x00" + b"\xff" * 5_000, b"\x00" * 4_096, b"x"]
)
def test_what_is_no_database_stays_as_it_is(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    refused(path, str(path))


def test_a_database_of_another_program_stays_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE events (id TEXT)")
    connection.close()
    refused(path, "another program")


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION + 1, 99, -1])
def test_another_version_stays_as_it_is(path: Path, version: int) -> None:
    filled(path)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    refused(path, f"schema version {version}", f"knows {SCHEMA_VERSION}")


def test_only_another_programs_mark_makes_it_foreign(path: Path) -> None:
    filled(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    connection.execute("PRAGMA application_id = 7")
    connection.close()
    refused(path, "another program")


def test_a_folder_is_no_store(path: Path) -> None:
    path.mkdir(parents=True)
    refused(path, str(path))


def test_a_store_below_nothing_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "spec-kitty" / "events.db"
    refused(path, str(path))
    assert list(tmp_path.iterdir()) == []


def test_a_store_below_a_file_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    refused(tmp_path / "file" / "events.db", "events.db")


def test_a_store_half_made_is_made(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(EventStoreError, match="no event store"):
        SqliteEventStore(path, read_only=True)
    filled(path)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_store_cut_short_is_damaged(path: Path, keep: float) -> None:
    with opened(path) as store:
        store.append(AUDIT, [blocked("x" * 900) for _ in range(200)], expected_version=None)
    size = path.stat().st_size
    os.truncate(path, int(size * keep) // 4096 * 4096)
    with pytest.raises(EventStoreError) as caught:
        _read_all(path)
    assert is_told(caught.value, str(path))


def _read_all(path: Path) -> None:
    with opened(path) as store:
        assert not verify(store, validators=()).ok
        list(store.read_all())


# Permissions mean something to ordinary users only


def test_a_file_that_may_only_be_read_is_read() -> None:
    with place_for_anyone() as place:

        def work() -> None:
            path = filled(place / "spec-kitty" / "events.db")
            path.chmod(0o400)
            _is_read_only(path)
            path.chmod(0o600)
            path.parent.chmod(0o500)
            _is_read_only(path)
            path.parent.chmod(0o700)

        as_anyone(work)


def test_what_a_dead_writer_left_is_read_where_nothing_may_be_written() -> None:
    with place_for_anyone() as place:

        def work() -> None:
            path = place / "spec-kitty" / "events.db"
            child = os.fork()
            if child == 0:
                opened(path).append(WP01, [moved("planned"), moved("claimed")], expected_version=-1)
                os._exit(0)
            os.waitpid(child, 0)
            path.with_name("events.db-shm").unlink()
            for file in path.parent.iterdir():
                file.chmod(0o400)
            path.parent.chmod(0o500)
            _is_read_only(path)
            path.parent.chmod(0o700)

        as_anyone(work)


def _is_read_only(path: Path) -> None:
    before = sorted(path.parent.iterdir())
    with opened(path) as store:
        assert not store.writable
        assert [event.payload["to_lane"] for event in store.read_all()] == ["planned", "claimed"]
        assert verify(store, validators=()).ok
        with pytest.raises(EventStoreReadOnlyError) as caught:
            store.append(AUDIT, [blocked()], expected_version=None)
        assert caught.value.exit_code == 2
        assert caught.value.hint is not None
    assert sorted(path.parent.iterdir()) == before


def test_a_store_that_nobody_may_read_says_so() -> None:
    with place_for_anyone() as place:

        def work() -> None:
            path = filled(place / "spec-kitty" / "events.db")
            for closed in (path, path.parent):
                mode = closed.stat().st_mode
                closed.chmod(0)
                for read_only in (True, False):
                    with pytest.raises(EventStoreError) as caught:
                        SqliteEventStore(path, validators=(), read_only=read_only)
                    assert is_told(caught.value, str(path))
                    assert caught.value.hint is not None
                closed.chmod(mode)

        as_anyone(work)


def test_a_store_that_may_not_be_made_says_so() -> None:
    with place_for_anyone() as place:

        def work() -> None:
            place.chmod(0o500)
            with pytest.raises(EventStoreReadOnlyError) as caught:
                opened(place / "spec-kitty" / "events.db")
            assert is_told(caught.value, "events.db")
            place.chmod(0o700)

        as_anyone(work)


# Disks

IN_A_NAMESPACE = """
import sys
from pathlib import Path
from guardian.events.store import small_disk
getattr(small_disk, sys.argv[2])(Path(sys.argv[1], "spec-kitty", "events.db"))
"""


@pytest.mark.parametrize(
    "what",
    [
        "append_until_full", "first_store_when_full", "read_on_read_only", "read_what_a_dead_writer_left_on_read_only",
        "read_beside_a_living_writer",
    ],
)  # fmt: skip
def test_a_disk_of_its_own(tmp_path: Path, what: str) -> None:
    unshare = shutil.which("unshare")
    if os.geteuid() != 0 or unshare is None:
        pytest.skip("only root can mount")
    if subprocess.run([unshare, "-m", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces here")
    script = f'mount -t tmpfs -o size=400k none "$1" && exec "$2" -c "$3" "$1" {what}'
    done = subprocess.run(
        [unshare, "-m", "sh", "-c", script, "sh", tmp_path, sys.executable, IN_A_NAMESPACE],
        check=False, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def limited(bytes_per_file: int, work: Callable[[], None]) -> None:
    """Run `work` in a child that may write no file larger than this."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_per_file, bytes_per_file))
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_limit_on_file_sizes_loses_nothing(path: Path) -> None:
    filled(path)

    def work() -> None:
        with opened(path) as store:
            with pytest.raises(EventStoreError) as caught:
                store.append(AUDIT, [blocked("x" * 900_000)], expected_version=None)
            assert is_told(caught.value, str(path))
            assert caught.value.hint is not None
            assert store.head()[0] == 2
            store.append(AUDIT, [blocked()], expected_version=None)

    limited(500_000, work)
    with opened(path) as store:
        assert store.head()[0] == 3
        assert verify(store, validators=()).ok
