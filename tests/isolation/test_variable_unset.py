"""With the variable unset everything lands where it always did, as a literal table says (SC-003, NFR-001, NFR-003).

The table is the layout of Spec Kitty 3.2.3 to 3.2.5, for an operator who is logged in as `ada@example.org`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from isolation.conftest import clean_environment
from kitty_paths import QueueScope, StateRoot
from kitty_sync.clock import LamportClock
from kitty_sync.config import SyncConfig
from kitty_sync.daemon import lifecycle
from kitty_sync.queue.events import Event, EventQueue
from kitty_sync.queue.scope import enter_scope
from kitty_sync.secret import Secret
from kitty_sync.tracker import connection

ADA = QueueScope("https://kitty.example", "ada@example.org", "t_01")
# below ~/.spec-kitty on Linux and macOS, below %LOCALAPPDATA%\spec-kitty on Windows
TABLE = [
    ("config.toml", "config.toml"),
    ("queue.db", "queue.db"),
    ("queues/queue-4efd3700aeb15214.db", "queues/queue-4efd3700aeb15214.db"),
    ("active_queue_scope", "active_queue_scope"),
    ("clock.json", "clock.json"),
    ("credentials", "tracker/credentials"),
    ("credentials.lock", "tracker/credentials.lock"),
    ("sync-daemon", "daemon/sync-daemon"),
    ("sync-daemon.log", "daemon/sync-daemon.log"),
    ("sync-daemon.lock", "daemon/sync-daemon.lock"),
    ("sync/daemon/owner.json", "sync/daemon/owner.json"),
    ("trackers/433b4dd278370a61.db", "trackers/433b4dd278370a61.db"),
]
# Where upstream has none: lock files of our own, beside what they guard.
LOCKS = ["config.toml.lock", "active_queue_scope.lock", "clock.json.lock"]
# SQLite's own, while a database is open.
COMPANIONS = ("-wal", "-shm")


def use_everything(root: StateRoot) -> None:
    """Write every surface there is a writer for."""
    SyncConfig(root).set_server_url("https://kitty.example")
    for number in range(2):  # the first goes to queue.db and moves at the login, the second to the scoped queue
        EventQueue.active(root).append([Event(f"0{number}", "E", {"event_id": f"0{number}", "event_type": "E"})])
        enter_scope(root, ADA)
    LamportClock(root).tick()
    connection.connect(root, "linear", workspace="acme", credentials={"token": Secret("s3cret")})
    connection.map_issue(root, "linear", "WP01", "ACME-7")


def files_below(directory: Path) -> list[str]:
    found = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.endswith(COMPANIONS))


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_files_land_where_the_table_says(tmp_path: Path, platform: str, value: str | None) -> None:
    environ = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "LOCALAPPDATA": str(tmp_path / "Local")}
    if value is not None:
        environ["SPEC_KITTY_HOME"] = value
    root = StateRoot.resolve(environ, platform=platform)
    use_everything(root)
    lifecycle.start(root)
    try:
        below = "Local/spec-kitty" if platform == "win32" else ".spec-kitty"
        column = 1 if platform == "win32" else 0
        assert files_below(tmp_path) == sorted(f"{below}/{name}" for name in [*(row[column] for row in TABLE), *LOCKS])
        for path in tmp_path.rglob("*"):
            if path.name != "Local":
                assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    finally:
        lifecycle.stop(root)


@pytest.mark.parametrize("value", [None, ""])
def test_the_installed_program_puts_them_there(tmp_path: Path, installed: None, value: str | None) -> None:
    del installed
    home, working, temporary = (tmp_path / name for name in ("home", "work", "tmp"))
    for directory in (home, working, temporary):
        directory.mkdir()
    environment = clean_environment(home, temporary)
    if value is not None:
        environment["SPEC_KITTY_HOME"] = value
    script = """
    set -e
    trap "spec-kitty sync daemon stop" EXIT
    spec-kitty sync server https://kitty.example
    echo '{"event_id": "01", "event_type": "WPCreated"}' | spec-kitty sync enqueue -
    echo s3cret | spec-kitty tracker connect linear --workspace acme --credential token=-
    spec-kitty tracker map WP01 ACME-7
    spec-kitty sync daemon start
    find "$HOME" -type f | grep -v -e '-wal$' -e '-shm$' | sort > "$TMPDIR/files"
    """
    subprocess.run(["sh", "-c", script], cwd=working, env={**environment, "LC_ALL": "C"}, check=True)
    # Nobody is logged in: no scoped queue, and the store of `linear|acme|local|anonymous|no-team`.
    names = {row[0] for row in TABLE} - {
        "queues/queue-4efd3700aeb15214.db", "active_queue_scope", "clock.json", "trackers/433b4dd278370a61.db",
    }  # fmt: skip
    names |= {"config.toml.lock", "trackers/d03f10bc3f333424.db"}
    assert (temporary / "files").read_text(encoding="utf-8").splitlines() == sorted(
        f"{home}/.spec-kitty/{name}" for name in names
    )


def test_nothing_moves_from_the_default_home_to_a_chosen_root_or_back(tmp_path: Path) -> None:
    everyday = StateRoot.resolve({"HOME": str(tmp_path)})
    use_everything(everyday)
    before = {name: (everyday.base / name).read_bytes() for name in files_below(everyday.base)}
    chosen = StateRoot.resolve({"HOME": str(tmp_path), "SPEC_KITTY_HOME": str(tmp_path / "chosen")})

    assert SyncConfig(chosen).read().server_url is None
    assert EventQueue.active(chosen).count() == 0
    assert LamportClock(chosen).peek() is None
    assert connection.connections(chosen) == ()
    assert not chosen.base.exists()

    LamportClock(chosen).tick()
    assert files_below(chosen.base) == ["clock.json", "clock.json.lock"]
    assert {name: (everyday.base / name).read_bytes() for name in files_below(everyday.base)} == before
