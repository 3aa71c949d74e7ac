from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitty_guardian.model.lanes import Lane
from kitty_guardian.project.statuslog import LOG_LIMIT, StatusLog, read_status_log
from support.repositories import transition

PATH = "kitty-specs/001-one/status.events.jsonl"


def read(*lines: str) -> StatusLog:
    return read_status_log("".join(f"{line}\n" for line in lines).encode(), PATH)


def lanes(log: StatusLog) -> dict[str, Lane | None]:
    return {name: standing.lane for name, standing in log.standings.items()}


def problems(log: StatusLog) -> list[tuple[int | None, str]]:
    assert all(problem.path == PATH for problem in log.problems)
    return [(problem.line, problem.message) for problem in log.problems]


def lane_of(*lines: str) -> Lane | None:
    log = read(*lines)
    assert log.problems == ()
    return log.standings["WP01"].lane


def asks(*lines: str) -> bool:
    log = read(*lines)
    assert log.problems == ()
    return log.standings["WP01"].changes_requested


def test_the_last_lane_by_time_wins_whatever_the_order_of_lines() -> None:
    first, second, third = (transition("WP01", lane, number=n) for n, lane in enumerate(["claimed", "done", "blocked"]))

    assert lane_of(third, first, second) is Lane.BLOCKED
    assert read(third, first, second).standings["WP01"].line == 1


def test_equal_times_are_ordered_by_event_id() -> None:
    one = transition("WP01", "claimed", event_id="A", at="t")
    two = transition("WP01", "in_progress", event_id="B", at="t")

    assert lane_of(one, two) is lane_of(two, one) is Lane.IN_PROGRESS


@pytest.mark.parametrize(
    "rollback",
    [
        {"from_lane": "in_review"},
        {"from_lane": "for_review", "review_ref": "feedback://WP01"},
        {"from_lane": "for_review", "review_ref": ""},
    ],
)
@pytest.mark.parametrize("event_id", ["A", "Z"])
def test_a_rollback_beats_what_happened_at_the_same_time(rollback: dict[str, Any], event_id: str) -> None:
    back = transition("WP01", "in_progress", at="t", **({"event_id": event_id} | rollback))
    forth = transition("WP01", "done", event_id="M", at="t", from_lane="in_review")

    assert lane_of(back, forth) is lane_of(forth, back) is Lane.IN_PROGRESS


def test_leaving_for_review_without_a_reference_is_no_rollback() -> None:
    back = transition("WP01", "in_progress", event_id="A", at="t", from_lane="for_review")
    forth = transition("WP01", "done", event_id="M", at="t", from_lane="for_review")

    assert lane_of(back, forth) is Lane.DONE


def test_old_logs_are_not_judged_by_todays_matrix() -> None:
    assert (
        lane_of(transition("WP01", "done"), transition("WP01", "planned", number=1, from_lane="blocked"))
        is Lane.PLANNED
    )


def test_times_are_compared_as_text_as_upstream_does() -> None:
    zulu = transition("WP01", "claimed", event_id="A", at="2026-03-01T10:00:00Z")
    offset = transition("WP01", "done", event_id="B", at="2026-03-01T10:00:00+00:00")

    assert lane_of(zulu, offset) is Lane.CLAIMED


def test_lines_of_other_known_kinds_are_passed_over() -> None:
    log = read(
        "",
        "   ",
        json.dumps({"kind": "annotation", "delta": {"note": "x"}, "wp_id": "WP01", "event_id": "A", "at": "t"}),
        json.dumps({"event_type": "WPCreated", "aggregate_id": "WP05", "aggregate_type": "WorkPackage", "payload": {}}),
        json.dumps({"event_type": "DecisionPointOpened", "payload": {}}),
        json.dumps({"event_type": "PhaseEntered", "aggregate_id": "x"}),
        json.dumps({"event_type": "Surprise"}),
        transition("WP05", "done", number=1, event_type="WPMoved"),
        json.dumps({"event_name": "retrospective.completed", "at": "t"}),
        json.dumps({"type": "RetrospectiveSkipped"}),
        transition("WP02", "claimed"),
    )

    assert problems(log) == []
    assert lanes(log) == {"WP02": Lane.CLAIMED}
    assert log.standings["WP02"].line == 11


