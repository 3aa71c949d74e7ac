"""What `implement` takes up, a branch or a work tree, has the policy and the status of the feature's home."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardian.transitions.flow import FEATURE, Flow
from kitty_guardian import workflow
from kitty_guardian.errors import TransitionRefusedError
from support.repositories import Repository

BRANCH = f"{FEATURE}-WP01"
POLICY = ".kittify/guardian.toml"
WEAK = 'transitions = "explicit"\nmode = "observe"\nsource = ["nowhere/"]\nallow_empty_source = true\n'


def _elsewhere(flow: Flow, tmp_path: Path) -> Repository:
    flow.reach("tasks")
    flow.plan_packages("WP01")
    return flow.repository.worktree(tmp_path / "elsewhere", BRANCH)


@pytest.mark.parametrize(
    "path",
    [
        POLICY,
        ".KITTIFY/Guardian.toml",
        f"kitty-specs/{FEATURE}/meta.json",
        f"kitty-specs/{FEATURE}/status.json",
        f"kitty-specs/{FEATURE}/status.events.jsonl",
        "kitty-specs/099-new/status.events.jsonl",
    ],
)
def test_a_branch_that_changes_what_is_always_protected_is_refused(flow: Flow, tmp_path: Path, path: str) -> None:
    other = _elsewhere(flow, tmp_path)
    base = other.git("rev-parse", "HEAD").strip()
    other.write("src/app.py", "print('more')\n")
    other.write(path, WEAK)
    other.commit("more than code")
    flow.repository.git("worktree", "remove", str(other.path))
    with pytest.raises(TransitionRefusedError) as refused:
        workflow.implement(flow.root, "WP01", actor="ada")

    assert refused.value.gate == flow.blocked()[-1]["gate"] == "workspace"
    assert path in refused.value.message
    assert "src/app.py" not in refused.value.message
    assert f"git log -p {base[:12]}..{BRANCH} -- {path}" in (refused.value.hint or "")
    assert f"git branch -D {BRANCH}" in (refused.value.hint or "")
    assert flow.lane("WP01") is None
    assert not (flow.root / ".worktrees" / BRANCH).exists()


def test_a_link_in_the_place_of_the_policys_folder_is_refused(flow: Flow, tmp_path: Path) -> None:
    other = _elsewhere(flow, tmp_path)
    (other.path / "kitty-specs/099-new").symlink_to(f"{FEATURE}")
    other.commit("a link")
    flow.repository.git("worktree", "remove", str(other.path))
    with pytest.raises(TransitionRefusedError, match="kitty-specs/099-new"):
        workflow.implement(flow.root, "WP01", actor="ada")


def test_a_work_tree_that_changes_what_is_always_protected_is_refused(flow: Flow) -> None:
    flow.reach("tasks")
    flow.plan_packages("WP01")
    place = flow.repository.worktree(flow.root / ".worktrees" / BRANCH, BRANCH)
    place.write(POLICY, WEAK)
    place.commit("weaker")
    with pytest.raises(TransitionRefusedError, match=POLICY) as refused:
        workflow.implement(flow.root, "WP01", actor="ada")

    assert refused.value.gate == "workspace"
    assert "git worktree remove" in (refused.value.hint or "")


def test_a_policy_that_only_the_disk_of_a_work_tree_has_is_refused(flow: Flow) -> None:
    flow.reach("tasks")
    flow.plan_packages("WP01")
    place = flow.repository.worktree(flow.root / ".worktrees" / BRANCH, BRANCH)
    place.write(POLICY, WEAK)
    place.git("update-index", "--assume-unchanged", POLICY)
    with pytest.raises(TransitionRefusedError, match="not as its commit has it") as refused:
        workflow.implement(flow.root, "WP01", actor="ada")

    assert refused.value.gate == flow.blocked()[-1]["gate"] == "workspace"
    place.git("update-index", "--no-assume-unchanged", POLICY)
    place.git("checkout", "HEAD", "--", POLICY)
    assert workflow.implement(flow.root, "WP01", actor="ada").outcome.lane == "in_progress"


def test_a_branch_into_which_its_home_was_merged_is_taken_up(flow: Flow, tmp_path: Path) -> None:
    other = _elsewhere(flow, tmp_path)
    other.write("src/dog.py", "bark = 1\n")
    other.commit("dog")
    flow.repository.write(POLICY, (flow.root / POLICY).read_text() + "# a remark\n")
    flow.repository.commit("the policy, by a person")
    other.git("merge", "-q", "-m", "up to date", flow.repository.git("rev-parse", "HEAD").strip())
    flow.repository.git("worktree", "remove", str(other.path))

    assert workflow.implement(flow.root, "WP01", actor="ada").outcome.lane == "in_progress"


def test_a_branch_that_was_left_behind_by_its_home_is_taken_up(flow: Flow, tmp_path: Path) -> None:
    other = _elsewhere(flow, tmp_path)
    flow.repository.write(POLICY, (flow.root / POLICY).read_text() + "# a remark\n")
    flow.repository.commit("the policy, by a person")
    flow.repository.git("worktree", "remove", str(other.path))

    assert workflow.implement(flow.root, "WP01", actor="ada").outcome.lane == "in_progress"


def test_what_came_from_home_by_cherry_pick_is_taken_up(flow: Flow, tmp_path: Path) -> None:
    other = _elsewhere(flow, tmp_path)
    flow.repository.write(POLICY, (flow.root / POLICY).read_text() + "# a remark\n")
    flow.repository.commit("the policy, by a person")
    other.git("cherry-pick", flow.repository.git("rev-parse", "HEAD").strip())
    flow.repository.git("worktree", "remove", str(other.path))

    assert workflow.implement(flow.root, "WP01", actor="ada").outcome.lane == "in_progress"
