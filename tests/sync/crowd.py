"""One member of a crowd: `python crowd.py ROOT WHAT NUMBER COUNT`.

It waits for a line on stdin, so that all begin at once.
"""

from __future__ import annotations

import sys

from kitty_paths import StateRoot
from kitty_sync.clock import LamportClock
from kitty_sync.config import SyncConfig
from kitty_sync.queue.events import Event, EventQueue
from kitty_sync.secret import Secret
from kitty_sync.tracker.credentials import TrackerCredentials


def main(root: StateRoot, what: str, number: int, count: int) -> None:
    """Do `count` writes of the one kind, each on its own."""
    sys.stdin.readline()
    for index in range(count):
        name = f"{number:02}-{index:04}"
        match what:
            case "queue":
                EventQueue.active(root).append([Event(name, "WPCreated", {"event_id": name, "index": index})])
            case "config":
                SyncConfig(root).set(f"sync.repo_defaults.acme/{name}.enabled", value=True)
            case "clock":
                sys.stdout.write(f"{LamportClock(root).tick().value}\n")
            case "credentials":
                TrackerCredentials(root).save(f"p{name}", {"token": Secret(name)})


if __name__ == "__main__":
    main(StateRoot.at(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