def test_actors_may_be_mappings_and_ids_may_stand_under_the_old_name() -> None:
    event = json.loads(transition("WP01", "claimed", actor={"role": "x", "profile": "y", "tool": "z", "model": "m"}))
    event["work_package_id"] = event.pop("wp_id")

    assert lane_of(json.dumps(event)) is Lane.CLAIMED


def test_a_byte_order_mark_crlf_and_a_missing_last_line_end_are_fine() -> None:
    data = (
        b"\xef\xbb\xbf"
        + transition("WP01", "claimed").encode()
        + b"\r\n"
        + transition("WP02", "done").replace("00000000", "00000001").encode()
    )

    log = read_status_log(data, PATH)

    assert problems(log) == []
    assert lanes(log) == {"WP01": Lane.CLAIMED, "WP02": Lane.DONE}


GOOD = transition("WP01", "claimed")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is not JSON: "),
        ("<<<<<<< HEAD", "is a marker of an unresolved merge conflict"),
        ("=======", "is a marker of an unresolved merge conflict"),
        ("||||||| 1a2b3c", "is a marker of an unresolved merge conflict"),
        (">>>>>>> theirs\r", "is a marker of an unresolved merge conflict"),
        ("========", "is not JSON: "),
        ('{"a": NaN}', "is not JSON: NaN is no JSON value"),
        ('{"a": ' + "9" * 5000 + "}", "is not JSON: "),
        ("[" * 100_000, "is not JSON: "),
        ('{"a": "\0"}', "is not JSON: "),
        ("[1]", "is not a JSON object"),
        ("null", "is not a JSON object"),
        ('{"kind": "surprise"}', "is of the unknown kind 'surprise'"),
        ('{"kind": ["annotation"]}', "is of the unknown kind ['annotation']"),
        ('{"hello": "world"}', "is neither a lane transition nor of another known kind"),
        ('{"type": "Other", "event_name": 3}', "is neither a lane transition nor of another known kind"),
        (transition("WP01", "doing", number=1), "enters the unknown lane 'doing'"),
        (transition("WP01", "Done", number=1), "enters the unknown lane 'Done'"),
        (transition("WP01", "genesis", number=1), "enters the unknown lane 'genesis'"),
        (transition("WP01", "done", number=1, from_lane="nowhere"), "leaves the unknown lane 'nowhere'"),
        (transition("WP01", "done", number=1, from_lane=None), "leaves the unknown lane None"),
        (transition("WP01", "", number=1), "enters the unknown lane ''"),
        (transition("WP01", "done", number=1, at=3), "has no text under 'at'"),
        (transition("WP01", "done", event_id=""), "has no text under 'event_id'"),
        (transition("WP 01", "done", number=1), "moves 'WP 01', which is no work package id"),
        (transition("", "done", number=1), "moves '', which is no work package id"),
        (transition("WP01\n", "done", number=1), r"moves 'WP01\n', which is no work package id"),
        (transition("x" * 65, "done", number=1), f"moves '{'x' * 65}', which is no work package id"),
        (transition("WP01", "done", number=1, wp_id=1), "moves 1, which is no work package id"),
        (transition("WP01", "done", number=1, wp_id=None), "moves None, which is no work package id"),
        (transition("WP01", "done"), "repeats event 01KJM21FXF8MHPHQ4800000000 of line 1; left out"),
        (GOOD, "repeats event 01KJM21FXF8MHPHQ4800000000 of line 1; left out"),
    ],
)
def test_a_line_that_cannot_be_understood_is_reported_and_left_out(line: str, message: str) -> None:
    log = read(GOOD, line, transition("WP02", "done", number=9))

    ((number, found),) = problems(log)
    assert number == 2
    assert found.startswith(message)
    assert lanes(log) == {"WP01": Lane.CLAIMED, "WP02": Lane.DONE}


