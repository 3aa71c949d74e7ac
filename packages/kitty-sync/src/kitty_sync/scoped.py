"""The databases there is one of for each scope, found in their directories: queues and tracker stores."""

from __future__ import annotations

import re
from typing import Final

from kitty_paths import Kind, StateRoot, Surface
from kitty_sync.queue.listing import scoped_queues
from kitty_sync.storage.directories import check_root
from kitty_sync.storage.faults import explained

_STORE: Final = re.compile(r"[0-9a-f]{16}\.db")


def scoped_surfaces(root: StateRoot) -> tuple[Surface, ...]:
    """Give every scoped database below a root, queues first; creates nothing.

    Raises:
        StateError: The root or one of the two directories cannot be looked into.
    """
    if not check_root(root):
        return ()
    directory = root.tracker.directory.path
    with explained(directory, "list"):
        names = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
    stores = (Surface("tracker.store", directory / name, Kind.DATABASE, secret=False) for name in names)
    return (*scoped_queues(root), *(store for store in stores if _STORE.fullmatch(store.path.name)))
