"""Everything that reads and everything that writes below a root, by name: what holds for all of them is tested once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kitty_paths import QueueScope, StateRoot
from kitty_sync.clock import LamportClock
from kitty_sync.config import SyncConfig
from kitty_sync.queue.adoption import adopt
from kitty_sync.queue.events import EventQueue, Verdict
from kitty_sync.queue.listing import queues
from kitty_sync.queue.scope import active_scope, enter_scope, leave_scope
from kitty_sync.secret import Secret
from kitty_sync.tracker.connection import add_issue, connect, connections, disconnect, issues, map_issue, mappings
from kitty_sync.tracker.credentials import TrackerCredentials
from sync.states import event

ADA = QueueScope("https://kitty.example", "ada@example.org", "t_01")

Operation = Callable[[StateRoot], object]

READING: Mapping[str, Operation] = {
    "read the configuration": lambda root: SyncConfig(root).read(),
    "read the active scope": active_scope,
    "count events": lambda root: EventQueue(root, root.queues.unauthenticated).count(),
    "read events": lambda root: EventQueue(root, root.queues.unauthenticated).batch(),
    "list queues": queues,
    "look at the clock": lambda root: LamportClock(root).peek(),
    "read credentials": lambda root: TrackerCredentials(root).load("linear"),
    "list connections": connections,
}
# What has nothing to do, on a root with nothing in it, and so makes nothing.
IDLE: Mapping[str, Operation] = {
    "adopt nothing": lambda root: adopt(root, ADA),
    "leave no scope": leave_scope,
    "disconnect nothing": lambda root: disconnect(root, "linear"),
    "unset nothing": lambda root: SyncConfig(root).unset("sync.max_queue_size"),
    "append nothing": lambda root: EventQueue.active(root).append([]),
    "settle nothing": lambda root: EventQueue.active(root).settle({}),
}
WRITING: Mapping[str, Operation] = {
    "set the server": lambda root: SyncConfig(root).set_server_url("https://new.example"),
    "queue an event": lambda root: EventQueue(root, root.queues.unauthenticated).append([event("new")]),
    "settle an event": lambda root: EventQueue(root, root.queues.unauthenticated).settle({"old": Verdict.SUCCESS}),
    "log in": lambda root: enter_scope(root, ADA),
    "tick": lambda root: LamportClock(root).tick(),
    "save credentials": lambda root: TrackerCredentials(root).save("linear", {"token": Secret("hush-hush")}),
    "connect a tracker": lambda root: connect(root, "local", workspace="acme", credentials={}),
}


def use_everything(root: StateRoot) -> None:
    """Bring every surface of this package into being, one row or key each."""
    SyncConfig(root).set_server_url("https://kitty.example")
    EventQueue.active(root).append([event("anonymous", lamport_clock=1)])
    enter_scope(root, ADA)
    EventQueue.active(root).append([event("ada's", lamport_clock=LamportClock(root).tick().value)])
    EventQueue(root, root.queues.unauthenticated).append([event("late")])
    connect(root, "linear", workspace="acme", credentials={"token": Secret("hush-hush")})
    connect(root, "local", workspace="acme", credentials={})
    map_issue(root, "linear", "WP01", "ACME-1")
    map_issue(root, "local", "WP01", add_issue(root, "local", "first").issue_id)


def look_at_everything(root: StateRoot) -> tuple[object, ...]:
    """Everything a person can ask about a root."""
    seen = [read(root) for read in READING.values()]
    for connection in connections(root):
        seen.append(mappings(root, connection.provider))
        if connection.offline:
            seen.append(issues(root, connection.provider))
    return tuple(seen)