@pytest.mark.parametrize("name", ["../x", "WP01-login", "T1", "1", "é", "x" * 64])
def test_any_name_without_white_space_names_a_work_package(name: str) -> None:
    log = read(GOOD, transition(name, "for_review", number=1))

    assert problems(log) == []
    assert log.whole
    assert lanes(log) == {"WP01": Lane.CLAIMED, name: Lane.FOR_REVIEW}


@pytest.mark.parametrize("name", ["", "WP 01", "WP01\n", "WP\u00a001", "WP\x7f", "\x1b[2J", "x" * 65])
def test_a_line_that_names_no_work_package_may_have_moved_any(name: str) -> None:
    log = read(GOOD, transition(name, "for_review", number=1))

    assert not log.whole
    assert log.doubts("WP01")
    assert log.doubts("WP99")


def test_a_line_that_is_not_utf8_is_reported() -> None:
    log = read_status_log(GOOD.encode() + b'\n{"a": "\xff"}\n', PATH)

    assert problems(log) == [(2, "is not UTF-8")]


def test_a_last_line_that_is_cut_off_is_called_so() -> None:
    log = read_status_log(f"{GOOD}\n{transition('WP01', 'done', number=1)[:-20]}".encode(), PATH)

    ((number, message),) = problems(log)
    assert number == 2
    assert message.endswith("(the last line is cut off)")
    assert lanes(log) == {"WP01": Lane.CLAIMED}


def test_a_log_that_is_too_long_is_reported_not_read() -> None:
    assert problems(read_status_log(b"\n" * (LOG_LIMIT + 1), PATH)) == [(None, "is longer than 8 MiB and was not read")]


def test_many_problems_are_counted_not_listed() -> None:
    log = read(*["nonsense"] * 1000)

    assert len(log.problems) == 21
    assert problems(log)[-1] == (None, "has 980 more lines with problems")


REVIEWED = {"from_lane": "in_review"}
ASKING = REVIEWED | {"review_result": {"reviewer": "bo", "verdict": "changes_requested", "reference": "x"}}


@pytest.mark.parametrize(
    "fields",
    [
        ASKING,
        REVIEWED | {"review_result": {"verdict": " Rejected "}},
        REVIEWED | {"evidence": {"review": {"verdict": "changes_requested"}}},
        REVIEWED | {"review_ref": "feedback://001-one/WP01"},
        REVIEWED | {"review_ref": "review-cycle://001-one/WP01/1"},
    ],
)
def test_a_verdict_that_asks_for_changes_stands_until_the_next_for_review(fields: dict[str, Any]) -> None:
    back = transition("WP01", "in_progress", number=1, **fields)

    assert asks(back)
    assert asks(back, transition("WP01", "planned", number=2))
    assert not asks(back, transition("WP01", "for_review", number=2))
    assert not asks(back, transition("WP01", "for_review", number=2), transition("WP01", "in_review", number=3))


@pytest.mark.parametrize("reference", ["feedback://001-one/WP01", "review-cycle://001-one/WP01/1"])
@pytest.mark.parametrize("lane", ["in_progress", "planned"])
def test_findings_ask_for_changes_when_the_review_was_claimed_as_in_progress(lane: str, reference: str) -> None:
    claim = transition("WP01", "in_progress", number=1, from_lane="for_review", review_ref="action-review-claim")

    assert not asks(claim)
    assert asks(claim, transition("WP01", lane, number=2, from_lane="in_progress", review_ref=reference))


