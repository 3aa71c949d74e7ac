"""Gathers the facts of one feature from its files; what cannot be read becomes a problem, never a guess.

Where a work package's lane is written depends on the era (facts, sections 6.4 to 6.6). In this order:

1. `status.events.jsonl`, where it moves the work package (2.0 on)
2. the folder `tasks/{planned,doing,for_review,done}/` its file lies in (up to 0.9)
3. `lane:` in the frontmatter of its file (0.9 to 2.1)
4. nowhere: it is planned
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import attrs

from kitty_guardian.detection.facts import FeatureFacts, WorkPackage
from kitty_guardian.errors import GitError
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.reports import Problem
from kitty_guardian.project.frontmatter import Frontmatter
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.statuslog import StatusLog
from kitty_guardian.project.trees import Entry, EntryKind, Tree

STATUS_LOG = "status.events.jsonl"
_ARTIFACTS = ("spec.md", "plan.md")
_TASKS = "tasks"
_LANE_FOLDERS = ("planned", "doing", "for_review", "done")
_WORK_PACKAGE = re.compile(r"(WP[0-9]+)(?:[^0-9A-Za-z].*)?\.md\Z", re.DOTALL | re.IGNORECASE)
_ASKING = frozenset({"has_feedback", "changes_requested", "acknowledged"})
"""`review_status` while changes are requested; `acknowledged`: the implementer has begun with them."""
_HANDED_IN = frozenset({Lane.FOR_REVIEW, Lane.IN_REVIEW})
_NOWHERE = WorkPackage(Lane.PLANNED, "no lane is written")


@attrs.frozen
class _File:
    """A file that bears a work package's name.

    Attributes:
        work_package: The id in its name.
        path: Where it is.
        folder_lane: The lane of the folder it lies in, or None.
        kind: "file", or what else bears the name.
    """

    work_package: str
    path: str
    folder_lane: Lane | None
    kind: EntryKind


@attrs.frozen
class _Read:
    """What a work package's file says."""

    file: _File
    package: WorkPackage
    asks_for_changes: bool = False
    has_head: bool = False


def gather(tree: Tree, directory: str, readings: Readings) -> FeatureFacts:
    """The facts of the feature in `directory`; one that is not there has a problem and nothing else.

    Args:
        tree: The work tree or a commit.
        directory: A path in the tree, such as `kitty-specs/034-home-guard`.
        readings: What is known already.
    """
    return _Gathering(tree, directory, readings).facts()


