"""Roots with something in them, and what tests say about them."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterable
from pathlib import Path

from kitty_paths import StateRoot
from kitty_sync.queue.events import Event, EventQueue


def event(name: str, **data: object) -> Event:
    """An event with this id."""
    return Event(name, "WPCreated", {"event_id": name, "event_type": "WPCreated", **data})


def fill(root: StateRoot, names: Iterable[str]) -> EventQueue:
    """Queue events with these ids for whoever is active."""
    queue = EventQueue.active(root)
    queue.append([event(name) for name in names])
    return queue


def names(queue: EventQueue) -> list[str]:
    """The ids of everything in a queue, in its order."""
    return [row.event_id for row in queue.batch(1_000_000)]


def is_sound(database: Path) -> bool:
    """Whether SQLite finds nothing wrong with a database."""
    with sqlite3.connect(database) as connection:
        answer: str = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    return answer == "ok"


def everything(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and directory below: relative path to mode and content."""
    return {
        str(path.relative_to(directory)): (
            stat.S_IMODE(path.lstat().st_mode),
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(directory.rglob("*"))
    }


def modes(directory: Path) -> dict[str, str]:
    """Every file and directory below, and the directory itself: relative path to mode in octal."""
    found = {".": f"{stat.S_IMODE(directory.stat().st_mode):04o}"}
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            path = Path(parent, name)
            found[str(path.relative_to(directory))] = f"{stat.S_IMODE(path.stat().st_mode):04o}"
    return found
