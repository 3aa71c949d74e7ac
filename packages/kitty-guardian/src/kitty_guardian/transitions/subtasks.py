"""Which steps of a work package are open, by the ticks in its file and in `tasks.md`.

Agents tick in the work tree they work in, other tools in the main one or in the status log: a step that is ticked
anywhere is done.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

from kitty_guardian.errors import GitError
from kitty_guardian.project.features import FEATURES
from kitty_guardian.project.gathering import STATUS_LOG
from kitty_guardian.project.statuslog import LOG_LIMIT
from kitty_guardian.project.trees import Tree
from kitty_guardian.transitions.workpackages import WorkPackage

_STEP: Final = re.compile(r"^[ \t]*[-*+][ \t]+\[([ xX~-])\][ \t]+[*_`\[]*(T[0-9]+)\b", re.MULTILINE)
_HEADING: Final = re.compile(r"^(#+)[ \t]+(.*)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)


def open_subtasks(trees: Iterable[Tree], feature: str, package: WorkPackage) -> tuple[str, ...]:
    """Ids of the steps that are not ticked anywhere, sorted.

    Args:
        trees: The work trees that have a copy: where the feature is kept, and where the work package is worked on.
        feature: Folder name below `kitty-specs/`.
        package: The work package.

    Raises:
        GitError: A sparse checkout's index cannot be read.
    """
    steps: dict[str, bool] = {}
    for tree in trees:
        _note(steps, _ticks(_text(tree, package.path)))
        everything = _text(tree, f"{FEATURES}/{feature}/tasks.md")
        _note(steps, _ticks(_section(everything, package.id)))
        _note(steps, {name: done for name, done in _ticks(everything).items() if name in package.subtasks})
        for name in _recorded(tree, feature, package.id):
            if name in steps:
                steps[name] = True
    return tuple(sorted(name for name, done in steps.items() if not done))


def _note(steps: dict[str, bool], found: dict[str, bool]) -> None:
    for name, done in found.items():
        steps[name] = done or steps.get(name, False)


def _ticks(text: str) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for mark, name in _STEP.findall(_COMMENT.sub("", text)):
        found[name] = mark in "xX" or found.get(name, False)
    return found


def _section(text: str, work_package: str) -> str:
    """What stands below the headings that name a work package, up to the next heading of their rank or above."""
    parts: list[str] = []
    headings = list(_HEADING.finditer(text))
    for number, heading in enumerate(headings):
        if re.search(rf"\b{work_package}\b", heading[2]) is None:
            continue
        end = next((each.start() for each in headings[number + 1 :] if len(each[1]) <= len(heading[1])), len(text))
        parts.append(text[heading.end() : end])
    return "\n".join(parts)


def _text(tree: Tree, path: str) -> str:
    try:
        data = tree.read(path)
    except (OSError, GitError):
        return ""
    return "" if data is None else data.decode("utf-8", "replace")


def _recorded(tree: Tree, feature: str, work_package: str) -> set[str]:
    """Steps that upstream's annotations call done (facts, section 6.6)."""
    try:
        data = tree.read(f"{FEATURES}/{feature}/{STATUS_LOG}", LOG_LIMIT) or b""
    except (OSError, GitError):
        return set()
    done: set[str] = set()
    for line in data.split(b"\n"):
        if b'"annotation"' not in line or b'"subtasks"' not in line:
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        delta = entry.get("delta") if isinstance(entry, dict) and entry.get("wp_id") == work_package else None
        states = delta.get("subtasks") if isinstance(delta, dict) else None
        if isinstance(states, dict):
            done |= {name for name, state in states.items() if state == "done"}
    return done
