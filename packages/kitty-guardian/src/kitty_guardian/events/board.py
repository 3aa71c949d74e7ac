"""What the events add up to: each feature's phase and the lane of each of its work packages.

The board is a fold: it reads no file and no clock, and the same events always give the same board.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import attrs

from kitty_guardian.model.events import Category, Event, EventType, Source, category_of, subject_of
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase

ORDER: Final = tuple(Phase)
_OURS: Final = frozenset({Source.COMMAND, Source.ADOPTION})
_WORK: Final = frozenset({Phase.IMPLEMENT, Phase.REVIEW})
_IMPLEMENTING: Final = frozenset({Lane.CLAIMED, Lane.IN_PROGRESS})
_REVIEWING: Final = frozenset({Lane.FOR_REVIEW, Lane.IN_REVIEW})
_HANDED_IN: Final = frozenset({Lane.FOR_REVIEW, Lane.IN_REVIEW, Lane.APPROVED})
_ASKING: Final = frozenset({"changes_requested", "rejected"})


@attrs.define
class PackageStanding:
    """Where one work package stands.

    Attributes:
        lane: Its lane; None before it has one (upstream calls that genesis).
        version: Version of its stream.
        actor: Who moved it last; a claim.
        implementer: Who had it in progress last, or None.
        at: When it was moved last, ISO 8601.
        event_id: Of the event that moved it last.
        changes_requested: Whether its latest verdict asks for changes and it has not been handed in since.
        forced: How many of its moves were forced.
    """

    lane: Lane | None = None
    version: int = -1
    actor: str | None = None
    implementer: str | None = None
    at: str = ""
    event_id: str = ""
    changes_requested: bool = False
    forced: int = 0


@attrs.define
class FeatureStanding:
    """Where one feature stands.

    Attributes:
        feature: Folder name below `kitty-specs/`.
        entered: The phase that was entered last; None before any was.
        version: Version of its stream.
        work_packages: By id.
        lines: Canonical SHA-256 (hex) of every line of its status log that is history or was imported.
        own: Every event of ours that has a line in the status log, by event id, in order.
        sanctions: SHA-256 (hex) that events sanction, by path relative to the work tree, oldest first.
    """

    feature: str
    entered: Phase | None = None
    version: int = -1
    work_packages: dict[str, PackageStanding] = attrs.field(factory=dict)
    lines: set[str] = attrs.field(factory=set)
    own: dict[str, Event] = attrs.field(factory=dict)
    sanctions: dict[str, list[str]] = attrs.field(factory=dict)

    def lanes(self, scope: Collection[str] = ()) -> dict[str, Lane]:
        """Lane by work package, of those in `scope` (empty: all); without those that have none yet."""
        return {
            name: package.lane
            for name, package in self.work_packages.items()
            if package.lane is not None and (not scope or name in scope)
        }

    @property
    def finished(self) -> bool:
        """Whether there are work packages and every one is done, approved or canceled, and nothing was reopened."""
        lanes = self.lanes()
        return self.entered in _WORK and bool(lanes) and all(lane.is_finished for lane in lanes.values())

    def phase(self, scope: Collection[str] = ()) -> Phase:
        """The phase that is enforced, for the whole feature or for a work tree made for the work packages in `scope`.

        Up to `tasks`, and after `reopen`, it is the phase that was entered. Then lanes decide. Where nobody is at work
        a whole feature is in `tasks`; a work tree whose own work packages are handed over is in `review`: nothing more
        is written there, until they come back.
        """
        if self.entered is None:
            return Phase.RESEARCH
        if self.entered not in _WORK:
            return self.entered
        lanes = set(self.lanes(scope).values())
        if lanes & _IMPLEMENTING:
            return Phase.IMPLEMENT
        if lanes & _REVIEWING:
            return Phase.REVIEW
        handed_over = bool(scope) and bool(lanes) and all(lane.is_finished for lane in lanes)
        return Phase.REVIEW if handed_over else Phase.TASKS

    def changes_requested(self, scope: Collection[str] = ()) -> bool:
        """Whether a latest verdict of the work packages in `scope` (empty: all) asks for changes."""
        return any(
            package.changes_requested for name, package in self.work_packages.items() if not scope or name in scope
        )


class Board:
    """Folds events, in the order of their positions.

    Attributes:
        position: Of the last event that was folded.
        head: Its hash.
        features: By folder name.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.position = 0
        self.head = ""
        self.features: dict[str, FeatureStanding] = {}
        for event in events:
            self.apply(event)

    def feature(self, name: str) -> FeatureStanding:
        """Where a feature stands; one without events has a standing that says so."""
        return self.features.get(name) or FeatureStanding(name)

    def phase_of(self, feature: str, scope: Collection[str] = ()) -> Phase | None:
        """The enforced phase of a feature, or None where nothing was recorded of it (`PhaseStore`)."""
        found = self.features.get(feature)
        return None if found is None or found.entered is None else found.phase(scope)

    def apply(self, event: Event) -> None:
        """Fold one more stored event."""
        self.position, self.head = event.position, event.hash
        category = category_of(event.stream)
        if category == Category.AUDIT:
            return
        feature, work_package = subject_of(event.stream)
        standing = self.features.get(feature)
        if standing is None:
            standing = self.features[feature] = FeatureStanding(feature)
        _note(standing, event)
        if category == Category.WORK_PACKAGE:
            package = standing.work_packages.get(work_package)
            if package is None:
                package = standing.work_packages[work_package] = PackageStanding()
            _move(package, event)
            return
        standing.version = event.version
        if event.event_type == EventType.PHASE_ENTERED:
            standing.entered = Phase(event.payload["phase"])


def _note(standing: FeatureStanding, event: Event) -> None:
    metadata = event.metadata
    line = metadata.get("line")
    if line is not None:
        standing.lines.add(line)
    elif metadata.get("source") in _OURS:
        standing.own[event.event_id] = event
    if "sanctions" in metadata:
        for path, sha in metadata["sanctions"].items():
            standing.sanctions.setdefault(path, []).append(sha)


def _move(package: PackageStanding, event: Event) -> None:
    package.version = event.version
    if event.event_type != EventType.WP_STATUS_CHANGED:
        return
    payload = event.payload
    package.lane = Lane(payload["to_lane"])
    package.actor = actor_name(payload.get("actor"))
    package.at = event.at.isoformat()
    package.event_id = event.event_id
    package.forced += payload.get("force") is True
    if package.lane is Lane.IN_PROGRESS and payload.get("from_lane") not in _HANDED_IN:
        package.implementer = package.actor  # whoever sends work back does not become its author
    verdict = _verdict(payload) or event.metadata.get("verdict")
    if verdict is not None:
        package.changes_requested = verdict in _ASKING
    if package.lane is Lane.FOR_REVIEW or package.lane.is_finished:
        package.changes_requested = False


def actor_name(actor: object) -> str | None:
    """An actor as one text: a name as it is, a mapping by its most telling part."""
    if isinstance(actor, str):
        return actor or None
    if isinstance(actor, Mapping):
        named = (actor.get(key) for key in ("profile", "tool", "role", "model"))
        return next((name for name in named if isinstance(name, str) and name), None)
    return None


def _verdict(payload: Mapping[str, Any]) -> str | None:
    found, evidence = payload.get("review_result"), payload.get("evidence")
    if not found and evidence:
        found = evidence.get("review") if isinstance(evidence, Mapping) else None
    if not found:
        return None
    verdict = found.get("verdict") if isinstance(found, Mapping) else None
    return verdict.strip().lower() if isinstance(verdict, str) and verdict.strip() else None
