"""A refusal names what it is about, what says no, and begins its hint with the command to run next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from guardian.events.law.asking import CHANGES, FEATURE, REVIEW, board, entering, event, move, refused
from kitty_guardian.errors import TransitionRefusedError
from kitty_guardian.events.board import Board
from kitty_guardian.events.validators import validate_wp_status_change
from kitty_guardian.model.events import Event
from kitty_guardian.model.lanes import Lane

COMMAND = re.compile(
    r"spec-kitty (?:specify|research|plan|tasks|implement|review|reopen|wp (?:list|show|move))\b"
    r"|spec-kitty (?:guardian phase|events list)\b"
    r"|git add -A && git commit\b"
)
GATES = {
    "stream", "payload", "continuity", "matrix", "guard:actor", "guard:workspace", "guard:subtasks", "guard:evidence",
    "guard:review", "guard:reason", "guard:review_ref", "dependencies", "phase", "one-step", "gate:spec.md",
    "gate:plan.md", "gate:work-packages", "reopen", "force", "self-approval", "facts",
}  # fmt: skip


def refusals() -> Iterator[TransitionRefusedError]:
    for asked, where in asked_for():
        yield refused(asked, where)


def asked_for() -> Iterator[tuple[Event, Board]]:
    for from_lane in Lane:
        for to_lane in Lane:
            if from_lane == to_lane:  # the matrix knows no move from a lane to itself
                yield move(from_lane, to_lane), board(WP01=from_lane)
            yield move(from_lane, to_lane), board("plan", WP01=from_lane)
            yield move(from_lane, to_lane, force=True), board(WP01=from_lane)
            yield move(to_lane, from_lane, wp_id="WP09"), board(WP01=from_lane)
    yield from unguarded()
    for phase in ("research", "specify", "plan", "tasks", "implement", "review"):
        yield entering(phase, from_phase="implement"), board("implement")
        yield entering(phase, from_phase="plan"), board("implement")
        yield entering("tasks", from_phase=None), Board()
        yield entering(phase, from_phase=None, phase_is="none", actor=7), Board()
    for found in ({"artifact": "spec.md", "edited": False}, None):
        yield entering("plan", from_phase="specify", gate=found), board("specify")
    for found in ({"artifact": "plan.md", "edited": False}, None):
        yield entering("tasks", from_phase="plan", gate=found), board("plan")
    yield entering("implement", from_phase="tasks", gate={"work_packages": 0, "problems": []}), board("tasks")


def unguarded() -> Iterator[tuple[Event, Board]]:
    def ask(from_lane: str, to_lane: str, **more: Any) -> tuple[Event, Board]:  # noqa: ANN401
        return move(from_lane, to_lane, **more), board(
            WP01=from_lane, WP02="planned", WP03="for_review", WP04="blocked"
        )

    yield ask("planned", "claimed", actor=" ")
    yield ask("planned", "claimed", force=1)
    yield ask("planned", "claimed", source="nowhere")
    for name in ("WP01", "WP02", "WP03", "WP04", "WP77"):
        yield ask("planned", "claimed", facts={"dependencies": [name]})
    yield ask("claimed", "in_progress", facts={"workspace": None})
    yield ask("in_progress", "for_review", facts={"subtasks_open": ["T001"]})
    yield ask("in_progress", "for_review", facts={"implementation": None})
    yield ask("in_progress", "for_review", without=("implementation",))
    yield ask("in_progress", "planned")
    yield ask("approved", "planned")
    yield ask("approved", "done")
    yield ask("in_review", "approved", review_result=CHANGES)
    yield ask("in_review", "in_progress")
    yield ask("in_review", "approved", review_result={**REVIEW, "reviewer": "ada"})


@pytest.mark.parametrize("number", range(len(list(asked_for()))))
def test_a_refusal_names_its_subject_and_the_next_command(number: int) -> None:
    refusal = refused(*list(asked_for())[number])
    assert FEATURE in refusal.message
    assert "cannot" in refusal.message
    assert "\n" not in refusal.message
    assert not refusal.message.endswith(".")
    assert refusal.gate in GATES
    assert refusal.hint is not None
    assert COMMAND.match(refusal.hint), refusal.hint


def test_every_gate_there_is_says_no_somewhere() -> None:
    assert {refusal.gate for refusal in refusals()} == GATES


@pytest.mark.parametrize(
    ("from_lane", "to_lane", "hint"),
    [
        ("planned", "done", "spec-kitty implement WP01"),
        ("claimed", "for_review", "spec-kitty implement WP01"),
        ("in_progress", "in_review", "spec-kitty wp move WP01 for_review"),
        ("for_review", "approved", "spec-kitty review WP01"),
        ("in_review", "for_review", "spec-kitty wp move WP01 in_progress"),
        ("done", "in_progress", "spec-kitty wp move WP01 in_progress --force --actor NAME --reason TEXT"),
    ],
)
def test_a_move_that_there_is_not_names_the_first_step_towards_it(from_lane: str, to_lane: str, hint: str) -> None:
    refusal = refused(move(from_lane, to_lane), board(WP01=from_lane))
    assert (refusal.gate, refusal.hint) == ("matrix", hint)
    assert f"WP01 of {FEATURE} cannot go from {from_lane} to {to_lane}" in refusal.message


def test_names_that_a_shell_would_read_otherwise_are_quoted() -> None:
    asked = move("genesis", "done", work_package="WP01;reboot")
    assert refused(asked, board()).hint == "spec-kitty wp move 'WP01;reboot' planned"


def test_a_long_or_strange_value_does_not_flood_the_message() -> None:
    assert len(refused(move("genesis", "x" * 10_000), board()).message) < 400
    assert len(refused(move("genesis", "planned", reason=[[0] * 9999]), board()).message) < 400


@pytest.mark.parametrize(
    ("lane", "hint"),
    [
        ("planned", "spec-kitty implement WP02"),
        ("claimed", "spec-kitty wp show WP02"),
        ("for_review", "spec-kitty review WP02"),
        ("in_review", "spec-kitty wp show WP02"),
        ("canceled", "spec-kitty wp show WP02"),
    ],
)
def test_what_waits_for_another_work_package_names_what_that_one_needs(lane: str, hint: str) -> None:
    asked = move("planned", "claimed", facts={"dependencies": ["WP02"]})
    refusal = refused(asked, board(WP01="planned", WP02=lane))
    assert refusal.hint == hint
    assert f"WP02, which is {lane}" in refusal.message


@pytest.mark.parametrize(
    ("number", "told"), [(1, "T000"), (5, "T000, T001, T002, T003, T004"), (7, "T003, T004 and 2 more")]
)
def test_open_subtasks_are_named_as_far_as_they_can_be_read(number: int, told: str) -> None:
    found = {"subtasks_open": [f"T{index:03d}" for index in range(number)]}
    refusal = refused(move("in_progress", "for_review", facts=found), board(WP01="in_progress"))
    assert refusal.message.endswith(told)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "null"), (True, "true or false"), (7, "a number"), (0.5, "a number"), ([], "a list"), ({}, "an object"),
        ("", "''"), ("x" * 61, f"'{'x' * 60}…'"), (b"", "no JSON"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_in_words_a_person_knows(value: object, told: str) -> None:
    refusal = refused(move("genesis", "planned", execution_mode=value), board())
    assert f"its execution_mode is {told} and should be direct_repo or worktree" in refusal.message
    whole = move("genesis", "planned")
    payload = {name: value for name, value in whole.payload.items() if name != "force"}
    refusal = refused(event(whole.event_type, whole.stream, payload, whole.metadata), board())
    assert "its force is missing and should be true or false" in refusal.message


@pytest.mark.parametrize(
    ("from_lane", "to_lane", "hint"),
    [
        ("in_review", "approved", "spec-kitty wp move WP01 approved --verdict approved --reference WHERE"),
        ("in_review", "done", "spec-kitty wp move WP01 done --verdict approved --reference WHERE"),
        (
            "in_review",
            "in_progress",
            "spec-kitty wp move WP01 in_progress --verdict changes_requested --reference WHERE",
        ),
        ("in_review", "planned", "spec-kitty wp move WP01 planned --verdict changes_requested --reference WHERE"),
        ("approved", "done", "spec-kitty wp move WP01 done --verdict approved --reference WHERE"),
        ("approved", "in_progress", "spec-kitty wp move WP01 in_progress --reference WHERE"),
        ("in_progress", "planned", "spec-kitty wp move WP01 planned --reason TEXT"),
    ],
)
def test_what_a_guard_asks_for_is_spelled_as_a_command(from_lane: str, to_lane: str, hint: str) -> None:
    assert refused(move(from_lane, to_lane), board(WP01=from_lane)).hint == hint


def test_a_move_of_no_work_package_points_at_the_list() -> None:
    asked = move("genesis", "planned")
    with pytest.raises(TransitionRefusedError, match=r"a work package of no feature cannot be moved") as nameless:
        validate_wp_status_change(event(asked.event_type, "workPackage-", asked.payload, asked.metadata), board())
    assert (nameless.value.gate, nameless.value.hint) == ("stream", "spec-kitty wp list")
    assert refused(move("genesis", "planned", mission_slug="002-away"), board()).hint == "spec-kitty wp show WP01"


@pytest.mark.parametrize(
    ("entered", "hint"),
    [
        (None, "spec-kitty specify 001-home"),
        ("research", "spec-kitty specify 001-home"),
        ("specify", "spec-kitty plan"),
        ("plan", "spec-kitty tasks"),
        ("tasks", "spec-kitty implement WP01"),
    ],
)
def test_a_step_too_far_names_the_one_that_is_next(entered: str | None, hint: str) -> None:
    claimed = refused(move("planned", "claimed"), board(entered, WP01="planned"))
    assert (claimed.gate, claimed.hint) == ("phase", hint)
    stands = f"in {entered}" if entered else "in no phase yet"
    assert claimed.message.endswith(f": 001-home is {stands}, this has to wait for implement")
    if entered != "tasks":
        assert refused(move("genesis", "planned"), board(entered)).message.endswith("this has to wait for tasks")
    again = refused(entering(entered or "plan", from_phase=entered), board(entered))
    assert (again.gate, again.hint) == ("one-step", hint)
