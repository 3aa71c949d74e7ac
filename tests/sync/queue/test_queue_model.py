"""Whatever is done to queues in whatever order, they hold what a plain model of them holds."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kitty_paths import QueueScope, StateRoot
from kitty_sync.errors import EventConflictError
from kitty_sync.queue.adoption import adopt
from kitty_sync.queue.events import EventQueue, Verdict
from kitty_sync.queue.listing import queues
from kitty_sync.queue.scope import active_scope, enter_scope, leave_scope
from sync.states import event

SCOPES = [QueueScope("https://kitty.example", name, "t_01") for name in ("ada@example.org", "bob@example.org")]
IDS = st.sampled_from([f"e{number}" for number in range(8)])
BATCHES = st.lists(st.tuples(IDS, st.integers(0, 1)), max_size=4)


class Queues(RuleBasedStateMachine):
    """The model: each queue is a list of (id, content), and one of them is in use."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="queues-"))
        self.root = StateRoot.at(self.place / "state")
        self.held: dict[QueueScope | None, dict[str, int]] = {None: {}, SCOPES[0]: {}, SCOPES[1]: {}}
        self.active: QueueScope | None = None
        self.now = 1_000

    def teardown(self) -> None:
        shutil.rmtree(self.place)

    def queue(self, scope: QueueScope | None) -> EventQueue:
        surface = self.root.queues.unauthenticated if scope is None else self.root.queues.scoped(scope)
        return EventQueue(self.root, surface, now=lambda: self.now)

    def _append(self, scope: QueueScope | None, batch: list[tuple[str, int]]) -> None:
        after = dict(self.held[scope])
        fits = all(after.setdefault(name, content) == content for name, content in batch)
        events = [event(name, content=content) for name, content in batch]
        if fits:
            done = self.queue(scope).append(events)
            assert done.added == len(after) - len(self.held[scope])
            assert done.added + done.duplicates == len(batch)
            self.held[scope] = after
        else:
            with pytest.raises(EventConflictError):
                self.queue(scope).append(events)

    @rule(batch=BATCHES)
    def append(self, batch: list[tuple[str, int]]) -> None:
        self._append(self.active, batch)

    @rule(batch=BATCHES)
    def append_late(self, batch: list[tuple[str, int]]) -> None:
        self._append(None, batch)

    @rule(jump=st.integers(-500, 500))
    def set_the_wall_clock(self, jump: int) -> None:
        self.now += jump

    @rule(verdicts=st.dictionaries(IDS, st.sampled_from(Verdict), max_size=4))
    def settle(self, verdicts: dict[str, Verdict]) -> None:
        held = self.held[self.active]
        delivered = {name for name, verdict in verdicts.items() if verdict.is_delivered and name in held}

        done = self.queue(self.active).settle(verdicts)

        assert (done.deleted, done.kept) == (len(delivered), len(set(verdicts) & set(held)) - len(delivered))
        self.held[self.active] = {name: content for name, content in held.items() if name not in delivered}

    @rule(scope=st.sampled_from(SCOPES))
    def log_in(self, scope: QueueScope) -> None:
        report = enter_scope(self.root, scope)
        self.active = scope
        self._moved(scope, report.conflicts, report.left)

    @rule()
    def look_again(self) -> None:
        if self.active is not None:
            report = adopt(self.root, self.active)
            self._moved(self.active, report.conflicts, report.left)

    def _moved(self, scope: QueueScope, conflicts: tuple[str, ...], left: int) -> None:
        there = self.held[scope]
        kept = {
            name: content for name, content in self.held[None].items() if there.setdefault(name, content) != content
        }
        self.held[None] = kept
        assert set(conflicts) == set(kept)
        assert left == len(kept)

    @rule()
    def log_out(self) -> None:
        assert leave_scope(self.root) == (self.active is not None)
        self.active = None

    @invariant()
    def the_queues_hold_what_the_model_holds(self) -> None:
        for scope, held in self.held.items():
            rows = self.queue(scope).batch()
            assert {row.event_id: row.data["content"] for row in rows} == held
            assert len(rows) == self.queue(scope).count()
            stamps = [(row.timestamp, row.id) for row in rows]
            assert stamps == sorted(stamps)
        assert active_scope(self.root) == self.active
        assert sum(report.events or 0 for report in queues(self.root)) == sum(map(len, self.held.values()))


TestQueues = Queues.TestCase
TestQueues.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
