"""One write to the state: `python one_write.py PLACE WHAT`; prints what was acknowledged, or an error's code."""

from __future__ import annotations

import sys
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


def main(root: StateRoot, what: str) -> object:
    """Do it."""
    match what:
        case "append":
            return EventQueue.active(root).append(
                [Event(name, "WPCreated", {"n": name}) for name in ("new-1", "new-2")]
            )
        case "settle":
            return EventQueue.active(root).settle({"old-1": Verdict.SUCCESS, "old-3": Verdict.REJECTED})
        case "enter":
            return enter_scope(root, ADA)
        case "leave":
            return leave_scope(root)
        case "server":
            return SyncConfig(root).set_server_url("https://new.example")
        case "tick":
            return LamportClock(root).tick().value
        case "credentials":
            return TrackerCredentials(root).save("linear", {"token": Secret("new-token")})
        case "map":
            return map_issue(root, "local", "WP01", "local-2").external_id
        case "issue":
            return add_issue(root, "local", "third").issue_id
        case _:
            raise ValueError(what)


if __name__ == "__main__":
    try:
        print(main(StateRoot.at(Path(sys.argv[1]) / "root"), sys.argv[2]))
    except SyncError as error:
        print(error.code, error.message, sep=": ", file=sys.stderr)
        sys.exit(error.exit_code)
