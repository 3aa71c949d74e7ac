"""What a move of a work package depends on, found out from disk and git before anything is recorded.

The store's validators read nothing: what is found here travels with the event and stays on record with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from kitty_guardian.errors import GitError, GuardianError, NotARepositoryError
from kitty_guardian.events.board import actor_name
from kitty_guardian.events.store import EventStore
from kitty_guardian.model.events import EventType, work_package_stream
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.features import FEATURES
from kitty_guardian.project.policyfile import read_policy_file
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.project.trees import Tree, tree_on_disk
from kitty_guardian.rules.policy import Policy, parse_policy
from kitty_guardian.rules.situation import FeatureState, Situation
from kitty_guardian.transitions.checkouts import FOLDER, checkouts
from kitty_guardian.transitions.home import home_of
from kitty_guardian.transitions.subtasks import open_subtasks
from kitty_guardian.transitions.workpackages import WorkPackage, work_packages

PLANNING: Final = "planning_artifact"
"""`execution_mode` of a work package whose result lies in `kitty-specs/` itself."""

_OWN: Final = frozenset({"status.events.jsonl", "status.json", "meta.json"})
"""What transitions write in a feature's folder."""

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_WORKING: Final = frozenset({Lane.CLAIMED, Lane.IN_PROGRESS})


@attrs.define
class History:
    """What was recorded of a work package beyond its lane.

    Attributes:
        workspace: Where it was worked on last; empty where nobody said.
        base: The commit that work began with; empty where nobody looked.
        implementer: Who worked on it last; a reviewer who sends it back is none.
        review: The last record of a review: reviewer, verdict, reference; empty without one.
    """

    workspace: str = ""
    base: str = ""
    implementer: str = ""
    review: dict[str, Any] = attrs.field(factory=dict)


def history_of(store: EventStore, feature: str, work_package: str) -> History:
    """What was recorded of a work package.

    Raises:
        EventStoreError: The store cannot be read.
    """
    history = History()
    for event in store.read(work_package_stream(feature, work_package)):
        if event.event_type != EventType.WP_STATUS_CHANGED:
            continue
        payload, facts = event.payload, event.metadata.get("facts") or {}
        if payload.get("to_lane") in _WORKING and payload.get("from_lane") not in {"in_review", "approved"}:
            history.workspace = facts.get("workspace") or history.workspace
            history.base = facts.get("base") or history.base
            if payload.get("to_lane") == Lane.IN_PROGRESS:
                history.implementer = actor_name(payload.get("actor")) or history.implementer
        evidence = payload.get("evidence")
        review = payload.get("review_result") or (evidence.get("review") if isinstance(evidence, Mapping) else None)
        if isinstance(review, Mapping):
            history.review = dict(review)
    return history


def policy_of(root: Path) -> Policy:
    """The policy of the work tree at `root`.

    Raises:
        PolicyError: It is invalid; that is never "no policy".
    """
    data = read_policy_file(root)
    return Policy.default() if data is None else parse_policy(data.decode("utf-8-sig", "surrogateescape"))


def work_space(worktree: Worktree, home: Path, feature: str, work_package: str, history: History) -> Path | None:
    """The work tree where a work package is worked on: as recorded, or as its name says; None where there is none.

    Raises:
        GitError: Git could not list the work trees.
    """
    known = {each.root for each in checkouts(worktree)}
    name = f"{feature}-{work_package}"
    recorded = [Path(history.workspace)] if history.workspace else []
    named = [root for root in sorted(known) if root.parent.name == FOLDER and root.name == name]
    for place in (*recorded, *named, home / FOLDER / name):
        if place in known:
            return place
    return None


def implementation(place: Worktree, home: Worktree, base: str, *, planning: bool) -> dict[str, Any] | None:
    """What was committed for a work package: how many commits, from where to where; None before there is a commit.

    Counted are commits that its work tree has and the feature's home has not; where both are one, those since work
    began. What only touches `kitty-specs/` is bookkeeping, unless that is what the work package is about.

    Args:
        place: The work tree it was worked on in.
        home: The work tree where the feature is kept.
        base: The commit that work began with; empty where nobody looked.
        planning: Whether the result lies in `kitty-specs/`.

    Raises:
        GitError: Git could not tell.
    """
    head = place.head_commit()
    if head is None:
        return None
    known = base if _COMMIT.match(base) and _exists(place, base) else ""
    other = home.head_commit() if home.root != place.root else None
    if not known and other is not None:
        status, found = place.git.attempt("merge-base", head, other, accept=(0, 1))
        known = "" if status else found.decode("ascii").strip()
    if not known and other is None:
        return {"commits": 0, "base": None, "head": head}
    without = [f"^{commit}" for commit in (known, other) if commit]
    paths = [".", f":(exclude,top){FEATURES}"] if not planning else [f":(top){FEATURES}", *_bookkeeping()]
    counted = place.git.text("rev-list", "--count", head, *without, "--", *paths)
    return {"commits": int(counted), "base": known or None, "head": head}


