"""Puts an event store back that somebody removed or exchanged while a guardian held it open."""

from __future__ import annotations

import contextlib
from pathlib import Path

from kitty_guardian.errors import EventStoreError
from kitty_guardian.events.identifiers import next_ulid
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.verification import verify
from kitty_guardian.watch.locking import holding

_LOCK_SECONDS = 5.0
_PARTS = ("", "-wal", "-shm")


def put_back(store: SqliteEventStore, path: Path) -> str | None:
    """Put what `store` holds open in its place; another guardian that did so already is believed.

    Gives where what stood there was put aside, or None where nothing was.

    Raises:
        EventStoreError, OSError, GuardianBusyError: It cannot be written.
    """
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with holding(path.with_name("rescue.lock"), timeout=_LOCK_SECONDS):
        if _continues(path, store):
            return None
        name = next_ulid()
        copy = path.with_name(f".events-{name}.db")
        try:
            store.copy_to(copy)
            _check(copy, path)
            aside = _set_aside(path, name)
            copy.rename(path)
        finally:
            copy.unlink(missing_ok=True)
        return aside


def _continues(path: Path, store: SqliteEventStore) -> bool:
    """Whether what stands there holds everything that the open store holds."""
    position, digest = store.head()
    with contextlib.suppress(EventStoreError), SqliteEventStore(path, read_only=True) as standing:
        if position == 0:
            return True
        return [event.hash for event in standing.read_all(after=position - 1, limit=1)] == [digest]
    return False


def _check(copy: Path, path: Path) -> None:
    """Two files that share one write-ahead log damage each other: what came of that is put nowhere.

    Raises:
        EventStoreError: The copy is not whole.
    """
    with SqliteEventStore(copy, read_only=True) as held:
        broken = next(iter(verify(held).breaks), None)
    if broken is not None:
        raise EventStoreError(
            f"the event store `{path}` was exchanged, and what was held open of it is damaged: {broken.reason}",
            hint="bring it back from a backup, then: spec-kitty guardian restart --accept-current --reason TEXT",
        )


def _set_aside(path: Path, name: str) -> str | None:
    aside: str | None = None
    for part in _PARTS:
        standing = path.with_name(path.name + part)
        with contextlib.suppress(FileNotFoundError):
            target = standing.with_name(f"displaced-{name}.db{part}")
            standing.rename(target)
            aside = aside or str(target)
    return aside
