"""Lines that others wrote, held to the rules one by one (enforcement model, sections 3 and 5)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from kitty_guardian.errors import InvalidEventError, TransitionRefusedError
from kitty_guardian.events import validators
from kitty_guardian.events.admission import admit
from kitty_guardian.events.board import ORDER, Board, FeatureStanding, actor_name
from kitty_guardian.events.lines import is_known
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.statusrecords import Record, event_of, line_recorded, moment, place, records, usable_id
from kitty_guardian.events.store import Write
from kitty_guardian.model.events import (
    NO_STREAM,
    Event,
    EventType,
    Source,
    feature_stream,
    subject_of,
    work_package_stream,
)
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase

_AT_WORK: Final = frozenset(Lane) - {Lane.PLANNED, Lane.BLOCKED, Lane.CANCELED}
_WORK: Final = frozenset({Phase.IMPLEMENT, Phase.REVIEW})
_AHEAD: Final = timedelta(hours=24)
"""How far another's clock may be ahead. What is dated later would be the last word for as long."""


@attrs.frozen
class RefusedLine:
    """A line that is not taken over.

    Attributes:
        number: 1-based.
        raw: The line.
        gate: Stable name of what said no; `line`: it cannot be read.
        reason: Why, half a sentence.
    """

    number: int
    raw: bytes
    gate: str
    reason: str


@attrs.frozen
class Judged:
    """What lines came to.

    Attributes:
        writes: To be committed together; each expects the version its stream had on the board.
        refused: In the order of the file.
    """

    writes: tuple[Write, ...]
    refused: tuple[RefusedLine, ...]


def judge(
    feature: str,
    lines: Iterable[tuple[int, bytes]],
    board: Board,
    *,
    source: Source,
    facts_of: Callable[[str], Mapping[str, Any]],
    is_taken: Callable[[str], bool] = lambda _: False,
) -> Judged:
    """Hold lines of a status log to the rules; whatever the store knows already is passed over.

    Lines are judged in the order in which every reader folds them, each on what the accepted ones before it left.

    Args:
        feature: Folder name below `kitty-specs/`.
        lines: With their numbers, as `lines.unknown` gives them.
        board: The store's; it is not changed.
        source: `GIT` for what an attested HEAD brought, `FILE` for what was written into the work tree.
        facts_of: What was found out for a move of a work package (by its id), and for entering a phase (by its name).
        is_taken: Whether the store has an event with this id. A line that bears the id of another one is a rewritten
            one, and every reader passes over it.
    """
    judging = _Judging(feature, board.feature(feature), source, facts_of, is_taken)
    for record in _in_order(judging.without_repeats(records(lines))):
        judging.take(record)
    refused = sorted(judging.refused, key=lambda line: line.number)
    return Judged(tuple(judging.writes()), tuple(refused))


def _in_order(found: Iterable[Record]) -> Sequence[Record]:
    """By when they happened; what has no time of its own stays behind what it follows in the file."""
    keyed: list[tuple[tuple[str, bool, str], Record]] = []
    key = ("", False, "")
    for record in found:
        if record.move is not None:
            key = place(record.move)
        elif record.phase is not None and record.at is not None:
            key = (record.at.isoformat(), False, "")
        keyed.append((key, record))
    return [record for _, record in sorted(keyed, key=lambda pair: pair[0])]