def _bookkeeping() -> Iterator[str]:
    for name in sorted(_OWN):
        yield f":(exclude,top,glob){FEATURES}/*/{name}"


def _exists(place: Worktree, commit: str) -> bool:
    status, _ = place.git.attempt("cat-file", "-e", f"{commit}^{{commit}}", accept=(0, 1, 128))
    return status == 0


def base_of(place: Worktree, home: Worktree) -> str:
    """The commit that work in `place` begins with: where it left what the feature's home has; empty before any.

    Raises:
        GitError: Git could not tell.
    """
    head, other = place.head_commit(), home.head_commit()
    if head is None or other is None or place.root == home.root:
        return head or ""
    status, found = place.git.attempt("merge-base", head, other, accept=(0, 1))
    return "" if status else found.decode("ascii").strip()


def uncommitted(place: Worktree, feature: str, phase: Phase, policy: Policy) -> tuple[str, ...]:
    """What differs from HEAD in a work tree and may not be written any more once `feature` is in `phase`; sorted.

    Raises:
        GitError: Git could not compare.
    """
    rows = place.git.lines_z("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", timeout=120.0)
    situation = Situation(policy, {feature: FeatureState(phase)}, (feature,))
    paths = {os.fsdecode(row[3:]) for row in rows}
    return tuple(sorted(path for path in paths if not _is_own(path) and _is_held(situation, path)))


def _is_held(situation: Situation, path: str) -> bool:
    return not situation.is_transient(path) and not situation.judge(path).allowed


def _is_own(path: str) -> bool:
    parts = path.split("/")
    return parts[0] == ".kittify" or (len(parts) == 3 and parts[0] == FEATURES and parts[2] in _OWN)  # noqa: PLR2004


def differing(home: Worktree, paths: Iterable[str]) -> tuple[str, ...]:
    """Those of `paths` (relative to the work tree) that HEAD does not hold as they stand; sorted.

    Raises:
        GitError: Git could not compare.
    """
    wanted = tuple(paths)
    if not wanted:
        return ()
    literal = [f":(top,literal){path}" for path in wanted]
    rows = home.git.lines_z(
        "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignored=matching", "--", *literal
    )
    return tuple(sorted({os.fsdecode(row[3:]) for row in rows}))


def facts_about(worktree: Worktree, feature: str, work_package: str) -> dict[str, Any]:
    """What is known of a work package for a line that another tool wrote; what cannot be found out is left out.

    Args:
        worktree: Any work tree of the repository.
        feature: Folder name below `kitty-specs/`.
        work_package: "WP01".
    """
    try:
        home = find_worktree(home_of(worktree, feature))
        tree = tree_on_disk(home)
        package = work_packages(tree, feature).get(work_package) or WorkPackage(work_package, "")
        place = work_space(worktree, home.root, feature, work_package, History())
        trees = trees_of(home, place)
        facts: dict[str, Any] = {
            "dependencies": list(package.dependencies),
            "workspace": None if place is None else os.fspath(place),
            "subtasks_open": list(open_subtasks(trees, feature, package)),
            "policy_self_approval": policy_of(home.root).self_approval,
            "sandboxed": False,
        }
        if place is not None:
            planning = package.execution_mode == PLANNING
            facts["implementation"] = implementation(find_worktree(place), home, "", planning=planning)
    except GuardianError:
        return {}  # what nobody could look at is refused
    return facts


def trees_of(home: Worktree, place: Path | None) -> tuple[Tree, ...]:
    """The files of the feature's home and, where there is another one, of the work package's work tree."""
    trees: list[Tree] = [tree_on_disk(home)]
    if place is not None and place != home.root:
        try:
            trees.append(tree_on_disk(find_worktree(place)))
        except (NotARepositoryError, GitError):
            return tuple(trees)
    return tuple(trees)
