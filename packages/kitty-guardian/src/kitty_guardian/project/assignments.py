"""What a work tree was made for, as its folder or branch is called: a feature, and perhaps a part of it.

Names of every era (facts, section 7):

| era | folder below `.worktrees/` | branch |
|---|---|---|
| up to 0.10 | `034-home-guard` | `034-home-guard` |
| 0.11 to 3.0 | `034-home-guard-WP01` | `034-home-guard-WP01` |
| 3.1 | `034-home-guard-lane-a` | `kitty/mission-034-home-guard[-lane-a]` |
| 3.1.1 on | `home-guard-01KW1JXX-lane-a`, `home-guard-01KW1JXX-coord` | `kitty/mission-home-guard-01KW1JXX[-lane-a]` |
"""

from __future__ import annotations

import json
import re

import attrs

from kitty_guardian.errors import GitError
from kitty_guardian.project.handles import Handles
from kitty_guardian.project.repository import Worktree
from kitty_guardian.project.trees import Tree

_PART = re.compile(r"-(WP[0-9]+|lane-[a-z0-9]+|coord)\Z")
_WORK_PACKAGE = re.compile(r"WP[0-9]+\Z")
_MISSION = "kitty/mission-"
_DISTINCTIVE = re.compile(r"[0-9]{3,4}-|.*-[0-9A-HJKMNP-TV-Z]{8}\Z")


@attrs.frozen
class Assignment:
    """What a name says that a work tree was made for.

    Attributes:
        feature: Folder name below `kitty-specs/`.
        part: "WP01", an execution lane such as "lane-a", "coord", or empty for the whole feature.
        reason: Where that is written: half a sentence for people.
    """

    feature: str
    part: str
    reason: str


def assignment(worktree: Worktree, handles: Handles, branch: str | None) -> Assignment | None:
    """What the names say; the folder precedes the branch, since switching branches never rebinds a work tree.

    Args:
        worktree: The work tree.
        handles: The features there are.
        branch: The branch HEAD is on, or None.
    """
    folder = worktree.root.name
    if worktree.root.parent.name == ".worktrees" and (named := _named_by(handles, folder)) is not None:
        return Assignment(*named, f"the work tree's folder is .worktrees/{folder}")
    if branch is None:
        return None
    if branch.startswith(_MISSION):
        named = _named_by(handles, branch.removeprefix(_MISSION))
    else:
        # A plain branch counts only when it spells a name that nothing else is called by: "main" binds nothing.
        named = next(
            (found for found in _readings(branch) if found[0] in handles.names and _DISTINCTIVE.match(found[0])), None
        )
    return None if named is None else Assignment(*named, f"the branch is {branch}")


def work_packages_of(tree: Tree, feature: str, part: str) -> tuple[tuple[str, ...], str]:
    """Which work packages a part of a feature is, and why all of them if that cannot be told.

    Args:
        tree: Where `lanes.json` is read: agents' own notes (`.kittify/workspaces/`) are in no commit.
        feature: Folder name below `kitty-specs/`.
        part: As in `Assignment`.

    Returns:
        Ids, sorted, and an empty string; or nothing (all of them) and a sentence.
    """
    if not part or part == "coord":
        return (), ""
    if _WORK_PACKAGE.match(part):
        return (part,), ""
    path = f"kitty-specs/{feature}/lanes.json"
    try:
        data = tree.read(path)
        lanes = None if data is None else _execution_lanes(json.loads(data.decode("utf-8-sig")))
    except (OSError, GitError, ValueError, RecursionError) as error:
        return (), f"{path} cannot be read, so all work packages count: {error}"
    if lanes is None or not lanes.get(part):
        lack = "does not exist" if lanes is None else f"has no work package in {part}"
        return (), f"{path} {lack}, so all work packages count"
    return lanes[part], ""


def _named_by(handles: Handles, name: str) -> tuple[str, str] | None:
    """The one feature a folder or mission branch of this name was made for, and the part of it."""
    for candidate, part in _readings(name):
        if (found := handles.match_worktree_name(candidate)) is not None:
            return found, part
    return None


def _readings(name: str) -> list[tuple[str, str]]:
    """How `name` may be read: whole first, then as a feature and a part."""
    split = _PART.search(name)
    return [(name, "")] if split is None else [(name, ""), (name[: split.start()], split[1])]


def _execution_lanes(document: object) -> dict[str, tuple[str, ...]]:
    """Ids of work packages by execution lane.

    Raises:
        ValueError: It is not what `lanes.json` holds (facts, section 6.7).
    """
    lanes = document.get("lanes") if isinstance(document, dict) else None
    if not isinstance(lanes, list):
        raise ValueError("it holds no list of lanes")  # noqa: TRY004 - one error for bad data
    found: dict[str, tuple[str, ...]] = {}
    for lane in lanes:
        lane_id, ids = (lane.get("lane_id"), lane.get("wp_ids")) if isinstance(lane, dict) else (None, None)
        if not isinstance(lane_id, str) or not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
            raise ValueError("one of its lanes has no id or no list of work packages")
        found[lane_id] = tuple(sorted(ids))
    return found
