"""The board of work packages.

What was recorded counts. Of a feature that the store does not know yet the files are all there is, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from kitty_guardian.boards.files import File, board_of_files, files_of, with_heads
from kitty_guardian.boards.recorded import lane_of, named, names_of, opened, phases_of
from kitty_guardian.boards.values import Boards, FeatureBoard, Package, PackageReport, UnknownWorkPackageError
from kitty_guardian.events.board import Board, FeatureStanding, PackageStanding
from kitty_guardian.model.events import Event, EventType, feature_stream, work_package_stream
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.features import FEATURES
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.repository import Worktree, find_worktree, require_project
from kitty_guardian.project.trees import DiskTree, tree_on_disk

if TYPE_CHECKING:
    from kitty_guardian.events.sqlite import SqliteEventStore


def boards(
    where: Path, *, feature: str | None = None, every: bool = False, details: bool = True, titles: bool = True
) -> Boards:
    """The work packages of the feature the work tree is bound to, of the one that is asked for, or of all.

    Args:
        where: Any place in the work tree.
        feature: Folder name, number, ULID, its first eight characters, or the plain name.
        every: Tell of every feature, finished or not.
        details: False: phase, lanes and what the files are called only; for hundreds of features that is much faster.
        titles: False, and no details: the files of features that were recorded as finished are not looked for, either.

    Raises:
        NotARepositoryError, NotAProjectError: There is no project at `where`.
        UnknownFeatureError: `feature` names no feature, or more than one.
        AdoptionError: What the work tree is bound to cannot be read.
        EventStoreError: The store is there and cannot be read.
        GitError: HEAD cannot be read.
    """
    worktree = find_worktree(where)
    require_project(worktree)
    with opened(worktree) as store:
        return _Reading(worktree, store).boards(feature, every=every, details=details, titles=titles)


def report(where: Path, name: str, *, feature: str | None = None) -> PackageReport:
    """One work package with its history; arguments and errors as for `boards`.

    Args:
        where: Any place in the work tree.
        name: "WP01"; "1" and "wp1" mean the same.
        feature: As for `boards`.

    Raises:
        UnknownWorkPackageError: There is no such work package, or several features have one.
    """
    worktree = find_worktree(where)
    require_project(worktree)
    with opened(worktree) as store:
        found = _Reading(worktree, store).boards(feature, every=False, details=True)
        board, package = _one(name, found)
        history: tuple[Event, ...] = ()
        if store is not None:
            moves = store.read(work_package_stream(board.feature, package.id))
            history = tuple(event for event in moves if event.event_type == EventType.WP_STATUS_CHANGED)
    return PackageReport(board, package, history)


class _Reading:
    """One look at the store and, where that says nothing, at the files.

    Args:
        worktree: The work tree.
        store: Its repository's store, or None.
    """

    def __init__(self, worktree: Worktree, store: SqliteEventStore | None) -> None:
        self._worktree = worktree
        self._store = store
        self._tree = tree_on_disk(worktree)
        self._readings = Readings()
        self._lanes: dict[str, dict[str, Lane]] = {}
        self._entered: dict[str, Phase] = {}
        if store is not None:
            for (name, package), lane in store.lanes().items():
                self._lanes.setdefault(name, {})[package] = lane_of(lane, name, package)
        self._names = names_of(worktree, self._lanes)
        if store is not None:
            self._entered = phases_of(store, self._names)

    def boards(self, feature: str | None, *, every: bool, details: bool, titles: bool = True) -> Boards:
        """What `boards` gives."""
        look = self._whole if details else self._summary if titles else self._outline
        if feature is not None:
            asked = named(self._worktree, self._names, feature)
            return self._found((look(asked),), f"{feature} was asked for")
        if every:
            return self._found(map(look, self._names), "every feature was asked for")
        bound, why = self._bound()
        if bound:
            return self._found(map(look, bound), why)
        unfinished = [name for name in self._names if not self._outline(name).finished]
        if len(unfinished) == 1:
            return self._found((look(unfinished[0]),), "it is the only unfinished one")
        if len(self._names) == 1:
            return self._found((look(self._names[0]),), "it is the only one")
        why = "this work tree is bound to no feature" if unfinished else "no feature is active"
        return attrs.evolve(self._found(map(look, unfinished), why), is_bound=not unfinished)

    def _found(self, features: Iterable[FeatureBoard], binding: str) -> Boards:
        return Boards(self._worktree.root, tuple(features), binding)

    def _bound(self) -> tuple[tuple[str, ...], str]:
        """What the work tree was bound to, or was made for, and is not gone."""
        from kitty_guardian.project.assignments import assignment
        from kitty_guardian.project.handles import Handles
        from kitty_guardian.project.pins import Adoption

        adoption = Adoption.read(self._worktree.state.guardian.adoption)
        if adoption is not None and (bound := tuple(name for name in adoption.bound if name in self._names)):
            return bound, "its guardian is bound to it"
        handles = Handles.of(self._worktree, self._names)
        made = assignment(self._worktree, handles, self._worktree.head_branch())
        return ((made.feature,), made.reason) if made is not None else ((), "")

    def _outline(self, name: str) -> FeatureBoard:
        """Phase and lanes; of a finished feature no files."""
        return self._summary(name, finished_too=False)

    def _summary(self, name: str, *, finished_too: bool = True) -> FeatureBoard:
        """Phase and lanes; titles are what the files are called."""
        if name not in self._entered:
            is_here = bool(self._tree.names(f"{FEATURES}/{name}"))
            return board_of_files(self._tree if is_here else self._home(name), name, self._readings)
        packages = {package: PackageStanding(lane=lane) for package, lane in self._lanes.get(name, {}).items()}
        standing = FeatureStanding(name, entered=self._entered[name], work_packages=packages)
        return _as_recorded(standing, files_of(self._tree, name) if finished_too or not standing.finished else {})

    def _whole(self, name: str) -> FeatureBoard:
        """All there is to tell, read from the work tree whose copy of the files counts."""
        tree = self._home(name)
        if self._store is None or name not in self._entered:
            board = board_of_files(tree, name, self._readings)
        else:
            streams = [feature_stream(name), *(work_package_stream(name, each) for each in self._lanes.get(name, ()))]
            events = Board(chain.from_iterable(map(self._store.read, streams)))
            board = _as_recorded(events.feature(name), files_of(tree, name))
        return with_heads(tree, board)

    def _home(self, name: str) -> DiskTree:
        """The work tree whose copy of the feature's files counts."""
        from kitty_guardian.transitions.home import home_of

        home = home_of(self._worktree, name)
        return self._tree if home == self._worktree.root else DiskTree(home)


