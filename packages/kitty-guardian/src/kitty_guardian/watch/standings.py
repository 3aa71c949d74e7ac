"""What the event store says to one guardian, followed from its end, and kept even where somebody breaks the store.

Files that an agent can write include the store's own. So the guardian remembers how far it has read and with which
hash: a store that was cut, exchanged or rewritten meanwhile moves nothing, and what was enforced stays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from kitty_guardian.errors import EventStoreError, TransitionRefusedError
from kitty_guardian.events.board import Board
from kitty_guardian.events.chain import canonical, link
from kitty_guardian.events.history import History
from kitty_guardian.events.phases import states_on
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.store import Write
from kitty_guardian.events.validators import DEFAULT
from kitty_guardian.model.events import Event, Source, subject_of
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.pins import Adoption
from kitty_guardian.project.repository import Worktree
from kitty_guardian.rules.situation import FeatureState
from kitty_guardian.watch.record import LegalRecord
from kitty_guardian.watch.rescue import put_back

_ANCHOR = "events"
_STATES = "states"
_PATIENCE = 1.0


class Standings:
    """Follows the store; belongs to the guardian's one worker.

    Args:
        worktree: The work tree.
        record: Where it is remembered how far the store was read.

    Attributes:
        board: What the events add up to, as far as they were read.
        trouble: Why the store cannot be used now, or None.
        handed_in: Feature, work package (or empty) and commit of every step that was recorded since the last look;
            whoever looks empties it.
        broken: Why what it says is not believed any more, or None; a person's `start --accept-current` ends that.
    """

    def __init__(self, worktree: Worktree, record: LegalRecord) -> None:
        self._worktree = worktree
        self._record = record
        self._path = Path(worktree.state.events)
        self._store: SqliteEventStore | None = None
        self.board = Board()
        self.trouble: str | None = None
        self.broken: str | None = None
        self.handed_in: list[tuple[str, str, str]] = []
        self._kept: Mapping[str, FeatureState] | None = None
        self._anchor = (0, "")
        self._anchored = -1
        self._history = History()
        self._is_trusting = False

    @property
    def store(self) -> SqliteEventStore:
        """The store, to append to.

        Raises:
            EventStoreError: It cannot be opened.
        """
        if self._store is None:
            self._store = SqliteEventStore(self._path, patience=_PATIENCE)
        return self._store

    def begin(self, *, trust: bool) -> None:
        """Read everything there is, and hold it against what was read before.

        Args:
            trust: Take the store as it is, whatever was read before: a person said so.

        Raises:
            EventStoreError: The store cannot be used, and nothing was recorded that could stay in force without it.
        """
        position, digest = json.loads(self._record.fact(_ANCHOR) or '[0, ""]')
        self._anchor = (0, "") if trust else (position, digest)
        self._is_trusting = trust
        try:
            self._read()
        except EventStoreError as error:
            if self._record.fact(_STATES) is None or trust:
                raise
            self.trouble = error.message
        if (self.broken or self.trouble) and not trust:
            self._kept = self.remembered
        self._is_trusting = False
        if trust:
            self.remember({})

    @property
    def turn(self) -> tuple[int, bool]:
        """Changes whenever what it says may be something else than before."""
        return self.board.position, self._kept is None

    def follow(self) -> None:
        """Read what was appended since."""
        if self.broken is not None:
            return
        try:
            self._read()
        except EventStoreError as error:
            self.trouble = error.message
            return
        self.trouble = None
        if self.broken is None:
            self._kept = None

    def _read(self) -> None:
        position, digest = self._anchor
        for event in self.store.read_all(after=self.board.position):
            if self._is_trusting:
                self.board.apply(event)
                continue
            if event.position != self.board.position + 1 or not is_linked(event, self.board.head):
                self.broken = f"event {event.position} of the event store does not follow from the one before it"
                return
            if (illegal := self._illegal(event)) is not None:
                self.broken = f"event {event.position} of the event store was never let in by the rules: {illegal}"
                return
            self.board.apply(event)
            self._note_head(event)
            if event.position == position and event.hash != digest:
                self.broken = f"event {event.position} of the event store is another one than was there before"
                return
        if self.board.position < position:
            self.broken = f"the event store ends at event {self.board.position}; it held {position} before"

    def _note_head(self, event: Event) -> None:
        """Where HEAD was when work was handed in by a command, or a phase entered: what came later was not seen."""
        if event.metadata.get("source") != Source.COMMAND or event.position <= self._anchor[0]:
            return
        feature, work_package = subject_of(event.stream)
        facts = event.metadata.get("facts")
        head = facts.get("head") if work_package and isinstance(facts, dict) else event.payload.get("head")
        if isinstance(head, str) and head:
            self.handed_in.append((feature, work_package, head))

    def _illegal(self, event: Event) -> str | None:
        """Why no validator can have let an event in, or None; what was believed once is believed."""
        try:
            self._history.check(event)
            if event.position > self._anchor[0] and event.metadata.get("source") != Source.ADOPTION:
                for validator in DEFAULT:
                    validator(event, self.board)
        except TransitionRefusedError as error:
            return error.message
        return None

    def states(self, adoption: Adoption) -> dict[str, FeatureState]:
        """What is enforced for each feature."""
        if self._kept is not None:
            return {**adoption.features, **self._kept}
        return states_on(self.board, adoption)

    @property
    def remembered(self) -> dict[str, FeatureState]:
        """What was enforced for each feature when it was last remembered."""
        return _states(self._record.fact(_STATES))

    def remember(self, states: Mapping[str, FeatureState]) -> None:
        """Keep how far the store was read, and what is enforced by that, for the time when it cannot be read."""
        self.drop_anchor()
        self._record.remember(
            _STATES,
            json.dumps(
                {
                    name: [state.phase, state.finished, state.changes_requested, list(state.malformed)]
                    for name, state in states.items()
                }
            ),
        )

    def drop_anchor(self) -> None:
        """Keep how far the store was read: what is taken out or changed up to there is found."""
        if self.broken is None and self._anchored != self.board.position:
            self._anchored = self.board.position
            self._record.remember(_ANCHOR, json.dumps([self.board.position, self.board.head]))
            if self._store is not None:
                self._store.checkpoint()  # what is in the file itself outlives whatever is done to its log

    def commit(self, writes: Sequence[Write]) -> tuple[Event, ...]:
        """Append, and follow.

        Raises:
            GuardianError: As `EventStore.commit` has them.
        """
        events = self.store.commit(writes)
        self.follow()
        return events

    def is_in_place(self) -> bool:
        """Whether the store that is read is the one that stands in its place."""
        if self._store is None:
            return True
        return self._store.is_in_place()

    def put_back(self) -> str | None:
        """Put the store that is held open back in its place, beside what somebody put there.

        Gives where that is now, or None where nothing stood there.

        Raises:
            EventStoreError, OSError: It cannot be written.
        """
        try:
            aside = put_back(self.store, self._path, read=(self.board.position, self.board.head))
        except EventStoreError as error:
            self._give_up(error.message)
            raise
        self.close()
        self.follow()
        return aside

    def _give_up(self, why: str) -> None:
        """What was enforced stays, whatever comes to stand there."""
        self.broken, self._kept = why, self.remembered
        self.close()

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()
            self._store = None


def is_linked(event: Event, previous: str) -> bool:
    """Whether an event follows from the one with the hash `previous`, and is what was appended."""
    place = (event.stream, event.version, event.position)
    said = (event.event_id, str(event.event_type), event.at.isoformat())
    digest = link(previous, place, (*said, canonical(event.payload), canonical(event.metadata)))
    return (event.previous, event.hash) == (previous, digest)


def _states(text: str | None) -> dict[str, FeatureState]:
    return {
        name: FeatureState(Phase(phase), finished, changes, malformed=tuple(malformed))
        for name, (phase, finished, changes, malformed) in json.loads(text or "{}").items()
    }
