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
from watchdog.observers.inotify_c import CallbackId, InotifyEvent, InotifyFD, Mask, WatchCallback, WatchDescriptor
from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper

from kitty_guardian.errors import WatchError

if TYPE_CHECKING:
    from kitty_guardian.watch.watching import Watching

_watchers: weakref.WeakSet[Watching] = weakref.WeakSet()
_overflow = InotifyWatchGroup.on_queue_overflow
_add = InotifyFD.add_callback
_on = InotifyWatchGroup.on_event


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
    InotifyWatchGroup.on_event = _on_event  # type: ignore[method-assign]  # before it follows a folder out of the tree
    InotifyFD.add_callback = _add_callback  # type: ignore[method-assign]  # its only sign of a missing watch
    # Its warning about nested folders quotes every watched path, which takes 10 ms in a large tree, and names our own
    # module as its place; its log lines say what we tell in better words.
    InotifyWatchGroup.__repr__ = object.__repr__  # type: ignore[method-assign]
    warnings.filterwarnings("ignore", category=RuntimeWarning, message="Callback with id")
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)


def _on_event(self: InotifyWatchGroup, event: InotifyEvent) -> None:
    if event.is_directory and event.is_moved_from:
        _unwatch_below(self, event)
    _on(self, event)


def _unwatch_below(group: InotifyWatchGroup, event: InotifyEvent) -> None:
    """A directory that leaves keeps no watches: what goes on in it elsewhere would be told under its old name.

    Every folder that goes to quarantine is one. If it only moves, watchdog watches it anew at its new name.
    """
    with group._lock:  # noqa: SLF001 - watchdog has no other way
        place = group._active_callbacks_by_watch.get(event.wd)  # noqa: SLF001
        if place is None:
            return
        top = place + b"/" + event.name
        watched = group._active_callbacks_by_path.items()  # noqa: SLF001
        gone = [wd for path, wd in watched if path == top or path.startswith(top + b"/")]
        group._remove_callbacks(gone)  # noqa: SLF001


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
