"""What features look like now: their files as they are, each where the copy of it lies that counts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping

import attrs

from kitty_guardian.errors import GuardianError
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.assignments import work_packages_of
from kitty_guardian.project.binding import Binding
from kitty_guardian.project.copies import Copies, Copy
from kitty_guardian.project.features import FEATURES, read_feature
from kitty_guardian.project.pins import Adoption
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.project.trees import GitTree, Tree, tree_on_disk


@attrs.frozen
class Look:
    """What one feature looks like.

    Attributes:
        report: Its report.
        read_from: The top directory its files were read below, or a commit where no work tree has them.
    """

    report: PhaseReport
    read_from: str


def look(
    worktree: Worktree,
    names: Iterable[str],
    *,
    binding: Binding,
    copies: Mapping[str, Copy],
    readings: Readings,
) -> dict[str, Look]:
    """Look at features, by folder name.

    Args:
        worktree: The work tree.
        names: The features.
        binding: What it is bound to.
        copies: Whose copy counts, where it is not the work tree's own.
        readings: What is known already.

    Raises:
        GitError: A commit that counts, or the index of a sparse checkout, cannot be read.
    """
    found: dict[str, Look] = {}
    own = tree_on_disk(worktree)
    for name in names:
        copy = copies.get(name)
        tree, read_from = (own, os.fspath(worktree.root)) if copy is None else _tree_of(worktree, copy)
        only: tuple[str, ...] = ()
        if name in binding.features:
            only = work_packages_of(tree, name, binding.part)[0] if binding.scope is None else binding.scope
        report = read_feature(tree, f"{FEATURES}/{name}", work_packages=only, readings=readings)
        found[name] = Look(report, read_from)
    return found


def look_at_recorded(
    worktree: Worktree, adoption: Adoption, names: Iterable[str], readings: Readings
) -> dict[str, Look]:
    """Look at features of a work tree whose binding was recorded; as `look`."""
    known, head = tuple(names), worktree.head_commit()
    bound = () if adoption.every else adoption.bound
    binding = Binding(bound, "recorded", adoption.part, every=adoption.every, scope=adoption.scope)
    copies = {} if head is None else Copies(worktree, head).that_count(known, bound=bound, part=adoption.part)
    return look(worktree, known, binding=binding, copies=copies, readings=readings)


def _tree_of(worktree: Worktree, copy: Copy) -> tuple[Tree, str]:
    if copy.root is not None:
        with contextlib.suppress(GuardianError):  # another work tree's broken .git is no reason not to answer
            return tree_on_disk(find_worktree(copy.root)), os.fspath(copy.root)
    return GitTree(worktree.git, copy.commit), copy.commit
