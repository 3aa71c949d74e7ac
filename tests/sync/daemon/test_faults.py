"""A daemon killed just before any of its writes, or met by a full disk there: the next one starts as if nothing was."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kitty_paths import StateRoot
from kitty_sync.config import SyncConfig
from kitty_sync.daemon import lifecycle
from kitty_sync.daemon.address import Address
from kitty_sync.daemon.owner import Whose, write_owner
from kitty_sync.errors import AccessDeniedError, ForeignRootError, StateError, SyncError
from kitty_sync.queue.events import Event, EventQueue
from kitty_sync.secret import Secret
from kitty_sync.storage.locking import HeldLock, is_held
from support.injection import Fault, with_faults
from support.unprivileged import UID, as_anyone, place_for_anyone

LIFE = Path(__file__).with_name("one_life.py")


def prepared(tmp_path: Path) -> Path:
    """A root that was in use before: a configuration and a queue."""
    pristine = tmp_path / "pristine"
    pristine.mkdir()
    root = StateRoot.at(pristine / "root")
    SyncConfig(root).set_server_url("https://kitty.example")
    EventQueue.active(root).append([Event("01", "E", {"event_id": "01", "event_type": "E"})])
    return pristine


def is_sound_after(fault: Fault) -> None:
    """Nothing of the root is lost, nobody is taken for somebody else, and the next daemon lives and ends."""
    root = StateRoot.at(fault.place / "root")
    found = lifecycle.status(root)
    assert not found.running, fault.where
    assert found.owner in {Whose.NOBODY, Whose.OURS}, fault.where
    assert SyncConfig(root).read().server_url == "https://kitty.example", fault.where
    try:
        assert lifecycle.start(root).status.running, fault.where
        assert lifecycle.status(root).queues[0].events == 1, fault.where
    finally:
        lifecycle.stop(root)
    left = {path.name for path in root.base.rglob("*") if path.is_file()}
    assert left <= {
        "config.toml", "config.toml.lock", "queue.db", "sync-daemon.lock", "sync-daemon.log",
    }, fault.where  # fmt: skip


@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["kill", "full"])
def test_whatever_moment_it_is_the_next_daemon_starts(tmp_path: Path, how: str) -> None:
    seen = 0
    for fault in with_faults(LIFE, [], prepared(tmp_path), how, tmp_path):
        seen += 1
        if how == "kill":
            assert fault.status in {-9, 137}, fault
        elif fault.status:
            assert fault.status == 2, fault
            if not fault.where.startswith("write "):  # or its own words had no room either
                assert fault.talked.startswith("sync.state.full: "), fault
                assert str(fault.place / "root") in fault.talked, fault
            # A start that failed has cleaned up behind itself.
            assert lifecycle.status(StateRoot.at(fault.place / "root")).owner is Whose.NOBODY, fault
        is_sound_after(fault)
    assert seen > 5


def test_starts_and_stops_in_any_order_at_once_end_in_one_daemon_or_none(root: StateRoot) -> None:
    def act(number: int) -> str:
        try:
            if number % 3:
                return "running" if lifecycle.start(root).status.running else "?"
            lifecycle.stop(root)
        except SyncError as error:
            return error.code
        return "stopped"

    with ThreadPoolExecutor(6) as crowd:
        said = set(crowd.map(act, range(24)))
    # One that was stopped by somebody else while it began is told as that; nothing else can go wrong.
    assert said <= {"running", "stopped", "sync.daemon.start"}
    found = lifecycle.status(root)
    assert found.running == is_held(root.daemon.lock)
    assert found.problem is None
    lifecycle.stop(root)
    assert not is_held(root.daemon.lock)
    assert lifecycle.status(root) == lifecycle.DaemonStatus(running=False)


def test_a_root_of_another_user_is_refused_and_not_read() -> None:
    with place_for_anyone() as place:
        theirs = place / "theirs"
        theirs.mkdir()
        (theirs / "sync-daemon").write_text("x", encoding="utf-8")

        def work() -> None:
            for act in (lifecycle.start, lifecycle.stop, lifecycle.status):
                with pytest.raises(ForeignRootError) as refused:
                    act(StateRoot.at(theirs))
                assert refused.value.exit_code == 2

        as_anyone(work)
        assert [path.name for path in theirs.iterdir()] == ["sync-daemon"]


def test_a_root_that_cannot_be_written_is_refused_and_can_still_be_asked_about() -> None:
    with place_for_anyone() as place:
        base = place / "mine"
        base.mkdir()
        os.chown(base, UID, UID)
        base.chmod(0o500)

        def work() -> None:
            root = StateRoot.at(base)
            with pytest.raises(AccessDeniedError):
                lifecycle.start(root)
            assert lifecycle.status(root) == lifecycle.DaemonStatus(running=False)
            assert not lifecycle.stop(root).was_running

        as_anyone(work)
        assert list(base.iterdir()) == []


def test_an_ordinary_user_is_one_and_ends_it(root: StateRoot) -> None:
    def live(where: StateRoot) -> None:
        def ready(found: lifecycle.DaemonStatus) -> None:
            assert found.running
            assert where.daemon.owner.path.stat().st_uid == os.geteuid()
            os.kill(os.getpid(), signal.SIGTERM)

        assert not lifecycle.run(where, ready, lambda _: None).already_running

    live(root)  # loads what an interpreter that lies in somebody else's home could not load any more
    with place_for_anyone() as place:
        theirs = StateRoot.at(place / "state")
        as_anyone(lambda: live(theirs))
        left = {path.name for path in theirs.base.rglob("*") if path.is_file()}
        assert left == {"sync-daemon.lock", "sync-daemon.log"}


@pytest.mark.parametrize(
    "name",
    ["with space", "é\u200b", "quote'\"$(touch x)", "-rf", "x" * 200, b"\xff\xfe".decode("utf-8", "surrogateescape")],
)
def test_a_root_may_be_called_anything(root: StateRoot, name: str) -> None:
    # A name that no text can hold reaches the daemon as the bytes it is.
    odd = StateRoot.at(root.base / name)
    try:
        assert lifecycle.start(odd).status.root == str(odd.base)
        assert json.loads(odd.daemon.owner.path.read_bytes())["queue_db_path"] == str(odd.queues.unauthenticated)
    finally:
        assert lifecycle.stop(odd).was_running
    assert [path.name for path in root.base.iterdir()] == [name]


def test_a_root_that_is_a_link_to_a_directory_works(root: StateRoot, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    root.base.symlink_to(tmp_path / "real")
    assert lifecycle.start(root).status.root == str(root.base)
    assert (tmp_path / "real" / "sync-daemon").exists()
    assert lifecycle.stop(root).was_running


@pytest.mark.parametrize("surface", ["lock", "owner", "state"])
def test_a_directory_where_a_file_belongs_is_an_error_with_its_path(root: StateRoot, surface: str) -> None:
    path: Path = getattr(root.daemon, surface).path
    path.mkdir(parents=True)
    with pytest.raises(SyncError, match=path.name):
        lifecycle.start(root)
    assert path.is_dir()
    found = None
    try:
        found = lifecycle.status(root)
    except StateError:
        return
    assert not found.running


@pytest.mark.parametrize("line", [1, 3])
def test_a_state_file_with_an_absurd_number_is_one_that_cannot_be_understood(root: StateRoot, line: int) -> None:
    Address(8000, Secret("0" * 32), 17).write(root)
    path = root.daemon.state.path
    lines = path.read_text().split()
    lines[line] = "9" * 5_000
    path.write_text("\n".join(lines))

    assert Address.read(root) is None


def test_a_port_that_takes_connections_and_says_nothing_is_not_called_deserted(
    root: StateRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_ANSWER_SECONDS", 0.1)
    stopping = threading.Event()
    with HeldLock(root, root.daemon.lock) as lock, socket.create_server(("127.0.0.1", 0)) as server:
        assert lock.acquire(0.0)

        def hang_up() -> None:
            while not stopping.is_set():
                connection, _ = server.accept()
                connection.close()

        answering = threading.Thread(target=hang_up, daemon=True)
        answering.start()
        address = Address(server.getsockname()[1], Secret("0" * 32), 17)
        address.write(root)
        write_owner(root, {"pid": 17})
        problem = lifecycle.status(root).problem
        stopping.set()
        socket.create_connection(server.getsockname()).close()
        answering.join()
    assert problem is not None
    assert f"what listens at {address.url} takes the connection and ends it without an answer" in problem
