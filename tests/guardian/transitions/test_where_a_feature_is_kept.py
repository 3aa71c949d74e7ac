"""The one work tree whose copy of a feature's status counts."""

from __future__ import annotations

import json
from pathlib import Path

from guardian.transitions.flow import FEATURE, Flow
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.transitions.home import home_of
from support.repositories import Repository


def _home(place: Path, feature: str = FEATURE) -> Path:
    return home_of(find_worktree(place), feature)


def test_the_main_work_tree_keeps_what_it_holds(flow: Flow, tmp_path: Path) -> None:
    flow.reach("specify")
    flow.repository.commit("spec")
    linked = flow.repository.worktree(tmp_path / "beside", "beside")

    assert _home(flow.root) == flow.root
    assert _home(linked.path) == flow.root


def test_a_feature_that_only_a_linked_work_tree_holds_is_kept_there(flow: Flow, tmp_path: Path) -> None:
    linked = flow.repository.worktree(tmp_path / "beside", "beside")
    linked.feature("005-theirs", "tasks")
    linked.commit("theirs")
    part = Repository(flow.root / ".worktrees" / "005-theirs-WP01", init=False)
    linked.git("worktree", "add", "-q", "-b", "005-theirs-WP01", str(part.path))

    assert _home(linked.path, "005-theirs") == linked.path
    assert _home(part.path, "005-theirs") == linked.path


def test_a_coordination_branch_keeps_its_feature(flow: Flow, tmp_path: Path) -> None:
    flow.reach("specify")
    meta = flow.folder / "meta.json"
    document = json.loads(meta.read_text()) | {"topology": "coord", "coordination_branch": "kitty/mission-x"}
    meta.write_text(json.dumps(document))
    flow.repository.commit("coordinated")
    assert _home(flow.root) == flow.root

    linked = flow.repository.worktree(tmp_path / "coord", "kitty/mission-x")
    assert _home(flow.root) == linked.path


def test_a_new_feature_is_kept_where_it_is_begun_but_not_in_a_part(flow: Flow, tmp_path: Path) -> None:
    flow.reach("specify")
    flow.repository.commit("spec")
    linked = flow.repository.worktree(tmp_path / "beside", "beside")
    part = flow.repository.worktree(flow.root / ".worktrees" / f"{FEATURE}-WP01", f"{FEATURE}-WP01")

    assert _home(linked.path, "009-new") == linked.path
    assert _home(part.path, "009-new") == flow.root
