"""A work package moves by upstream's matrix and its guards, in the right phase, after what it builds on."""

from __future__ import annotations

from typing import Any

import pytest

from guardian.events.law.asking import CHANGES, FEATURE, REVIEW, board, event, gate, move, refused
from kitty_guardian.events.board import Board
from kitty_guardian.model.lanes import Lane

LINES = ("file", "git")
EVERY = ("command", *LINES)

# How each move of the matrix is asked for properly.
LEGAL: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("genesis", "planned", {}),
    ("genesis", "canceled", {}),
    ("planned", "claimed", {}),
    ("planned", "blocked", {}),
    ("planned", "canceled", {}),
    ("claimed", "in_progress", {}),
    ("claimed", "blocked", {}),
    ("claimed", "canceled", {}),
    ("in_progress", "for_review", {}),
    ("in_progress", "approved", {"evidence": {"review": REVIEW}}),
    ("in_progress", "planned", {"reason": "too large"}),
    ("in_progress", "blocked", {}),
    ("in_progress", "canceled", {}),
    ("for_review", "in_review", {}),
    ("for_review", "blocked", {}),
    ("for_review", "canceled", {}),
    ("in_review", "approved", {"review_result": REVIEW}),
    ("in_review", "done", {"review_result": REVIEW, "evidence": {"review": REVIEW}}),
    ("in_review", "in_progress", {"review_result": CHANGES, "review_ref": CHANGES["reference"]}),
    ("in_review", "planned", {"review_result": CHANGES}),
    ("in_review", "blocked", {"review_result": CHANGES}),
    ("in_review", "canceled", {"review_result": CHANGES}),
    ("approved", "done", {"evidence": {"review": REVIEW}}),
    ("approved", "in_progress", {"review_ref": "reviews/2.md"}),
    ("approved", "planned", {"review_ref": "reviews/2.md"}),
    ("approved", "blocked", {}),
    ("approved", "canceled", {}),
    ("blocked", "in_progress", {}),
    ("blocked", "canceled", {}),
)
FREE: dict[str, Any] = {
    "reason": "why",
    "review_ref": "reviews/1.md",
    "evidence": {"review": REVIEW},
    "review_result": REVIEW,
}
ILLEGAL = [
    (from_lane, to_lane)
    for from_lane in ("genesis", *Lane)
    for to_lane in Lane
    if (from_lane, to_lane) not in {(here, there) for here, there, _ in LEGAL}
]


def standing(lane: str, entered: str = "implement", **lanes: str) -> Board:
    return board(entered, **(lanes if lane == "genesis" else {"WP01": lane, **lanes}))


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize(("from_lane", "to_lane", "fields"), LEGAL)
def test_every_move_of_the_matrix_can_be_made(
    from_lane: str, to_lane: str, fields: dict[str, Any], source: str
) -> None:
    found: dict[str, Any] | None = {} if source == "file" else None
    assert gate(move(from_lane, to_lane, source=source, facts=found, **fields), standing(from_lane)) == ""


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize(("from_lane", "to_lane"), ILLEGAL)
def test_no_other_move_can_be_made(from_lane: str, to_lane: str, source: str) -> None:
    asked = move(from_lane, to_lane, source=source, **FREE)
    assert gate(asked, standing(from_lane)) == "matrix"


@pytest.mark.parametrize(("from_lane", "to_lane"), [*ILLEGAL, *[(here, there) for here, there, _ in LEGAL]])
def test_force_with_a_name_and_a_reason_overrides_matrix_and_guards(from_lane: str, to_lane: str) -> None:
    facts: dict[str, Any] = {
        "dependencies": ["WP09"],
        "workspace": None,
        "subtasks_open": ["T001"],
        "implementation": None,
    }
    forced = move(from_lane, to_lane, force=True, reason="lost in a merge", facts=facts)
    assert gate(forced, standing(from_lane)) == ""
    assert gate(move(from_lane, to_lane, source="git", force=True, reason="so"), standing(from_lane)) == ""


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize("fields", [{"reason": None}, {"reason": " "}, {"actor": " ", "reason": "so"}])
def test_force_without_a_name_or_a_reason_is_refused(fields: dict[str, Any], source: str) -> None:
    assert gate(move("done", "planned", source=source, force=True, **fields), standing("done")) == "force"