@pytest.mark.parametrize(
    "reference",
    [
        "/var/folders/x/review.md",
        "kitty-specs/001-one/tasks/WP01/review-cycle-1.md",
        r"C:\Temp\findings.txt",
        "review-cycle-1.md",
        "feedback:WP01",
        "review-cycle:1",
    ],
)
def test_findings_of_any_form_ask_for_changes_where_work_goes_back_from_a_review(reference: str) -> None:
    assert asks(transition("WP01", "planned", from_lane="for_review", review_ref=reference))
    assert asks(transition("WP01", "in_progress", from_lane="approved", review_ref=reference))
    assert not asks(transition("WP01", "done", from_lane="in_review", review_ref=reference))


@pytest.mark.parametrize("lane", ["approved", "done", "canceled"])
def test_a_finished_work_package_has_no_changes_requested(lane: str) -> None:
    assert not asks(transition("WP01", "planned", number=1, **ASKING), transition("WP01", lane, number=2))


def test_a_later_verdict_that_approves_clears_it() -> None:
    cleared = transition("WP01", "in_progress", number=2, evidence={"review": {"verdict": "approved"}})

    assert not asks(transition("WP01", "planned", number=1, **ASKING), cleared)


@pytest.mark.parametrize(
    "fields",
    [
        {"review_ref": "action-review-claim"},
        {"review_ref": "force-override"},
        {"review_ref": "planner-review-claim"},
        {"review_ref": "auto-approval:kitty-specs/001-one/tasks/WP01/review-cycle-1.md"},
        {"review_ref": "lane-approved:lane-a/WP01"},
        {"review_ref": "approved"},
        {"review_ref": ""},
        {"review_ref": ["feedback://x"]},
        {"review_result": "changes_requested"},
        {"review_result": {"verdict": " "}},
        {"review_result": {"verdict": 3}},
        {"evidence": []},
    ],
)
def test_claims_of_a_review_and_nonsense_ask_for_nothing(fields: dict[str, Any]) -> None:
    assert not asks(transition("WP01", "in_progress", from_lane="for_review", **fields))


def annotation(number: int, **delta: object) -> str:
    event = {
        "kind": "annotation",
        "wp_id": "WP01",
        "at": f"2026-04-01T10:00:{number:02}+00:00",
        "event_id": f"N{number}",
    }
    return json.dumps({**event, "delta": delta})


def runtime(*lines: str) -> dict[str, Any]:
    """What is noted about WP01, whichever order the lines are in."""
    log, reversed_log = read(*lines), read(*reversed(lines))
    assert log.problems == reversed_log.problems == ()
    assert log.standings["WP01"].runtime == reversed_log.standings["WP01"].runtime
    return dict(log.standings["WP01"].runtime)


def test_the_latest_annotation_wins_and_an_empty_one_does_not() -> None:
    found = runtime(GOOD, annotation(1, agent="a", model="m"), annotation(2, agent="b", model="", role=None))

    assert found == {"agent": "b", "model": "m", "role": None}


def test_notes_and_references_and_subtasks_are_gathered() -> None:
    found = runtime(
        GOOD,
        annotation(1, note="one", tracker_refs=["A"], subtasks={"T001": "doing"}),
        annotation(2, note="two", tracker_refs=["B", "A"], subtasks={"T002": "done"}),
    )

    assert found == {"notes": ["one", "two"], "tracker_refs": ["A", "B"], "subtasks": {"T001": "doing", "T002": "done"}}
    assert runtime(GOOD, annotation(1, tracker_refs=["A"]), annotation(2, tracker_refs_replace=["B"])) == {
        "tracker_refs": ["B"]
    }


def test_a_claim_says_who_works_and_an_annotation_or_a_release_overrules_it() -> None:
    claim = transition("WP01", "claimed", policy_metadata={"agent": "a", "shell_pid": 7, "other": 1})

    assert runtime(claim) == {"agent": "a", "shell_pid": 7}
    assert runtime(claim, annotation(1, agent="b")) == {"agent": "b", "shell_pid": 7}
    released = runtime(claim, annotation(1, release_runtime_claim=True))
    assert (released["agent"], released["shell_pid"]) == (None, None)


