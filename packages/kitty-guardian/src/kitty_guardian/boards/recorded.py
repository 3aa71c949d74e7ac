"""The event store, opened for reading, and the newest of what it keeps."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitty_guardian.model.events import Event, EventType, feature_stream, subject_of
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.features import feature_names
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.project.trees import DiskTree, tree_on_disk

if TYPE_CHECKING:
    from kitty_guardian.events.sqlite import SqliteEventStore
    from kitty_guardian.events.verification import ChainReport

_CHUNK = 500


@contextmanager
def opened(worktree: Worktree) -> Iterator[SqliteEventStore | None]:
    """The store of the work tree's repository for reading, for the time of a block; None where there is none yet.

    Raises:
        EventStoreError: It is there and cannot be read.
    """
    path = Path(worktree.state.events)
    if not os.path.lexists(path):
        yield None
        return
    from kitty_guardian.events.sqlite import SqliteEventStore

    store = SqliteEventStore(path, read_only=True)
    try:
        yield store
    finally:
        store.close()


def recent(where: Path, *, feature: str | None = None, after: int = 0, limit: int | None = None) -> tuple[Event, ...]:
    """The newest events of the store, the oldest of them first.

    Args:
        where: Any place in the work tree.
        feature: Only those about this feature (any handle of it).
        after: Only those with a position beyond this.
        limit: How many at most; None: all.

    Raises:
        NotARepositoryError: There is no work tree at `where`.
        UnknownFeatureError: `feature` names no feature, or more than one.
        EventStoreError: The store is there and cannot be read.
    """
    worktree = find_worktree(where)
    with opened(worktree) as store:
        if store is None:
            return ()
        name = None
        if feature is not None:
            recorded = {feature for feature, _ in store.lanes()}
            name = named(worktree, names_of(tree_on_disk(worktree), recorded), feature)
        found: list[Event] = []
        end = store.head()[0]
        while end > after and (limit is None or len(found) < limit):
            begin = max(after, end - _CHUNK)
            chunk = store.read_all(after=begin, limit=end - begin)  # positions have no gaps
            found[:0] = [event for event in chunk if name is None or _is_about(event, name)]
            end = begin
    return tuple(found if limit is None else found[max(0, len(found) - limit) :])


def exported(where: Path) -> Iterator[dict[str, Any]]:
    """Every event as a JSON object, and last the head that proves them; where there is no store, an empty one's.

    Raises:
        NotARepositoryError: There is no work tree at `where`.
        EventStoreError: The store is there and cannot be read.
    """
    from kitty_guardian.events.verification import HEAD_SCHEMA, export

    with opened(find_worktree(where)) as store:
        if store is None:
            yield {"schema": HEAD_SCHEMA, "position": 0, "hash": ""}
        else:
            yield from export(store)


def head_of(where: Path) -> tuple[int, str]:
    """Position and hash of the last event, (0, "") without one; errors as for `exported`."""
    with opened(find_worktree(where)) as store:
        return (0, "") if store is None else store.head()


def verified(where: Path, *, head: tuple[int, str] | None = None) -> ChainReport | None:
    """Whether the store still holds what was appended; None where there is none and none is expected.

    Args:
        where: Any place in the work tree.
        head: Position and hash that were exported earlier: events must not have been cut off since.

    Raises:
        NotARepositoryError: There is no work tree at `where`.
        EventStoreError: The store is there and cannot be read.
    """
    from kitty_guardian.events.verification import Break, ChainReport, verify

    with opened(find_worktree(where)) as store:
        if store is not None:
            return verify(store, head=head)
    if head is None or head[0] == 0:
        return None
    return ChainReport(0, 0, "", (Break(head[0], "", "", "is cut off: there is no store any more"),))


def phases_of(store: SqliteEventStore, names: Iterable[str]) -> dict[str, Phase]:
    """The phase that each of the features entered last; without those that entered none."""
    found: dict[str, Phase] = {}
    for name in names:
        for event in store.read(feature_stream(name)):
            if event.event_type == EventType.PHASE_ENTERED:
                found[name] = Phase(event.payload["phase"])
    return found


def names_of(tree: DiskTree, recorded: Iterable[str]) -> tuple[str, ...]:
    """Folder names of the features that were recorded or have a folder, sorted.

    Raises:
        UnreadableProjectError: `kitty-specs/` cannot be read.
    """
    return tuple(sorted({*recorded, *feature_names(tree)}))


def named(worktree: Worktree, names: Iterable[str], feature: str) -> str:
    """The one of `names` that a person calls `feature`.

    Raises:
        UnknownFeatureError: It names no feature, or more than one.
    """
    from kitty_guardian.project.binding import asked_for
    from kitty_guardian.project.handles import Handles

    return asked_for(Handles.of(worktree, names), feature)


def _is_about(event: Event, feature: str) -> bool:
    """Whether an event is in one of the feature's streams, or tells of something that was refused there."""
    return subject_of(event.stream)[0] == feature or event.payload.get("feature") == feature