def test_nothing_is_forced_from_inside_the_sandbox() -> None:
    forced = move("done", "planned", force=True, reason="so", facts={"sandboxed": True})
    assert gate(forced, standing("done")) == "force"
    assert gate(move("planned", "claimed", facts={"sandboxed": True}), standing("planned")) == ""


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize("lane", ["genesis", *Lane])
def test_nothing_goes_back_to_genesis(lane: str, source: str) -> None:
    assert gate(move(lane, "genesis", source=source), standing(lane)) == "matrix"
    assert gate(move(lane, "genesis", source=source, force=True, reason="so"), standing(lane)) == "force"


def test_another_tools_line_forces_nothing_that_has_to_be_forced() -> None:
    def forced(from_lane: str, to_lane: str, **more: Any) -> str:  # noqa: ANN401
        asked = move(from_lane, to_lane, source="file", force=True, reason="so", **more)
        return gate(asked, standing(from_lane))

    assert forced("done", "planned") == "force"
    assert forced("in_review", "approved") == "force"
    assert forced("planned", "claimed", facts={"dependencies": ["WP09"]}) == "force"
    assert forced("planned", "claimed") == "force"  # nobody looked at its dependencies
    assert forced("planned", "claimed", facts={}) == ""
    assert forced("genesis", "planned") == ""


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize("lane", Lane)
def test_a_move_begins_where_the_work_package_stands(lane: str, source: str) -> None:
    elsewhere = "done" if lane != "done" else "approved"
    asked = move(lane, "planned", source=source, force=True, reason="so")
    assert gate(asked, standing(elsewhere)) == "continuity"
    assert gate(move("genesis", "planned", source=source), standing(lane)) == "continuity"


def test_only_older_releases_take_a_work_package_without_a_lane_for_a_planned_one() -> None:
    nowhere = board("implement")
    assert gate(move("planned", "claimed"), nowhere) == "continuity"
    assert gate(move("planned", "claimed", source="git"), nowhere) == ""
    assert gate(move("planned", "claimed", source="file", facts={}), nowhere) == ""
    assert gate(move("claimed", "in_progress", source="git"), nowhere) == "continuity"


# Each guard, on a move that asks for it: what it does without, and under which name it says no.
UNGUARDED: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("planned", "claimed", {"actor": ""}, "guard:actor"),
    ("planned", "claimed", {"actor": "  \t"}, "guard:actor"),
    ("planned", "claimed", {"actor": {"tool": None, "role": ""}}, "guard:actor"),
    ("for_review", "in_review", {"actor": " "}, "guard:actor"),
    ("in_progress", "planned", {}, "guard:reason"),
    ("in_progress", "planned", {"reason": " "}, "guard:reason"),
    ("approved", "planned", {}, "guard:review_ref"),
    ("approved", "in_progress", {"review_ref": " "}, "guard:review_ref"),
    ("in_progress", "approved", {}, "guard:review"),
    ("in_progress", "approved", {"review_result": REVIEW}, "guard:review"),
    ("approved", "done", {}, "guard:review"),
    ("approved", "done", {"evidence": {}}, "guard:review"),
    ("approved", "done", {"evidence": {"review": [1]}}, "guard:review"),
    ("approved", "done", {"evidence": {"review": CHANGES}}, "guard:review"),
    ("approved", "done", {"evidence": {"review": {**REVIEW, "reviewer": " "}}}, "guard:review"),
    ("approved", "done", {"evidence": {"review": {**REVIEW, "reference": None}}}, "guard:review"),
    ("approved", "done", {"evidence": {"review": {**REVIEW, "verdict": "Approved"}}}, "guard:review"),
    ("in_review", "approved", {}, "guard:review"),
    ("in_review", "approved", {"review_result": CHANGES}, "guard:review"),
    ("in_review", "done", {"review_result": CHANGES}, "guard:review"),
    ("in_review", "done", {"review_result": {**REVIEW, "reviewer": 7}}, "guard:review"),
    ("in_review", "approved", {"review_result": REVIEW, "review_ref": "elsewhere"}, "guard:review"),
    ("in_review", "approved", {"review_result": REVIEW, "review_ref": ""}, "guard:review"),
    ("in_review", "approved", {"review_result": REVIEW, "evidence": {}}, "guard:review"),
    ("in_review", "approved", {"review_result": REVIEW, "evidence": {"review": CHANGES}}, "guard:review"),
    (
        "in_review", "approved",
        {"review_result": REVIEW, "evidence": {"review": {**REVIEW, "reviewer": "mary"}}}, "guard:review",
    ),
    ("in_review", "in_progress", {}, "guard:review"),
    ("in_review", "in_progress", {"review_result": {**CHANGES, "verdict": ""}}, "guard:review"),
    ("in_review", "planned", {"review_result": {**CHANGES, "reference": ""}}, "guard:review"),
    ("in_review", "blocked", {}, "guard:review"),
    ("in_review", "canceled", {}, "guard:review"),
)  # fmt: skip


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize(("from_lane", "to_lane", "fields", "name"), UNGUARDED)
def test_a_guard_is_not_passed_without_what_it_asks_for(
    from_lane: str, to_lane: str, fields: dict[str, Any], name: str, source: str
) -> None:
    facts: dict[str, Any] | None = {} if source == "file" else None
    assert gate(move(from_lane, to_lane, source=source, facts=facts, **fields), standing(from_lane)) == name


