"""Scoped databases are found in their directories, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from kitty_paths import QueueScope, StateRoot, TrackerScope
from kitty_sync.errors import RootNotADirectoryError
from kitty_sync.scoped import scoped_surfaces


def test_a_new_root_has_none_and_is_not_made(root: StateRoot) -> None:
    assert scoped_surfaces(root) == ()
    assert not root.base.exists()


def test_queues_and_stores_are_found_as_the_layout_names_them(root: StateRoot, ada: QueueScope) -> None:
    store = root.tracker.store(TrackerScope("linear", "acme"))
    for surface in (root.queues.scoped(ada), store):
        surface.path.parent.mkdir(parents=True, exist_ok=True)
        surface.path.touch()
    assert scoped_surfaces(root) == (root.queues.scoped(ada), store)


@pytest.mark.parametrize("name", ["notes.txt", "433b4dd278370a61.db-wal", "433B4DD278370A61.db", "queue-1.db", "x.db"])
def test_other_files_there_are_none(root: StateRoot, name: str) -> None:
    for directory in (root.queues.directory.path, root.tracker.directory.path):
        directory.mkdir(parents=True)
        (directory / name).touch()
    assert scoped_surfaces(root) == ()


def test_a_root_that_is_a_file_is_refused(root: StateRoot) -> None:
    root.base.write_text("", encoding="utf-8")
    with pytest.raises(RootNotADirectoryError):
        scoped_surfaces(root)
