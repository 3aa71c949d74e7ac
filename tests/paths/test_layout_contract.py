"""The contract's table, row by row, as literal expectations: any change to the layout's data fails here."""

from __future__ import annotations

import operator
from pathlib import PurePosixPath, PureWindowsPath

import pytest

from kitty_paths import Kind, QueueScope, RepositoryState, StateRoot, Surface, TrackerScope, layout

QUEUE = QueueScope("https://kitty.example", "ada@example.org", "t_01")
TRACKER = TrackerScope("linear", "acme", "https://kitty.example", "ada@example.org", "t_01")

# name, below the base on POSIX, below the base on Windows, kind, secret, mode
CONTRACT = [
    ("sync.config", "config.toml", r"config.toml", "file", False, 0o600),
    ("sync.config_lock", "config.toml.lock", r"config.toml.lock", "lock", False, 0o600),
    ("sync.clock", "clock.json", r"clock.json", "file", False, 0o600),
    ("sync.clock_lock", "clock.json.lock", r"clock.json.lock", "lock", False, 0o600),
    ("sync.clock_damaged", "clock.json.damaged", r"clock.json.damaged", "file", False, 0o600),
    ("queues.unauthenticated", "queue.db", r"queue.db", "database", False, 0o600),
    ("queues.directory", "queues", r"queues", "directory", False, 0o700),
    ("queues.active_scope", "active_queue_scope", r"active_queue_scope", "file", False, 0o600),
    ("queues.active_scope_lock", "active_queue_scope.lock", r"active_queue_scope.lock", "lock", False, 0o600),
    ("auth.directory", "auth", r"auth", "directory", True, 0o700),
    ("auth.session", "auth/session.json", r"auth\session.json", "file", True, 0o600),
    ("auth.session_salt", "auth/session.salt", r"auth\session.salt", "file", True, 0o600),
    ("auth.session_lock", "auth/session.lock", r"auth\session.lock", "lock", False, 0o600),
    ("auth.refresh_lock", "auth/refresh.lock", r"auth\refresh.lock", "lock", False, 0o600),
    ("daemon.state", "sync-daemon", r"daemon\sync-daemon", "file", True, 0o600),
    ("daemon.log", "sync-daemon.log", r"daemon\sync-daemon.log", "file", False, 0o600),
    ("daemon.old_log", "sync-daemon.log.1", r"daemon\sync-daemon.log.1", "file", False, 0o600),
    ("daemon.lock", "sync-daemon.lock", r"daemon\sync-daemon.lock", "lock", False, 0o600),
    ("daemon.owner", "sync/daemon/owner.json", r"sync\daemon\owner.json", "file", False, 0o600),
    ("tracker.credentials", "credentials", r"tracker\credentials", "file", True, 0o600),
    ("tracker.credentials_lock", "credentials.lock", r"tracker\credentials.lock", "lock", False, 0o600),
    ("tracker.directory", "trackers", r"trackers", "directory", False, 0o700),
    ("guardian.directory", "guardian", r"guardian", "directory", False, 0o700),
]
SCOPED = [
    (
        "queues.scoped",
        "queues/queue-4efd3700aeb15214.db",
        r"queues\queue-4efd3700aeb15214.db",
        "database",
        False,
        0o600,
    ),
    ("tracker.store", "trackers/433b4dd278370a61.db", r"trackers\433b4dd278370a61.db", "database", False, 0o600),
]
# name, below the git directory it belongs to, kind
REPOSITORY = [
    ("events", "spec-kitty/events.db", "database", 0o600),
]
WORKTREE = [
    ("guardian.directory", "spec-kitty/guardian", "directory", 0o700),
    ("guardian.lock", "spec-kitty/guardian/lock", "lock", 0o600),
    ("guardian.start_lock", "spec-kitty/guardian/start.lock", "lock", 0o600),
    ("guardian.socket", "spec-kitty/guardian/socket", "socket", 0o600),
    ("guardian.status", "spec-kitty/guardian/status.json", "file", 0o600),
    ("guardian.log", "spec-kitty/guardian/daemon.log", "file", 0o600),
    ("guardian.violations", "spec-kitty/guardian/violations.jsonl", "file", 0o600),
    ("guardian.journal", "spec-kitty/guardian/journal.jsonl", "file", 0o600),
    ("guardian.adoption", "spec-kitty/guardian/adoption.json", "file", 0o600),
    ("guardian.baseline", "spec-kitty/guardian/baseline", "directory", 0o700),
    ("guardian.record", "spec-kitty/guardian/baseline/record.db", "database", 0o600),
    ("guardian.stage", "spec-kitty/guardian/stage", "directory", 0o700),
    ("guardian.quarantine", "spec-kitty/guardian/quarantine", "directory", 0o700),
]

