"""Lines that others wrote are held to the rules one by one; what they add up to is what every reader folds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.events.interchange.ours import FEATURE, STORY, entered, moved, standing_of, ulid
from kitty_guardian.errors import VersionConflict
from kitty_guardian.events.board import Board, FeatureStanding
from kitty_guardian.events.importing import Judged, judge
from kitty_guardian.events.lines import NO_LINE, render, unknown
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.model.events import Event, Source, feature_stream, work_package_stream
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.statuslog import read_status_log

FACTS: Mapping[str, Mapping[str, Any]] = {
    "WP01": {"dependencies": [], "workspace": "/repo/WP01", "subtasks_open": [], "implementation": {"commits": 1}},
    "WP02": {"dependencies": ["WP01"], "workspace": "/repo/WP02", "subtasks_open": [], "implementation": None},
    "plan": {"gate": {"artifact": "spec.md", "edited": True}},
    "tasks": {"gate": {"artifact": "plan.md", "edited": True}},
    "implement": {"gate": {"work_packages": 2, "problems": []}},
}
PLANNED = STORY[:3]
REVIEW = {"review": {"reviewer": "grace", "verdict": "approved", "reference": "PR#1"}}


class Place:
    """A store with some of the story in it, and what lines come to there."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteEventStore(path / "events.db", validators=())
        self.strict = SqliteEventStore(path / "events.db")

    def tell(self, *events: Event) -> Place:
        """Record events that commands asked for."""
        for event in events:
            bare = attrs.evolve(event, stream="")
            self.store.append(event.stream, [bare], expected_version=self.store.version(event.stream))
        return self

    @property
    def board(self) -> Board:
        return Board(self.store.read_all())

    @property
    def standing(self) -> FeatureStanding:
        return self.board.feature(FEATURE)

    def judge(
        self, *lines: bytes, source: Source = Source.GIT, facts: Mapping[str, Mapping[str, Any]] = FACTS
    ) -> Judged:
        numbered = tuple(enumerate(lines, start=1))
        return judge(
            FEATURE,
            numbered,
            self.board,
            source=source,
            facts_of=lambda name: facts.get(name, {}),
            is_taken=self.store.has,
        )

    def take(self, *lines: bytes, source: Source = Source.GIT) -> Judged:
        """Judge lines and commit what is accepted, under the law."""
        judged = self.judge(*lines, source=source)
        self.strict.commit(judged.writes)
        return judged


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    found.store.close()
    found.strict.close()


def line(event: Event, **fields: Any) -> bytes:  # noqa: ANN401 - JSON
    """The line of an event, as another clone or another tool writes it."""
    return json.dumps(json.loads(render(event, previous=NO_LINE)) | fields, sort_keys=True).encode()


CLAIM = line(moved("WP01", "planned", "claimed", 10))
START = line(moved("WP01", "claimed", "in_progress", 11))


def gates(judged: Judged) -> list[tuple[int, str]]:
    return [(refused.number, refused.gate) for refused in judged.refused]


# What arrives is taken over


@pytest.mark.parametrize("source", [Source.GIT, Source.FILE])
def test_legal_moves_are_imported_with_what_they_say(place: Place, source: Source) -> None:
    place.tell(*STORY)
    given_ = line(moved("WP01", "in_progress", "for_review", 12), policy_metadata={"gate": 1}, mission_id="01M")
    judged = place.take(given_, source=source)
    event = list(place.store.read_all())[-1]

    assert judged.refused == ()
    assert place.standing.lanes()["WP01"] is Lane.FOR_REVIEW
    assert event.event_id == ulid(12)
    assert event.metadata["source"] == source.value
    assert event.metadata["fields"] == {"policy_metadata": {"gate": 1}, "mission_id": "01M"}
    assert event.metadata["facts"] == FACTS["WP01"]
    assert unknown(given_ + b"\n", place.standing) == ()


