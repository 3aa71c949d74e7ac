"""One daemon for a root: started until it answers, stopped until it is gone, alive as long as it holds the lock."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kitty_paths import StateRoot
from kitty_sync.config import SyncConfig
from kitty_sync.daemon import asking, holder, lifecycle
from kitty_sync.daemon.address import Address
from kitty_sync.daemon.owner import MARKER, Whose
from kitty_sync.errors import DaemonStartError, DaemonUnreachableError, RootNotADirectoryError
from kitty_sync.queue.events import Event, EventQueue
from kitty_sync.storage.locking import is_held
from support.guarded import eventually
from sync.daemon.living import ended, is_alive, started, stranger

UPSTREAMS_KEYS = {
    "pid", "port", "token", "package_version", "executable_path", "source_checkout_path", "server_url",
    "auth_principal", "auth_team", "auth_scope", "queue_db_path", "started_at",
}  # fmt: skip


def elsewhere(verb: str) -> str:
    """A program that does something with the daemon of the root it resolves itself."""
    return (
        "from kitty_paths import StateRoot; from kitty_sync.daemon import lifecycle\n"
        f"lifecycle.{verb}(StateRoot.resolve())"
    )


def test_a_start_returns_once_the_daemon_answers_for_this_root(root: StateRoot) -> None:
    begun = lifecycle.start(root)
    assert not begun.already_running
    assert begun.status.running
    assert begun.status.root == str(root.base)
    assert begun.status.url == Address.read(root).url  # type: ignore[union-attr]
    assert lifecycle.status(root) == begun.status


def test_it_says_what_waits_and_that_nothing_is_sent(root: StateRoot) -> None:
    EventQueue.active(root).append([Event("01", "WPCreated", {"event_id": "01", "event_type": "WPCreated"})])
    found = lifecycle.start(root).status
    assert [(each.path, each.events) for each in found.queues] == [(str(root.queues.unauthenticated), 1)]
    assert found.notes == ("not logged in: nothing is sent",)
    EventQueue.active(root).append([Event("02", "WPCreated", {"event_id": "02", "event_type": "WPCreated"})])
    assert lifecycle.status(root).queues[0].events == 2


def test_a_second_start_reports_the_first(root: StateRoot) -> None:
    pid = started(root)
    again = lifecycle.start(root)
    assert again.already_running
    assert again.status.pid == pid


def test_many_starts_at_once_make_one_daemon(root: StateRoot) -> None:
    with ThreadPoolExecutor(8) as crowd:
        begun = list(crowd.map(lambda _: lifecycle.start(root), range(8)))
    assert len({each.status.pid for each in begun}) == 1
    assert sum(not each.already_running for each in begun) == 1


def test_a_stop_returns_once_the_daemon_is_gone(root: StateRoot) -> None:
    pid = started(root)
    assert lifecycle.stop(root) == lifecycle.Stopped(was_running=True, pid=pid)
    assert not is_held(root.daemon.lock)
    assert not root.daemon.state.path.exists()
    assert not root.daemon.owner.path.exists()
    eventually(lambda: not is_alive(pid), "the process ended")


def test_stopping_none_is_no_error_and_makes_nothing(root: StateRoot) -> None:
    assert lifecycle.stop(root) == lifecycle.Stopped(was_running=False, pid=None)
    assert lifecycle.status(root) == lifecycle.DaemonStatus(running=False)
    assert not root.base.exists()


def test_what_others_find_it_by_is_upstreams_and_marked_as_ours(root: StateRoot) -> None:
    SyncConfig(root).set_server_url("https://kitty.example")
    pid = started(root)
    url, port, token, said_pid = root.daemon.state.path.read_text(encoding="ascii").splitlines()
    assert url == f"http://127.0.0.1:{port}"
    assert len(token) == 32
    assert int(token, 16)
    assert said_pid == str(pid)
    text = root.daemon.owner.path.read_text(encoding="ascii")
    record = json.loads(text)
    assert set(record) == UPSTREAMS_KEYS | {"marker"}
    assert text == json.dumps(record, indent=2, sort_keys=True) + "\n"
    assert record["marker"] == MARKER
    assert (record["pid"], record["port"], record["token"]) == (pid, int(port), None)
    assert record["server_url"] == "https://kitty.example"
    assert record["queue_db_path"] == str(root.queues.unauthenticated)
    assert record["auth_scope"] is None


def test_its_token_is_in_the_state_file_and_nowhere_else(root: StateRoot) -> None:
    # B10: upstream's stands in its argument list, in its owner record, and in an answer that anybody may ask for.
    pid = started(root)
    token = Address.read(root).token.reveal().encode()  # type: ignore[union-attr]
    assert token not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert token not in Path(f"/proc/{pid}/environ").read_bytes()
    lifecycle.status(root)
    holding = [path for path in root.base.rglob("*") if path.is_file() and token in path.read_bytes()]
    assert holding == [root.daemon.state.path]


def test_every_file_is_its_owners_alone_under_any_umask(root: StateRoot) -> None:
    before = os.umask(0)
    try:
        started(root)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (root.base, *root.base.rglob("*"))}
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}


def test_the_environment_is_handed_on_as_it_is(root: StateRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEC_KITTY_HOME", f"{root.base}///")  # one root, spelled as a person may spell it
    again = StateRoot.resolve()
    pid = started(again)
    given = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert f"SPEC_KITTY_HOME={root.base}///".encode() in given
    assert f"HOME={os.environ['HOME']}".encode() in given
    assert lifecycle.status(root).root == str(root.base)


def test_it_has_no_descriptor_of_its_starter_and_lives_in_no_directory_of_anybody(
    root: StateRoot, tmp_path: Path
) -> None:
    leak = tmp_path / "leak"
    script = (
        "import os; from kitty_paths import StateRoot; from kitty_sync.daemon import lifecycle\n"
        f"fd = os.open({str(leak)!r}, os.O_CREAT | os.O_RDWR); os.set_inheritable(fd, True)\n"
        f"gone = {str(tmp_path / 'gone')!r}; os.mkdir(gone); os.chdir(gone); os.rmdir(gone)\n"
        "lifecycle.start(StateRoot.resolve())"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    pid = lifecycle.status(root).pid
    files = {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()}  # noqa: PTH115 - these lead to no path
    inside = {str(root.daemon.log), str(root.daemon.lock), "/dev/null"}
    assert {each for each in files if not each.startswith(("socket:", "anon_inode:", "pipe:"))} == inside
    assert not [each for each in files if each.startswith("pipe:")]
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    assert os.getsid(pid or 0) != os.getsid(0)


def test_it_outlives_the_terminal_it_was_started_from(root: StateRoot) -> None:
    subprocess.run(["setsid", "-w", sys.executable, "-c", elsewhere("start")], check=True)
    assert lifecycle.status(root).running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_good_order(root: StateRoot, number: signal.Signals) -> None:
    os.kill(started(root), number)
    ended(root)
    assert not root.daemon.state.path.exists()
    assert not root.daemon.owner.path.exists()
    assert f"ending: signal {number.name}" in root.daemon.log.path.read_text(encoding="utf-8")
    assert lifecycle.status(root) == lifecycle.DaemonStatus(running=False)


def test_one_that_was_killed_is_told_and_does_not_keep_the_next_from_starting(root: StateRoot) -> None:
    pid = started(root)
    os.kill(pid, signal.SIGKILL)
    ended(root)
    found = lifecycle.status(root)
    assert not found.running
    assert found.problem is not None
    assert "ended without a word" in found.problem
    assert found.owner is Whose.OURS
    assert started(root) != pid
    assert lifecycle.status(root).problem is None


def test_stopping_after_a_kill_clears_what_it_left(root: StateRoot) -> None:
    os.kill(started(root), signal.SIGKILL)
    ended(root)
    assert not lifecycle.stop(root).was_running
    assert lifecycle.status(root) == lifecycle.DaemonStatus(running=False)


def test_a_process_that_only_has_the_recorded_number_is_left_alone(root: StateRoot) -> None:
    os.kill(started(root), signal.SIGKILL)
    ended(root)
    with subprocess.Popen(["sleep", "60"]) as innocent:
        for file in (root.daemon.state.path, root.daemon.owner.path):
            record = file.read_text(encoding="ascii")
            old = json.loads(root.daemon.owner.path.read_text(encoding="ascii"))["pid"]
            file.write_text(record.replace(str(old), str(innocent.pid)), encoding="ascii")
        assert not lifecycle.stop(root).was_running
        assert innocent.poll() is None
        innocent.kill()


def test_one_that_does_not_answer_is_stopped_by_a_signal_to_who_holds_the_lock(
    root: StateRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_ANSWER_SECONDS", 0.2)
    with subprocess.Popen(["sleep", "60"]) as innocent, stranger(root) as holding:
        # What the files say leads to nobody; they name somebody else.
        root.daemon.state.path.write_text(f"http://127.0.0.1:1\n1\n{'0' * 32}\n{innocent.pid}\n", encoding="ascii")
        root.daemon.owner.path.parent.mkdir(parents=True)
        root.daemon.owner.path.write_text(json.dumps({"marker": MARKER, "pid": innocent.pid}), encoding="ascii")
        found = lifecycle.status(root)
        assert not found.running
        assert found.problem is not None
        assert "holds its lock and does not answer" in found.problem
        assert lifecycle.stop(root) == lifecycle.Stopped(was_running=True, pid=holding.pid, by_signal=True)
        assert holding.wait() == -signal.SIGTERM
        assert innocent.poll() is None
        innocent.kill()


def test_where_the_kernel_does_not_say_who_holds_the_lock_nobody_is_signalled(
    root: StateRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(holder, "signal_holder", lambda *_: None)
    with stranger(root) as holding:
        with pytest.raises(DaemonUnreachableError, match="does not answer"):
            lifecycle.stop(root)
        assert holding.poll() is None


def test_one_that_hangs_is_not_called_stopped(root: StateRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = started(root)
    for module, name in ((lifecycle, "_ANSWER_SECONDS"), (lifecycle, "_STOP_SECONDS"), (asking, "_ANSWER_SECONDS")):
        monkeypatch.setattr(module, name, 0.3)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(DaemonUnreachableError, match="does not end") as refused:
        lifecycle.stop(root)
    assert refused.value.hint == f"kill -KILL {pid}"
    os.kill(pid, signal.SIGCONT)
    ended(root)  # the SIGTERM that waited for it


LOSSES: dict[str, Callable[[StateRoot], object]] = {
    "the root": lambda root: shutil.rmtree(root.base),
    "the lock": lambda root: root.daemon.lock.path.unlink(),
    "the state file": lambda root: root.daemon.state.path.unlink(),
    "the owner record": lambda root: root.daemon.owner.path.unlink(),
}


@pytest.mark.parametrize("what", LOSSES)
def test_one_that_cannot_be_found_any_more_ends(root: StateRoot, what: str) -> None:
    pid = started(root)
    LOSSES[what](root)
    eventually(lambda: not is_alive(pid), "it ended")
    assert what == "the root" or "nobody could find this daemon" in root.daemon.log.path.read_text(encoding="utf-8")
    assert root.base.exists() == (what != "the root")  # and it did not make the root anew


def test_a_root_that_became_another_one_is_left_alone(root: StateRoot) -> None:
    pid = started(root)
    root.base.rename(root.base.with_name("moved"))
    root.base.mkdir()
    second = started(root)
    eventually(lambda: not is_alive(pid), "the first ended")
    assert lifecycle.status(root).pid == second


def test_a_daemon_that_works_for_another_root_is_not_taken_for_ours(
    root: StateRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_ANSWER_SECONDS", 0.5)
    other = StateRoot.at(tmp_path / "other")
    started(other)
    try:
        with stranger(root):
            shutil.copy(other.daemon.state.path, root.daemon.state.path)
            root.daemon.owner.path.parent.mkdir(parents=True)
            shutil.copy(other.daemon.owner.path, root.daemon.owner.path)
            with pytest.raises(DaemonUnreachableError, match=f"works for {other.base}"):
                lifecycle.start(root)
    finally:
        assert lifecycle.stop(other).was_running


def test_a_configuration_that_cannot_be_understood_is_the_answer_of_start(root: StateRoot) -> None:
    root.base.mkdir()
    root.sync.config.path.write_text("[sync\n", encoding="utf-8")
    with pytest.raises(DaemonStartError, match=r"config\.toml") as refused:
        lifecycle.start(root)
    assert refused.value.code == "sync.state.damaged"
    assert not is_held(root.daemon.lock)
    assert not root.daemon.state.path.exists()
    assert not root.daemon.owner.path.exists()


def test_a_root_that_is_a_file_is_refused_before_anything_is_made(root: StateRoot) -> None:
    root.base.write_text("", encoding="utf-8")
    for act in (lifecycle.start, lifecycle.stop, lifecycle.status):
        with pytest.raises(RootNotADirectoryError):
            act(root)


def test_a_process_that_ends_before_it_answers_is_told_with_its_log(
    root: StateRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(DaemonStartError, match="ended before it answered") as refused:
        lifecycle.start(root)
    assert refused.value.hint == f"read {root.daemon.log}"


def test_the_foreground_tells_when_it_answers_and_ends_when_it_is_stopped(root: StateRoot) -> None:
    said: list[str] = []

    def ready(found: lifecycle.DaemonStatus) -> None:
        assert lifecycle.status(root).url == found.url
        said.append("ready")
        # Another process stops it, as a person would from another terminal.
        stopping.append(subprocess.Popen([sys.executable, "-c", elsewhere("stop")]))

    stopping: list[subprocess.Popen[bytes]] = []
    ran = lifecycle.run(root, ready, said.append)
    assert stopping[0].wait() == 0
    assert not ran.already_running
    assert "ready" in said
    assert said[-1] == "ending: asked to stop"
    assert not root.daemon.state.path.exists()


def test_the_foreground_does_not_begin_beside_another_one(root: StateRoot) -> None:
    pid = started(root)
    ran = lifecycle.run(root, lambda _: None, lambda _: None)
    assert ran.already_running
    assert ran.status.pid == pid


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_it_keeps_to_the_layout_of_its_root(root: StateRoot, platform: str) -> None:
    elsewhere = StateRoot.at(root.base, platform=platform)
    try:
        assert lifecycle.start(elsewhere).status.running
        assert elsewhere.daemon.state.path.exists()
        assert (root.base / "daemon").exists() == (platform == "win32")
    finally:
        assert lifecycle.stop(elsewhere).was_running
