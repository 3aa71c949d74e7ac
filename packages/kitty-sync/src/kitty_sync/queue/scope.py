"""Whose queue is in use, from login to logout (FR-005)."""

from __future__ import annotations

from kitty_paths import QueueScope, StateRoot
from kitty_sync.queue.adoption import Adoption, move_rows
from kitty_sync.queue.record import active_queue, active_scope, remove_scope, write_scope
from kitty_sync.storage.locking import holding

__all__ = ["Adoption", "active_queue", "active_scope", "enter_scope", "leave_scope"]


def enter_scope(root: StateRoot, scope: QueueScope) -> Adoption:
    """Use this scope's queue from now on, and bring the events into it that nobody was logged in for.

    The record comes first, so that new events no longer go to the old queue; then the rows move, see `move_rows`. Cut
    short anywhere, a second call completes it.

    Raises:
        InvalidScopeError: The scope cannot be written in the record's format; nothing was changed.
        StateError: The record or a queue cannot be read or written; no event is lost.
    """
    with holding(root, root.queues.active_scope_lock):
        write_scope(root, scope)
        return move_rows(root, scope)


def leave_scope(root: StateRoot) -> bool:
    """Use nobody's queue from now on, and say whether it was somebody's; every queue stays as it is.

    Raises:
        StateError: The record cannot be understood or removed.
    """
    if active_scope(root) is None:
        return False
    with holding(root, root.queues.active_scope_lock):
        return remove_scope(root)