def test_the_first_claim_of_another_tool_enters_implement_first(place: Place) -> None:
    place.tell(*PLANNED)
    judged = place.take(CLAIM, START)

    assert judged.refused == ()
    assert [write.stream for write in judged.writes] == [
        feature_stream(FEATURE), work_package_stream(FEATURE, "WP01")
    ]  # fmt: skip
    assert place.standing.entered is Phase.IMPLEMENT
    assert place.standing.lanes()["WP01"] is Lane.IN_PROGRESS


def test_every_phase_that_another_tool_skipped_is_entered_one_by_one(place: Place) -> None:
    place.tell(entered("specify", 0))
    seed = line(moved("WP01", "genesis", "planned", 9))
    judged = place.take(seed, CLAIM, source=Source.FILE)

    assert judged.refused == ()
    phases = [event.payload["phase"] for event in place.store.read(feature_stream(FEATURE))]
    assert phases == ["specify", "plan", "tasks", "implement"]


def test_no_phase_is_entered_for_a_move_that_is_not_made(place: Place) -> None:
    place.tell(*PLANNED)
    unwritten = {**FACTS, "implement": {"gate": {"work_packages": 0, "problems": ["WP01 has no title"]}}}

    for lines, facts in (((line(moved("WP01", "for_review", "in_review", 9)),), FACTS), ((CLAIM,), unwritten)):
        judged = place.judge(*lines, source=Source.FILE, facts=facts)
        assert judged.writes == ()
        assert len(judged.refused) == 1


def test_a_phase_that_a_teammate_entered_is_imported(place: Place) -> None:
    place.tell(*PLANNED)
    judged = place.take(line(entered("implement", 9, "tasks")), CLAIM)

    assert judged.refused == ()
    assert [event.event_type for event in place.store.read(feature_stream(FEATURE))] == ["PhaseEntered"] * 2
    assert place.standing.phase() is Phase.IMPLEMENT


def test_a_phase_that_skips_one_is_refused(place: Place) -> None:
    place.tell(entered("specify", 0))

    assert gates(place.judge(line(entered("tasks", 9, "specify")))) == [(1, "one-step")]


@pytest.mark.parametrize(
    "there",
    [entered("implement", 9, "tasks"), entered("research", 9), entered("tasks", 9)],
    ids=["the same", "a beginning", "another adoption"],
)
def test_where_another_clone_stood_changes_nothing_here(place: Place, there: Event) -> None:
    place.tell(*STORY)
    judged = place.take(line(there))

    assert judged.refused == ()
    assert place.standing.entered is Phase.IMPLEMENT
    assert unknown(line(there) + b"\n", place.standing) == ()


@pytest.mark.parametrize(
    "note",
    [
        b'{"event_type": "WPCreated", "event_id": "n", "aggregate_type": "WorkPackage", "payload": {}}',
        b'{"kind": "annotation", "wp_id": "WP01", "at": "2026", "event_id": "n", "delta": {"note": "x"}}',
        b'{"type": "RetrospectiveCaptured", "event_id": "n"}',
        b'{"event_name": "retrospective.saved", "event_id": "n"}',
        b'{"event_name": "something.new"}',
        b'{"event_type": "PhaseEntered", "event_id": "n", "payload": {"phase": "review"}}',
    ],
    ids=lambda note: note[:40].decode(),
)
@pytest.mark.parametrize("source", [Source.GIT, Source.FILE])
def test_lines_that_move_nothing_are_recorded_as_such(place: Place, note: bytes, source: Source) -> None:
    place.tell(*STORY)
    before = place.standing.lanes(), place.standing.entered
    assert place.take(note, source=source).refused == ()

    assert (place.standing.lanes(), place.standing.entered) == before
    assert unknown(note, place.standing) == ()


def test_lines_of_ours_and_lines_that_are_known_are_passed_over(place: Place) -> None:
    place.tell(*STORY)
    note = b'{"event_type": "TasksStarted"}'
    place.take(note)
    judged = place.judge(*(render(event, previous="ab" * 32) for event in STORY), note, note)

    assert judged == Judged((), ())