class _Gathering:
    def __init__(self, tree: Tree, directory: str, readings: Readings) -> None:
        self._tree = tree
        self._directory = directory
        self._readings = readings
        self._problems: list[Problem] = []
        self._malformed: set[str] = set()
        self._unseen: set[str] = set()

    def facts(self) -> FeatureFacts:
        entries = {entry.name: entry for entry in self._names(self._directory, hides=(*_ARTIFACTS, _TASKS))}
        if not entries and not self._problems:
            self._problem(self._directory, None, "holds nothing, or does not exist")
        files = tuple(self._files(entries.get(_TASKS)))
        self._readings.expect(
            self._tree, [f"{self._directory}/{STATUS_LOG}", *(file.path for file in files if file.kind == "file")]
        )
        log = self._log(entries.get(STATUS_LOG))
        packages = {
            name: WorkPackage(standing.lane, f"{STATUS_LOG}:{standing.line}", log.doubts(name))
            for name, standing in log.standings.items()
        }
        for name in log.in_doubt.difference(packages):
            packages[name] = WorkPackage(None, f"{STATUS_LOG} moves it, and where to cannot be read", in_doubt=True)
        asking = {name for name, standing in log.standings.items() if standing.changes_requested}
        by_package: dict[str, list[_Read]] = {}
        for file in files:
            by_package.setdefault(file.work_package, []).append(self._read(file, log))
        for name, read in by_package.items():
            if name not in packages:
                packages[name] = self._agreed(read, log)
                asking.update(name for each in read if each.asks_for_changes)
        if not log.whole:
            self._unseen.add(_TASKS)
        return FeatureFacts(
            feature=self._directory.rpartition("/")[2],
            work_packages=dict(sorted(packages.items())),
            artifacts=frozenset(self._artifacts(entries)),
            unseen=frozenset(self._unseen),
            changes_requested=frozenset(asking),
            problems=tuple(self._problems),
            malformed=frozenset(self._malformed),
        )

    def _artifacts(self, entries: Mapping[str, Entry]) -> Iterator[str]:
        for name in _ARTIFACTS:
            entry = entries.get(name)
            if entry is None or entry.kind == "directory":
                continue
            if entry.kind == "file":
                yield name
            else:
                self._broken(f"{self._directory}/{name}", None, f"is a {_KIND_NAMES[entry.kind]} and was not read")
                self._unseen.add(name)

    # The log

    def _log(self, entry: Entry | None) -> StatusLog:
        path = f"{self._directory}/{STATUS_LOG}"
        if entry is None:
            return StatusLog()
        if entry.kind != "file":
            self._broken(path, None, f"is a {_KIND_NAMES[entry.kind]} and was not read")
            return StatusLog(whole=False)
        try:
            log = self._readings.status_log(self._tree, path)
        except (OSError, GitError) as error:
            self._broken(path, None, f"cannot be read: {_reason(error)}")
            return StatusLog(whole=False)
        if log is None:
            self._problem(path, None, "was taken away while it was read")
            return StatusLog(whole=False)
        self._problems += log.problems
        if log.is_malformed:
            self._malformed.add(path)
        return log

    # Work packages' files

    def _files(self, tasks: Entry | None) -> Iterator[_File]:
        """Files of work packages: those directly in `tasks/`, and those anywhere below a lane's folder."""
        if tasks is None:
            return
        path = f"{self._directory}/{_TASKS}"
        if tasks.kind != "directory":
            self._broken(path, None, f"is a {_KIND_NAMES[tasks.kind]} and was not read")
            self._unseen.add(_TASKS)
            return
        for entry in self._names(path, hides=(_TASKS,)):
            if entry.name.lower() in _LANE_FOLDERS and entry.kind != "file":
                yield from self._files_below(f"{path}/{entry.name}", entry, Lane.parse(entry.name))
            elif entry.kind == "directory":
                continue
            elif (match := _WORK_PACKAGE.match(entry.name)) is not None:
                yield _File(match[1].upper(), f"{path}/{entry.name}", None, entry.kind)

    def _files_below(self, directory: str, folder: Entry, lane: Lane | None) -> Iterator[_File]:
        waiting = [(directory, folder)]
        while waiting:
            place, found = waiting.pop()
            if found.kind != "directory":  # there may be anything in it
                self._broken(place, None, f"is a {_KIND_NAMES[found.kind]} and was not read")
                self._unseen.add(_TASKS)
                continue
            for entry in self._names(place, hides=(_TASKS,)):
                if (match := _WORK_PACKAGE.match(entry.name)) is not None and entry.kind != "directory":
                    yield _File(match[1].upper(), f"{place}/{entry.name}", lane, entry.kind)
                elif entry.kind == "directory" or (entry.kind != "file" and not entry.name.endswith(".md")):
                    waiting.append((f"{place}/{entry.name}", entry))

    def _read(self, file: _File, log: StatusLog) -> _Read:
        """What a file says of its work package; where the log moves that, only the file's problems matter."""
        unreadable = _Read(file, WorkPackage(None, f"{self._inside(file.path)} cannot be read"), has_head=True)
        if file.kind != "file":
            self._broken(file.path, None, f"is a {_KIND_NAMES[file.kind]} and was not read")
            return unreadable
        try:
            head = self._readings.frontmatter(self._tree, file.path)
        except (OSError, GitError) as error:
            self._broken(file.path, None, f"cannot be read: {_reason(error)}")
            return unreadable
        if head is None:
            self._problem(file.path, None, "was taken away while it was read")
            return unreadable
        self._problems += head.problems
        if head.is_malformed:
            self._malformed.add(file.path)
        named = head.fields.get("work_package_id")
        if named is not None and named.value != file.work_package:
            self._problem(file.path, named.line, f"calls itself {named.value!r}; its name counts")
        if file.work_package in log.standings:
            return _Read(file, _NOWHERE, has_head=head.exists)
        package = self._package(file, head)
        status = head.fields.get("review_status")
        asks = status is not None and (status.value or "").strip().lower() in _ASKING
        open_ = package.lane not in _HANDED_IN and not (package.lane is not None and package.lane.is_finished)
        return _Read(file, package, asks and open_, head.exists)

    def _package(self, file: _File, head: Frontmatter) -> WorkPackage:
        if file.folder_lane is not None:
            return WorkPackage(file.folder_lane, f"folder {self._inside(file.path).rpartition('/')[0]}")
        if head.is_malformed:
            return WorkPackage(None, f"{self._inside(file.path)} cannot be read")
        if (field := head.fields.get("lane")) is None:
            return _NOWHERE
        place = f"{self._inside(file.path)}:{field.line}"
        if (lane := Lane.parse(field.value or "")) is None:
            what = "has a lane that is not text" if field.value is None else f"has the unknown lane {field.value!r}"
            self._broken(file.path, field.line, what)
            return WorkPackage(None, f"{place} names no lane")
        return WorkPackage(lane, place)

    def _agreed(self, read: list[_Read], log: StatusLog) -> WorkPackage:
        """What the files of one work package say together: notes without a head beside its own file say nothing."""
        telling = [each for each in read if each.has_head or each.file.folder_lane is not None] or read[:1]
        name = telling[0].file.work_package
        if len({each.package.lane for each in telling}) > 1:
            first = self._inside(telling[0].file.path)
            self._malformed.add(telling[0].file.path)  # any of them may be the wrong one
            for other in telling[1:]:
                self._broken(other.file.path, None, f"says otherwise of {name} than {first}")
            return WorkPackage(None, f"its {len(telling)} files disagree about its lane")
        package = telling[0].package
        return attrs.evolve(package, in_doubt=True) if log.doubts(name) else package

    # Shared

    def _names(self, directory: str, *, hides: tuple[str, ...]) -> tuple[Entry, ...]:
        try:
            return self._tree.names(directory)
        except OSError as error:
            self._broken(directory, None, f"cannot be read: {error.strerror}")
            self._unseen.update(hides)
            return ()

    def _inside(self, path: str) -> str:
        return path.removeprefix(f"{self._directory}/")

    def _broken(self, path: str, line: int | None, message: str) -> None:
        self._malformed.add(path)
        self._problem(path, line, message)

    def _problem(self, path: str, line: int | None, message: str) -> None:
        self._problems.append(Problem(path, line, message))


_KIND_NAMES: dict[EntryKind, str] = {
    "file": "file",
    "directory": "directory",
    "symlink": "symbolic link",
    "gitlink": "repository of its own",
}


def _reason(error: OSError | GitError) -> str:
    return error.message if isinstance(error, GitError) else error.strerror or str(error)
