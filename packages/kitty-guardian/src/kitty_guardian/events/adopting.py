"""Adoption: the history of every feature that the store does not know yet, as commits hold it (model, section 1)."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from kitty_guardian.errors import InvalidEventError, VersionConflict
from kitty_guardian.events.identifiers import next_ulid
from kitty_guardian.events.lines import numbered
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.statusrecords import (
    Record,
    event_of,
    line_recorded,
    moment,
    place,
    records,
    ulid_of,
    usable_id,
)
from kitty_guardian.events.store import EventStore, Write
from kitty_guardian.model.events import NO_STREAM, Event, EventType, Source, feature_stream, work_package_stream
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.copies import Copies
from kitty_guardian.project.features import FEATURES
from kitty_guardian.project.gathering import STATUS_LOG
from kitty_guardian.project.meta import read_meta
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
            left_out |= _commit(store, fresh, _read(worktree, found, [report.feature for report in fresh]))
        except VersionConflict:  # somebody else adopted some of them meanwhile
            if not remaining:
                raise
        else:
            break
    return tuple(sorted(left_out))


def _commit(store: EventStore, fresh: Sequence[PhaseReport], held: Mapping[str, _Held]) -> set[str]:
    """Commit the history of these features; gives those whose history cannot be kept."""
    ids: set[str] = set()
    writes = [write for report in fresh for write in _writes(report, held[report.feature], ids)]
    with contextlib.suppress(InvalidEventError):
        if writes:
            store.commit(writes)
        return set()
    # One of them holds what the store refuses: none of the others is to wait for it.
    return {report.feature for report in fresh if not _commit_alone(store, report, held[report.feature])}


def _commit_alone(store: EventStore, report: PhaseReport, held: _Held) -> bool:
    """Commit the history of one feature, under new ids where its own are taken (a copied folder brings its log)."""
    for ids in (set[str](), None):
        with contextlib.suppress(InvalidEventError):
            store.commit(list(_writes(report, held, ids)))
            return True
    return store.version(feature_stream(report.feature)) != NO_STREAM  # somebody else adopted it meanwhile


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


@attrs.frozen
class _Held:
    """What a commit holds of one feature.

    Attributes:
        log: Its status log; empty where it has none.
        since: From when on the feature is there.
    """

    log: bytes
    since: datetime


def _read(worktree: Worktree, found: Survey, features: Sequence[str]) -> dict[str, _Held]:
    """What is held of each feature by the commit it was read from."""
    held = dict.fromkeys(features, _Held(b"", datetime.now(UTC)))
    if found.head is None or not features:
        return held
    elsewhere = {name: copy.commit for name, copy in found.copies.items()}
    missing: list[str] = []
    for commit in dict.fromkeys([found.head, *elsewhere.values()]):
        with GitTree(worktree.git, commit) as tree:
            names = [name for name in features if elsewhere.get(name, found.head) == commit]
            missing += [name for name in names if not tree.names(f"{FEATURES}/{name}")]
            held |= _read_from(tree, _committed(worktree, commit), [name for name in names if name not in missing])
    # What was begun in the main work tree after this one branched off.
    if missing and (main := Copies(worktree, found.head).main) is not None:
        with GitTree(worktree.git, main.commit) as tree:
            there = [name for name in missing if tree.names(f"{FEATURES}/{name}")]
            held |= _read_from(tree, _committed(worktree, main.commit), there)
    return held


def _read_from(tree: GitTree, committed: datetime, features: Sequence[str]) -> dict[str, _Held]:
    folders = {name: f"{FEATURES}/{name}" for name in features}
    tree.expect([f"{folder}/{name}" for folder in folders.values() for name in (STATUS_LOG, "meta.json")])
    held: dict[str, _Held] = {}
    for name, folder in folders.items():
        log = tree.read(f"{folder}/{STATUS_LOG}", LOG_LIMIT) or b""
        created = read_meta(tree, name).get("created_at")
        since = moment(created) if isinstance(created, str) else None
        held[name] = _Held(log, committed if since is None else min(since, committed))
    return held


def _committed(worktree: Worktree, commit: str) -> datetime:
    """When a commit was made, but not later than now."""
    seconds = int(worktree.git.text("show", "--no-patch", "--format=%ct", commit))
    return min(datetime.fromtimestamp(seconds, UTC), datetime.now(UTC))


def _writes(report: PhaseReport, held: _Held, taken: set[str] | None) -> Iterator[Write]:
    """What is recorded of one feature; a stream per work package, and one for the rest.

    Args:
        report: The feature.
        held: What a commit holds of it.
        taken: Ids that other lines are kept by, and by now these; None: every line is kept by a new one.
    """
    feature = report.feature
    streams: dict[str, list[Event]] = {feature_stream(feature): []}
    for record, moves in _in_order(records(numbered(held.log))):
        at = record.at or held.since
        event_id = usable_id(record, taken or ())
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
            streams[stream] = [_standing(feature, name, lane, held.since)]
    streams[feature_stream(feature)].append(_entered(report, held.since))
    for stream, events in streams.items():
        anew = [attrs.evolve(event, event_id=next_ulid()) for event in events] if taken is None else events
        yield Write(stream, anew, NO_STREAM)


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
        if record.is_folded:
            seen.add(record.event_id)
    for _, record in sorted(moves, key=lambda pair: place(pair[0])):
        yield record, True
    for record in rest:
        yield record, False


def _entered(report: PhaseReport, at: datetime) -> Event:
    phase = entered_phase(report)
    payload: dict[str, Any] = {
        "feature": report.feature,
        "phase": phase.value,
        "from_phase": None,
        "actor": ACTOR,
        "reason": f"was in {phase} when it was first seen",
        "gate": None,
        "head": None,
    }
    return _event(EventType.PHASE_ENTERED, report.feature, payload, at)


def _standing(feature: str, work_package: str, lane: Lane, at: datetime) -> Event:
    payload: dict[str, Any] = {
        "mission_slug": feature,
        "wp_id": work_package,
        "from_lane": "genesis",
        "to_lane": lane.value,
        "actor": ACTOR,
        "execution_mode": "worktree",
        "force": lane is not Lane.PLANNED,
        "reason": f"was {lane} when it was first seen",
        "review_ref": None,
        "evidence": None,
    }
    return _event(EventType.WP_STATUS_CHANGED, feature, payload, at)


def _event(event_type: EventType, feature: str, payload: Mapping[str, Any], at: datetime) -> Event:
    """An event of adoption; two clones that see the same thing first make the same event of it, and the same line.

    Its time is when the feature began to be there: whoever sorts the lines finds it before all that was done since.
    """
    said = json.dumps([event_type, payload], sort_keys=True).encode()
    event_id = ulid_of(at, hashlib.sha256(said).digest())
    metadata = {"source": Source.ADOPTION.value, "feature": feature, "actor": ACTOR}
    return new_event(event_type, payload, at=at, event_id=event_id, metadata=metadata)
