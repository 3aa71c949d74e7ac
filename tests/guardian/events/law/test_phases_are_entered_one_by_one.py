"""A feature goes one phase forward through that phase's gate, or back for a reason, and no other way."""

from __future__ import annotations

from typing import Any

import pytest

from guardian.events.law.asking import FEATURE, board, entering, event, gate, move, refused
from kitty_guardian.events import validators
from kitty_guardian.events.board import Board

PHASES = ("research", "specify", "plan", "tasks", "implement", "review")
GATES: dict[str, Any] = {
    "research": None,
    "specify": None,
    "plan": {"artifact": "spec.md", "edited": True},
    "tasks": {"artifact": "plan.md", "edited": True},
    "implement": {"work_packages": 3, "problems": []},
    "review": None,
}
EVERY = ("command", "file", "git")

# Rows: entered last. Columns: asked for. "go": forward. "back": with a reason. Else what refuses it.
TABLE = """
           research  specify   plan      tasks     implement  review
nothing    go        one-step  one-step  one-step  one-step   phase
research   one-step  go        one-step  one-step  one-step   phase
specify    back      one-step  go        one-step  one-step   phase
plan       back      back      one-step  go        one-step   phase
tasks      back      back      back      one-step  go         phase
implement  back      back      back      back      one-step   phase
review     back      back      back      back      back       phase
"""
COLUMNS, *ROWS = (line.split() for line in TABLE.strip().splitlines())
CELLS = [(row[0], asked, cell) for row in ROWS for asked, cell in zip(COLUMNS, row[1:], strict=True)]


def standing(entered: str) -> tuple[Board, str | None]:
    before = None if entered == "nothing" else entered
    return board(before), before


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize(("entered", "phase", "cell"), CELLS)
def test_every_step_there_is(entered: str, phase: str, cell: str, source: str) -> None:
    where, before = standing(entered)
    plain = gate(entering(phase, from_phase=before, gate=GATES[phase], source=source), where)
    reopened = entering(phase, from_phase=before, gate=GATES[phase], source=source, reopened=True, reason="so")
    if cell == "go":
        assert (plain, gate(reopened, where)) == ("", "reopen")
    elif cell == "back":
        assert (plain, gate(reopened, where)) == ("reopen", "")
    else:
        assert (plain, gate(reopened, where)) == (cell, cell)


@pytest.mark.parametrize("reason", [None, "", " \n"])
@pytest.mark.parametrize("source", EVERY)
def test_going_back_takes_a_reason(reason: str | None, source: str) -> None:
    asked = entering("plan", from_phase="implement", reopened=True, reason=reason, source=source)
    assert gate(asked, board("implement")) == "reopen"
    assert gate(entering("plan", from_phase="implement", reason="so", source=source), board("implement")) == "reopen"


def test_going_back_passes_no_gate() -> None:
    asked = entering("plan", from_phase="tasks", reopened=True, reason="the plan has a hole")
    assert gate(asked, board("tasks")) == ""


def test_a_new_feature_is_in_research_and_then_in_specify_in_one_append() -> None:
    where = Board()
    for phase, before in (("research", None), ("specify", "research")):
        asked = entering(phase, from_phase=before)
        validators.check(asked, where)
        where.apply(asked)
    assert where.feature(FEATURE).entered == "specify"


@pytest.mark.parametrize(
    ("phase", "found", "name"),
    [
        ("plan", {"artifact": "spec.md", "edited": False}, "gate:spec.md"),
        ("plan", {"artifact": "plan.md", "edited": True}, "facts"),
        ("plan", {"edited": True}, "facts"),
        ("plan", {"artifact": "spec.md"}, "facts"),
        ("plan", {"artifact": "spec.md", "edited": "yes"}, "facts"),
        ("plan", {"artifact": "spec.md", "edited": 1}, "facts"),
        ("plan", None, "facts"),
        ("plan", True, "facts"),
        ("tasks", {"artifact": "plan.md", "edited": False}, "gate:plan.md"),
        ("tasks", {"artifact": "spec.md", "edited": True}, "facts"),
        ("tasks", None, "facts"),
        ("implement", {"work_packages": 0, "problems": []}, "gate:work-packages"),
        ("implement", {"work_packages": -1, "problems": []}, "gate:work-packages"),
        ("implement", {"work_packages": 3, "problems": ["WP02 has no id"]}, "gate:work-packages"),
        ("implement", {"work_packages": 3, "problems": [None]}, "gate:work-packages"),
        ("implement", {"work_packages": True, "problems": []}, "facts"),
        ("implement", {"work_packages": "3", "problems": []}, "facts"),
        ("implement", {"work_packages": 3}, "facts"),
        ("implement", {"work_packages": 3, "problems": "none"}, "facts"),
        ("implement", {"problems": []}, "facts"),
        ("implement", None, "facts"),
    ],
)
def test_a_gate_is_passed_by_content_that_somebody_looked_at(phase: str, found: object, name: str) -> None:
    before = PHASES[PHASES.index(phase) - 1]
    for source in ("command", "file", "guardian"):
        assert gate(entering(phase, from_phase=before, gate=found, source=source), board(before)) == name
    assert gate(entering(phase, from_phase=before, gate=found, source="git"), board(before)) == ""