def test_whoever_asks_here_has_a_name_for_every_move() -> None:
    assert gate(move("planned", "blocked", actor=" "), standing("planned")) == "guard:actor"
    assert gate(move("planned", "blocked", actor=" ", source="git"), standing("planned")) == ""


def test_an_actor_may_be_described_instead_of_named() -> None:
    actor = {"role": "implementer", "profile": None, "tool": "claude", "model": "opus"}
    assert gate(move("planned", "claimed", actor=actor), standing("planned")) == ""


WORLD: tuple[tuple[str, str, str, Any, str], ...] = (
    ("claimed", "in_progress", "workspace", None, "guard:workspace"),
    ("claimed", "in_progress", "workspace", " ", "guard:workspace"),
    ("claimed", "in_progress", "workspace", 7, "guard:workspace"),
    ("in_progress", "for_review", "subtasks_open", ["T001"], "guard:subtasks"),
    ("in_progress", "for_review", "subtasks_open", [f"T{number:03d}" for number in range(9)], "guard:subtasks"),
    ("in_progress", "for_review", "subtasks_open", None, "facts"),
    ("in_progress", "for_review", "subtasks_open", [None], "facts"),
    ("in_progress", "for_review", "implementation", None, "guard:evidence"),
    ("in_progress", "for_review", "implementation", {"commits": 0}, "guard:evidence"),
    ("in_progress", "for_review", "implementation", {"commits": -1}, "guard:evidence"),
    ("in_progress", "for_review", "implementation", {}, "facts"),
    ("in_progress", "for_review", "implementation", {"commits": True}, "facts"),
    ("in_progress", "for_review", "implementation", {"commits": "2"}, "facts"),
    ("in_progress", "for_review", "implementation", 2, "facts"),
)


@pytest.mark.parametrize(("from_lane", "to_lane", "fact", "value", "name"), WORLD)
def test_what_was_found_out_here_is_what_counts(
    from_lane: str, to_lane: str, fact: str, value: object, name: str
) -> None:
    asked = move(from_lane, to_lane, facts={fact: value})
    assert gate(asked, standing(from_lane)) == name
    assert gate(move(from_lane, to_lane, facts={fact: value}, source="git"), standing(from_lane)) == ""
    line = move(from_lane, to_lane, facts={fact: value}, source="file")
    assert gate(line, standing(from_lane)) == ("" if value is None else name)


