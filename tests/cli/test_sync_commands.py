"""`sync server`, `sync status`, `sync enqueue` and `sync daemon`: what they say, exit with, and leave alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest

from cli.program import BIN
from kitty_paths import StateRoot
from kitty_sync.daemon import holder
from kitty_sync.queue.events import EventQueue
from support.guarded import eventually

if TYPE_CHECKING:
    from cli.program import Program

EVENT = b'{"event_id": "01", "event_type": "WPCreated", "payload": {"wp": "WP01"}}\n'


@pytest.fixture(name="sync")
def _sync(spec_kitty: Program) -> Iterator[Program]:
    """The program; whatever a test does, the daemon of its root is gone afterwards."""
    root = root_of(spec_kitty)
    yield spec_kitty
    if pid := holder.holder_of(root.daemon.lock.path):
        os.kill(pid, signal.SIGKILL)


def root_of(program: Program) -> StateRoot:
    return StateRoot.resolve(program.environment)


def codes(program: Program) -> list[str]:
    return [each["code"] for each in program("sync", "status", "--check", "--json").json["findings"]]


# sync server


def test_no_server_is_set_until_somebody_sets_one(sync: Program) -> None:
    code, out, err = sync("sync", "server")
    assert (code, out) == (1, "no server is set\n")
    assert err == "hint: spec-kitty sync server https://HOST\n"
    assert not root_of(sync).base.exists()


def test_the_server_that_was_set_is_printed_alone(sync: Program) -> None:
    assert sync("sync", "server", "https://Kitty.Example/").code == 0
    assert sync("sync", "server") == (0, "https://kitty.example\n", "")
    assert sync("sync", "server", "--json").json == {
        "schema": "spec-kitty/sync-server/1",
        "server_url": "https://kitty.example",
        "path": str(root_of(sync).sync.config),
    }


@pytest.mark.parametrize("url", ["http://kitty.example", "ftp://kitty.example", "kitty.example", ""])
def test_a_server_that_could_be_listened_in_on_is_refused_and_nothing_is_made(sync: Program, url: str) -> None:
    code, out, err = sync("sync", "server", url)
    assert (code, out) == (2, "")
    assert [line.partition(":")[0] for line in err.splitlines()] == ["error", "hint"]
    assert not root_of(sync).base.exists()


def test_a_password_in_an_address_is_refused_and_not_repeated(sync: Program) -> None:
    code, out, err = sync("sync", "server", "https://ada:geheim@kitty.example")
    assert (code, out) == (2, "")
    assert "geheim" not in err


def test_a_broken_configuration_is_refused_and_kept(sync: Program) -> None:
    config = root_of(sync).sync.config.path
    config.parent.mkdir()
    config.write_text("[sync", encoding="utf-8")
    for command in (["server"], ["server", "https://kitty.example"], ["status"], ["daemon", "start"]):
        code, out, err = sync("sync", *command)
        assert (code, out) == (2, "")
        assert str(config) in err
        assert config.read_text(encoding="utf-8") == "[sync"


# sync enqueue


def test_events_from_stdin_wait_in_the_queue(sync: Program) -> None:
    outcome = sync.run("sync", "enqueue", "-", "--json", stdin=EVENT + b"\n" + EVENT.replace(b"01", b"02"))
    path = root_of(sync).queues.unauthenticated
    assert outcome.json == {
        "schema": "spec-kitty/sync-enqueue/1", "path": str(path), "events": 2, "added": 2, "duplicates": 0,
    }  # fmt: skip
    assert [each.event_id for each in EventQueue.active(root_of(sync)).batch()] == ["01", "02"]


def test_an_event_that_waits_already_is_not_queued_twice(sync: Program) -> None:
    sync.run("sync", "enqueue", stdin=EVENT)
    again = sync.run("sync", "enqueue", stdin=EVENT)
    assert again.code == 0
    assert "1 of them waited already" in again.out
    assert sync("sync", "status", "--json").json["queue"]["events"] == 1


def test_a_file_may_begin_with_a_byte_order_mark(sync: Program) -> None:
    (sync.where / "events.jsonl").write_bytes(b"\xef\xbb\xbf" + EVENT)
    assert sync("sync", "enqueue", "events.jsonl").code == 0


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"event_id": "02"}',
        b'{"event_id": "", "event_type": "A"}',
        b'{"event_id": 2, "event_type": "A"}',
        b'{"event_id": "02", "event_type": "A", "x": NaN}',
        b"[" * 100_000,
    ],
    ids=lambda line: repr(line[:30]),
)
def test_one_bad_line_and_nothing_is_queued(sync: Program, line: bytes) -> None:
    code, out, err = sync.run("sync", "enqueue", stdin=EVENT + line + b"\n")
    assert (code, out) == (2, "")
    assert err.startswith("error: stdin, line 2: ")
    assert "nothing was queued" in err
    assert not root_of(sync).base.exists()


def test_a_file_that_is_not_there_is_a_usage_error(sync: Program) -> None:
    assert sync("sync", "enqueue", "missing.jsonl").code == 2


# sync status


def test_a_new_root_is_told_and_not_made(sync: Program) -> None:
    outcome = sync("sync", "status", "--json")
    root = root_of(sync)
    assert outcome.code == 0
    said = outcome.json
    assert list(said) == [
        "schema", "root", "server_url", "queue", "queues", "auth", "daemon", "reachable", "findings",
    ]  # fmt: skip
    assert said["schema"] == "spec-kitty/sync-status/1"
    assert said["root"] == str(root.base)
    assert said["server_url"] is None
    assert said["queue"] == {"path": str(root.queues.unauthenticated), "events": 0}
    assert said["auth"] == {"authenticated": False, "session_file": False}
    assert said["daemon"]["running"] is False
    assert said["reachable"] is None
    assert not root.base.exists()


def test_it_says_that_nothing_is_sent(sync: Program) -> None:
    sync("sync", "server", "https://kitty.example")
    outcome = sync("sync", "status")
    assert outcome.code == 0
    assert "not logged in: nothing is sent" in outcome.err
    assert "Connected" not in outcome.out


def test_a_session_file_of_another_program_is_told_and_not_believed(sync: Program) -> None:
    session = root_of(sync).auth.session.path
    session.parent.mkdir(parents=True)
    session.write_text("{}", encoding="utf-8")
    assert sync("sync", "status", "--json").json["auth"] == {"authenticated": False, "session_file": True}
    assert "session file of another program" in sync("sync", "status").out


class Answering(BaseHTTPRequestHandler):
    """Answers everything with 404, and keeps what it was asked."""

    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        Answering.asked.append(f"{self.command} {self.path} {self.headers}")
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(name="server")
def _server() -> Iterator[str]:
    Answering.asked.clear()
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_server_that_answers_anything_is_reachable(sync: Program, server: str) -> None:
    sync("sync", "server", server)
    assert sync("sync", "status", "--json").json["reachable"] is None
    assert Answering.asked == []
    assert sync("sync", "status", "--check", "--json").json["reachable"] is True
    (asked,) = Answering.asked
    assert "Authorization" not in asked
    assert "Cookie" not in asked


def test_a_server_that_does_not_answer_is_a_finding(sync: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    sync("sync", "server", f"http://127.0.0.1:{port}")
    outcome = sync("sync", "status", "--check", "--json")
    assert outcome.code == 1
    assert outcome.json["reachable"] is False
    assert "sync.server.unreachable" in codes(sync)
    assert "connection refused" in sync("sync", "status", "--check").err


def test_the_check_fails_while_nobody_is_logged_in(sync: Program, server: str) -> None:
    sync("sync", "server", server)
    sync("sync", "daemon", "start")
    assert sync("sync", "status", "--check").code == 1
    assert codes(sync) == ["sync.auth.missing"]


def test_events_in_a_queue_that_is_not_in_use_are_told(sync: Program) -> None:
    sync.run("sync", "enqueue", stdin=EVENT)
    root = root_of(sync)
    root.queues.directory.path.mkdir()
    stranded = root.queues.directory.path / f"queue-{'0' * 64}.db"
    stranded.write_bytes(root.queues.unauthenticated.path.read_bytes())
    assert "sync.queue.elsewhere" in codes(sync)
    assert str(stranded) in sync("sync", "status").out


def test_a_queue_that_cannot_be_read_is_told_and_kept(sync: Program) -> None:
    queue = root_of(sync).queues.unauthenticated.path
    queue.parent.mkdir()
    queue.write_bytes(b"this is no database, but long enough to be taken for one" * 40)
    assert "sync.queue.trouble" in codes(sync)
    assert "cannot be counted" in sync("sync", "status").out
    assert sync("sync", "status", "--json").json["queue"] == {"path": str(queue), "events": None}
    code, out, err = sync.run("sync", "enqueue", stdin=EVENT)
    assert (code, out) == (2, "")
    assert str(queue) in err
    assert queue.read_bytes().startswith(b"this is no database")


def test_more_events_than_the_configured_number_are_told_and_kept(sync: Program) -> None:
    sync("sync", "server", "https://kitty.example")
    config = root_of(sync).sync.config.path
    config.write_text(config.read_text(encoding="utf-8") + "max_queue_size = 1\n", encoding="utf-8")
    sync.run("sync", "enqueue", stdin=EVENT + EVENT.replace(b"01", b"02"))
    assert "sync.queue.large" in codes(sync)
    assert sync("sync", "status", "--json").json["queue"]["events"] == 2


# sync daemon


def test_a_daemons_life(sync: Program) -> None:
    root = root_of(sync)
    assert sync("sync", "daemon", "status") == (1, "○ does not run\n", "hint: spec-kitty sync daemon start\n")
    begun = sync("sync", "daemon", "start", "--json").json
    assert begun["schema"] == "spec-kitty/sync-daemon-start/1"
    assert (begun["already_running"], begun["running"], begun["root"]) == (False, True, str(root.base))
    assert sync("sync", "daemon", "start").out.startswith("already running\n")
    found = sync("sync", "daemon", "status", "--json")
    assert found.code == 0
    assert found.json["pid"] == begun["pid"]
    assert found.json["notes"] == ["not logged in: nothing is sent"]
    assert sync("sync", "daemon", "stop").out == f"stopped (pid {begun['pid']})\n"
    assert sync("sync", "daemon", "stop") == (0, "was not running\n", "")
    assert sync("sync", "daemon", "status").code == 1


def test_the_foreground_ends_with_an_interrupt_in_good_order(sync: Program) -> None:
    with subprocess.Popen(
        [BIN / "spec-kitty", "sync", "daemon", "run"], cwd=sync.where, env=sync.environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        eventually(lambda: sync("sync", "daemon", "status").code == 0, "it answers")
        assert sync("sync", "daemon", "run").code == 1  # one is enough
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, b"")
    assert "Ctrl-C stops it" in err.decode()
    assert err.decode().endswith("ending: signal SIGINT\nstopped\n")
    assert not root_of(sync).daemon.state.path.exists()


def test_another_programs_daemon_is_told_with_a_way_on_and_left_alone(sync: Program) -> None:
    owner = root_of(sync).daemon.owner.path
    owner.parent.mkdir(parents=True)
    record = json.dumps({"pid": 4711, "package_version": "3.2.5", "token": "5f0c3a1e9b7d44c2a6e8f1b20d9c7e35"})
    owner.write_text(record, encoding="utf-8")
    for command in ("start", "stop", "run"):
        code, out, err = sync("sync", "daemon", command)
        assert (code, out) == (2, "")
        assert [line.partition(":")[0] for line in err.splitlines()] == ["error", "hint"]
        assert "5f0c3a1e" not in err
    assert sync("sync", "daemon", "status").code == 1
    assert "sync.daemon.foreign" in codes(sync)
    assert owner.read_text(encoding="utf-8") == record


@pytest.mark.parametrize(
    "command", [["server"], ["status"], ["enqueue"], ["daemon", "start"], ["daemon", "stop"], ["daemon", "status"]]
)
def test_a_root_that_is_a_file_is_refused_with_a_way_out(sync: Program, command: list[str]) -> None:
    base = root_of(sync).base
    base.write_text("mine", encoding="utf-8")
    code, out, err = sync.run("sync", *command, stdin=EVENT)
    assert (code, out) == (2, "")
    assert str(base) in err
    assert base.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("command", [["sync", "server"], ["sync", "daemon", "status"], ["tracker", "status"]])
def test_a_variable_that_names_no_root_is_refused(sync: Program, command: list[str]) -> None:
    sync.environment["SPEC_KITTY_HOME"] = "relative/root"
    code, out, err = sync(*command)
    assert (code, out) == (2, "")
    assert "SPEC_KITTY_HOME" in err
