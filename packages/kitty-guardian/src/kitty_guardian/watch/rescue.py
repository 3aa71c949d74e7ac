"""Puts an event store back that somebody removed or exchanged while a guardian held it open."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from kitty_guardian.errors import EventStoreError
from kitty_guardian.events.identifiers import next_ulid
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.verification import verify
from kitty_guardian.watch.locking import holding

_PARTS = ("-wal", "-shm")


def rescue_lock(path: Path) -> Path:
    """The lock that a guardian holds while it opens a store or puts one back: no store is opened in between."""
    return path.with_name("rescue.lock")


def put_back(store: SqliteEventStore, path: Path, *, read: tuple[int, str]) -> str | None:
    """Put what `store` holds open in its place; another guardian that did so already is believed.

    Args:
        store: What is held open.
        path: Its place.
        read: Position and hash of the last event that was read from it.

    Gives where what stood there was put aside, or None where nothing was.

    Raises:
        GuardianBusyError: Somebody else is at it; try again.
        EventStoreError, OSError: It cannot be written.
    """
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with holding(rescue_lock(path), timeout=0.0):
        if _holds(path, read):
            return None
        name = next_ulid()
        copy = path.with_name(f".events-{name}.db")
        try:
            store.copy_to(copy)
            _check(copy, path, read)
            aside = _set_aside(path, name)
            copy.rename(path)
        finally:
            copy.unlink(missing_ok=True)
        return aside


def _holds(path: Path, read: tuple[int, str]) -> bool:
    """Whether the store that stands there has this event, and with its hash all before it."""
    position, digest = read
    with contextlib.suppress(EventStoreError), SqliteEventStore(path, read_only=True) as standing:
        if position == 0:
            return True
        return [event.hash for event in standing.read_all(after=position - 1, limit=1)] == [digest]
    return False


def _check(copy: Path, path: Path, read: tuple[int, str]) -> None:
    """Two files that share one write-ahead log damage each other: what came of that is put nowhere.

    Raises:
        EventStoreError: The copy is not whole.
    """
    with SqliteEventStore(copy, read_only=True) as held:
        broken = next((found.reason for found in verify(held).breaks), None)
    if broken is None and not _holds(copy, read):
        broken = f"event {read[0]} is gone"
    if broken is not None:
        raise EventStoreError(
            f"the event store `{path}` was exchanged, and what was held open of it is damaged: {broken}",
            hint="bring it back from a backup, then: spec-kitty guardian restart --accept-current --reason TEXT",
        )


def _set_aside(path: Path, name: str) -> str | None:
    """Keep what stands there under another name too; its log goes first, or the new file would take it for its own.

    The place itself is never empty: whoever found it so would begin a new store there.
    """
    target = path.with_name(f"displaced-{name}.db")
    for part in _PARTS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + part).rename(target.with_name(target.name + part))
    try:
        if path.is_dir():
            path.rename(target)
        else:
            os.link(path, target, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return str(target)
