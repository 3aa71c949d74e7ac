"""One write to the state: `python one_write.py PLACE WHAT`; prints what was acknowledged, or an error's code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from kitty_paths import QueueScope, StateRoot
from kitty_sync.clock import LamportClock
from kitty_sync.config import SyncConfig
from kitty_sync.errors import SyncError
from kitty_sync.queue.events import Event, EventQueue, Verdict
from kitty_sync.queue.scope import enter_scope, leave_scope
from kitty_sync.secret import Secret
from kitty_sync.tracker.connection import add_issue, map_issue
from kitty_sync.tracker.credentials import TrackerCredentials

ADA = QueueScope("https://kitty.example", "ada@example.org", "t_01")


WRITES: dict[str, Callable[[StateRoot], object]] = {
    "append": lambda root: EventQueue.active(root).append(
        [Event(name, "WPCreated", {"n": name}) for name in ("new-1", "new-2")]
    ),
    "settle": lambda root: EventQueue.active(root).settle({"old-1": Verdict.SUCCESS, "old-3": Verdict.REJECTED}),
    "enter": lambda root: enter_scope(root, ADA),
    "leave": leave_scope,
    "server": lambda root: SyncConfig(root).set_server_url("https://new.example"),
    "tick": lambda root: LamportClock(root).tick().value,
    "credentials": lambda root: TrackerCredentials(root).save("linear", {"token": Secret("new-token")}),
    "map": lambda root: map_issue(root, "local", "WP01", "local-2").external_id,
    "issue": lambda root: add_issue(root, "local", "third").issue_id,
}


def main(root: StateRoot, what: str) -> object:
    """Do one of them."""
    return WRITES[what](root)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{main(StateRoot.at(Path(sys.argv[1]) / 'root'), sys.argv[2])}\n")
    except SyncError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        sys.exit(error.exit_code)