class _Judging:
    """One feature's lines, on a board of its own."""

    def __init__(
        self,
        feature: str,
        standing: FeatureStanding,
        source: Source,
        facts_of: Callable[[str], Mapping[str, Any]],
        is_taken: Callable[[str], bool],
    ) -> None:
        self._feature = feature
        self._source = source
        self._facts_of = facts_of
        self._is_taken = is_taken
        self._board = Board()
        self._standing = self._on_board(_copied(standing))
        self._accepted: list[tuple[str, int, Event]] = []
        self._ids = set(standing.own)
        self._latest = datetime.now(UTC) + _AHEAD
        self.refused: list[RefusedLine] = []

    def without_repeats(self, found: Iterable[Record]) -> Iterable[Record]:
        """The lines in the order of the file; of several with one id readers fold the first, the others are refused."""
        first: dict[str, str] = {}
        for record in found:
            if record.is_folded and first.setdefault(record.event_id, record.hash) != record.hash:
                self._refuse(record, _repeated(record))
            else:
                yield record

    def take(self, record: Record) -> None:
        """Judge one more line."""
        if is_known(record.raw, self._standing):
            return
        try:
            self._take(record)
        except TransitionRefusedError as error:
            self._refuse(record, error)

    def writes(self) -> Iterable[Write]:
        """What was accepted, in order."""
        runs: list[tuple[str, int, list[Event]]] = []
        for stream, version, event in self._accepted:
            if runs and runs[-1][0] == stream:
                runs[-1][2].append(event)
            else:
                runs.append((stream, version, [event]))
        for stream, version, events in runs:
            yield Write(stream, tuple(events), version)

    def _refuse(self, record: Record, error: TransitionRefusedError) -> None:
        self.refused.append(RefusedLine(record.number, record.raw, error.gate, error.message))

    def _take(self, record: Record) -> None:
        """Accept a line, with the phases that have to be entered for it.

        Raises:
            TransitionRefusedError: A rule says no.
        """
        if record.problem and not record.harmless:
            raise _refused(record.problem, "line")
        if record.event_id in self._ids or (record.event_id and self._is_taken(record.event_id)):
            raise _repeated(record)
        if record.at is not None and record.at > self._latest:
            ahead = _AHEAD // timedelta(hours=1)
            raise _refused(f"is dated {record.at.isoformat()}, more than {ahead} hours from now", "future")
        if record.move is None:
            self._take_note(record)
        elif record.at is None:
            raise _refused(f"happened at {record.move.at!r}, which is no time", "line")
        else:
            self._take_move(record, record.move.work_package, record.at)

    def _take_note(self, record: Record) -> None:
        at, stream = record.at or _LONG_AGO, feature_stream(self._feature)
        if record.phase is None or self._is_settled(record, record.phase):
            event = self._event(record, at, None)
            event = line_recorded(record, event.metadata, event_id=event.event_id, at=at)
        else:
            event = self._event(record, at, self._facts_of(record.phase))
        self._accept(event, stream)

    def _is_settled(self, record: Record, phase: Phase) -> bool:
        """Whether a phase line changes nothing: another clone entered the same one, or tells where it began."""
        entered = self._standing.entered
        return entered is not None and (phase is entered or record.fields["payload"].get("from_phase") is None)

    def _take_move(self, record: Record, work_package: str, at: datetime) -> None:
        of_feature = feature_stream(self._feature)
        event = self._event(record, at, self._facts_of(work_package))
        if self._is_older(work_package, at):
            if self._source is Source.FILE:
                raise _refused(f"is older than the last move of {work_package}", "order")
            # Whoever folds the log finds the later move: this one never takes effect.
            note = line_recorded(record, event.metadata, event_id=event.event_id, at=event.at)
            self._accept(note, of_feature)
            return
        stream = work_package_stream(self._feature, work_package)
        if not (phases := self._missing_phases(event)):
            self._accept(event, stream)
            return
        before, count = _copied(self._standing), len(self._accepted)
        try:
            for phase in phases:
                self._accept(self._entered(phase, event), of_feature)
            self._accept(event, stream)
        except TransitionRefusedError:  # no phase is entered for a move that is not made
            self._standing = self._on_board(before)
            del self._accepted[count:]
            raise

    def _event(self, record: Record, at: datetime, facts: Mapping[str, Any] | None) -> Event:
        return event_of(record, self._feature, self._source, event_id=usable_id(record), at=at, facts=facts)

    def _is_older(self, work_package: str, at: datetime) -> bool:
        package = self._standing.work_packages.get(work_package)
        last = moment(package.at) if package is not None and package.at else None
        return last is not None and at < last

    def _missing_phases(self, event: Event) -> Sequence[Phase]:
        """The phases to enter, one after the other, before this move: others' tools record none."""
        entered, to_lane = self._standing.entered, event.payload["to_lane"]
        if entered is None or entered in _WORK:
            return ()
        target = Phase.IMPLEMENT if to_lane in _AT_WORK else Phase.TASKS
        return ORDER[ORDER.index(entered) + 1 : ORDER.index(target) + 1]

    def _entered(self, phase: Phase, event: Event) -> Event:
        entered = self._standing.entered
        payload = {
            "feature": self._feature,
            "phase": phase.value,
            "from_phase": None if entered is None else entered.value,
            "actor": actor_name(event.payload["actor"]),
            "reason": f"{event.payload['wp_id']} entered {event.payload['to_lane']}",
            "gate": None,
            "head": None,
        }
        metadata = {"source": self._source.value, "feature": self._feature, "facts": dict(self._facts_of(phase))}
        return new_event(EventType.PHASE_ENTERED, payload, at=event.at, metadata=metadata)

    def _accept(self, event: Event, stream: str) -> None:
        """Validate an event and fold it.

        Raises:
            TransitionRefusedError: A validator says no.
        """
        version = self._version(stream)
        placed = attrs.evolve(event, stream=stream, version=version + 1)
        try:
            admit(Write(stream, (event,), version))
        except InvalidEventError as error:
            raise _refused(error.message, "line") from error
        validators.check(placed, self._board)
        self._board.apply(placed)
        self._ids.add(event.event_id)
        self._accepted.append((stream, version, event))

    def _version(self, stream: str) -> int:
        _, work_package = subject_of(stream)
        if not work_package:
            return self._standing.version
        package = self._standing.work_packages.get(work_package)
        return NO_STREAM if package is None else package.version

    def _on_board(self, standing: FeatureStanding) -> FeatureStanding:
        self._board.features[self._feature] = standing
        return standing


_LONG_AGO: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _copied(standing: FeatureStanding) -> FeatureStanding:
    """A standing that can be changed without changing this one; events are values and are shared."""
    return attrs.evolve(
        standing,
        work_packages={name: copy.copy(package) for name, package in standing.work_packages.items()},
        lines=set(standing.lines),
        own=dict(standing.own),
        sanctions={path: [*found] for path, found in standing.sanctions.items()},
    )


def _repeated(record: Record) -> TransitionRefusedError:
    return _refused(f"says something else than event {record.event_id}, whose id it bears", "event-id")


def _refused(message: str, gate: str) -> TransitionRefusedError:
    return TransitionRefusedError(message, gate=gate)
