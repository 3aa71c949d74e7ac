"""Reading leaves no trace; writing makes private files where the layout says, and nowhere else; roots never meet."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kitty_paths import StateRoot
from kitty_sync.clock import LamportClock
from kitty_sync.config import SyncConfig
from kitty_sync.errors import StateError
from kitty_sync.queue.events import EventQueue
from kitty_sync.queue.scope import active_scope, enter_scope
from kitty_sync.storage.databases import companion, transaction, writing
from kitty_sync.storage.directories import ensure_directory
from kitty_sync.tracker.connection import connect
from support.unprivileged import as_anyone, place_for_anyone
from sync.operations import ADA, IDLE, READING, Operation, look_at_everything, use_everything
from sync.states import event, everything, modes, names

# What `use_everything` leaves, as the layout of the facts and our lock files have it.
LANDED = {
    ".": "0700",
    "config.toml": "0600",
    "config.toml.lock": "0600",
    "clock.json": "0600",
    "clock.json.lock": "0600",
    "queue.db": "0600",
    "queues": "0700",
    "queues/queue-4efd3700aeb15214.db": "0600",
    "active_queue_scope": "0600",
    "active_queue_scope.lock": "0600",
    "credentials": "0600",
    "credentials.lock": "0600",
    "trackers": "0700",
    "trackers/433b4dd278370a61.db": "0600",
    "trackers/2e7b0f1f1a0b5a4d.db": "0600",
}


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def landed(root: StateRoot) -> dict[str, str]:
    """The modes of everything below a root, the local tracker's store under the name the table above has."""
    found = modes(root.base)
    (local,) = {name for name in found if name.startswith("trackers/")} - {"trackers/433b4dd278370a61.db"}
    found["trackers/2e7b0f1f1a0b5a4d.db"] = found.pop(local)
    return found


@pytest.mark.parametrize("reads", [*READING.values(), *IDLE.values()], ids=[*READING, *IDLE])
def test_reading_and_having_nothing_to_do_create_nothing(root: StateRoot, reads: Operation) -> None:
    reads(root)

    assert not os.path.lexists(root)


def test_looking_at_everything_changes_nothing(root: StateRoot) -> None:
    use_everything(root)
    before = everything(root.base)

    first, second = look_at_everything(root), look_at_everything(root)

    assert repr(first) == repr(second)
    assert everything(root.base) == before


def test_looking_works_where_nothing_can_be_written() -> None:
    with place_for_anyone() as place:

        def work() -> None:
            root = StateRoot.at(place / "state")
            use_everything(root)
            seen = look_at_everything(root)
            for directory in (root.base, root.base / "queues", root.base / "trackers"):
                directory.chmod(0o500)
            try:
                assert repr(look_at_everything(root)) == repr(seen)
            finally:
                for directory in (root.base, root.base / "queues", root.base / "trackers"):
                    directory.chmod(0o700)

        as_anyone(work)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o177, 0o777])
def test_everything_is_private_and_in_its_place_under_any_umask(root: StateRoot, mask: int) -> None:
    with umask(mask):
        use_everything(root)

    assert landed(root) == LANDED


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_so_it_is_for_an_ordinary_user(mask: int) -> None:
    with place_for_anyone() as place:

        def work() -> None:
            root = StateRoot.at(place / "a" / "b" / "state")
            with umask(mask):
                use_everything(root)
            assert landed(root) == LANDED
            assert stat.S_IMODE((place / "a").stat().st_mode) == 0o700

        as_anyone(work)


def test_what_sqlite_keeps_beside_an_open_database_is_private_too(root: StateRoot) -> None:
    surface = root.queues.unauthenticated
    with umask(0), writing(root, surface, check=lambda _: None) as connection, transaction(connection):
        connection.execute("CREATE TABLE t (x)")
        for suffix in ("-wal", "-shm"):
            assert stat.S_IMODE(companion(surface.path, suffix).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "name",
    ["with spaces", "ünïcode", "100%25 #1?mode=ro&x", "quote'\"d", "back\\slash", "new\nline", "-rf", "\udcff\udcfe"],
)
def test_a_root_may_be_called_anything(tmp_path: Path, name: str) -> None:
    root = StateRoot.at(tmp_path / name)

    use_everything(root)
    look_at_everything(root)

    assert landed(root) == LANDED
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["config.toml", "credentials", "clock.json", "active_queue_scope"])
def test_a_pipe_in_a_files_place_makes_nobody_wait_and_stays(root: StateRoot, name: str) -> None:
    root.base.mkdir()
    os.mkfifo(root.base / name)
    uses: dict[str, Callable[[], object]] = {
        "config.toml": lambda: SyncConfig(root).set_server_url("https://kitty.example"),
        "credentials": lambda: connect(root, "local", workspace="acme", credentials={}),
        "clock.json": lambda: LamportClock(root).tick(),
        "active_queue_scope": lambda: enter_scope(root, ADA),
    }

    with pytest.raises(StateError) as caught:
        uses[name]()

    assert str(root.base / name) in caught.value.message
    assert stat.S_ISFIFO((root.base / name).stat().st_mode)


def test_a_private_file_replaces_one_that_others_could_read(root: StateRoot) -> None:
    SyncConfig(root).set_server_url("https://kitty.example")
    Path(root.sync.config).chmod(0o644)

    SyncConfig(root).set_server_url("https://other.example")

    assert stat.S_IMODE(Path(root.sync.config).stat().st_mode) == 0o600


def test_directories_that_were_there_keep_their_mode(root: StateRoot) -> None:
    root.base.mkdir(mode=0o750)
    root.base.chmod(0o750)

    ensure_directory(root, root.queues.directory.path)

    assert modes(root.base) == {".": "0750", "queues": "0700"}


def test_on_windows_the_same_files_lie_in_windows_places(tmp_path: Path) -> None:
    root = StateRoot.at(tmp_path / "state", platform="win32")

    use_everything(root)

    files = {name for name in modes(root.base) if "." in name or name == "tracker/credentials"}
    assert {"config.toml", "clock.json", "queue.db", "tracker/credentials.lock"} <= files
    assert (root.base / "tracker" / "credentials").is_file()
    assert not (root.base / "credentials").exists()


def test_on_macos_they_lie_where_they_lie_on_linux(tmp_path: Path) -> None:
    root = StateRoot.at(tmp_path / "state", platform="darwin")

    use_everything(root)

    assert landed(root) == LANDED


def test_two_roots_at_once_share_nothing(tmp_path: Path) -> None:
    one, two = StateRoot.at(tmp_path / "sk-a"), StateRoot.at(tmp_path / "sk-b")
    use_everything(one)
    before = everything(one.base)

    assert active_scope(two) is None
    assert SyncConfig(two).read().server_url is None
    assert EventQueue.active(two).count() == 0
    assert not two.base.exists()

    SyncConfig(two).set_server_url("https://two.example")
    EventQueue.active(two).append([event("two's")])

    assert everything(one.base) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sk-a", "sk-b"], "nothing beside the roots either (B3)"
    assert names(EventQueue.active(two)) == ["two's"]
    assert names(EventQueue(one, one.queues.scoped(ADA))) == ["anonymous", "ada's"]


def test_temporary_files_are_not_used(root: StateRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "temporary"
    elsewhere.mkdir()
    for variable in ("TMPDIR", "SQLITE_TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(variable, str(elsewhere))

    use_everything(root)

    assert elsewhere.stat().st_mtime_ns == elsewhere.stat().st_ctime_ns
    assert list(elsewhere.iterdir()) == []
