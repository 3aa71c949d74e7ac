"""Whatever is asked of the store in whatever order, it answers as a dict of lists would, and keeps it on the disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from guardian.events.store.samples import AUDIT, PHASES, WP01, WP02, some_event
from kitty_guardian.errors import InvalidEventError, TransitionRefusedError, VersionConflict
from kitty_guardian.events.board import Board
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.store import Write
from kitty_guardian.events.verification import verify
from kitty_guardian.model.events import Event

STREAMS = st.sampled_from((PHASES, WP01, WP02, AUDIT))
COUNTS = st.integers(1, 3)
SIDES = st.booleans()
OFFSETS = st.sampled_from([0, 0, 0, 0, 0, -1, 1, 5])
"""How far the writer's version is off; 0: right."""


class StoreMachine(RuleBasedStateMachine):
    """Two stores on one file, and the model: the ids in every stream, and the ids in all of them."""

    @initialize()
    def start(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name, "spec-kitty", "events.db")
        self.refusing = False
        self.stores = [self.opened(), self.opened()]
        self.streams: dict[str, list[str]] = {}
        self.order: list[str] = []
        self.events: list[Event] = []

    def opened(self) -> SqliteEventStore:
        return SqliteEventStore(self.path, validators=[self.judge])

    def judge(self, event: Event, board: Board) -> None:
        assert board.position == event.position - 1
        assert board.feature("001-login").version == len(self.streams.get(PHASES, [])) - 1 + self.folding(event)
        if self.refusing:
            raise TransitionRefusedError("not today", gate="test")

    def folding(self, event: Event) -> int:
        """How many events of the feature's stream come before this one in its own commit."""
        return sum(stream == PHASES for stream in self.committing[: event.position - 1 - len(self.order)])

    def write(self, stream: str, count: int, off: int) -> Write:
        events = [some_event(stream) for _ in range(count)]
        version = len(self.streams.get(stream, [])) - 1 + off
        return Write(stream, events, None if stream == AUDIT and off == 0 else max(version, -1))

    def is_right(self, write: Write) -> bool:
        return write.expected_version in {None, len(self.streams.get(write.stream, [])) - 1}

    def take(self, stored: tuple[Event, ...]) -> None:
        for event in stored:
            self.streams.setdefault(event.stream, []).append(event.event_id)
            assert event.version == len(self.streams[event.stream]) - 1
            self.order.append(event.event_id)
            assert event.position == len(self.order)
        self.events.extend(stored)

    @rule(side=SIDES, stream=STREAMS, count=COUNTS, off=OFFSETS)
    def append(self, side: bool, stream: str, count: int, off: int) -> None:
        self.commit_all(side, [self.write(stream, count, off)])

    @rule(side=SIDES, streams=st.lists(STREAMS, min_size=2, max_size=4, unique=True), count=COUNTS, off=OFFSETS)
    def commit(self, side: bool, streams: list[str], count: int, off: int) -> None:
        writes = [self.write(stream, count, 0) for stream in streams[:-1]]
        self.commit_all(side, [*writes, self.write(streams[-1], count, off)])

    def commit_all(self, side: bool, writes: list[Write]) -> None:
        store = self.stores[side]
        self.committing = [write.stream for write in writes for _ in write.events]
        if not all(self.is_right(write) for write in writes):
            wrong = next(write for write in writes if not self.is_right(write))
            with pytest.raises(VersionConflict) as caught:
                store.commit(writes)
            assert caught.value.stream == wrong.stream
            assert wrong.expected_version is not None
            missed = self.streams.get(wrong.stream, [])[wrong.expected_version + 1 :]
            assert [event.event_id for event in caught.value.missed] == missed
        elif self.refusing and any(stream != AUDIT for stream in self.committing):
            with pytest.raises(TransitionRefusedError):
                store.commit(writes)
        else:
            self.take(store.commit(writes))

    @precondition(lambda self: self.order)
    @rule(side=SIDES, stream=STREAMS, data=st.data())
    def append_again(self, side: bool, stream: str, data: st.DataObject) -> None:
        known = data.draw(st.sampled_from(self.order))
        event = some_event(AUDIT)
        again = Event(event.event_type, event.payload, event_id=known, at=event.at)
        with pytest.raises(InvalidEventError):
            self.stores[side].append(AUDIT, [some_event(AUDIT), again], expected_version=None)
        assert self.stores[side].has(known)
        assert self.stores[side].version(stream) == len(self.streams.get(stream, [])) - 1

    @rule()
    def change_the_law(self) -> None:
        self.refusing = not self.refusing

    @rule(side=SIDES)
    def reopen(self, side: bool) -> None:
        self.stores[side].close()
        self.stores[side] = self.opened()

    @rule(side=SIDES, after=st.integers(0, 20), limit=st.none() | st.integers(0, 5))
    def read_all(self, side: bool, after: int, limit: int | None) -> None:
        expected = self.events[after:] if limit is None else self.events[after : after + limit]
        assert list(self.stores[side].read_all(after=after, limit=limit)) == expected

    @rule(side=SIDES, stream=STREAMS, since=st.integers(0, 6), limit=st.none() | st.integers(0, 3))
    def read(self, side: bool, stream: str, since: int, limit: int | None) -> None:
        ids = self.streams.get(stream, [])[since:]
        found = list(self.stores[side].read(stream, since=since, limit=limit))
        assert [event.event_id for event in found] == (ids if limit is None else ids[:limit])
        assert [event.version for event in found] == list(range(since, since + len(found)))

    @rule(side=SIDES)
    def fold(self, side: bool) -> None:
        assert self.stores[side].board().features == Board(self.events).features

    @rule()
    def read_only(self) -> None:
        with SqliteEventStore(self.path, read_only=True) as reader:
            assert list(reader.read_all()) == self.events

    @invariant()
    def agrees(self) -> None:
        head = (self.events[-1].position, self.events[-1].hash) if self.events else (0, "")
        assert [store.head() for store in self.stores] == [head, head]

    def teardown(self) -> None:
        if hasattr(self, "stores"):
            self.refusing = False
            assert verify(self.stores[0], validators=()).ok
            for store in self.stores:
                store.close()
            self.directory.cleanup()


StoreMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestStoreIsADictOfLists = StoreMachine.TestCase
