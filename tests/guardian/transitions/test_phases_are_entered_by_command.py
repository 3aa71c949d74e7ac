"""Phases move by command, one step at a time, through their gates; what is refused is recorded and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardian.transitions.flow import FEATURE, Flow
from kitty_guardian import workflow
from kitty_guardian.errors import (
    InvalidValueError,
    NotAProjectError,
    TransitionRefusedError,
    UnboundFeatureError,
    UnknownFeatureError,
)
from kitty_guardian.model.events import EventType
from kitty_guardian.project.repository import find_worktree
from support.guarded import snapshot
from support.repositories import Repository


def _phases(flow: Flow) -> list[tuple[str | None, str]]:
    return [
        (event.payload["from_phase"], event.payload["phase"])
        for event in flow.events()
        if event.event_type == EventType.PHASE_ENTERED
    ]


def test_a_new_feature_enters_research_and_specify_at_once(flow: Flow) -> None:
    outcome = workflow.specify(flow.root, "Home guard", actor="ada")

    assert outcome.feature == FEATURE
    assert outcome.phase == "specify"
    assert outcome.next == "spec-kitty plan"
    assert _phases(flow) == [(None, "research"), ("research", "specify")]
    first, second = (event for event in flow.events() if event.event_type == EventType.PHASE_ENTERED)
    assert (first.version, second.version) == (0, 1)
    assert flow.is_whole()


def test_its_meta_json_is_as_upstream_has_it_and_sanctioned(flow: Flow) -> None:
    workflow.specify(flow.root, "Home guard", actor="ada")
    path = f"kitty-specs/{FEATURE}/meta.json"
    data = (flow.root / path).read_bytes()
    document = json.loads(data)

    import hashlib

    assert flow.board().feature(FEATURE).sanctions == {path: [hashlib.sha256(data).hexdigest()]}
    assert document["friendly_name"] == "Home guard"
    assert document["slug"] == document["mission_slug"] == FEATURE
    assert len(document["mission_id"]) == 26
    assert document["mission_number"] == 1
    assert data == json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def test_the_way_to_tasks_goes_through_every_gate(flow: Flow) -> None:
    flow.reach("tasks")

    assert _phases(flow)[2:] == [("specify", "plan"), ("plan", "tasks")]
    assert (flow.folder / "tasks.md").is_file()
    assert (flow.folder / "tasks" / "WP01.md").is_file()
    assert flow.is_whole()


@pytest.mark.parametrize(
    ("reached", "command", "gate"),
    [
        ("specify", "plan", "gate:spec.md"),
        ("specify", "tasks", "one-step"),
        ("plan", "tasks", "gate:plan.md"),
        ("plan", "specify", "reopen"),
        ("tasks", "plan", "reopen"),
        ("tasks", "research", "reopen"),
    ],
)
def test_any_other_way_is_refused_recorded_and_changes_nothing(
    flow: Flow, reached: str, command: str, gate: str
) -> None:
    flow.reach(reached)
    before, phase = snapshot(flow.root / "kitty-specs"), flow.board().feature(FEATURE).entered
    named = (FEATURE,) if command == "specify" else ()
    with pytest.raises(TransitionRefusedError) as refused:
        getattr(workflow, command)(flow.root, *named, actor="eve")

    assert refused.value.gate == gate
    assert refused.value.hint is not None
    assert "spec-kitty" in refused.value.hint
    assert snapshot(flow.root / "kitty-specs") == before
    assert flow.board().feature(FEATURE).entered == phase
    assert flow.blocked() == [
        {
            "feature": FEATURE, "work_package": None, "from": str(phase), "to": command, "gate": gate,
            "reason": refused.value.message, "hint": refused.value.hint, "actor": "eve", "layer": "command",
        }
    ]  # fmt: skip
    assert flow.events()[-1].stream == "audit-main"


def test_the_gate_names_the_file_and_what_to_run_then(flow: Flow) -> None:
    flow.reach("specify")
    (flow.folder / "spec.md").unlink()
    with pytest.raises(TransitionRefusedError, match=r"spec\.md does not exist") as refused:
        workflow.plan(flow.root, actor="ada")

    assert refused.value.hint == f"write {flow.folder / 'spec.md'}, then: spec-kitty plan"
    assert not (flow.folder / "spec.md").exists()


def test_what_somebody_wrote_is_never_written_over(flow: Flow) -> None:
    flow.reach("specify")
    flow.write("spec.md", "# Spec\n\nIt guards the home by night.\n")
    flow.write("plan.md", "mine\n")

    assert f"kitty-specs/{FEATURE}/plan.md" not in workflow.plan(flow.root, actor="ada").written
    assert (flow.folder / "plan.md").read_text() == "mine\n"


def test_the_same_command_again_says_that_it_is_so_already(flow: Flow) -> None:
    flow.reach("plan")
    (flow.folder / "plan.md").unlink()
    position = len(flow.events())
    again = workflow.plan(flow.root, actor="ada")

    assert not again.changed
    assert again.said[0] == f"{FEATURE} is in plan already"
    assert again.written == (f"kitty-specs/{FEATURE}/plan.md",)
    assert len(flow.events()) == position


@pytest.mark.parametrize("spelling", ["Home guard", "home-guard", FEATURE, "1", "001"])
def test_a_name_that_is_taken_begins_nothing_new(flow: Flow, spelling: str) -> None:
    flow.reach("specify")
    with pytest.raises(TransitionRefusedError) as refused:
        workflow.specify(flow.root, spelling, actor="ada")

    assert refused.value.gate == "exists"
    assert [path.name for path in (flow.root / "kitty-specs").iterdir()] == [FEATURE]


def test_research_begins_a_feature_that_specify_goes_on_with(flow: Flow) -> None:
    begun = workflow.research(flow.root, "Night watch", actor="ada")
    assert begun.phase == "research"
    assert begun.written[:2] == ("kitty-specs/001-night-watch/meta.json", "kitty-specs/001-night-watch/research.md")

    assert workflow.specify(flow.root, "Night watch", actor="ada").phase == "specify"
    assert _phases(flow) == [(None, "research"), ("research", "specify")]


def test_going_back_takes_a_reason_and_is_recorded(flow: Flow) -> None:
    flow.reach("tasks")
    with pytest.raises(TransitionRefusedError, match="takes a reason"):
        workflow.reopen(flow.root, "specify", reason=" ", actor="ada")
    outcome = workflow.reopen(flow.root, "specify", reason="the cat was forgotten", actor="ada")

    entered = [event for event in flow.events() if event.event_type == EventType.PHASE_ENTERED][-1]
    assert outcome.phase == "specify"
    assert entered.payload["reopened"] is True
    assert entered.payload["reason"] == "the cat was forgotten"
    assert workflow.plan(flow.root, actor="ada").phase == "plan"
    assert flow.is_whole()


@pytest.mark.parametrize(("phase", "error"), [("tasks", TransitionRefusedError), ("implement", InvalidValueError)])
def test_only_an_earlier_phase_is_reopened(flow: Flow, phase: str, error: type[Exception]) -> None:
    flow.reach("tasks")
    with pytest.raises(error):
        workflow.reopen(flow.root, phase, reason="why not", actor="ada")


def test_leaving_implement_asks_for_a_commit_first(flow: Flow) -> None:
    flow.work_in_main("WP01")
    flow.repository.write("src/app.py", "print('new')\n")
    with pytest.raises(TransitionRefusedError, match=r"src/app\.py") as refused:
        workflow.reopen(flow.root, "plan", reason="it cannot work", actor="ada")

    assert refused.value.gate == "clean"
    assert "git -C" in (refused.value.hint or "")
    flow.repository.commit("new")
    assert workflow.reopen(flow.root, "plan", reason="it cannot work", actor="ada").phase == "plan"


def test_the_next_free_number_is_given(flow: Flow) -> None:
    workflow.specify(flow.root, "007-seven", actor="ada")

    assert workflow.specify(flow.root, "Éclair & Söhne", actor="ada").feature == "008-eclair-sohne"
    with pytest.raises(InvalidValueError, match="no folder name"):
        workflow.specify(flow.root, "家", actor="ada")


def test_a_number_that_another_branch_gave_is_taken(flow: Flow) -> None:
    flow.repository.git("switch", "-q", "-c", "other")
    flow.repository.write("kitty-specs/004-theirs/spec.md", "# Theirs\n\nThey do a thing.\n")
    flow.repository.commit("theirs")
    flow.repository.git("switch", "-q", "main")

    assert workflow.specify(flow.root, "ours", actor="ada").feature == "005-ours"


def test_a_feature_that_cannot_be_told_is_asked_for(flow: Flow) -> None:
    with pytest.raises(UnboundFeatureError, match="no feature"):
        workflow.plan(flow.root, actor="ada")
    workflow.specify(flow.root, "one", actor="ada")
    workflow.specify(flow.root, "two", actor="ada")
    with pytest.raises(UnboundFeatureError, match="001-one, 002-two"):
        workflow.plan(flow.root, actor="ada")
    with pytest.raises(UnknownFeatureError):
        workflow.plan(flow.root, feature="three", actor="ada")
    with pytest.raises(TransitionRefusedError, match="002-two"):
        workflow.plan(flow.root, feature="two", actor="ada")


def test_a_feature_that_nobody_took_over_is_taken_over_first(flow: Flow) -> None:
    flow.repository.feature("009-old", "plan")
    flow.repository.commit("old work")
    with pytest.raises(TransitionRefusedError, match="nothing was recorded") as refused:
        workflow.tasks(flow.root, feature="009-old", actor="ada")
    assert refused.value.hint == "spec-kitty init"

    assert workflow.init(flow.root).adopted == ("009-old",)
    assert workflow.tasks(flow.root, feature="009-old", actor="ada").phase == "tasks"


def test_outside_a_project_the_hint_is_init(tmp_path: Path) -> None:
    plain = Repository(tmp_path / "plain")
    with pytest.raises(NotAProjectError) as refused:
        workflow.specify(plain.path, "x y", actor="ada")

    assert "spec-kitty init" in (refused.value.hint or "")


def test_a_refusal_in_a_linked_work_tree_is_in_its_own_trail(flow: Flow, tmp_path: Path) -> None:
    flow.reach("specify")
    flow.repository.commit("spec")
    linked = flow.repository.worktree(tmp_path / "beside", "beside")
    with pytest.raises(TransitionRefusedError):
        workflow.plan(linked.path, actor="ada")

    assert flow.events()[-1].stream == f"audit-{find_worktree(linked.path).name}"


def test_a_command_in_a_linked_work_tree_writes_where_the_feature_is_kept(flow: Flow, tmp_path: Path) -> None:
    flow.reach("specify")
    flow.write("spec.md", "# Spec\n\nIt guards the home by night.\n")
    flow.repository.commit("spec")
    linked = flow.repository.worktree(tmp_path / "beside", "beside")
    outcome = workflow.plan(linked.path, actor="ada")

    assert outcome.home == str(flow.root)
    assert (flow.folder / "plan.md").is_file()
    assert not (linked.path / "kitty-specs" / FEATURE / "plan.md").exists()
    assert flow.is_whole()


def test_a_repository_without_a_commit_can_begin_and_has_to_commit_before_work(tmp_path: Path) -> None:
    flow = Flow(Repository(tmp_path / "unborn"))
    workflow.init(flow.root)
    flow.reach("tasks")
    flow.write("tasks/WP01.md", "---\nwork_package_id: WP01\ntitle: Dog\n---\n# WP01\n")
    with pytest.raises(TransitionRefusedError) as refused:
        workflow.implement(flow.root, "WP01", actor="ada")

    assert refused.value.gate == "committed"
    assert flow.is_whole()