@pytest.mark.parametrize(
    ("from_lane", "to_lane", "fact"),
    [
        ("planned", "claimed", "dependencies"),
        ("claimed", "in_progress", "dependencies"),
        ("blocked", "in_progress", "dependencies"),
        ("claimed", "in_progress", "workspace"),
        ("in_progress", "for_review", "subtasks_open"),
        ("in_progress", "for_review", "implementation"),
    ],
)
def test_a_fact_that_nobody_looked_for_is_a_refusal(from_lane: str, to_lane: str, fact: str) -> None:
    assert gate(move(from_lane, to_lane, without=(fact,)), standing(from_lane)) == "facts"


def test_force_has_to_know_whether_it_is_in_the_sandbox() -> None:
    forced = move("done", "planned", force=True, reason="so", without=("sandboxed",))
    assert gate(forced, standing("done")) == "facts"
    forced = move("done", "planned", force=True, reason="so", facts={"sandboxed": "no"})
    assert gate(forced, standing("done")) == "facts"


def test_an_event_that_does_not_say_where_it_comes_from_is_refused() -> None:
    asked = move("genesis", "planned")
    for metadata in ({}, {"source": "nowhere"}, {"source": None}, {"source": ["command"]}):
        assert gate(event(asked.event_type, asked.stream, asked.payload, metadata), board()) == "facts"


def test_the_guardians_own_moves_are_held_to_everything() -> None:
    assert gate(move("claimed", "in_progress", source="guardian"), standing("claimed")) == "facts"
    assert gate(move("claimed", "in_progress", source="guardian", facts={}), standing("claimed")) == ""


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize(("from_lane", "to_lane"), [("planned", "claimed"), ("claimed", "in_progress")])
def test_work_starts_when_its_dependencies_are_accepted(from_lane: str, to_lane: str, lane: str) -> None:
    where = standing(from_lane, WP02="done", WP03=lane)
    expected = "" if lane in {"approved", "done"} else "dependencies"
    assert gate(move(from_lane, to_lane, facts={"dependencies": ["WP02", "WP03"]}), where) == expected
    line = move(from_lane, to_lane, facts={"dependencies": ["WP02", "WP03"]}, source="file")
    assert gate(line, where) == expected
    assert gate(move(from_lane, to_lane, facts={"dependencies": ["WP03"]}, source="git"), where) == ""


def test_a_dependency_is_a_work_package_that_is_known_and_another_one() -> None:
    unknown = refused(move("planned", "claimed", facts={"dependencies": ["WP77"]}), standing("planned"))
    assert unknown.gate == "dependencies"
    assert "WP77" in unknown.message
    itself = refused(move("planned", "claimed", facts={"dependencies": ["WP01"]}), standing("planned"))
    assert itself.gate == "dependencies"
    assert "itself" in itself.message


@pytest.mark.parametrize("value", [None, "WP02", [7], [""], {"WP02": True}])
def test_dependencies_that_cannot_be_understood_are_no_dependencies(value: object) -> None:
    assert gate(move("planned", "claimed", facts={"dependencies": value}), standing("planned")) == "facts"


def test_a_verdict_is_not_held_up_by_a_dependency() -> None:
    back = move("in_review", "in_progress", review_result=CHANGES, facts={"dependencies": ["WP02"]})
    assert gate(back, standing("in_review", WP02="in_progress")) == ""


@pytest.mark.parametrize("entered", [None, "research", "specify", "plan", "tasks", "implement", "review"])
def test_lanes_are_taken_in_their_phase(entered: str | None) -> None:
    working = entered in {"implement", "review"}
    nowhere = board(entered)
    assert gate(move("genesis", "planned"), nowhere) == ("" if working or entered == "tasks" else "phase")
    planned = board(entered, WP01="planned")
    for source in ("command", "file"):
        claimed = move("planned", "claimed", source=source, facts={})
        assert gate(claimed, planned) == ("" if working else "phase")
        assert gate(move("planned", "blocked", source=source), planned) == ("" if working else "phase")
    assert gate(move("planned", "claimed", source="git"), planned) == ""