def test_a_refusal_says_what_was_found_at_the_gate() -> None:
    found = {"artifact": "spec.md", "edited": False, "why": "is as `spec-kitty specify` made it"}
    untouched = refused(entering("plan", from_phase="specify", gate=found), board("specify"))
    assert "spec.md is as `spec-kitty specify` made it" in untouched.message
    found = {"work_packages": 2, "problems": ["WP02.md has no title", "WP03.md is empty"]}
    malformed = refused(entering("implement", from_phase="tasks", gate=found), board("tasks"))
    assert "WP02.md has no title" in malformed.message


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize("claimed", [None, "specify", "tasks"])
def test_a_step_begins_where_the_feature_stands(claimed: str | None, source: str) -> None:
    asked = entering("tasks", from_phase=claimed, gate=GATES["tasks"], source=source)
    assert gate(asked, board("plan")) == "continuity"


@pytest.mark.parametrize("actor", [None, "", " "])
def test_whoever_asks_here_has_a_name(actor: str | None) -> None:
    assert gate(entering("research", from_phase=None, actor=actor), Board()) == "guard:actor"
    assert gate(entering("research", from_phase=None, actor=actor, source="git"), Board()) == ""


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phase", None), ("phase", "done"), ("phase", ["plan"]), ("phase", {}), ("phase", ""),
        ("from_phase", "nothing"), ("from_phase", 7), ("from_phase", ["plan"]),
        ("feature", None), ("feature", ""), ("feature", 7),
        ("actor", 7), ("reason", 7), ("head", ["abc"]), ("reopened", "yes"), ("reopened", None), ("reopened", 1),
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_kind_is_refused(field: str, value: object, source: str) -> None:
    whole = entering("research", from_phase=None, source=source)
    asked = event(whole.event_type, whole.stream, {**whole.payload, field: value}, whole.metadata)
    refusal = refused(asked, Board())
    assert refusal.gate == "payload"
    assert field in refusal.message


def test_a_phase_lies_in_the_stream_of_its_feature() -> None:
    asked = entering("research", from_phase=None)
    for stream in ("workPackage-001-home/WP01", "feature-", "feature-a/b", "feature", "", "other-001-home"):
        assert gate(event(asked.event_type, stream, asked.payload, asked.metadata), Board()) == "stream"
    assert gate(event(asked.event_type, "feature-002-away", asked.payload, asked.metadata), Board()) == "stream"
    metadata = {**asked.metadata, "feature": "002-away"}
    assert gate(event(asked.event_type, asked.stream, asked.payload, metadata), Board()) == "stream"


def test_what_a_guardian_notes_in_its_own_stream_is_no_transition() -> None:
    assert gate(event("PhaseEntered", "audit-main", {"features": {}}, {}), Board()) == ""
    assert gate(event("PolicyViolationAttempted", "audit-main", {}, {"source": "guardian"}), Board()) == ""


@pytest.mark.parametrize(
    ("event_type", "stream", "name"),
    [
        ("StatusLineRecorded", "feature-001-home", ""),
        ("ExceptionGranted", "feature-001-home", ""),
        ("StatusLineRecorded", "workPackage-001-home/WP01", "stream"),
        ("ExceptionGranted", "workPackage-001-home/WP01", "stream"),
        ("PolicyViolationAttempted", "feature-001-home", "stream"),
        ("PhaseTransitionBlocked", "feature-001-home", "stream"),
        ("PhaseTransitionBlocked", "workPackage-001-home/WP01", "stream"),
        ("GuardianStopped", "feature-001-home", "stream"),
        ("HeadAttested", "feature-001-home", "stream"),
        ("NothingWeKnow", "feature-001-home", "payload"),
    ],
)
def test_every_type_has_its_streams(event_type: str, stream: str, name: str) -> None:
    assert gate(event(event_type, stream, {}, {"source": "command"}), board()) == name


def test_history_is_not_judged() -> None:
    assert gate(entering("review", from_phase="plan", source="adoption"), board()) == ""


def test_the_work_packages_commands_name_follows_its_phase() -> None:
    early = refused(move("genesis", "planned"), board("plan"))
    assert (early.gate, early.hint) == ("phase", "spec-kitty tasks")
    late = refused(move("planned", "claimed"), board("tasks", WP01="planned"))
    assert (late.gate, late.hint) == ("phase", "spec-kitty implement WP01")
