"""What moves depend on, looked up in files and in git; and what stands in the way of writing."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardian.transitions.flow import FEATURE, Flow
from kitty_guardian import workflow
from kitty_guardian.errors import GuardianError, TransitionRefusedError
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.transitions.facts import base_of, facts_about, implementation, policy_of, uncommitted
from kitty_guardian.transitions.initialising import InitError
from kitty_guardian.transitions.writing import ArtifactError
from support.repositories import Repository


@pytest.fixture(name="part")
def _part(flow: Flow) -> Repository:
    """A work package's own work tree, made by hand; nothing guards it."""
    flow.reach("tasks")
    flow.plan_packages("WP01", body="\n- [ ] T001 a step\n")
    return flow.repository.worktree(flow.root / ".worktrees" / f"{FEATURE}-WP01", f"{FEATURE}-WP01")


def _commits(place: Worktree, home: Worktree, *, planning: bool = False) -> object:
    return (implementation(place, home, base_of(place, home), planning=planning) or {}).get("commits")


def test_only_commits_of_ones_own_count(flow: Flow, part: Repository) -> None:
    place, home = find_worktree(part.path), find_worktree(flow.root)
    assert _commits(place, home) == 0

    flow.repository.write("src/theirs.py", "x = 1\n")
    flow.repository.commit("theirs")
    part.git("merge", "-q", "--no-edit", "main")
    assert _commits(place, home) == 0

    part.write("src/mine.py", "y = 1\n")
    part.commit("mine")
    assert _commits(place, home) == 1


def test_bookkeeping_counts_only_where_it_is_the_work(flow: Flow, part: Repository) -> None:
    place, home = find_worktree(part.path), find_worktree(flow.root)
    part.write(f"kitty-specs/{FEATURE}/status.events.jsonl", "\n")
    part.commit("status")
    assert _commits(place, home, planning=True) == 0

    part.write(f"kitty-specs/{FEATURE}/data-model.md", "# Data\n")
    part.commit("data model")
    assert _commits(place, home) == 0
    assert _commits(place, home, planning=True) == 1


def test_a_base_that_is_no_commit_is_looked_up_anew(flow: Flow, part: Repository) -> None:
    part.write("src/mine.py", "y = 1\n")
    part.commit("mine")
    place, home = find_worktree(part.path), find_worktree(flow.root)

    for base in ("", "--all", "0" * 40):
        found = implementation(place, home, base, planning=False)
        assert found is not None
        assert found["commits"] == 1


def test_what_may_not_be_written_any_more_has_to_be_committed(flow: Flow, part: Repository) -> None:
    part.write("src/new.py", "x = 1\n")
    part.write("src/.new.py.swp", "an editor's\n")
    part.write("notes.txt", "nobody's rule\n")
    part.write(f"kitty-specs/{FEATURE}/status.json", "{}\n")

    assert uncommitted(find_worktree(part.path), FEATURE, Phase.REVIEW, policy_of(flow.root)) == ("src/new.py",)
    assert uncommitted(find_worktree(part.path), FEATURE, Phase.IMPLEMENT, policy_of(flow.root)) == ()


def test_a_line_of_another_tool_is_judged_by_the_same_facts(flow: Flow, part: Repository) -> None:
    part.write("src/mine.py", "y = 1\n")
    part.commit("mine")
    facts = facts_about(find_worktree(flow.root), FEATURE, "WP01")

    assert facts["dependencies"] == []
    assert facts["workspace"] == str(part.path)
    assert facts["subtasks_open"] == ["T001"]
    assert facts["implementation"]["commits"] == 1
    assert facts["sandboxed"] is False


def test_what_cannot_be_looked_at_is_left_out(flow: Flow, part: Repository) -> None:
    flow.repository.write(".kittify/guardian.toml", "sauce = 1\n")

    assert part.path.exists()
    assert facts_about(find_worktree(flow.root), FEATURE, "WP01") == {}


def test_reopening_looks_at_every_work_tree_where_work_goes_on(flow: Flow) -> None:
    flow.reach("tasks")
    flow.plan_packages("WP01")
    report = workflow.implement(flow.root, "WP01", actor="ada")
    part = Repository(Path(report.worktree), init=False)
    part.write("src/new.py", "x = 1\n")
    with pytest.raises(TransitionRefusedError, match=r"src/new\.py") as refused:
        workflow.reopen(flow.root, "plan", reason="it was wrong", actor="ada")
    assert refused.value.gate == "clean"

    part.commit("new")
    assert workflow.reopen(flow.root, "plan", reason="it was wrong", actor="ada").phase == "plan"


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_branch_in_the_wrong_place_is_named(flow: Flow, tmp_path: Path, *, elsewhere: bool) -> None:
    flow.reach("tasks")
    flow.plan_packages("WP01")
    place = flow.root / ".worktrees" / f"{FEATURE}-WP01"
    if elsewhere:
        flow.repository.worktree(tmp_path / "elsewhere", f"{FEATURE}-WP01")
    else:
        flow.repository.worktree(place, "something-else")
    with pytest.raises(TransitionRefusedError) as refused:
        workflow.implement(flow.root, "WP01", actor="ada")

    assert refused.value.gate == "workspace"
    assert ("git worktree move" if elsewhere else "switch") in (refused.value.hint or "")


def test_a_branch_that_is_there_is_gone_on_with(flow: Flow) -> None:
    flow.reach("tasks")
    flow.plan_packages("WP01")
    flow.repository.git("branch", f"{FEATURE}-WP01")
    report = workflow.implement(flow.root, "WP01", actor="ada")

    assert report.created
    assert Repository(Path(report.worktree), init=False).git("branch", "--show-current") == f"{FEATURE}-WP01"


def test_nothing_is_written_through_a_link(flow: Flow, tmp_path: Path) -> None:
    flow.reach("plan")
    flow.write("plan.md", "# Plan\n\nWith one dog and two cats.\n")
    outside = tmp_path / "outside"
    outside.mkdir()
    (flow.folder / "tasks").symlink_to(outside)
    with pytest.raises(ArtifactError, match="symbolic link"):
        workflow.tasks(flow.root, actor="ada")
    assert list(outside.iterdir()) == []

    (flow.folder / "tasks").unlink()
    assert workflow.tasks(flow.root, actor="ada").phase == "tasks"
    assert (flow.folder / "tasks" / "WP01.md").is_file()
    assert flow.is_whole()


@pytest.mark.parametrize("path", [".kittify/config.yaml", ".gitattributes"])
def test_init_leaves_alone_what_is_no_file_of_text(flow: Flow, path: str) -> None:
    place = flow.root / path
    place.unlink()
    place.symlink_to("elsewhere")
    assert any(path in note for note in workflow.init(flow.root).notes)
    place.unlink()
    place.write_bytes(b"\xff\xfe")

    assert any(path in note for note in workflow.init(flow.root).notes)
    assert place.read_bytes() == b"\xff\xfe"


def test_init_says_what_stands_in_the_way(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "odd")
    repository.write("kitty-specs", "a file\n")
    with pytest.raises((InitError, GuardianError)):
        workflow.init(repository.path)
    assert (repository.path / "kitty-specs").read_text() == "a file\n"
