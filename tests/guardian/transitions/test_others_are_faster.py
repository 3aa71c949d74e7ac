"""Somebody else's append between a look at the board and one's own: said with what was missed, or asked once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from guardian.transitions.flow import FEATURE, Flow
from kitty_guardian import workflow
from kitty_guardian.errors import TransitionRefusedError, VersionConflict
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.store import Write
from kitty_guardian.model.events import Event
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.transitions.performing import answer, outcome_in, perform
from kitty_guardian.transitions.requests import Command, TransitionRequest


class _Slow(SqliteEventStore):
    """A store whose user is overtaken once, just before the first append."""

    overtaking: Callable[[], object] | None = None

    def commit(self, writes: Sequence[Write]) -> tuple[Event, ...]:
        overtaking, self.overtaking = self.overtaking, None
        if overtaking is not None:
            overtaking()
        return super().commit(writes)


def _slow(flow: Flow, overtaking: Callable[[], object]) -> _Slow:
    store = _Slow(Path(find_worktree(flow.root).state.events))
    store.overtaking = overtaking
    return store


def _implement(flow: Flow, name: str, actor: str) -> TransitionRequest:
    return TransitionRequest(Command.IMPLEMENT, work_package=name, actor=actor, workspace=str(flow.root))


def test_a_move_on_what_was_not_seen_is_a_conflict_that_says_so(flow: Flow) -> None:
    flow.work_in_main("WP01", "WP02")
    request = TransitionRequest(Command.MOVE, work_package="WP02", to="claimed", actor="ada")
    before = len(flow.log())
    with (
        _slow(flow, lambda: flow.move("WP02", "blocked", actor="bob")) as store,
        pytest.raises(VersionConflict) as lost,
    ):
        perform(find_worktree(flow.root), store, request)

    assert [event.payload["to_lane"] for event in lost.value.missed] == ["blocked"]
    assert "by bob" in lost.value.message
    assert flow.lane("WP02") == "blocked"
    assert len(flow.log()) == before + 1
    assert flow.blocked() == []
    assert flow.is_whole()


def test_two_that_enter_a_phase_at_once_are_not_both_first(flow: Flow) -> None:
    flow.reach("specify")
    flow.write("spec.md", "# Spec\n\nIt guards the home by night.\n")
    request = TransitionRequest(Command.PLAN, actor="ada")
    with (
        _slow(flow, lambda: workflow.plan(flow.root, actor="bob")) as store,
        pytest.raises(VersionConflict, match="entered plan by bob"),
    ):
        perform(find_worktree(flow.root), store, request)
    assert flow.is_whole()


def test_two_that_begin_with_different_work_packages_do_not_hinder_each_other(flow: Flow) -> None:
    flow.reach("tasks")
    flow.plan_packages("WP01", "WP02", "WP03")

    def other() -> None:
        with flow.store() as store:
            perform(find_worktree(flow.root), store, _implement(flow, "WP02", "bob"))

    with _slow(flow, other) as store:
        perform(find_worktree(flow.root), store, _implement(flow, "WP01", "ada"))

    assert [flow.lane(name) for name in ("WP01", "WP02", "WP03")] == ["in_progress", "in_progress", "planned"]
    assert flow.is_whole()


def test_of_two_that_begin_with_the_same_one_goes_on(flow: Flow) -> None:
    flow.work_in_main("WP01", "WP02")

    def other() -> None:
        with flow.store() as store:
            perform(find_worktree(flow.root), store, _implement(flow, "WP02", "bob"))

    with _slow(flow, other) as store, pytest.raises(VersionConflict):
        perform(find_worktree(flow.root), store, _implement(flow, "WP02", "ada"))
    assert flow.board().feature(FEATURE).work_packages["WP02"].implementer == "bob"


def test_a_refusal_and_a_conflict_are_the_same_over_a_socket(flow: Flow) -> None:
    flow.work_in_main("WP01", "WP02")
    move = TransitionRequest(Command.MOVE, work_package="WP02", to="done", actor="ada")
    with flow.store() as store:
        said = answer(find_worktree(flow.root), store, move.to_wire())
    with pytest.raises(TransitionRefusedError) as refused:
        outcome_in(said)
    assert refused.value.gate == "matrix"
    assert flow.blocked()[-1]["gate"] == "matrix"

    claim = TransitionRequest(Command.MOVE, work_package="WP02", to="claimed", actor="ada")
    with _slow(flow, lambda: flow.move("WP02", "blocked", actor="bob")) as store:
        said = answer(find_worktree(flow.root), store, claim.to_wire())
    with pytest.raises(VersionConflict, match="by bob"):
        outcome_in(said)
