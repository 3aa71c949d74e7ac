"""Lanes move along the matrix, each move with what it depends on, found out from disk and git."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from guardian.transitions.flow import FEATURE, Flow
from kitty_guardian import workflow
from kitty_guardian.errors import InvalidValueError, TransitionRefusedError
from kitty_guardian.events.minting import new_event
from kitty_guardian.model.events import EventType
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.transitions.performing import perform
from kitty_guardian.transitions.requests import Command, Outcome, TransitionRequest


def _last(flow: Flow) -> dict[str, Any]:
    event = [event for event in flow.events() if event.event_type == EventType.WP_STATUS_CHANGED][-1]
    return {**event.payload, "facts": dict(event.metadata["facts"])}


def _hand_in(flow: Flow, name: str = "WP01") -> Outcome:
    flow.repository.write("src/new.py", f"# {name}\n")
    flow.repository.commit(name)
    return flow.move(name, "for_review")


def test_a_work_package_goes_all_the_way(flow: Flow) -> None:
    flow.work_in_main("WP01")
    assert _hand_in(flow).next == "spec-kitty review WP01"
    assert _last(flow)["facts"]["implementation"]["commits"] == 1

    workflow.review(flow.root, "WP01", actor="bob")
    workflow.review(flow.root, "WP01", actor="bob", verdict="approved", reference="reviews/1.md")
    assert _last(flow)["review_result"] == {"reviewer": "bob", "verdict": "approved", "reference": "reviews/1.md"}
    assert flow.move("WP01", "done").lane == "done"
    assert _last(flow)["evidence"]["review"]["reviewer"] == "bob"
    assert flow.is_whole()


def test_work_packages_begin_where_the_feature_is_worked_on(flow: Flow) -> None:
    flow.reach("tasks")
    flow.plan_packages("WP01")
    flow.move("WP01", "planned")
    with pytest.raises(TransitionRefusedError) as refused:
        flow.move("WP01", "claimed")

    assert refused.value.hint == "spec-kitty implement WP01"


def test_nothing_is_handed_in_without_a_commit(flow: Flow) -> None:
    flow.work_in_main("WP01")
    with pytest.raises(TransitionRefusedError) as refused:
        flow.move("WP01", "for_review")
    assert refused.value.gate == "guard:evidence"

    flow.write("research.md", "# Notes\n\nOnly bookkeeping was done here.\n")
    flow.repository.commit("bookkeeping")
    with pytest.raises(TransitionRefusedError) as refused:
        flow.move("WP01", "for_review")
    assert refused.value.gate == "guard:evidence"
    assert _hand_in(flow).lane == "for_review"


def test_nothing_is_handed_in_that_is_not_committed(flow: Flow) -> None:
    flow.work_in_main("WP01")
    flow.repository.write("src/new.py", "x = 1\n")
    flow.repository.commit("one")
    flow.repository.write("src/newer.py", "y = 1\n")
    with pytest.raises(TransitionRefusedError, match=r"src/newer\.py") as refused:
        flow.move("WP01", "for_review")

    assert refused.value.gate == "clean"
    assert flow.lane("WP01") == "in_progress"


def test_nothing_is_handed_in_with_open_steps(flow: Flow) -> None:
    flow.work_in_main("WP01", body="\n- [ ] T001 one\n- [x] T002 two\n")
    with pytest.raises(TransitionRefusedError, match="T001") as refused:
        _hand_in(flow)
    assert refused.value.gate == "guard:subtasks"

    file = flow.folder / "tasks" / "WP01-part.md"
    file.write_text(file.read_text().replace("[ ]", "[x]"))
    assert flow.move("WP01", "for_review").lane == "for_review"


def test_work_that_needs_changes_goes_back_to_who_did_it(flow: Flow) -> None:
    flow.work_in_main("WP01")
    _hand_in(flow)
    outcome = workflow.review(flow.root, "WP01", actor="bob", verdict="changes_requested", reference="r.md")

    assert (outcome.lane, outcome.next) == ("in_progress", "spec-kitty implement WP01")
    assert flow.board().feature(FEATURE).changes_requested()
    assert _last(flow)["review_ref"] == "r.md"


def test_approving_ones_own_work_is_recorded_and_refused_where_the_policy_says_so(flow: Flow) -> None:
    flow.work_in_main("WP01")
    _hand_in(flow)
    policy = flow.root / ".kittify" / "guardian.toml"
    text = policy.read_text()
    policy.write_text(f'{text}\n[review]\nself_approval = "refuse"\n')
    with pytest.raises(TransitionRefusedError) as refused:
        workflow.review(flow.root, "WP01", actor="ada", verdict="approved", reference="r.md")
    assert refused.value.gate == "self-approval"
    assert flow.lane("WP01") == "for_review"

    policy.write_text(text)
    workflow.review(flow.root, "WP01", actor="ada", verdict="approved", reference="r.md")
    assert _last(flow)["facts"]["self_approval"] is True


@pytest.mark.parametrize(
    ("lane", "hint"),
    [
        ("for_review", "spec-kitty review WP01"),
        ("blocked", "spec-kitty wp move WP01 in_progress"),
        ("canceled", "spec-kitty implement WP01 --force --reason TEXT"),
    ],
)
def test_what_cannot_be_begun_names_the_next_command(flow: Flow, lane: str, hint: str) -> None:
    flow.work_in_main("WP01")
    if lane == "for_review":
        _hand_in(flow)
    else:
        flow.move("WP01", lane)
    with pytest.raises(TransitionRefusedError) as refused:
        workflow.implement(flow.root, "WP01", actor="ada")

    assert refused.value.hint == hint
    assert not (flow.root / ".worktrees").exists()


def test_a_dependency_is_waited_for(flow: Flow) -> None:
    flow.work_in_main("WP01", "WP02", depends={"WP02": "WP01"})
    with pytest.raises(TransitionRefusedError) as refused:
        workflow.implement(flow.root, "WP02", actor="bob")

    assert refused.value.gate == "dependencies"
    assert flow.blocked()[-1]["gate"] == "dependencies"
    assert flow.lane("WP02") == "planned"


def test_a_dependency_is_not_lost_by_breaking_the_file(flow: Flow) -> None:
    flow.work_in_main("WP01", "WP02", depends={"WP02": "WP01"})
    file = flow.folder / "tasks" / "WP02-part.md"
    file.write_text(file.read_text().replace("---\n", "", 1))
    for gone in (False, True):
        if gone:
            file.unlink()
        with pytest.raises(TransitionRefusedError) as refused:
            flow.move("WP02", "claimed")
        assert refused.value.gate == "gate:work-packages"


def test_what_another_has_is_not_taken_by_moving_it_where_it_is(flow: Flow) -> None:
    flow.work_in_main("WP01")
    with pytest.raises(TransitionRefusedError, match="by ada") as refused:
        flow.move("WP01", "in_progress", actor="bob")

    assert refused.value.gate == "claimed"
    assert flow.move("WP01", "in_progress", actor="bob", force=True, reason="ada is ill").changed


def test_force_needs_a_reason_and_no_sandbox(flow: Flow) -> None:
    flow.work_in_main("WP01")
    for options in ({"force": True}, {"force": True, "reason": " "}, {"force": True, "reason": "x", "actor": " "}):
        with pytest.raises((TransitionRefusedError, InvalidValueError)):
            flow.move("WP01", "done", **options)
    inside = TransitionRequest(
        Command.MOVE, work_package="WP01", to="done", actor="ada", reason="I want it", force=True, sandboxed=True
    )
    with flow.store() as store, pytest.raises(TransitionRefusedError) as refused:
        perform(find_worktree(flow.root), store, inside)
    assert refused.value.gate == "force"

    with flow.store() as store:
        assert perform(find_worktree(flow.root), store, attrs.evolve(inside, sandboxed=False)).lane == "done"
    assert flow.is_whole()


def test_a_move_to_where_it_is_says_so(flow: Flow) -> None:
    flow.work_in_main("WP01")
    position = len(flow.events())

    assert not flow.move("wp1", "in_progress").changed
    assert len(flow.events()) == position


@pytest.mark.parametrize(("name", "lane"), [("WP77", "planned"), ("WP01", "nowhere")])
def test_what_there_is_none_of_is_a_usage_error(flow: Flow, name: str, lane: str) -> None:
    flow.work_in_main("WP01")
    with pytest.raises(InvalidValueError):
        flow.move(name, lane)


def test_a_request_and_its_outcome_travel_as_json(flow: Flow) -> None:
    flow.work_in_main("WP01")
    request = TransitionRequest(Command.MOVE, feature=FEATURE, work_package="WP01", to="blocked", actor="ada")

    assert TransitionRequest.from_wire({"v": 1, "verb": "transition", **request.to_wire()}) == request
    outcome = flow.move("WP01", "blocked")
    assert Outcome.from_wire(outcome.to_wire()) == outcome
    with pytest.raises(InvalidValueError):
        TransitionRequest.from_wire({"command": "move", "force": "yes"})
    with pytest.raises(InvalidValueError):
        TransitionRequest.from_wire({"command": "dance"})


@pytest.mark.parametrize("lane", ["for_review", "approved", "done", "planned", "blocked", "canceled"])
def test_force_does_not_skip_the_commit(flow: Flow, lane: str) -> None:
    flow.work_in_main("WP01")
    flow.repository.write("src/new.py", "# nobody saw this\n")
    with pytest.raises(TransitionRefusedError, match=r"src/new\.py") as refused:
        flow.move("WP01", lane, force=True, reason="I want it")

    assert refused.value.gate == "clean"
    assert flow.lane("WP01") == "in_progress"
    flow.repository.commit("seen")
    assert flow.move("WP01", lane, force=True, reason="I want it").lane == lane


def test_every_move_says_where_head_was(flow: Flow) -> None:
    flow.work_in_main("WP01", "WP02")
    _hand_in(flow)
    head = flow.repository.git("rev-parse", "HEAD").strip()
    moves = [event for event in flow.events() if event.event_type == EventType.WP_STATUS_CHANGED]

    assert all(len(event.metadata["facts"]["head"]) == len(head) for event in moves)
    assert moves[-1].metadata["facts"]["head"] == head


def test_a_work_package_whose_last_move_is_at_the_end_of_time_is_moved_now(flow: Flow) -> None:
    flow.work_in_main("WP01")
    at = datetime.max.replace(tzinfo=UTC)
    with flow.store() as store:
        *_, last = (event for event in store.read_all() if event.event_type == EventType.WP_STATUS_CHANGED)
        payload = {**last.payload, "from_lane": "in_progress", "to_lane": "in_progress", "force": True, "reason": "x"}
        late = new_event(EventType.WP_STATUS_CHANGED, payload, metadata=last.metadata, at=at)
        store.append(last.stream, [late], expected_version=store.version(last.stream))
    assert flow.move("WP01", "blocked", reason="a cat").lane == "blocked"
    assert flow.events()[-1].at.year < at.year