PosixRow = tuple[str, str, str, str, bool, int]


def typed_child(root: StateRoot, name: str) -> Surface:
    if name == "queues.scoped":
        return root.queues.scoped(QUEUE)
    if name == "tracker.store":
        return root.tracker.store(TRACKER)
    child = operator.attrgetter(name)(root)
    assert isinstance(child, Surface)
    return child


@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize("row", CONTRACT + SCOPED, ids=operator.itemgetter(0))
def test_a_child_is_where_the_contract_says_on_posix(row: PosixRow, platform: str) -> None:
    name, posix, _, kind, secret, mode = row
    child = typed_child(StateRoot.resolve({}, platform=platform, home="/home/ada"), name)
    assert str(child) == f"/home/ada/.spec-kitty/{posix}"
    assert (child.name, child.kind, child.secret, child.mode) == (name, kind, secret, mode)


@pytest.mark.parametrize("row", CONTRACT + SCOPED, ids=operator.itemgetter(0))
def test_a_child_is_where_the_contract_says_on_windows(row: PosixRow) -> None:
    name, _, windows, kind, secret, mode = row
    child = typed_child(StateRoot.resolve({}, platform="win32", home=r"C:\Users\ada"), name)
    assert str(child) == rf"C:\Users\ada\AppData\Local\spec-kitty\{windows}"
    assert (child.name, child.kind, child.secret, child.mode) == (name, kind, secret, mode)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_surfaces_lists_every_fixed_child_of_the_contract_and_no_other(platform: str) -> None:
    root = StateRoot.at("/r", platform=platform)
    assert [surface.name for surface in root.surfaces()] == [row[0] for row in CONTRACT]
    assert [surface.mode for surface in root.surfaces()] == [row[5] for row in CONTRACT]


@pytest.mark.parametrize("name", [row[0] for row in CONTRACT])
def test_the_property_the_listing_and_the_lookup_give_one_value(name: str) -> None:
    root = StateRoot.at("/r", platform="win32")
    listed = {surface.name: surface for surface in root.surfaces()}
    assert typed_child(root, name) == root.child(name) == listed[name]


def test_the_layout_has_no_row_that_the_contract_does_not_know() -> None:
    assert set(layout.STATE) == {row[0] for row in CONTRACT + SCOPED}
    assert set(layout.REPOSITORY) == {row[0] for row in REPOSITORY}
    assert set(layout.WORKTREE) == {row[0] for row in WORKTREE}


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_no_row_is_the_tail_of_another_so_nested_roots_share_no_path(platform: str) -> None:
    pure = PureWindowsPath if platform == "win32" else PurePosixPath
    below = [pure(row[2] if platform == "win32" else row[1]).parts for row in CONTRACT + SCOPED]
    assert not [(a, b) for a in below for b in below if len(a) > len(b) and a[-len(b) :] == b]


@pytest.mark.parametrize(("name", "below", "kind", "mode"), REPOSITORY)
def test_what_worktrees_share_lies_in_the_common_directory(name: str, below: str, kind: str, mode: int) -> None:
    state = RepositoryState.at("/p/.git/worktrees/wp01", "/p/.git")
    child = operator.attrgetter(name)(state)
    assert str(child) == f"/p/.git/{below}"
    assert (child.name, child.kind, child.secret, child.mode) == (name, kind, False, mode)


@pytest.mark.parametrize(("name", "below", "kind", "mode"), WORKTREE)
def test_what_a_guardian_keeps_lies_in_its_worktrees_git_directory(name: str, below: str, kind: str, mode: int) -> None:
    state = RepositoryState.at("/p/.git/worktrees/wp01", "/p/.git")
    child = operator.attrgetter(name)(state)
    assert str(child) == f"/p/.git/worktrees/wp01/{below}"
    assert (child.name, child.kind, child.secret, child.mode) == (name, kind, False, mode)


def test_a_repository_lists_the_shared_surfaces_and_then_its_own() -> None:
    state = RepositoryState.at("/p/.git/worktrees/wp01", "/p/.git")
    expected = [f"/p/.git/{row[1]}" for row in REPOSITORY] + [f"/p/.git/worktrees/wp01/{row[1]}" for row in WORKTREE]
    assert [str(surface) for surface in state.surfaces()] == expected


def test_every_kind_below_the_state_root_is_one_the_contract_names() -> None:
    kinds = {surface.kind for surface in StateRoot.at("/r").surfaces()}
    assert kinds == {Kind.FILE, Kind.DIRECTORY, Kind.DATABASE, Kind.LOCK}
