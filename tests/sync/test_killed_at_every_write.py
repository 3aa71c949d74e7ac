"""Killed with SIGKILL just before any write, or told there that the disk is full: nothing is lost."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from kitty_paths import StateRoot
from kitty_sync.clock import LamportClock
from kitty_sync.config import SyncConfig
from kitty_sync.queue.events import EventQueue
from kitty_sync.queue.scope import active_scope, enter_scope
from kitty_sync.secret import Secret
from kitty_sync.tracker.connection import add_issue, connect, issues, map_issue, mappings
from kitty_sync.tracker.credentials import TrackerCredentials
from support.injection import Fault, with_faults
from sync.one_write import ADA, main
from sync.states import event, fill, is_sound, names

SCRIPT = Path(__file__).with_name("one_write.py")
OLD = ["old-1", "old-2", "old-3"]
NEW = ["new-1", "new-2"]
MANY = [f"row-{number:03}" for number in range(12)]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(params=["kill", "full"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def each_fault(
    tmp_path: Path,
    what: str,
    how: str,
    prepare: Callable[[StateRoot], object],
    judge: Callable[[StateRoot, Fault], None],
) -> None:
    pristine = tmp_path / "pristine"
    pristine.mkdir()
    prepare(StateRoot.at(pristine / "root"))
    seen = 0
    for fault in with_faults(SCRIPT, [what], pristine, how, tmp_path):
        seen += 1
        root = StateRoot.at(fault.place / "root")
        if how != "kill":
            # Where the disk fills up in the moment of tidying, everything asked for was done already.
            assert fault.status in {0, 2}, f"{fault}"
            if fault.status == 2:
                assert fault.talked.startswith(("sync.state.full: ", "sync.state.failed: ")), f"{fault}"
                assert str(root.base) in fault.talked
        else:
            assert fault.status in {-9, 137}, f"{fault}"
        judge(root, fault)
    assert seen, "nothing was tried"


def test_appending_is_all_or_nothing_and_keeps_what_was_queued(tmp_path: Path, how: str) -> None:
    def judge(root: StateRoot, fault: Fault) -> None:
        queue = EventQueue.active(root)
        rows = names(queue)
        assert rows in (OLD, OLD + NEW), fault.where
        assert rows == OLD + NEW or "Appended" not in fault.said, fault.where
        main(root, "append")
        assert names(queue) == OLD + NEW, fault.where
        assert is_sound(queue.surface.path), fault.where

    each_fault(tmp_path, "append", how, lambda root: fill(root, OLD), judge)


def test_a_queue_that_is_only_just_being_made_loses_nothing_either(tmp_path: Path, how: str) -> None:
    def judge(root: StateRoot, fault: Fault) -> None:
        queue = EventQueue.active(root)
        rows = names(queue)
        assert rows in ([], NEW), fault.where
        assert rows == NEW or "Appended" not in fault.said, fault.where
        main(root, "append")
        assert names(queue) == NEW, fault.where
        assert is_sound(queue.surface.path), fault.where

    each_fault(tmp_path, "append", how, lambda _: None, judge)


def test_settling_is_all_or_nothing(tmp_path: Path, how: str) -> None:
    def judge(root: StateRoot, fault: Fault) -> None:
        queue = EventQueue.active(root)
        rows = [(row.event_id, row.retry_count) for row in queue.batch()]
        done = [("old-2", 0), ("old-3", 1)]
        assert rows in ([(name, 0) for name in OLD], done), fault.where
        assert rows == done or "Settled" not in fault.said, fault.where
        assert is_sound(queue.surface.path), fault.where

    each_fault(tmp_path, "settle", how, lambda root: fill(root, OLD), judge)


def test_a_login_moves_every_row_once_however_often_it_is_cut_short(tmp_path: Path, how: str) -> None:
    def judge(root: StateRoot, fault: Fault) -> None:
        before = EventQueue(root, root.queues.unauthenticated)
        after = EventQueue(root, root.queues.scoped(ADA))
        assert set(names(before)) | set(names(after)) == {"earlier", *MANY}, fault.where
        report = enter_scope(root, ADA)
        assert names(after) == ["earlier", *MANY], fault.where
        assert names(before) == [], fault.where
        assert report.left == 0, fault.where
        assert not report.conflicts, fault.where
        assert is_sound(before.surface.path), fault.where
        assert is_sound(after.surface.path), fault.where

    def prepare(root: StateRoot) -> None:
        EventQueue(root, root.queues.scoped(ADA)).append([event("earlier")])
        fill(root, MANY)

    each_fault(tmp_path, "enter", how, prepare, judge)


def test_a_logout_leaves_the_scope_or_none(tmp_path: Path) -> None:
    def prepare(root: StateRoot) -> None:
        enter_scope(root, ADA)
        fill(root, OLD)

    def judge(root: StateRoot, fault: Fault) -> None:
        assert active_scope(root) in (ADA, None), fault.where
        main(root, "leave")
        assert active_scope(root) is None, fault.where
        assert names(EventQueue(root, root.queues.scoped(ADA))) == OLD, fault.where

    each_fault(tmp_path, "leave", "kill", prepare, judge)


def test_the_configuration_is_the_old_one_or_the_new_one(tmp_path: Path, how: str) -> None:
    def prepare(root: StateRoot) -> None:
        SyncConfig(root).set_server_url("https://old.example")
        text = Path(root.sync.config).read_text()
        Path(root.sync.config).write_text(f"# mine\n{text}")

    def judge(root: StateRoot, fault: Fault) -> None:
        text = Path(root.sync.config).read_text()
        assert text in {f'# mine\n[sync]\nserver_url = "https://{which}.example"\n' for which in ("old", "new")}, (
            fault.where
        )
        assert "https://new" in text or "https://new" not in fault.said, fault.where
        main(root, "server")
        left = {path.name for path in root.base.iterdir()}
        assert left == {"config.toml", "config.toml.lock"}, fault.where

    each_fault(tmp_path, "server", how, prepare, judge)


def test_a_number_of_the_clock_is_given_out_once(tmp_path: Path, how: str) -> None:
    def judge(root: StateRoot, fault: Fault) -> None:
        given = int(fault.said or 0)
        next_one = LamportClock(root).tick()
        assert next_one.value > max(given, 1), fault.where
        assert next_one.recovered is None, fault.where

    each_fault(tmp_path, "tick", how, lambda root: LamportClock(root).tick(), judge)


def test_credentials_are_the_old_ones_or_the_new_ones_and_no_draft_of_them_stays(tmp_path: Path, how: str) -> None:
    def prepare(root: StateRoot) -> None:
        TrackerCredentials(root).save("linear", {"token": Secret("old-token")})

    def judge(root: StateRoot, fault: Fault) -> None:
        kept = tomllib.loads(Path(root.tracker.credentials).read_text())["tracker"]["providers"]["linear"]["token"]
        assert kept in {"old-token", "new-token"}, fault.where
        assert "token" not in fault.talked, fault.where
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in root.base.iterdir()), fault.where
        main(root, "credentials")
        assert {path.name for path in root.base.iterdir()} == {"credentials", "credentials.lock"}, fault.where

    each_fault(tmp_path, "credentials", how, prepare, judge)


def test_a_mapping_is_the_old_one_or_the_new_one(tmp_path: Path, how: str) -> None:
    def prepare(root: StateRoot) -> None:
        connect(root, "local", workspace="acme", credentials={})
        add_issue(root, "local", "first")
        add_issue(root, "local", "second")
        map_issue(root, "local", "WP01", "local-1")

    def judge(root: StateRoot, fault: Fault) -> None:
        (mapping,) = mappings(root, "local")
        assert mapping.external_id in {"local-1", "local-2"}, fault.where
        assert mapping.external_id == "local-2" or "local-2" not in fault.said, fault.where
        assert [issue.issue_id for issue in issues(root, "local")] == ["local-1", "local-2"], fault.where

    each_fault(tmp_path, "map", how, prepare, judge)


@pytest.mark.parametrize("what", ["append", "settle", "server", "tick", "credentials"])
def test_a_disk_that_breaks_is_told_and_takes_nothing_back(tmp_path: Path, what: str) -> None:
    def prepare(root: StateRoot) -> None:
        fill(root, OLD)
        SyncConfig(root).set_server_url("https://old.example")
        TrackerCredentials(root).save("linear", {"token": Secret("old-token")})
        LamportClock(root).tick()

    def judge(root: StateRoot, fault: Fault) -> None:
        queue = EventQueue.active(root)
        assert names(queue) in (OLD, OLD + NEW, OLD[1:]), fault.where
        assert is_sound(queue.surface.path), fault.where
        assert SyncConfig(root).read().server_url in {"https://old.example", "https://new.example"}, fault.where
        kept = TrackerCredentials(root).load("linear")
        assert kept in ({"token": Secret("old-token")}, {"token": Secret("new-token")}), fault.where
        assert LamportClock(root).tick().recovered is None, fault.where

    each_fault(tmp_path, what, "broken", prepare, judge)