def test_force_does_not_override_the_phase() -> None:
    forced = move("done", "planned", force=True, reason="so")
    assert gate(forced, board("plan", WP01="done")) == "phase"


@pytest.mark.parametrize("reviewer", ["ada", " Ada ", "ADA"])
@pytest.mark.parametrize(
    ("from_lane", "to_lane", "field"),
    [("in_review", "approved", "result"), ("in_review", "done", "result"), ("in_progress", "approved", "evidence")],
)
def test_approving_ones_own_work_is_recorded_or_refused(
    from_lane: str, to_lane: str, field: str, reviewer: str
) -> None:
    review = {**REVIEW, "reviewer": reviewer}
    said: dict[str, Any] = {"review_result": review} if field == "result" else {"evidence": {"review": review}}
    where = standing(from_lane)

    def ask(**facts: object) -> str:
        return gate(move(from_lane, to_lane, facts=facts, **said), where)

    assert ask() == "self-approval"
    assert ask(self_approval=False) == "self-approval"
    assert ask(self_approval=True) == ""
    assert ask(self_approval=True, policy_self_approval="record") == ""
    assert ask(self_approval=True, policy_self_approval="refuse") == "self-approval"
    assert gate(move(from_lane, to_lane, source="git", **said), where) == ""
    assert gate(move(from_lane, to_lane, source="file", **said), where) == ""
    line = move(from_lane, to_lane, source="file", facts={"policy_self_approval": "refuse"}, **said)
    assert gate(line, where) == "self-approval"


def test_another_reviewer_approves_under_any_policy() -> None:
    approved = move("in_review", "approved", review_result=REVIEW, facts={"policy_self_approval": "refuse"})
    assert gate(approved, standing("in_review")) == ""


def test_force_is_no_way_round_a_policy_that_asks_for_another_reviewer() -> None:
    def forced(actor: str, **said: Any) -> str:  # noqa: ANN401
        facts = {"policy_self_approval": "refuse"}
        asked = move("for_review", "done", force=True, reason="so", actor=actor, facts=facts, **said)
        return gate(asked, standing("for_review"))

    assert forced("ada") == "self-approval"
    assert forced("grace") == ""
    assert forced("grace", evidence={"review": {**REVIEW, "reviewer": "ada"}}) == "self-approval"


def test_sending_ones_own_work_back_approves_nothing() -> None:
    back = {**CHANGES, "reviewer": "ada"}
    facts = {"policy_self_approval": "refuse"}
    assert gate(move("in_review", "in_progress", review_result=back, facts=facts), standing("in_review")) == ""


def test_what_was_approved_is_not_approved_again_by_done() -> None:
    done = move("approved", "done", evidence={"review": {**REVIEW, "reviewer": "ada"}})
    assert gate(done, standing("approved")) == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"evidence": {"review": REVIEW}},
        {"evidence": {"review": REVIEW}, "review_ref": REVIEW["reference"]},
    ],
)
def test_older_releases_approve_by_evidence_alone(fields: dict[str, Any]) -> None:
    where = standing("in_review")
    assert gate(move("in_review", "approved", source="git", **fields), where) == ""
    assert gate(move("in_review", "approved", source="file", **fields), where) == ""
    assert gate(move("in_review", "approved", **fields), where) == "guard:review"


