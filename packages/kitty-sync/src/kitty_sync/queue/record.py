"""The record `active_queue_scope`: one line `server|user|team` (FR-005)."""

from __future__ import annotations

from kitty_paths import QueueScope, StateRoot, Surface
from kitty_sync.errors import DamagedFileError, InvalidScopeError
from kitty_sync.storage.directories import sync_directory
from kitty_sync.storage.faults import aside_hint, explained
from kitty_sync.storage.files import read_bytes, replace

_PARTS = 3


def active_scope(root: StateRoot) -> QueueScope | None:
    """Give whose queue is in use, or None while nobody is logged in; creates nothing.

    Raises:
        DamagedFileError: The record names no server, user and team. Events are not queued for the wrong one.
        StateError: It cannot be read.
    """
    surface = root.queues.active_scope
    data = read_bytes(root, surface)
    if data is None:
        return None
    line = data.decode(errors="replace").strip()
    parts = line.split("|")
    if len(parts) != _PARTS or not line.isprintable() or "\ufffd" in line or not all(part.strip() for part in parts):
        raise DamagedFileError(
            f"cannot understand {surface.path}: it does not say `server|user|team`",
            path=surface.path,
            hint=aside_hint(surface.path),
        )
    return QueueScope(*parts)


def active_queue(root: StateRoot) -> Surface:
    """Give the queue that new events go to: the active scope's, else the one of events nobody is logged in for.

    Raises:
        StateError: The record of the active scope cannot be read or understood.
    """
    scope = active_scope(root)
    return root.queues.unauthenticated if scope is None else root.queues.scoped(scope)


def write_scope(root: StateRoot, scope: QueueScope) -> None:
    """Make this scope the active one; the caller holds the record's lock.

    Raises:
        InvalidScopeError: The scope cannot be written in the record's format; nothing was changed.
        StateError: The record cannot be understood or written.
    """
    line = _line(scope)
    if active_scope(root) != scope:
        replace(root, root.queues.active_scope, line)


def remove_scope(root: StateRoot) -> bool:
    """Make no scope the active one, and say whether there was one; the caller holds the record's lock.

    Raises:
        StateError: The record cannot be removed.
    """
    path = root.queues.active_scope.path
    with explained(path, "remove"):
        existed = path.exists()
        path.unlink(missing_ok=True)
        if existed:
            sync_directory(path.parent)
    return existed


def _line(scope: QueueScope) -> bytes:
    for name, part in (("server", scope.server), ("user", scope.user), ("team", scope.team)):
        if not part or "|" in part or not part.isprintable():
            raise InvalidScopeError(
                f"the {name} {part!r} of a queue's scope is blank or has a character it cannot have"
            )
    return f"{scope.text}\n".encode()
