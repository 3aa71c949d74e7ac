"""watchdog's Linux backend kept honest: no held moves, loss made known, no noise (watching facts, section 0).

Set up once per process, for every observer in it; the version is pinned because two of these are undocumented.
"""

from __future__ import annotations

import errno
import logging
import warnings
import weakref
from typing import TYPE_CHECKING

from watchdog.observers.inotify import InotifyWatchGroup
from watchdog.observers.inotify_c import CallbackId, InotifyFD, Mask, WatchCallback, WatchDescriptor
from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper

from kitty_guardian.errors import WatchError

if TYPE_CHECKING:
    from kitty_guardian.watch.watching import Watching

_watchers: weakref.WeakSet[Watching] = weakref.WeakSet()
_overflow = InotifyWatchGroup.on_queue_overflow
_add = InotifyFD.add_callback


def tame(watching: Watching) -> None:
    """Have watchdog tell `watching` what it would hide.

    Raises:
        WatchError: This version of watchdog cannot be told.
    """
    _watchers.add(watching)
    if not hasattr(InotifyMoveEventGrouper, "delay"):
        raise WatchError("this version of watchdog cannot be told not to hold events", hint="install watchdog 7.1")
    # An unpaired move holds itself and everything behind it for this long; a revert is such a move.
    InotifyMoveEventGrouper.delay = 0.0
    InotifyWatchGroup.on_queue_overflow = _on_queue_overflow  # type: ignore[method-assign]  # its only sign of loss
    InotifyFD.add_callback = _add_callback  # type: ignore[method-assign]  # its only sign of a missing watch
    # Its warning about nested folders quotes every watched path, which takes 10 ms in a large tree, and names our own
    # module as its place; its log lines say what we tell in better words.
    InotifyWatchGroup.__repr__ = object.__repr__  # type: ignore[method-assign]
    warnings.filterwarnings("ignore", category=RuntimeWarning, message="Callback with id")
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)


def _on_queue_overflow(self: InotifyWatchGroup) -> None:
    _overflow(self)
    for watching in tuple(_watchers):
        watching.inbox.note_loss()


def _add_callback(
    self: InotifyFD, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId
) -> WatchDescriptor:
    try:
        return _add(self, path, mask, callback, id_)
    except OSError as error:
        if error.errno == errno.ENOSPC:  # swallowed by watchdog for every directory but the topmost
            for watching in tuple(_watchers):
                watching.shortage += 1
        raise