def test_older_releases_send_back_by_reference_alone() -> None:
    where = standing("in_review")
    assert gate(move("in_review", "planned", source="git", review_ref="feedback://1"), where) == ""
    assert (
        gate(move("in_review", "planned", source="git", review_ref="feedback://1", actor=""), where) == "guard:review"
    )
    assert gate(move("in_review", "approved", source="git", review_ref="feedback://1"), where) == "guard:review"
    assert gate(move("in_review", "planned", source="file", review_ref="feedback://1"), where) == ""
    assert gate(move("in_review", "planned", review_ref="feedback://1"), where) == "guard:review"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("from_lane", None), ("from_lane", "doing"), ("from_lane", ["planned"]), ("from_lane", "uninitialized"),
        ("to_lane", None), ("to_lane", "doing"), ("to_lane", "Planned"), ("to_lane", {}), ("to_lane", ""),
        ("actor", None), ("actor", 7), ("actor", {"tool": 7}), ("actor", ["ada"]),
        ("execution_mode", None), ("execution_mode", "unknown"), ("execution_mode", []),
        ("force", None), ("force", 1), ("force", "true"),
        ("reason", 7), ("reason", ["so"]), ("review_ref", {}), ("evidence", "yes"), ("evidence", []),
        ("review_result", "approved"), ("review_result", True),
        ("wp_id", None), ("wp_id", ""), ("mission_slug", None), ("mission_slug", 7),
    ],
)  # fmt: skip
@pytest.mark.parametrize("source", EVERY)
def test_a_field_of_the_wrong_kind_is_refused(field: str, value: object, source: str) -> None:
    whole = move("planned", "claimed", source=source)
    asked = event(whole.event_type, whole.stream, {**whole.payload, field: value}, whole.metadata)
    refusal = refused(asked, standing("planned"))
    assert refusal.gate == "payload"
    assert field in refusal.message


@pytest.mark.parametrize("field", ["mission_slug", "wp_id", "from_lane", "to_lane", "actor", "execution_mode", "force"])
def test_a_field_that_is_missing_is_refused(field: str) -> None:
    whole = move("planned", "claimed")
    payload = {name: value for name, value in whole.payload.items() if name != field}
    assert gate(event(whole.event_type, whole.stream, payload, whole.metadata), standing("planned")) == "payload"


def test_absent_optional_fields_are_read_as_null() -> None:
    whole = move("planned", "claimed")
    optional = {"reason", "review_ref", "evidence"}
    payload = {name: value for name, value in whole.payload.items() if name not in optional}
    assert gate(event(whole.event_type, whole.stream, payload, whole.metadata), standing("planned")) == ""


@pytest.mark.parametrize(
    "stream",
    [
        "feature-001-home", "audit-main", "workPackage-001-home", "workPackage-001-home/", "workPackage-/WP01",
        "workPackage-001-home/WP02", "workPackage-002-away/WP01", "workPackage-001-home/x/WP01", "workPackage", "",
        "other-001-home/WP01",
    ],
)  # fmt: skip
def test_a_move_lies_in_the_stream_of_its_work_package(stream: str) -> None:
    asked = move("genesis", "planned")
    assert gate(event(asked.event_type, stream, asked.payload, asked.metadata), board()) == "stream"


def test_a_move_belongs_to_the_feature_of_its_stream() -> None:
    asked = move("genesis", "planned")
    metadata = {**asked.metadata, "feature": "002-away"}
    assert gate(event(asked.event_type, asked.stream, asked.payload, metadata), board()) == "stream"


def test_history_is_not_judged() -> None:
    assert gate(move("genesis", "done", source="adoption"), board(None)) == ""
    assert gate(move("planned", "nowhere", source="adoption"), board(None)) == ""
    assert gate(event("StatusLineRecorded", "feature-a/b", {}, {"source": "adoption"}), board(None)) == ""


def test_what_stands_beside_the_payload_can_be_folded() -> None:
    asked = move("genesis", "planned")
    oddities: tuple[dict[str, Any], ...] = (
        {"sanctions": []},
        {"sanctions": {"meta.json": 7}},
        {"line": 7},
        {"line": ["a"]},
    )
    for beside in oddities:
        metadata = {**asked.metadata, **beside}
        assert gate(event(asked.event_type, asked.stream, asked.payload, metadata), board()) == "payload"
    metadata = {**asked.metadata, "sanctions": {f"kitty-specs/{FEATURE}/meta.json": "0" * 64}}
    assert gate(event(asked.event_type, asked.stream, asked.payload, metadata), board()) == ""


def test_a_line_that_git_brought_sanctions_nothing() -> None:
    asked = move("genesis", "planned", source="git")
    metadata = {**asked.metadata, "sanctions": {"kitty-specs/001-home/meta.json": "0" * 64}}
    assert gate(event(asked.event_type, asked.stream, asked.payload, metadata), board()) == "payload"