def test_what_grows_grows_by_what_has_its_shape_and_anything_else_stands_as_it_is() -> None:
    mapping = {"tracker": "x", "id": 3}
    found = runtime(
        GOOD,
        annotation(1, tracker_refs=[mapping, "A", {"id": 3, "tracker": "x"}], note={"text": "one"}),
        annotation(2, tracker_refs="B", subtasks=["T001"], note=["two"]),
    )

    assert found == {
        "notes": [{"text": "one"}, ["two"]],
        "tracker_refs": [mapping, "A"],
        "subtasks": ["T001"],
    }
    assert runtime(GOOD, annotation(1, tracker_refs=["A"]), annotation(2, tracker_refs_replace=[])) == {
        "tracker_refs": []
    }


def test_annotations_move_nothing_and_make_no_work_package() -> None:
    assert read(annotation(1, lane="done")).standings == {}
    assert lane_of(GOOD, annotation(1, lane="done", to_lane="done")) is Lane.CLAIMED


def test_a_verdict_may_be_noted_instead_of_moved() -> None:
    reviewed = annotation(1, review_result={"reviewer": "bo", "verdict": "changes_requested"})

    assert asks(GOOD, reviewed)
    assert not asks(GOOD, reviewed, annotation(2, review_result={"verdict": "approved"}))
    assert not asks(GOOD, reviewed, transition("WP01", "for_review", number=3, at="2026-05-01"))


def test_who_moved_it_when_and_how_often_by_force_is_told() -> None:
    actor = {"role": "implementer", "profile": "p", "tool": "t", "model": "m"}
    log = read(
        transition("WP01", "claimed", force=True),
        transition("WP01", "planned", number=1, force="yes"),
        transition("WP01", "done", number=2, force=True, actor=actor),
    )
    found = log.standings["WP01"]

    assert (found.actor, found.force_count, found.line) == (actor, 2, 3)
    assert (found.at, found.event_id) == ("2026-03-01T10:00:02.000001+00:00", "01KJM21FXF8MHPHQ4800000002")


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Distinct transitions of three work packages at few times, and a shuffled copy with repeated lines."""
    count = draw(st.integers(1, 12))
    lines = [
        transition(
            draw(st.sampled_from(["WP01", "WP02", "WP03"])),
            draw(st.sampled_from([lane.value for lane in Lane])),
            number=number,
            at=draw(st.sampled_from(["a", "b", "c"])),
            from_lane=draw(st.sampled_from(["in_review", "for_review", "planned"])),
            review_ref=draw(st.none() | st.just("feedback://x")),
        )
        for number in range(count)
    ]
    return lines, draw(st.permutations(lines + draw(st.lists(st.sampled_from(lines), max_size=3))))


@given(logs())
def test_neither_the_order_of_lines_nor_repeating_them_matters(both: tuple[list[str], list[str]]) -> None:
    def standings(lines: list[str]) -> dict[str, tuple[Lane | None, bool]]:
        found = read(*lines).standings
        return {name: (standing.lane, standing.changes_requested) for name, standing in found.items()}

    assert standings(both[0]) == standings(both[1])


@given(st.binary(max_size=400))
def test_no_bytes_make_it_crash(data: bytes) -> None:
    log = read_status_log(data, PATH)

    assert log.standings == {}


@given(
    st.dictionaries(
        st.sampled_from(
            ["kind", "from_lane", "to_lane", "at", "event_id", "wp_id", "event_type", "payload", "type", "evidence"]
        ),
        st.recursive(st.none() | st.booleans() | st.text(max_size=4) | st.sampled_from(["done", "WP01"]), st.lists),
    )
)
def test_no_json_makes_it_crash(event: dict[str, Any]) -> None:
    read(json.dumps(event))
