"""What every event store has to do, whatever it is made of: subclass it, give it stores, and these are its tests."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from guardian.events.store.samples import (
    AUDIT,
    FEATURE,
    PHASES,
    STREAMS,
    WP01,
    WP02,
    blocked,
    entered,
    moved,
    some_event,
)
from kitty_guardian.errors import InvalidEventError, TransitionRefusedError, VersionConflict
from kitty_guardian.events.board import Board
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.store import EventStore, Write
from kitty_guardian.model.events import Event, Source
from kitty_guardian.model.lanes import Lane

if TYPE_CHECKING:
    from kitty_guardian.events.validators import Validator

TOO_LARGE = 1 << 20


class EventStoreSuite:
    """The suite. A store is empty when it is given; `another` opens what `store` holds."""

    @abstractmethod
    def opened(self, place: Any, validators: Sequence[Validator] = ()) -> EventStore:  # noqa: ANN401 - as the store has it
        """Open the store that lies at `place`; the first time it is empty."""

    @pytest.fixture
    def store(self, place: Any) -> Iterator[EventStore]:  # noqa: ANN401 - as above
        store = self.opened(place)
        yield store
        store.close()

    # Keeping

    def test_it_is_an_event_store(self, store: EventStore) -> None:
        assert isinstance(store, EventStore)

    def test_an_empty_store_holds_nothing(self, store: EventStore) -> None:
        assert store.head() == (0, "")
        assert list(store.read_all()) == []
        assert store.version(WP01) == -1
        assert list(store.read(WP01)) == []

    @pytest.mark.parametrize("stream", STREAMS)
    def test_what_was_appended_is_read(self, store: EventStore, stream: str) -> None:
        event = some_event(stream)
        assert store.append(stream, [event], expected_version=-1) == 0
        (found,) = store.read(stream)
        assert (found.event_type, found.payload, found.event_id) == (event.event_type, event.payload, event.event_id)
        assert (found.at, found.metadata) == (event.at, event.metadata)
        assert (found.stream, found.version, found.position, found.previous) == (stream, 0, 1, "")
        assert store.head() == (1, found.hash)
        assert list(store.read_all()) == [found]

    def test_what_is_given_back_is_what_is_read(self, store: EventStore, place: Any) -> None:  # noqa: ANN401
        writes = [Write(PHASES, [entered()], -1), Write(WP01, [moved(), moved("in_progress")], -1)]
        stored = store.commit(writes)
        assert stored == tuple(store.read_all())
        another = self.opened(place)
        assert stored == tuple(another.read_all())
        another.close()

    def test_versions_count_in_a_stream_and_positions_in_the_store(self, store: EventStore) -> None:
        assert store.append(WP01, [moved(), moved()], expected_version=-1) == 1
        assert store.append(WP02, [moved(work_package="WP02")], expected_version=-1) == 0
        assert store.append(WP01, [moved()], expected_version=1) == 2
        assert [(event.stream, event.version, event.position) for event in store.read_all()] == [
            (WP01, 0, 1), (WP01, 1, 2), (WP02, 0, 3), (WP01, 2, 4)
        ]  # fmt: skip
        assert (store.version(WP01), store.version(WP02)) == (2, 0)

    def test_each_hash_follows_from_the_one_before(self, store: EventStore) -> None:
        store.append(WP01, [moved() for _ in range(5)], expected_version=-1)
        events = list(store.read_all())
        assert [event.previous for event in events] == ["", *(event.hash for event in events[:-1])]
        assert len({event.hash for event in events}) == 5
        assert all(len(event.hash) == 64 for event in events)

    def test_reading_begins_and_ends_where_it_is_asked_to(self, store: EventStore) -> None:
        store.append(WP01, [moved() for _ in range(10)], expected_version=-1)
        assert [event.version for event in store.read(WP01, since=7)] == [7, 8, 9]
        assert [event.version for event in store.read(WP01, since=2, limit=3)] == [2, 3, 4]
        assert [event.position for event in store.read_all(after=8)] == [9, 10]
        assert [event.position for event in store.read_all(limit=2)] == [1, 2]
        assert list(store.read_all(after=10)) == []
        assert list(store.read(WP01, limit=0)) == []
        assert [event.version for event in store.read(WP01, since=-3, limit=1)] == [0]

    def test_many_events_are_read_in_order(self, store: EventStore) -> None:
        store.append(WP01, [moved() for _ in range(2_500)], expected_version=-1)
        assert [event.version for event in store.read(WP01)] == list(range(2_500))
        assert [event.position for event in store.read_all(after=3, limit=2_001)] == list(range(4, 2_005))

    def test_what_is_appended_while_reading_does_not_get_lost(self, store: EventStore) -> None:
        store.append(WP01, [moved() for _ in range(1_500)], expected_version=-1)
        reading = store.read_all()
        first = next(reading)
        store.append(WP02, [moved(work_package="WP02")], expected_version=-1)
        assert first.position == 1
        assert [event.position for event in reading] == list(range(2, 1_502))

    # Not losing an update

    def test_a_stream_that_must_not_exist_exists(self, store: EventStore) -> None:
        store.append(WP01, [moved()], expected_version=-1)
        with pytest.raises(VersionConflict) as caught:
            store.append(WP01, [moved()], expected_version=-1)
        error = caught.value
        assert (error.stream, error.expected, error.actual) == (WP01, -1, 0)
        assert error.missed == tuple(store.read(WP01))

    def test_a_conflict_says_what_was_missed(self, store: EventStore) -> None:
        store.append(WP01, [moved("planned", "genesis"), moved(), moved("in_progress", "claimed")], expected_version=-1)
        with pytest.raises(VersionConflict) as caught:
            store.append(WP01, [moved()], expected_version=0)
        assert "WP01 planned → claimed by ada" in caught.value.message
        assert "claimed → in_progress" in caught.value.message
        assert caught.value.hint is not None
        assert [event.version for event in caught.value.missed] == [1, 2]

    def test_a_version_that_never_was_is_a_conflict_too(self, store: EventStore) -> None:
        with pytest.raises(VersionConflict) as caught:
            store.append(WP01, [moved()], expected_version=5)
        assert (caught.value.actual, caught.value.missed) == (-1, ())

    def test_a_conflict_about_much_stays_small(self, store: EventStore) -> None:
        store.append(WP01, [moved() for _ in range(1_000)], expected_version=-1)
        with pytest.raises(VersionConflict) as caught:
            store.append(WP01, [moved()], expected_version=-1)
        assert len(caught.value.missed) <= 500
        assert len(caught.value.message) < 500

    def test_only_audit_streams_take_any_version(self, store: EventStore) -> None:
        assert store.append(AUDIT, [blocked()], expected_version=None) == 0
        assert store.append(AUDIT, [blocked(), blocked()], expected_version=None) == 2
        for stream in (PHASES, WP01):
            with pytest.raises(InvalidEventError):
                store.append(stream, [some_event(stream)], expected_version=None)
        assert store.head()[0] == 3

    # All or nothing

    def test_several_streams_are_written_together(self, store: EventStore) -> None:
        stored = store.commit(
            [Write(PHASES, [entered()], -1), Write(WP01, [moved()], -1), Write(AUDIT, [blocked()], None)]
        )
        assert [event.stream for event in stored] == [PHASES, WP01, AUDIT]
        assert [event.position for event in stored] == [1, 2, 3]

    def test_one_conflict_keeps_every_stream_as_it_was(self, store: EventStore) -> None:
        store.append(WP02, [moved(work_package="WP02")], expected_version=-1)
        before = store.head()
        with pytest.raises(VersionConflict):
            store.commit([Write(WP01, [moved()], -1), Write(WP02, [moved(work_package="WP02")], -1)])
        assert store.head() == before
        assert store.version(WP01) == -1

    def test_one_bad_event_keeps_every_stream_as_it_was(self, store: EventStore) -> None:
        with pytest.raises(InvalidEventError):
            store.commit([Write(WP01, [moved(), moved("nowhere")], -1), Write(AUDIT, [blocked()], None)])
        assert store.head() == (0, "")

    def test_a_stream_may_be_written_twice_at_once(self, store: EventStore) -> None:
        store.commit([Write(WP01, [moved()], -1), Write(PHASES, [entered()], -1), Write(WP01, [moved()], 0)])
        assert store.version(WP01) == 1
        with pytest.raises(VersionConflict):
            store.commit([Write(WP01, [moved()], 1), Write(WP01, [moved()], 1)])
        assert store.version(WP01) == 1

    def test_nothing_to_write_is_nothing(self, store: EventStore) -> None:
        assert store.commit([]) == ()
        with pytest.raises(InvalidEventError):
            store.append(WP01, [], expected_version=-1)

    # Taking no event twice

    def test_an_id_is_taken_once(self, store: EventStore) -> None:
        event = moved()
        store.append(WP01, [moved(), event], expected_version=-1)
        for stream, version in ((WP01, 1), (WP01, -1), (WP02, -1)):
            with pytest.raises(InvalidEventError) as caught:
                store.append(stream, [event], expected_version=version)
            assert f"`{WP01}`, version 1, position 2" in caught.value.message
        with pytest.raises(InvalidEventError):
            store.append(AUDIT, [*(blocked() for _ in range(2_000)), event], expected_version=None)
        assert store.head()[0] == 2

    def test_an_id_is_taken_once_in_one_append(self, store: EventStore) -> None:
        event = moved()
        with pytest.raises(InvalidEventError) as caught:
            store.append(WP01, [event, moved(), event], expected_version=-1)
        assert event.event_id in caught.value.message
        assert store.head() == (0, "")

    # Giving back what it was given

    @pytest.mark.parametrize(
        "value",
        [
            "", "é → 日本 🐈", "\x00\x1f\x7f", "undecodable \udcff\udc80 name", "\ud83d", '"\\/', "\u2028", 0, -1,
            2**80, 0.1,
            1e-300, 1.0, True, None, [], {}, [[], {"": None}], {"z": 1, "a": {"y": [1, "2", None]}},
        ],
        ids=repr,
    )  # fmt: skip
    def test_a_payload_comes_back_as_it_was(self, store: EventStore, value: object) -> None:
        store.append(WP01, [moved(evidence=value)], expected_version=-1)
        (found,) = store.read(WP01)
        assert found.payload["evidence"] == value
        assert type(found.payload["evidence"]) is type(value)

    @pytest.mark.parametrize("offset", [timedelta(0), timedelta(hours=-7), timedelta(hours=5, minutes=45, seconds=3)])
    def test_a_time_comes_back_as_it_was(self, store: EventStore, offset: timedelta) -> None:
        at = datetime(2026, 11, 22, 7, 24, 1, 999_999, tzinfo=timezone(offset))
        event = moved()
        given = new_event(event.event_type, event.payload, metadata=event.metadata, at=at)
        store.append(WP01, [given], expected_version=-1)
        (found,) = store.read(WP01)
        assert (found.at, found.at.isoformat()) == (at, at.isoformat())

    def test_who_changes_an_event_afterwards_changes_nothing_here(self, store: EventStore) -> None:
        evidence = {"commits": ["a"]}
        event = moved(evidence=evidence)
        (stored,) = store.commit([Write(WP01, [event], -1)])
        evidence["commits"].append("b")
        assert stored.payload["evidence"] == {"commits": ["a"]}

    # Refusing what is none

    @pytest.mark.parametrize(
        "value",
        [
            float("nan"), float("inf"), -float("inf"), {1: 2}, {None: 1}, {"a": {("b",): 1}}, b"bytes", {1, 2},
            object(), datetime(2026, 1, 1, tzinfo=UTC), "\ud83d\udc08", {"\ud83d\udc08": 1}, "x" * TOO_LARGE, 10**5000,
        ],
        ids=lambda value: type(value).__name__,  # what every process of a test run says alike
    )  # fmt: skip
    def test_what_json_cannot_carry_is_refused(self, store: EventStore, value: object) -> None:
        for event in (moved(evidence=value), moved(metadata={"source": "command", "facts": {"found": value}})):
            with pytest.raises(InvalidEventError) as caught:
                store.append(WP01, [event], expected_version=-1)
            assert event.event_id in caught.value.message
            assert len(caught.value.message) < 400
        assert store.head() == (0, "")

    def test_depth_has_an_end(self, store: EventStore) -> None:
        shallow: list[object] = []
        deep: list[object] = []
        for _ in range(50):
            shallow = [shallow]
        for _ in range(100_000):
            deep = [deep]
        itself: list[object] = []
        itself.append(itself)
        store.append(WP01, [moved(evidence=shallow)], expected_version=-1)
        for value in (deep, itself):
            with pytest.raises(InvalidEventError):
                store.append(WP01, [moved(evidence=value)], expected_version=0)
        wide: list[object] = [[[]] for _ in range(1_000)]
        store.append(WP01, [moved(evidence=wide)], expected_version=0)
        while deep:
            deep = deep[0]  # type: ignore[assignment] # taken apart by hand: letting go of it would recurse

    def test_an_event_has_a_largest_size(self, store: EventStore) -> None:
        store.append(WP01, [moved(evidence="x" * (TOO_LARGE - 1_000))], expected_version=-1)
        half = "x" * (TOO_LARGE // 2)
        together = moved(evidence=half, metadata={"source": "command", "facts": {"found": half}})
        with pytest.raises(InvalidEventError):
            store.append(WP01, [together], expected_version=0)
        assert store.version(WP01) == 0

    @pytest.mark.parametrize(
        "stream",
        [
            "", "feature", "feature-", "workPackage-", "workPackage-001-login", "workPackage-/WP01", "workPackage-001/",
            "other-001", "Feature-001", "feature-\x00", "feature-a\nb", "feature-\udcff", "audit-",
            "feature-" + "x" * 5_000,
        ],
        ids=lambda value: f"{value!a:.30}",
    )  # fmt: skip
    def test_a_stream_has_a_name_that_says_what_it_is_about(self, store: EventStore, stream: str) -> None:
        with pytest.raises(InvalidEventError) as caught:
            store.append(stream, [blocked()], expected_version=-1)
        assert len(caught.value.message) < 1_200
        for ask in (store.version, store.read):
            with pytest.raises(InvalidEventError):
                ask(stream)
        assert store.head() == (0, "")

    @pytest.mark.parametrize(
        "event_id", ["", "a\nb", "\x00", "\udcff", "x" * 1_000], ids=lambda value: f"{value!a:.20}"
    )
    def test_an_id_can_be_shown(self, store: EventStore, event_id: str) -> None:
        with pytest.raises(InvalidEventError):
            store.append(WP01, [moved(event_id=event_id)], expected_version=-1)

    @pytest.mark.parametrize("version", [-2, True, 0.0, "0"])
    def test_an_expected_version_is_a_version(self, store: EventStore, version: Any) -> None:  # noqa: ANN401 - whatever
        with pytest.raises(InvalidEventError):
            store.append(WP01, [moved()], expected_version=version)

    def test_a_type_is_one_of_those_there_are_and_in_its_stream(self, store: EventStore) -> None:
        with pytest.raises(InvalidEventError, match="unknown type"):
            store.append(WP01, [new_event("WPMoved", {}, metadata={"source": "command"})], expected_version=-1)
        with pytest.raises(InvalidEventError, match="does not hold"):
            store.append(WP01, [entered()], expected_version=-1)
        with pytest.raises(InvalidEventError, match="does not hold"):
            store.append(PHASES, [moved()], expected_version=-1)
        with pytest.raises(InvalidEventError, match="does not hold"):
            store.append(AUDIT, [moved()], expected_version=None)

    @pytest.mark.parametrize("metadata", [{}, {"source": "rumour"}, {"source": None}, {"source": 3}])
    def test_an_event_says_where_it_comes_from(self, store: EventStore, metadata: dict[str, Any]) -> None:
        with pytest.raises(InvalidEventError, match="source"):
            store.append(WP01, [moved(metadata=metadata)], expected_version=-1)

    def test_a_payload_keeps_to_the_schema_of_its_type(self, store: EventStore) -> None:
        for event, stream in ((entered("holiday"), PHASES), (moved("doing"), WP01), (moved(force="yes"), WP01)):
            with pytest.raises(InvalidEventError, match="that is"):
                store.append(stream, [event], expected_version=-1)

    def test_what_is_no_event_is_told_so(self, store: EventStore) -> None:
        for nothing in ({"event_type": "WPStatusChanged"}, None, "event"):
            with pytest.raises(InvalidEventError):
                store.append(WP01, [nothing], expected_version=-1)  # type: ignore[list-item]
        listed = new_event("WPStatusChanged", [1, 2], metadata={"source": "command"})  # type: ignore[arg-type]
        with pytest.raises(InvalidEventError):
            store.append(WP01, [listed], expected_version=-1)

    # The law

    def test_a_validator_may_say_no(self, place: Any) -> None:  # noqa: ANN401 - as the store has it
        store = self.opened(place, [_never])
        with pytest.raises(TransitionRefusedError):
            store.append(WP01, [moved()], expected_version=-1)
        assert store.head() == (0, "")
        store.append(AUDIT, [blocked()], expected_version=None)
        store.append(WP01, [moved(metadata={"source": Source.ADOPTION})], expected_version=-1)
        with pytest.raises(TransitionRefusedError):
            store.commit([Write(AUDIT, [blocked()], None), Write(WP02, [moved(work_package="WP02")], -1)])
        assert store.head()[0] == 2
        store.close()

    def test_a_validator_sees_everything_before(self, place: Any) -> None:  # noqa: ANN401 - as above
        seen: list[tuple[Event, Lane | None, int]] = []

        def look(event: Event, board: Board) -> None:
            package = board.feature(FEATURE).work_packages.get("WP01")
            seen.append((event, None if package is None else package.lane, board.position))

        one, two = self.opened(place, [look]), self.opened(place, [look])
        one.append(WP01, [moved("planned", "genesis"), moved("claimed"), moved("in_progress")], expected_version=-1)
        two.append(WP01, [moved("for_review")], expected_version=2)
        one.append(WP01, [moved("planned")], expected_version=3)
        assert [(lane, position) for _, lane, position in seen] == [
            (None, 0), (Lane.PLANNED, 1), (Lane.CLAIMED, 2), (Lane.IN_PROGRESS, 3), (Lane.FOR_REVIEW, 4)
        ]  # fmt: skip
        assert [(event.stream, event.version) for event, _, _ in seen] == [(WP01, number) for number in range(5)]
        one.close()
        two.close()

    def test_a_refused_commit_leaves_nothing_in_mind(self, place: Any) -> None:  # noqa: ANN401 - as above
        lanes: list[dict[str, Lane]] = []

        def no_review(event: Event, board: Board) -> None:
            lanes.append(board.feature(FEATURE).lanes())
            if event.payload.get("to_lane") == "for_review":
                raise TransitionRefusedError("no", gate="test")

        store = self.opened(place, [no_review])
        store.append(WP01, [moved("planned")], expected_version=-1)
        with pytest.raises(TransitionRefusedError):
            store.commit(
                [
                    Write(WP02, [moved("claimed", work_package="WP02")], -1),
                    Write(WP01, [moved("claimed"), moved("for_review")], 0),
                ]
            )
        store.append(WP01, [moved("in_progress")], expected_version=0)
        assert lanes[-2:] == [{"WP01": Lane.CLAIMED, "WP02": Lane.CLAIMED}, {"WP01": Lane.PLANNED}]
        store.close()


def _never(event: Event, board: Board) -> None:
    raise TransitionRefusedError(f"never: {event.event_type} after {board.position}", gate="test")
