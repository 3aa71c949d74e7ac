"""Reads features, from the disk or from a commit, through one reader; what cannot be read becomes a problem.

Where a work package's lane is written depends on the era (facts, sections 6.4 to 6.6). In this order:

1. `status.events.jsonl`, where it moves the work package (2.0 on)
2. the folder `tasks/{planned,doing,for_review,done}/` its file lies in (up to 0.9)
3. `lane:` in the frontmatter of its file (0.9 to 2.1)
4. nowhere: it is planned. So it counts, too, when its lane cannot be read; the problem says so
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import attrs

from kitty_guardian.detection.facts import FeatureFacts, WorkPackage
from kitty_guardian.detection.phase import detect
from kitty_guardian.errors import GitError
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport, Problem
from kitty_guardian.project.frontmatter import Frontmatter, check_frontmatter, read_frontmatter
from kitty_guardian.project.repository import Worktree
from kitty_guardian.project.statuslog import LOG_LIMIT, StatusLog, read_status_log
from kitty_guardian.project.trees import READ_LIMIT, DiskTree, Entry, GitTree, Tree

FEATURES = "kitty-specs"
_LOG = "status.events.jsonl"
_LANE_FOLDERS = ("planned", "doing", "for_review", "done")
_WORK_PACKAGE = re.compile(r"(WP\d+)(?:[^0-9A-Za-z].*)?\.md\Z", re.DOTALL)
_ASKING = frozenset({"has_feedback", "changes_requested", "acknowledged"})
"""`review_status` while changes are requested; `acknowledged`: the implementer has begun with them."""
_HANDED_IN = frozenset({Lane.FOR_REVIEW, Lane.IN_REVIEW})


def feature_names(tree: Tree) -> tuple[str, ...]:
    """Folder names of the features: directories below `kitty-specs/` with a file somewhere in them, sorted.

    Raises:
        OSError: `kitty-specs/` cannot be read (disk).
        GitError: The commit cannot be read (git).
    """
    return tuple(
        entry.name
        for entry in tree.names(FEATURES)
        if entry.kind == "directory"
        and not entry.name.startswith(".")
        and _holds_file(tree, f"{FEATURES}/{entry.name}")
    )


def read_features(tree: Tree, *, thorough: bool = False) -> dict[str, PhaseReport]:
    """The report of every feature of the project, by folder name.

    Args:
        tree: The work tree or a commit.
        thorough: Also parse the frontmatter of work packages whose lane the log keeps. It changes no phase and no
            lane, only finds broken YAML there, and takes longer (much longer where PyYAML lacks libyaml).

    Raises:
        OSError: `kitty-specs/` cannot be read (disk).
        GitError: The commit cannot be read (git).
    """
    return {name: read_feature(tree, f"{FEATURES}/{name}", thorough=thorough) for name in feature_names(tree)}


def recorded_features(worktree: Worktree, head: str | None) -> dict[str, PhaseReport]:
    """What HEAD holds of every feature; a folder that HEAD does not have yet is in research (model section 1).

    Raises:
        GitError: HEAD cannot be read.
    """
    reports = read_features(GitTree(worktree.git, head)) if head is not None else {}
    fresh = PhaseReport("", Phase.RESEARCH, evidence=("HEAD does not have this folder yet",))
    for name in feature_names(DiskTree(worktree.root)):
        reports.setdefault(name, attrs.evolve(fresh, feature=name))
    return reports


def read_feature(tree: Tree, directory: str, *, thorough: bool = True) -> PhaseReport:
    """The report of the feature in `directory` (a path in the tree); one that is not there is in research.

    Args:
        tree: The work tree or a commit.
        directory: Such as `kitty-specs/034-home-guard`.
        thorough: As in `read_features`.
    """
    return detect(_Reader(tree, directory, thorough=thorough).facts())


def detect_phase(feature_path: Path) -> PhaseReport:
    """The detected phase of the feature in this directory, as its files on disk are now, with evidence.

    Any directory will do, in a git repository or not. One that does not exist is in research, with a problem.
    """
    place = Path(os.path.realpath(feature_path))
    root = place.parent.parent
    return read_feature(DiskTree(root), place.relative_to(root).as_posix())


def get_current_phase(feature_path: Path) -> Phase:
    """The phase of `detect_phase` alone (deterministic-enforcement.md). It is what files show, not what is enforced."""
    return detect_phase(feature_path).phase


@attrs.frozen
class _File:
    work_package: str
    path: str
    folder_lane: str | None
    is_link: bool


class _Reader:
    """Gathers the facts of one feature."""

    def __init__(self, tree: Tree, directory: str, *, thorough: bool) -> None:
        self.tree = tree
        self.directory = directory
        self.thorough = thorough
        self.problems: list[Problem] = []

    def facts(self) -> FeatureFacts:
        entries = {entry.name: entry for entry in self._names(self.directory)}
        if not entries and not self.problems:
            self.problems.append(Problem(self.directory, None, "holds nothing, or does not exist"))
        files = tuple(self._files(entries.get("tasks")))
        self.tree.expect([f"{self.directory}/{_LOG}", *(file.path for file in files)])
        log = self._log(entries.get(_LOG))
        packages: dict[str, WorkPackage] = {
            name: WorkPackage(standing.lane, f"{_LOG}:{standing.line}") for name, standing in log.standings.items()
        }
        asking = {name for name, standing in log.standings.items() if standing.changes_requested}
        for file in files:
            package, asks = self._work_package(file, log)
            if asks:
                asking.add(file.work_package)
            known = packages.get(file.work_package)
            if known is not None and file.work_package not in log.standings and known.lane is not package.lane:
                self._problem(
                    file.path, None, f"is a second file of {file.work_package}, which is {known.lane} elsewhere"
                )
                package = WorkPackage(Lane.PLANNED, "its files disagree")
            if file.work_package not in log.standings:
                packages[file.work_package] = package
        return FeatureFacts(
            feature=self.directory.rpartition("/")[2],
            work_packages=dict(sorted(packages.items())),
            artifacts=frozenset(
                name for name in ("spec.md", "plan.md") if name in entries and entries[name].kind == "file"
            ),
            changes_requested=frozenset(asking),
            problems=tuple(self.problems),
        )

    def _log(self, entry: Entry | None) -> StatusLog:
        path = f"{self.directory}/{_LOG}"
        if entry is None:
            return StatusLog()
        if entry.kind != "file":
            self._problem(path, None, f"is a {entry.kind} and was not read")
            return StatusLog()
        if (data := self._read(path, LOG_LIMIT)) is None:
            return StatusLog()
        log = read_status_log(data, path)
        self.problems += log.problems
        return log

    def _files(self, tasks: Entry | None) -> Iterator[_File]:
        """Files of work packages: those directly in `tasks/`, and those anywhere below a lane's folder."""
        if tasks is None:
            return
        path = f"{self.directory}/tasks"
        if tasks.kind != "directory":
            self._problem(path, None, f"is a {tasks.kind} and was not read")
            return
        for entry in self._names(path):
            if entry.kind == "directory" and entry.name in _LANE_FOLDERS:
                yield from self._files_below(f"{path}/{entry.name}", entry.name)
            elif (match := _WORK_PACKAGE.match(entry.name)) is not None and entry.kind != "directory":
                yield _File(match[1], f"{path}/{entry.name}", None, entry.kind != "file")

    def _files_below(self, directory: str, lane: str) -> Iterator[_File]:
        for entry in self._names(directory):
            if entry.kind == "directory":
                yield from self._files_below(f"{directory}/{entry.name}", lane)
            elif (match := _WORK_PACKAGE.match(entry.name)) is not None:
                yield _File(match[1], f"{directory}/{entry.name}", lane, entry.kind != "file")

    def _work_package(self, file: _File, log: StatusLog) -> tuple[WorkPackage, bool]:
        """What the file says of its work package, and whether it asks for changes; the log, if any, has precedence."""
        unknown = WorkPackage(Lane.PLANNED, "no lane is written")
        if file.is_link:
            self._problem(file.path, None, "is a symbolic link and was not read")
            return unknown, False
        if (data := self._read(file.path, READ_LIMIT)) is None:
            return unknown, False
        in_log = file.work_package in log.standings
        if in_log and not self.thorough:
            self.problems += check_frontmatter(data, file.path)
            return unknown, False
        head = read_frontmatter(data, file.path)
        self.problems += head.problems
        if in_log:
            return unknown, False
        package = self._by_folder(file) or self._by_frontmatter(file, head) or unknown
        status = head.fields.get("review_status")
        asks = status is not None and (status.value or "").strip().lower() in _ASKING
        return package, asks and package.lane not in _HANDED_IN and not package.lane.is_finished

    def _by_folder(self, file: _File) -> WorkPackage | None:
        lane = None if file.folder_lane is None else Lane.parse(file.folder_lane)
        return None if lane is None else WorkPackage(lane, f"folder tasks/{file.folder_lane}")

    def _by_frontmatter(self, file: _File, head: Frontmatter) -> WorkPackage | None:
        if (field := head.fields.get("lane")) is None:
            return None
        if (lane := Lane.parse(field.value or "")) is None:
            what = "has a lane that is not text" if field.value is None else f"has the unknown lane {field.value!r}"
            self._problem(file.path, field.line, what)
            return None
        return WorkPackage(lane, f"{file.path.removeprefix(f'{self.directory}/')}:{field.line}")

    def _names(self, directory: str) -> tuple[Entry, ...]:
        try:
            return self.tree.names(directory)
        except OSError as error:
            self._problem(directory, None, f"cannot be read: {error.strerror}")
            return ()

    def _read(self, path: str, limit: int) -> bytes | None:
        try:
            data = self.tree.read(path, limit)
        except OSError as error:
            self._problem(path, None, f"cannot be read: {error.strerror}")
            return None
        except GitError as error:
            self._problem(path, None, f"cannot be read: {error.message}")
            return None
        if data is None:  # it was listed a moment ago
            self._problem(path, None, "was taken away while it was read")
        return data

    def _problem(self, path: str, line: int | None, message: str) -> None:
        self.problems.append(Problem(path, line, message))


def _holds_file(tree: Tree, directory: str) -> bool:
    entries = tree.names(directory)
    return any(entry.kind != "directory" for entry in entries) or any(
        _holds_file(tree, f"{directory}/{entry.name}") for entry in entries
    )
