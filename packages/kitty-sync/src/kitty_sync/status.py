"""How syncing stands below one root, as one picture: server, queues, login, daemon, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from kitty_sync.config import SyncConfig
from kitty_sync.daemon import lifecycle
from kitty_sync.daemon.work import QueueCount, count_queues
from kitty_sync.queue.events import EventQueue
from kitty_sync.reachability import why_unreachable
from kitty_sync.storage.faults import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kitty_paths import StateRoot
    from kitty_sync.config import Settings
    from kitty_sync.daemon.lifecycle import DaemonStatus


@attrs.frozen
class Finding:
    """One thing that keeps events from being sent, or that needs a look.

    Attributes:
        code: Stable identifier for scripts.
        message: What is so and where, one sentence.
        hint: The command that mends it, or None.
    """

    code: str
    message: str
    hint: str | None


@attrs.frozen
class SyncStatus:
    """How syncing stands.

    Attributes:
        root: The root it was looked at below, absolute.
        server_url: The server that was chosen, or None.
        queue: The queue new events go to; it may not exist yet.
        queues: Every queue there is.
        authenticated: Whether somebody is logged in. Always False: this version cannot log in.
        session_file: Whether a session lies below the root; another program's, then.
        daemon: How the daemon stands.
        reachable: Whether the server answered just now; None where nobody asked it.
        findings: What is not as it should be.
    """

    root: str
    server_url: str | None
    queue: QueueCount
    queues: tuple[QueueCount, ...]
    authenticated: bool
    session_file: bool
    daemon: DaemonStatus
    reachable: bool | None
    findings: tuple[Finding, ...]


def sync_status(root: StateRoot, *, check: bool = False) -> SyncStatus:
    """Look at everything syncing depends on; creates and changes nothing.

    Args:
        root: The root.
        check: Ask the server too, which is the only word this says to anybody outside.

    Raises:
        StateError: The root cannot be looked into, or the configuration cannot be understood.
    """
    settings = SyncConfig(root).read()
    queues = count_queues(root)
    path = str(EventQueue.active(root).surface)
    active = next((each for each in queues if each.path == path), QueueCount(path, active=True, events=0, problem=None))
    daemon = lifecycle.status(root)
    session = root.auth.session.path
    with explained(session, "look at"):
        session_file = session.exists()
    problem = why_unreachable(settings.server_url) if check and settings.server_url else None
    return SyncStatus(
        root=str(root.base),
        server_url=settings.server_url,
        queue=active,
        queues=queues,
        authenticated=False,
        session_file=session_file,
        daemon=daemon,
        reachable=problem is None if check and settings.server_url else None,
        findings=tuple(_findings(settings, active, queues, daemon, problem)),
    )


def _findings(
    settings: Settings, active: QueueCount, queues: tuple[QueueCount, ...], daemon: DaemonStatus, problem: str | None
) -> Iterator[Finding]:
    if settings.server_url is None:
        yield Finding("sync.server.missing", "no server is set", "spec-kitty sync server https://HOST")
    elif problem is not None:
        yield Finding("sync.server.unreachable", f"{settings.server_url} does not answer: {problem}", None)
    yield Finding("sync.auth.missing", "not logged in: nothing is sent", None)
    if daemon.problem is not None and daemon.problem_code is not None:
        yield Finding(daemon.problem_code, daemon.problem, daemon.hint)
    elif not daemon.running:
        yield Finding("sync.daemon.off", "the sync daemon does not run", "spec-kitty sync daemon start")
    for each in queues:
        if each.problem is not None:
            yield Finding("sync.queue.trouble", f"{each.path}: {each.problem}", None)
        elif each.events and each.path != active.path:
            yield Finding(
                "sync.queue.elsewhere", f"{each.events} events wait in {each.path}, where new ones do not go", None
            )
        if (each.events or 0) > settings.max_queue_size:
            yield Finding(
                "sync.queue.large",
                f"{each.events} events wait in {each.path}, more than `sync.max_queue_size`"
                f" ({settings.max_queue_size}); none is dropped",
                None,
            )
