"""Projects whose history the event store has: what the first start of a guardian, or `init`, does to them."""

from __future__ import annotations

from pathlib import Path

from kitty_guardian.events.importing import adopt
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.project.survey import survey
from support.repositories import Repository


def record(repository: Repository) -> None:
    """Take every committed feature that the store does not know yet over into it."""
    worktree = find_worktree(repository.path)
    with SqliteEventStore(Path(worktree.state.events)) as store:
        assert adopt(store, worktree, survey(worktree, every=True, looking=True)) == ()
