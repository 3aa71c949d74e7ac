"""`state doctor` says what the runtime does: its root, its files and modes, its daemon's root (FR-009, SC-004)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from isolation.conftest import BIN, clean_environment
from kitty_paths import QueueScope, StateRoot
from kitty_sync.config import SyncConfig
from kitty_sync.daemon import lifecycle
from kitty_sync.queue.events import Event, EventQueue
from kitty_sync.queue.scope import enter_scope
from kitty_sync.secret import Secret
from kitty_sync.tracker import connection
from spec_kitty_cli.diagnosis import diagnose

EVENT = b'{"event_id": "01", "event_type": "WPCreated"}\n'
# What SPEC_KITTY_HOME may be; None is unset. `{home}` is the home directory.
VALUES = [None, "", "{home}/chosen", "{home}/chosen///", "~/chosen", "{home}/with space/é", "{home}/.spec-kitty"]


class Operator:
    """Somebody who runs the installed program in one environment."""

    def __init__(self, home: Path, working: Path, environment: Mapping[str, str]) -> None:
        self.home = home
        self.working = working
        self.environment = dict(environment)

    def __call__(self, *arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            [BIN / "spec-kitty", *arguments], cwd=self.working, env=self.environment, input=stdin, capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def json(self, *arguments: str) -> dict[str, Any]:
        found = json.loads(self(*arguments, "--json"))
        assert isinstance(found, dict)
        return found


@contextmanager
def operating(tmp_path: Path, value: str | None) -> Iterator[Operator]:
    """An operator whose daemon is stopped at the end, whatever a test does."""
    home, working, temporary = tmp_path / "home", tmp_path / "work", tmp_path / "tmp"
    for directory in (home, working, temporary, home / "with space"):
        directory.mkdir(exist_ok=True)
    environment = clean_environment(home, temporary)
    if value is not None:
        environment["SPEC_KITTY_HOME"] = value.format(home=home)
    operator = Operator(home, working, environment)
    try:
        yield operator
    finally:
        operator("sync", "daemon", "stop")


def use_everything(operator: Operator) -> None:
    operator("sync", "server", "https://kitty.example")
    operator("sync", "enqueue", "-", stdin=EVENT)
    operator("sync", "daemon", "start")
    operator("tracker", "connect", "linear", "--workspace", "acme", "--credential", "token=-", stdin=b"s3cret")
    operator("tracker", "map", "WP01", "ACME-7")


def files_below(directory: Path) -> set[str]:
    """Every file, SQLite's companions counted as part of their database."""
    found = (str(path) for path in directory.rglob("*") if path.is_file())
    return {path.removesuffix("-wal").removesuffix("-shm") for path in found}


@pytest.mark.parametrize("value", VALUES)
def test_what_it_reports_is_what_was_used(tmp_path: Path, installed: None, value: str | None) -> None:
    del installed
    with operating(tmp_path, value) as operator:
        use_everything(operator)
        said = operator.json("state", "doctor")

        assert said["healthy"], said["findings"]
        assert said["findings"] == []
        # The daemon's own word is the root that was reported, which is what the library gives for this environment.
        assert said["root"] == said["daemon"]["root"] == str(StateRoot.resolve(operator.environment).base)
        assert said["daemon"]["running"] is True
        # What exists is what is reported to exist: no more files, no fewer, in the modes that are said.
        reported = {each["path"]: each for each in said["surfaces"] if each["exists"]}
        assert files_below(tmp_path) == {path for path, each in reported.items() if each["kind"] != "directory"}
        for path, each in reported.items():
            assert each["mode"] == f"{Path(path).stat().st_mode & 0o7777:04o}"
            assert each["mode"] == ("0700" if each["kind"] == "directory" else "0600")
        assert said["root"] == operator.json("sync", "status")["root"] == operator.json("state", "paths")["root"]


def test_leftovers_in_the_default_home_are_told_and_left(tmp_path: Path, installed: None) -> None:
    del installed
    with operating(tmp_path, None) as everyday:
        use_everything(everyday)
    before = {path: Path(path).read_bytes() for path in files_below(everyday.home)}
    with operating(tmp_path, "{home}/chosen") as operator:
        use_everything(operator)
        (left,) = operator.json("state", "doctor")["findings"]
    assert left["code"] == "state.default-home.leftovers"
    assert str(everyday.home / ".spec-kitty") in left["message"]
    for name in ("sync.config", "queues.unauthenticated", "tracker.credentials", "tracker.directory"):
        assert name in left["message"]
    assert {path: Path(path).read_bytes() for path in before} == before


def test_another_programs_daemon_at_the_root_is_told(tmp_path: Path, installed: None) -> None:
    del installed
    with operating(tmp_path, None) as operator:
        owner = operator.home / ".spec-kitty" / "sync" / "daemon" / "owner.json"
        owner.parent.mkdir(parents=True)
        owner.write_text('{"pid": 4711, "package_version": "3.2.5"}', encoding="utf-8")
        try:
            said = operator.json("state", "doctor")
            assert [each["code"] for each in said["findings"]] == ["sync.daemon.foreign"]
            assert said["findings"][0]["severity"] == "warning"
            assert "4711" in said["findings"][0]["message"]
            assert said["daemon"]["running"] is False
        finally:
            owner.unlink()


def test_a_daemon_that_died_is_told(tmp_path: Path, installed: None) -> None:
    del installed
    with operating(tmp_path, None) as operator:
        operator("sync", "daemon", "start")
        os.kill(operator.json("sync", "daemon", "status")["pid"], 9)
        said = operator.json("state", "doctor")
        while said["daemon"]["running"]:
            said = operator.json("state", "doctor")
        assert [each["code"] for each in said["findings"]] == ["sync.daemon.died"]


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("chosen", [False, True])
def test_on_every_platform_all_that_is_written_is_a_surface_it_reports(
    tmp_path: Path, platform: str, chosen: bool
) -> None:
    environ = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "LOCALAPPDATA": str(tmp_path / "Local")}
    if chosen:
        environ["SPEC_KITTY_HOME"] = str(tmp_path / "chosen")
    root = StateRoot.resolve(environ, platform=platform)
    SyncConfig(root).set_server_url("https://kitty.example")
    for number in range(2):  # the first into queue.db, which moves at the login; the second into the scoped one
        EventQueue.active(root).append([Event(f"0{number}", "E", {"event_id": f"0{number}", "event_type": "E"})])
        enter_scope(root, QueueScope("https://kitty.example", "ada@example.org", "t_01"))
    connection.connect(root, "linear", workspace="acme", credentials={"token": Secret("s3cret")})
    connection.map_issue(root, "linear", "WP01", "ACME-7")
    lifecycle.start(root)
    try:
        found = diagnose(root)
        assert found.healthy, found.findings
        assert found.daemon is not None
        assert found.daemon.root == str(found.root.base)
        reported = {str(each.surface) for each in found.seen if each.exists and each.surface.kind != "directory"}
        assert files_below(tmp_path) == reported
        default = {"linux": ".spec-kitty", "darwin": ".spec-kitty", "win32": "Local/spec-kitty"}[platform]
        assert root.base == tmp_path / ("chosen" if chosen else default)
    finally:
        lifecycle.stop(root)
