"""The detected phase of the feature in a directory, wherever that directory is."""

from __future__ import annotations

import os
from pathlib import Path

from kitty_guardian.errors import GuardianError
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.assignments import assignment, work_packages_of
from kitty_guardian.project.features import FEATURES, feature_names, read_feature
from kitty_guardian.project.handles import Handles
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.project.trees import CheckoutTree, DiskTree, GitTree, Tree, tree_on_disk


def detect_phase(feature_path: Path, *, commit: str | None = None) -> PhaseReport:
    """The detected phase of the feature in this directory, with evidence: what its files look like, not what holds.

    Any directory will do, in a git repository or not. One that does not exist is in research, with a problem. In a
    work tree that was made for a work package or an execution lane, only their lanes are asked for (enforcement model,
    section 1).

    Args:
        feature_path: Such as `kitty-specs/034-home-guard`.
        commit: Read what this commit holds at the same place (anything git resolves); None: the files as they are now.

    Raises:
        NotARepositoryError: A commit is asked for and the directory is in no work tree.
        GitError: A commit is asked for and cannot be read.
    """
    place = Path(os.path.realpath(feature_path))
    root = place.parent.parent
    if commit is not None:
        worktree = find_worktree(_existing(place))
        inside = place.relative_to(worktree.root)
        with GitTree(worktree.git, commit, below=(*inside.parts[:1], inside.as_posix())) as tree:
            return _read(tree, inside, worktree if worktree.is_linked else None)
    worktree_here = _worktree_that_matters(root)
    tree_here = DiskTree(root) if worktree_here is None else tree_on_disk(worktree_here)
    linked = worktree_here if worktree_here is not None and worktree_here.is_linked else None
    return _read(tree_here, place.relative_to(root), linked)


def get_current_phase(feature_path: Path) -> Phase:
    """The phase of `detect_phase` alone (deterministic-enforcement.md). It is what files show, not what is enforced."""
    return detect_phase(feature_path).phase


def _read(tree: Tree, place: Path, linked: Worktree | None) -> PhaseReport:
    """The report of the feature at `place` in the tree; `linked` may have been made for a part of it."""
    only: tuple[str, ...] = ()
    if linked is not None and place.parent.as_posix() == FEATURES:
        handles = Handles.of(linked, {*feature_names(tree), place.name})
        made = assignment(linked, handles, linked.head_branch())
        if made is not None and made.feature == place.name:
            only, _ = work_packages_of(tree, made.feature, made.part)
    return read_feature(tree, place.as_posix(), work_packages=only)


def _worktree_that_matters(root: Path) -> Worktree | None:
    """The work tree with this top, where git says more than the disk: a linked one, or one checked out sparsely.

    Git is asked for those only: nothing it could add to any other is worth its start.
    """
    dot_git = root / ".git"
    if not dot_git.is_file() and not CheckoutTree.is_needed(dot_git):
        return None
    try:
        worktree = find_worktree(root)
    except GuardianError:
        return None  # a `.git` that leads nowhere: the files are all there is
    return worktree if worktree.root == root else None


def _existing(place: Path) -> Path:
    """The closest directory above `place` that exists; the commit may well hold what the disk does not."""
    return next((each for each in (place, *place.parents) if each.is_dir()), place)