def _as_recorded(standing: FeatureStanding, files: dict[str, File]) -> FeatureBoard:
    """The feature as its events add up; a work package that only a file knows has no lane yet."""
    packages = []
    for name in sorted({*standing.work_packages, *files}):
        found, file = standing.work_packages.get(name, PackageStanding()), files.get(name, File())
        packages.append(
            Package(
                name,
                found.lane,
                title=file.words,
                path=file.path,
                actor=found.actor,
                since=found.at,
                changes_requested=found.changes_requested,
                forced=found.forced,
            )
        )
    return FeatureBoard(standing.feature, standing.phase(), standing.finished, recorded=True, packages=tuple(packages))


def _one(name: str, found: Boards) -> tuple[FeatureBoard, Package]:
    """The one work package that is called so."""
    from kitty_guardian.transitions.workpackages import work_package_id

    wanted = work_package_id(name)
    having = [(board, package) for board in found.features if (package := board.package(wanted)) is not None]
    if len(having) == 1:
        return having[0]
    if having:
        several = ", ".join(board.feature for board, _ in having)
        raise UnknownWorkPackageError(f"{wanted} is one of several: {several} have it", hint="name one with --feature")
    if not found.features:
        hint = f"spec-kitty wp show {wanted} --feature F"
        raise UnknownWorkPackageError(f"it cannot be told whose {wanted} is meant: {found.binding}", hint=hint)
    there = ", ".join(package.id for board in found.features for package in board.packages)
    features = ", ".join(board.feature for board in found.features)
    raise UnknownWorkPackageError(
        f"there is no work package {name!r} in {features} (it holds {there or 'none'})", hint="spec-kitty wp list"
    )
