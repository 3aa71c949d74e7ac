"""What a feature's files say of its work packages: their names always, the rest where nothing was recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from kitty_guardian.boards.values import FeatureBoard, Package
from kitty_guardian.errors import GitError
from kitty_guardian.events.board import actor_name
from kitty_guardian.project.features import FEATURES, read_feature
from kitty_guardian.project.gathering import STATUS_LOG
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.reducer import Standing
from kitty_guardian.project.trees import DiskTree

if TYPE_CHECKING:
    from kitty_guardian.transitions.workpackages import WorkPackage

_FILE = re.compile(r"(WP[0-9]+)(?:[^0-9A-Za-z](.*))?\.md\Z", re.DOTALL | re.IGNORECASE)
_LANE_FOLDERS = frozenset({"planned", "doing", "for_review", "done"})


@attrs.frozen
class File:
    """The file of a work package.

    Attributes:
        path: Relative to the work tree; empty where there is none.
        words: What its name says beside the id, in words.
    """

    path: str = ""
    words: str = ""


def files_of(tree: DiskTree, feature: str) -> dict[str, File]:
    """The files of the feature's work packages by id, also below the folders of lanes (up to 0.9); reads only names."""
    found: dict[str, File] = {}
    waiting = [f"{FEATURES}/{feature}/tasks"]
    while waiting:
        place = waiting.pop()
        try:
            entries = tree.names(place)
        except OSError:
            continue  # its lanes' reader tells
        for entry in entries:
            if entry.kind == "directory":
                waiting += [f"{place}/{entry.name}"] if entry.name in _LANE_FOLDERS else []
            elif (match := _FILE.match(entry.name)) is not None:
                words = re.sub(r"[-_]+", " ", match[2] or "").strip()
                found.setdefault(match[1].upper(), File(f"{place}/{entry.name}", words))
    return found


def board_of_files(tree: DiskTree, feature: str, readings: Readings) -> FeatureBoard:
    """The feature as its files show it: nothing of it was recorded."""
    report, files = read_feature(tree, f"{FEATURES}/{feature}", readings=readings), files_of(tree, feature)
    log = _standings(tree, feature, readings)
    packages = []
    for name in sorted({*report.work_packages, *report.unreadable}):
        file, standing = files.get(name, File()), log.get(name)
        lane = None if name in report.unreadable else report.work_packages.get(name)
        package = Package(name, lane, title=file.words, path=file.path)
        if standing is not None:
            package = attrs.evolve(
                package,
                actor=actor_name(standing.actor),
                since=standing.at,
                changes_requested=standing.changes_requested,
                forced=standing.force_count,
            )
        packages.append(package)
    return FeatureBoard(report.feature, report.phase, report.finished, recorded=False, packages=tuple(packages))


def with_heads(tree: DiskTree, board: FeatureBoard) -> FeatureBoard:
    """The feature with what the heads of its work packages' files say, as far as they can be read."""
    from kitty_guardian.transitions.workpackages import work_packages  # a list of all features does without

    known = work_packages(tree, board.feature, others=[package.id for package in board.packages])
    packages = tuple(_with_file(package, known.get(package.id)) for package in board.packages)
    return attrs.evolve(board, packages=packages)


def _with_file(package: Package, file: WorkPackage | None) -> Package:
    if file is None:
        return package
    return attrs.evolve(
        package,
        title=file.title or package.title,
        path=file.path,
        dependencies=file.dependencies,
        problems=file.problems,
    )


def _standings(tree: DiskTree, feature: str, readings: Readings) -> Mapping[str, Standing]:
    """What the log says of who and when."""
    try:
        log = readings.status_log(tree, f"{FEATURES}/{feature}/{STATUS_LOG}")
    except (OSError, GitError):
        return {}
    return {} if log is None else log.standings
