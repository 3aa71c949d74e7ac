"""Adoption: the history of every feature that the store does not know yet, as commits hold it (model, section 1)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from kitty_guardian.errors import InvalidEventError, VersionConflict
from kitty_guardian.events.identifiers import next_ulid
from kitty_guardian.events.lines import numbered
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.statusrecords import Record, event_of, line_recorded, place, records, usable_id
from kitty_guardian.events.store import EventStore, Write
from kitty_guardian.model.events import NO_STREAM, Event, EventType, Source, feature_stream, work_package_stream
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.features import FEATURES
from kitty_guardian.project.gathering import STATUS_LOG
from kitty_guardian.project.repository import Worktree
from kitty_guardian.project.statuslines import Move
from kitty_guardian.project.statuslog import LOG_LIMIT
from kitty_guardian.project.survey import Survey
from kitty_guardian.project.trees import GitTree

ACTOR: Final = "adoption"
"""Who moved a work package that stood in its lane when it was first seen."""

_TRIES: Final = 3
_BY_LANE: Final = (
    (Phase.IMPLEMENT, frozenset({Lane.CLAIMED, Lane.IN_PROGRESS})),
    (Phase.REVIEW, frozenset({Lane.FOR_REVIEW, Lane.IN_REVIEW})),
)


def adopt(store: EventStore, worktree: Worktree, found: Survey) -> tuple[str, ...]:
    """Record every feature that the store does not know: its phase, and every line of its status log, as history.

    All of them are committed at once. Read are the commits that the survey read, never the disk.

    Args:
        store: The repository's store.
        worktree: The work tree that was surveyed.
        found: What was found.

    Returns:
        The features that were left out since their phase or a lane cannot be read for certain, sorted.

    Raises:
        GitError: A commit cannot be read.
        EventStoreError: The store cannot be used; nothing was adopted.
        VersionConflict: Others keep adopting at the same time.
    """
    left_out = {name for name, report in found.reports.items() if not _is_known(report)}
    for remaining in reversed(range(_TRIES)):
        fresh = [
            report
            for name, report in sorted(found.reports.items())
            if name not in left_out and store.version(feature_stream(name)) == NO_STREAM
        ]
        try:
            left_out |= _commit(store, fresh, _logs(worktree, found, [report.feature for report in fresh]))
        except VersionConflict:  # somebody else adopted some of them meanwhile
            if not remaining:
                raise
        else:
            break
    return tuple(sorted(left_out))


def _commit(store: EventStore, fresh: Sequence[PhaseReport], logs: Mapping[str, bytes]) -> set[str]:
    """Commit the history of these features; gives those whose history cannot be kept."""
    ids: set[str] = set()
    writes = [write for report in fresh for write in _writes(report, logs.get(report.feature, b""), ids)]
    with contextlib.suppress(InvalidEventError):
        if writes:
            store.commit(writes)
        return set()
    # One of them holds what the store refuses: none of the others is to wait for it.
    return {report.feature for report in fresh if not _commit_alone(store, report, logs.get(report.feature, b""))}


def _commit_alone(store: EventStore, report: PhaseReport, log: bytes) -> bool:
    """Commit the history of one feature, under new ids where its own are taken (a copied folder brings its log)."""
    for ids in (set[str](), None):
        with contextlib.suppress(InvalidEventError):
            store.commit(list(_writes(report, log, ids)))
            return True
    return False


def entered_phase(report: PhaseReport) -> Phase:
    """The phase that was entered last, going by lanes and files: once work began, a feature stays beyond `tasks`."""
    lanes = set(report.work_packages.values())
    for phase, active in _BY_LANE:
        if lanes & active:
            return phase
    if lanes - {Lane.PLANNED}:
        return Phase.IMPLEMENT
    return Phase.TASKS if lanes else report.phase


def _is_known(report: PhaseReport) -> bool:
    """Whether everything about a feature can be read, and its work packages have names that streams can have."""
    return report.is_certain and not report.unreadable and not any("/" in name for name in report.work_packages)


def _logs(worktree: Worktree, found: Survey, features: Sequence[str]) -> dict[str, bytes]:
    """The status log of each feature that has one, from the commit it was read from."""
    logs: dict[str, bytes] = {}
    for commit, names in _by_commit(found, features).items():
        with GitTree(worktree.git, commit) as tree:
            paths = {name: f"{FEATURES}/{name}/{STATUS_LOG}" for name in names}
            tree.expect(paths.values())
            for name, path in paths.items():
                if (data := tree.read(path, LOG_LIMIT)) is not None:
                    logs[name] = data
    return logs


def _by_commit(found: Survey, features: Sequence[str]) -> dict[str, list[str]]:
    by_commit: dict[str, list[str]] = {}
    for name in features:
        commit = found.copies[name].commit if name in found.copies else found.head
        if commit is not None:
            by_commit.setdefault(commit, []).append(name)
    return by_commit


def _writes(report: PhaseReport, log: bytes, taken: set[str] | None) -> Iterator[Write]:
    """What is recorded of one feature; a stream per work package, and one for the rest.

    Args:
        report: The feature.
        log: Its status log.
        taken: Ids that other lines are kept by, and by now these; None: every line is kept by a new one.
    """
    now = datetime.now(UTC)
    feature = report.feature
    streams: dict[str, list[Event]] = {feature_stream(feature): []}
    for record, moves in _in_order(records(numbered(log))):
        at = record.at or now
        event_id = next_ulid() if taken is None else usable_id(record, taken)
        if taken is not None:
            taken.add(event_id)
        event = event_of(record, feature, Source.ADOPTION, event_id=event_id, at=at)
        if moves and record.move is not None:
            stream = work_package_stream(feature, record.move.work_package)
        else:
            event, stream = line_recorded(record, event.metadata, event_id=event_id, at=at), feature_stream(feature)
        streams.setdefault(stream, []).append(event)
    for name, lane in report.work_packages.items():
        if (stream := work_package_stream(feature, name)) not in streams:
            streams[stream] = [_standing(feature, name, lane, now)]
    streams[feature_stream(feature)].append(_entered(report, now))
    for stream, events in streams.items():
        yield Write(stream, events, NO_STREAM)


def _in_order(found: Iterator[Record]) -> Iterator[tuple[Record, bool]]:
    """Lines in the order in which the reducer folds them, each with whether it moves a work package.

    Of lines with one event id only the first counts; the others and what moves nothing come last, as they stand.
    """
    moves: list[tuple[Move, Record]] = []
    rest: list[Record] = []
    seen: set[str] = set()
    for record in found:
        if record.move is not None and not record.problem and record.event_id not in seen:
            moves.append((record.move, record))
        else:
            rest.append(record)
        seen.add(record.event_id)
    for _, record in sorted(moves, key=lambda pair: place(pair[0])):
        yield record, True
    for record in rest:
        yield record, False


def _entered(report: PhaseReport, at: datetime) -> Event:
    payload: dict[str, Any] = {
        "feature": report.feature,
        "phase": entered_phase(report).value,
        "from_phase": None,
        "actor": ACTOR,
        "reason": report.evidence[0] if report.evidence else "",
        "gate": None,
        "head": None,
    }
    return new_event(EventType.PHASE_ENTERED, payload, at=at, metadata=_metadata(report.feature))


def _standing(feature: str, work_package: str, lane: Lane, at: datetime) -> Event:
    payload: dict[str, Any] = {
        "mission_slug": feature,
        "wp_id": work_package,
        "from_lane": "genesis",
        "to_lane": lane.value,
        "actor": ACTOR,
        "execution_mode": "worktree",
        "force": lane is not Lane.PLANNED,
        "reason": "was in this lane when it was first seen",
        "review_ref": None,
        "evidence": None,
    }
    return new_event(EventType.WP_STATUS_CHANGED, payload, at=at, metadata=_metadata(feature))


def _metadata(feature: str) -> Mapping[str, Any]:
    return {"source": Source.ADOPTION.value, "feature": feature, "actor": ACTOR}
