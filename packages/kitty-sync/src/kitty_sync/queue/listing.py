"""Every queue below the root, also those nobody knows the owner of: looked at, never written."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Final

import attrs

from kitty_paths import Kind, StateRoot, Surface
from kitty_sync.errors import StateError
from kitty_sync.queue.events import EventQueue
from kitty_sync.queue.record import active_scope
from kitty_sync.storage.directories import check_root
from kitty_sync.storage.faults import explained

# 16 digits are this program's and upstream's up to 3.2.5, 64 are upstream's later ones. The hash has no way back to a
# server, a user and a team.
_SCOPED: Final = re.compile(r"queue-(?:[0-9a-f]{16}|[0-9a-f]{64})\.db")


class QueueKind(StrEnum):
    """Whose events a queue holds, as far as its name tells."""

    UNAUTHENTICATED = "unauthenticated"
    ACTIVE = "active"
    UNKNOWN = "unknown"


@attrs.frozen
class QueueReport:
    """One queue as it is on disk.

    Attributes:
        path: The database, absolute.
        kind: Whose events it holds.
        active: Whether new events go there.
        events: How many wait in it; None where it cannot be read.
        oldest: When the first of them was queued, in seconds since 1970; None where there is none.
        problem: Why it cannot be read, one sentence; None where it can.
    """

    path: Path
    kind: QueueKind
    active: bool
    events: int | None = None
    oldest: int | None = None
    problem: str | None = None


def queues(root: StateRoot) -> tuple[QueueReport, ...]:
    """Report every queue below the root: the unauthenticated, the active scope's and all others; creates nothing.

    Raises:
        StateError: The root, or its directory of queues, cannot be looked at; or the active scope's record cannot be
            understood.
    """
    scope = active_scope(root)
    unauthenticated = root.queues.unauthenticated
    found = [(unauthenticated, QueueKind.UNAUTHENTICATED)]
    active = unauthenticated
    if scope is not None:
        active = root.queues.scoped(scope)
        found.append((active, QueueKind.ACTIVE))
    found += [(surface, QueueKind.UNKNOWN) for surface in scoped_queues(root) if surface.path != active.path]
    return tuple(_report(root, surface, kind, active=surface.path == active.path) for surface, kind in found)


def scoped_queues(root: StateRoot) -> tuple[Surface, ...]:
    """Give every scoped queue on disk, by name; creates nothing.

    Raises:
        StateError: The directory of queues cannot be listed.
    """
    if not check_root(root):
        return ()
    directory = root.queues.directory.path
    with explained(directory, "list"):
        names = sorted(entry.name for entry in directory.iterdir()) if directory.exists() else []
    return tuple(
        Surface("queues.scoped", directory / name, Kind.DATABASE, secret=False)
        for name in names
        if _SCOPED.fullmatch(name)
    )


def _report(root: StateRoot, surface: Surface, kind: QueueKind, *, active: bool) -> QueueReport:
    queue = EventQueue(root, surface)
    try:
        first = queue.batch(1)
        return QueueReport(
            surface.path, kind, active=active, events=queue.count(), oldest=first[0].timestamp if first else None
        )
    except StateError as error:
        return QueueReport(surface.path, kind, active=active, problem=error.message)