def test_a_line_that_stands_there_twice_is_imported_once(place: Place) -> None:
    place.tell(*STORY)
    handed_in = line(moved("WP01", "in_progress", "for_review", 12))

    assert place.take(handed_in, b" " + handed_in).refused == ()
    assert place.store.version(work_package_stream(FEATURE, "WP01")) == 3


def test_moves_count_in_the_order_of_their_times_not_of_the_file(place: Place) -> None:
    place.tell(*PLANNED)

    assert place.take(START, CLAIM).refused == ()
    assert place.standing.lanes()["WP01"] is Lane.IN_PROGRESS


# Refused


@pytest.mark.parametrize(
    ("given_", "gate"),
    [
        (b"{", "line"),
        (b"<<<<<<< HEAD", "line"),
        (b'{"kind": "unheard of", "event_id": "x"}', "line"),
        (line(moved("WP01", "in_progress", "nowhere", 12)), "line"),
        (line(moved("WP01", "in_progress", "for_review", 12), at="yesterday"), "line"),
        (line(moved("WP01", "in_progress", "for_review", 12), reason="x" * (2 << 20)), "line"),
        (line(moved("WP01", "in_progress", "for_review", 12), mission_slug="001-other"), "stream"),
        (line(moved("WP01", "in_progress", "done", 12)), "matrix"),
        (line(moved("WP01", "planned", "claimed", 12)), "continuity"),
        (line(moved("WP09", "claimed", "in_progress", 12)), "continuity"),
        (line(moved("WP01", "in_progress", "done", 12, force=True)), "force"),
        (line(moved("WP01", "in_progress", "for_review", 4)), "event-id"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:30].decode(),
)
def test_what_breaks_a_rule_is_refused_with_its_gate(place: Place, given_: bytes, gate: str) -> None:
    place.tell(*STORY)
    judged = place.judge(given_)

    assert (judged.writes, gates(judged)) == ((), [(1, gate)])
    assert judged.refused[0].raw == given_
    assert judged.refused[0].reason


def test_the_rest_is_accepted_and_the_refused_come_in_the_order_of_the_file(place: Place) -> None:
    place.tell(*STORY)
    bad = line(moved("WP02", "claimed", "in_progress", 20))
    judged = place.take(b"{", bad, line(moved("WP01", "in_progress", "for_review", 12)), b"]")

    assert gates(judged) == [(1, "line"), (2, "continuity"), (4, "line")]
    assert place.standing.lanes()["WP01"] is Lane.FOR_REVIEW


def test_what_follows_from_a_refused_move_is_refused_too(place: Place) -> None:
    place.tell(*STORY)
    skipped = line(moved("WP02", "planned", "in_progress", 20))
    after = line(moved("WP02", "in_progress", "for_review", 21))

    assert gates(place.judge(skipped, after)) == [(1, "matrix"), (2, "continuity")]


def test_a_rewritten_line_does_not_pass_under_the_id_of_an_imported_one(place: Place) -> None:
    place.tell(*STORY)
    first = line(moved("WP01", "in_progress", "for_review", 12))
    place.take(first)
    second = line(moved("WP01", "for_review", "canceled", 12))

    assert gates(place.judge(second)) == [(1, "event-id")]


def test_of_two_lines_with_one_id_the_first_in_the_file_counts_as_for_every_reader(place: Place) -> None:
    place.tell(*STORY)
    later = line(moved("WP01", "in_progress", "for_review", 30), event_id=ulid(12))
    earlier = line(moved("WP01", "in_progress", "canceled", 12))

    assert gates(place.take(later, earlier)) == [(2, "event-id")]
    assert place.standing.lanes()["WP01"] is Lane.FOR_REVIEW


def test_a_written_line_needs_facts_and_one_that_git_brought_does_not(place: Place) -> None:
    place.tell(*STORY)
    claim = line(moved("WP02", "planned", "claimed", 12))

    assert gates(place.judge(claim, source=Source.FILE)) == [(1, "dependencies")]
    assert gates(place.judge(claim, source=Source.FILE, facts={})) == [(1, "facts")]
    assert gates(place.judge(claim, source=Source.GIT, facts={})) == []


# Late lines


def test_a_teammates_line_that_is_older_than_the_last_move_takes_no_effect(place: Place) -> None:
    place.tell(*STORY)
    late = line(moved("WP01", "in_progress", "for_review", 4), event_id=ulid(80))
    judged = place.take(late)

    assert judged.refused == ()
    assert place.standing.lanes()["WP01"] is Lane.IN_PROGRESS
    assert unknown(late, place.standing) == ()


def test_a_line_written_here_cannot_be_older_than_the_last_move(place: Place) -> None:
    place.tell(*STORY)
    backdated = line(moved("WP01", "in_progress", "for_review", 4), event_id=ulid(80))

    assert gates(place.judge(backdated, source=Source.FILE)) == [(1, "order")]


def test_two_clones_that_claimed_at_once_agree_with_whoever_folds_both_lines(place: Place) -> None:
    place.tell(*STORY[:3])
    place.tell(entered("implement", 5, "tasks"), moved("WP01", "planned", "claimed", 11, actor="here"))
    theirs = [
        line(moved("WP01", "planned", "claimed", 10, actor="there"), event_id=ulid(60)),
        line(moved("WP01", "claimed", "in_progress", 12, actor="there"), event_id=ulid(61)),
    ]
    assert place.take(*theirs).refused == ()

    ours = [render(event, previous=NO_LINE) for event in place.standing.own.values()]
    folded = read_status_log(b"\n".join([*ours, *theirs]), "log").standings
    assert {name: standing.lane for name, standing in folded.items()} == place.standing.lanes()


# Optimistic


def test_what_was_judged_on_an_old_board_is_not_written(place: Place) -> None:
    place.tell(*STORY)
    judged = place.judge(line(moved("WP01", "in_progress", "for_review", 12)))
    place.tell(moved("WP01", "in_progress", "canceled", 13))

    with pytest.raises(VersionConflict):
        place.strict.commit(judged.writes)


def test_the_board_that_is_asked_stays_as_it_was(place: Place) -> None:
    place.tell(*PLANNED)
    board = place.board
    before = repr(board.feature(FEATURE))
    judge(FEATURE, [(1, CLAIM), (2, START)], board, source=Source.GIT, facts_of=lambda _: {})

    assert repr(board.feature(FEATURE)) == before


# Whatever arrives

NEXT: Mapping[str, tuple[str, ...]] = {
    "genesis": ("planned", "canceled"),
    "planned": ("claimed", "blocked", "canceled"),
    "claimed": ("in_progress", "blocked"),
    "in_progress": ("for_review", "planned", "blocked"),
    "for_review": ("in_review", "canceled"),
    "in_review": ("approved", "in_progress", "planned"),
    "approved": ("done",),
    "blocked": ("in_progress",),
}


def _fields(from_lane: str, to_lane: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"reason": "so it was"}
    if from_lane == "in_review":
        verdict = "approved" if to_lane == "approved" else "changes_requested"
        fields["review_result"] = {"reviewer": "grace", "verdict": verdict, "reference": "PR#1"}
    return fields | ({"evidence": REVIEW} if to_lane in {"approved", "done"} else {})


@st.composite
def teammates_lines(draw: st.DrawFn) -> list[bytes]:
    """Legal moves of three work packages on another machine, in any order of lines, some of them twice."""
    lanes = dict.fromkeys(("WP01", "WP02", "WP03"), "genesis")
    lines: list[bytes] = []
    for number in range(100, 100 + draw(st.integers(1, 25))):
        open_ = [name for name, lane in lanes.items() if lane in NEXT]
        if not open_:
            break
        name = draw(st.sampled_from(open_))
        here, there = lanes[name], draw(st.sampled_from(NEXT[lanes[name]]))
        lines.append(line(moved(name, here, there, number, **_fields(here, there))))
        lanes[name] = there
    lines += draw(st.lists(st.sampled_from(lines), max_size=3))
    return draw(st.permutations(lines))


@settings(max_examples=60, deadline=None)
@given(teammates_lines())
def test_whatever_legal_lines_arrive_in_whatever_order_the_board_is_what_readers_fold(lines: list[bytes]) -> None:
    standing = standing_of(entered("tasks", 0))
    board = Board()
    board.features[FEATURE] = standing
    judged = judge(FEATURE, enumerate(lines), board, source=Source.GIT, facts_of=lambda _: {})
    assert judged.refused == ()

    versions = {feature_stream(FEATURE): 0}
    for write in judged.writes:
        for event in write.events:
            versions[write.stream] = versions.get(write.stream, -1) + 1
            board.apply(attrs.evolve(event, stream=write.stream, version=versions[write.stream]))
    folded = read_status_log(b"\n".join(lines), "log").standings
    assert standing.lanes() == {name: each.lane for name, each in folded.items()}
    assert unknown(b"\n".join(lines), standing) == ()


@settings(max_examples=60, deadline=None)
@given(teammates_lines(), st.data())
def test_whatever_was_changed_in_a_line_nothing_is_recorded_that_breaks_a_rule(
    lines: list[bytes], data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, len(lines) - 1))
    changed: Callable[[dict[str, Any]], dict[str, Any]] = data.draw(
        st.sampled_from(
            [
                lambda found: found | {"to_lane": "done"},
                lambda found: found | {"from_lane": "in_progress"},
                lambda found: found | {"wp_id": "WP02"},
                lambda found: found | {"actor": None},
                lambda found: found | {"at": "2026-07-01T09:00:00+00:00"},
                lambda found: {key: value for key, value in found.items() if key != "from_lane"},
            ]
        )
    )
    lines[number] = json.dumps(changed(json.loads(lines[number]))).encode()
    board = Board()
    board.features[FEATURE] = standing_of(entered("tasks", 0))
    judged = judge(FEATURE, enumerate(lines), board, source=Source.GIT, facts_of=lambda _: {})

    lanes: dict[str, str] = {}
    for write in judged.writes:
        for event in write.events:
            if event.event_type == "WPStatusChanged":
                payload = event.payload
                # Without a lane it is planned for every reader, and old logs begin there.
                begins = {"genesis", "planned"} if payload["wp_id"] not in lanes else {lanes[payload["wp_id"]]}
                assert payload["from_lane"] in begins
                at_once = ("done",) if payload["from_lane"] == "in_review" else ()  # a verdict may close it
                assert payload["to_lane"] in (*NEXT[payload["from_lane"]], *at_once)
                lanes[payload["wp_id"]] = payload["to_lane"]


# What is dated ahead


@pytest.mark.parametrize("source", [Source.GIT, Source.FILE])
def test_a_line_from_the_future_is_refused_and_its_date_named(place: Place, source: Source) -> None:
    place.tell(*STORY)
    soon = (datetime.now(UTC) + timedelta(hours=23)).isoformat()
    far = (datetime.now(UTC) + timedelta(hours=25)).isoformat()
    ends = "9999-12-31T23:59:59.999999+00:00"
    blocked = {"reason": "a cat"}
    judged = place.judge(
        line(moved("WP02", "planned", "blocked", 12, **blocked), at=far),
        line(moved("WP02", "planned", "blocked", 13, **blocked), at=ends),
        line(entered("review", 14, "implement"), timestamp=ends),
        line(moved("WP01", "in_progress", "blocked", 15, **blocked), at=soon),
        source=source,
    )

    assert gates(judged) == [(1, "future"), (2, "future"), (3, "future")]
    assert judged.refused[1].reason == f"is dated {ends}, more than 24 hours from now"
    assert [write.stream for write in judged.writes] == [work_package_stream(FEATURE, "WP01")]
