"""What is found at the gate of a phase that another tool's line or artifact enters."""

from __future__ import annotations

from typing import Any

from kitty_guardian.errors import GuardianError
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.project.trees import tree_on_disk
from kitty_guardian.transitions.gates import Finding, look_at
from kitty_guardian.transitions.home import home_of
from kitty_guardian.transitions.phases import GATES
from kitty_guardian.transitions.scaffolds import path_of
from kitty_guardian.transitions.workpackages import work_packages


def gate_facts(worktree: Worktree, feature: str, phase: Phase) -> dict[str, Any]:
    """The facts that entering `phase` needs; without what nobody could look at, so that it is refused.

    Args:
        worktree: Any work tree of the repository.
        feature: Folder name below `kitty-specs/`.
        phase: The phase to be entered.
    """
    try:
        home = find_worktree(home_of(worktree, feature))
        if phase is Phase.IMPLEMENT:
            valid = sum(package.is_valid for package in work_packages(tree_on_disk(home), feature).values())
            return {"gate": {"work_packages": valid, "problems": [] if valid else ["no work package is valid"]}}
        artifact = GATES.get(phase)
        if artifact is None:
            return {"gate": None}
        look = look_at(home.root, path_of(feature, artifact), artifact)
    except GuardianError:
        return {}
    return {"gate": {"artifact": artifact, "edited": look.finding is Finding.EDITED, "sha256": look.sha256}}
