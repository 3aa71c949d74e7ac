"""Reads features, from the disk or from a commit, through one reader."""

from __future__ import annotations

from collections.abc import Collection

from kitty_guardian.detection.phase import detect
from kitty_guardian.errors import UnreadableProjectError
from kitty_guardian.model.reports import PhaseReport, Problem
from kitty_guardian.project.gathering import gather
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.trees import Entry, Tree

FEATURES = "kitty-specs"
_OF_A_FEATURE = frozenset(
    {
        "meta.json", "spec.md", "plan.md", "tasks.md", "research.md", "data-model.md", "quickstart.md",
        "status.events.jsonl", "status.json", "tasks", "research", "checklists", "contracts",
    }
)  # fmt: skip
"""What tools make in a feature's folder (facts, section 6.1)."""


def feature_names(tree: Tree) -> tuple[str, ...]:
    """Folder names of the features: directories below `kitty-specs/` with a file somewhere in them, sorted.

    A folder that only keeps other features, an archive of finished ones say, is none itself.

    Raises:
        UnreadableProjectError: `kitty-specs/` cannot be read (disk).
        GitError: The commit cannot be read (git).
    """
    return tuple(
        entry.name
        for entry in _folders(tree)
        if entry.kind == "directory"
        and not entry.name.startswith(".")
        and _is_feature(tree, f"{FEATURES}/{entry.name}")
    )


def unread_folders(tree: Tree) -> tuple[Problem, ...]:
    """What stands below `kitty-specs/` in a feature's place and is none that could be read.

    Raises:
        UnreadableProjectError, GitError: As in `feature_names`.
    """
    kinds = {"symlink": "symbolic link", "gitlink": "repository of its own"}
    return tuple(
        Problem(f"{FEATURES}/{entry.name}", None, f"is a {kinds[entry.kind]} and was not read")
        for entry in _folders(tree)
        if entry.kind in kinds and not entry.name.startswith(".")
    )


def read_features(tree: Tree, readings: Readings | None = None) -> dict[str, PhaseReport]:
    """The report of every feature of the project, by folder name.

    Args:
        tree: The work tree or a commit.
        readings: What is known already; whoever reads again passes the same.

    Raises:
        UnreadableProjectError, GitError: As in `feature_names`.
    """
    readings = readings or Readings()
    return {name: read_feature(tree, f"{FEATURES}/{name}", readings=readings) for name in feature_names(tree)}


def read_feature(
    tree: Tree, directory: str, *, work_packages: Collection[str] = (), readings: Readings | None = None
) -> PhaseReport:
    """The report of the feature in `directory` (a path in the tree); one that is not there is in research.

    Args:
        tree: The work tree or a commit.
        directory: Such as `kitty-specs/034-home-guard`.
        work_packages: Those whose lanes are asked for; empty: all of them.
        readings: As in `read_features`.

    Raises:
        GitError: The commit cannot be read (git).
    """
    return detect(gather(tree, directory, readings or Readings()), work_packages)


def _folders(tree: Tree) -> tuple[Entry, ...]:
    try:
        return tree.names(FEATURES)
    except OSError as error:
        raise UnreadableProjectError(
            f"{FEATURES}/ cannot be read: {error.strerror}", hint=f"ls -ld {FEATURES}"
        ) from error


def _is_feature(tree: Tree, directory: str) -> bool:
    try:
        return _looks_like_one(tree, directory)
    except OSError:
        return True  # it may be one; reading it will tell why it cannot be read


def _looks_like_one(tree: Tree, directory: str) -> bool:
    entries = tree.names(directory)
    if any(entry.name in _OF_A_FEATURE for entry in entries):
        return any(entry.kind != "directory" for entry in entries) or _holds_file(tree, directory)
    below = [f"{directory}/{entry.name}" for entry in entries if entry.kind == "directory"]
    if any(entry.name in _OF_A_FEATURE for place in below for entry in tree.names(place)):
        return False
    return _holds_file(tree, directory)


def _holds_file(tree: Tree, directory: str) -> bool:
    waiting = [directory]
    while waiting:
        place = waiting.pop()
        entries = tree.names(place)
        if any(entry.kind != "directory" for entry in entries):
            return True
        waiting += [f"{place}/{entry.name}" for entry in entries]
    return False
