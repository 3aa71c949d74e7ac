"""The event store, opened for reading, and the newest of what it keeps."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitty_guardian.errors import EventStoreError, InvalidValueError
from kitty_guardian.model.events import Event, EventType, feature_stream, subject_of
from kitty_guardian.model.lanes import Lane
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
            name = named(worktree, names_of(worktree, recorded), feature)
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


def export_to(where: Path, file: Path) -> None:
    """Write what `exported` gives into a file, as JSON lines: all of it or nothing; an older file is replaced.

    Args:
        where: Any place in the work tree.
        file: The file; its folder exists.

    Raises:
        InvalidValueError: It cannot be written, or is something else than a file.
        NotARepositoryError, EventStoreError: As for `exported`; the file is then as it was.
    """
    place = Path(os.path.realpath(file))
    if place.exists() and not place.is_file():
        raise InvalidValueError(f"`{file}` is no file that could be written anew", hint="name another with --output")
    try:
        descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as lines:
                for fields in exported(where):
                    lines.write(json.dumps(fields) + "\n")
                lines.flush()
                os.fsync(lines.fileno())
            Path(name).replace(place)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise InvalidValueError(
            f"`{file}` cannot be written: {error.strerror}", hint="name another with --output"
        ) from error


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


def loose_lines(where: Path) -> tuple[str, ...]:
    """Places (`path:line`) of lines of ours in status logs that name a line before them which is not there any more.

    Raises:
        NotARepositoryError: There is no work tree at `where`.
        UnreadableProjectError: `kitty-specs/` cannot be read.
    """
    from kitty_guardian.events.lines import loose
    from kitty_guardian.project.features import FEATURES
    from kitty_guardian.project.gathering import STATUS_LOG
    from kitty_guardian.project.statuslog import LOG_LIMIT

    tree = tree_on_disk(find_worktree(where))
    found: list[str] = []
    for name in feature_names(tree):
        path = f"{FEATURES}/{name}/{STATUS_LOG}"
        with contextlib.suppress(OSError):  # whoever reads the feature tells why it cannot be read
            found += [f"{path}:{number}" for number in loose(tree.read(path, LOG_LIMIT) or b"")]
    return tuple(found)


def phases_of(store: SqliteEventStore, names: Iterable[str]) -> dict[str, Phase]:
    """The phase that each of the features entered last; without those that entered none.

    Raises:
        EventStoreError: The store cannot be read, or names a phase that there is none of.
    """
    found: dict[str, Phase] = {}
    for name in names:
        for event in store.read(feature_stream(name)):
            if event.event_type == EventType.PHASE_ENTERED:
                said = event.payload.get("phase")
                if not isinstance(said, str) or said not in set(Phase):
                    raise _changed(f"{name} entered {said!r}, which is no phase")
                found[name] = Phase(said)
    return found


def lane_of(said: str, feature: str, work_package: str) -> Lane:
    """The lane that a row of the store names.

    Raises:
        EventStoreError: There is none of that name: the row was changed since it was written.
    """
    if said not in set(Lane):
        raise _changed(f"{work_package} of {feature} is in {said!r}, which is no lane")
    return Lane(said)


def _changed(why: str) -> EventStoreError:
    return EventStoreError(f"the event store was changed: {why}", hint="spec-kitty events verify")


def names_of(worktree: Worktree, recorded: Iterable[str]) -> tuple[str, ...]:
    """Folder names of the features that were recorded or have a folder, here or in the main work tree, sorted.

    Raises:
        UnreadableProjectError: `kitty-specs/` cannot be read.
        GitError: Git could not list the work trees.
    """
    names = {*recorded, *feature_names(tree_on_disk(worktree))}
    if worktree.is_linked:
        from kitty_guardian.transitions.checkouts import checkouts

        for main in checkouts(worktree)[:1]:
            names.update(feature_names(DiskTree(main.root)) if main.is_main else ())
    return tuple(sorted(names))


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
