"""What happened, as the store keeps it: events, the streams they belong to and the closed list of their types; pure.

The words are message-db's: an event is the `version`-th of its `stream` (the first is 0) and has a global `position`
(the first is 1). A stream's name begins with its category: `feature-001-login`, `workPackage-001-login/WP01`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from datetime import datetime


class EventType(StrEnum):
    """Every type of event there is (contract, kitty_guardian). `WPStatusChanged` is upstream's, the others are ours."""

    WP_STATUS_CHANGED = "WPStatusChanged"
    PHASE_ENTERED = "PhaseEntered"
    PHASE_BLOCKED = "PhaseTransitionBlocked"
    VIOLATION = "PolicyViolationAttempted"
    STOPPED = "GuardianStopped"
    EXCEPTION = "ExceptionGranted"
    HEAD = "HeadAttested"
    STATUS_LINE = "StatusLineRecorded"  # a line of a status log that moves no lane: an annotation, another tool's note


class Category(StrEnum):
    """What a stream is about: the part of its name before the first hyphen."""

    FEATURE = "feature"  # the phases of one feature, and what of its status log moves no lane
    WORK_PACKAGE = "workPackage"  # the lanes of one work package
    AUDIT = "audit"  # what one work tree's guardian and commands did and refused


class Source(StrEnum):
    """How an event came into the store: `metadata["source"]`."""

    COMMAND = "command"  # a transition that was asked for here; its line is written to the status log
    ADOPTION = "adoption"  # what HEAD held when the feature was first seen here; history, held to no matrix
    GIT = "git"  # a line that an attested HEAD brought
    FILE = "file"  # a line that another tool wrote into the work tree, judged (`transitions = "gated"`)
    GUARDIAN = "guardian"  # the watcher's own


FIRST: Final = 1
"""The position of a store's first event."""

NO_STREAM: Final = -1
"""The version of a stream without events."""


@attrs.frozen
class Event:
    """One thing that happened; before it is stored it has no place yet.

    Attributes:
        event_type: One of `EventType`.
        payload: JSON values; upstream's fields for upstream's types (spec-kitty facts, section 5).
        event_id: ULID; unique in the store.
        at: When it happened; aware.
        metadata: JSON values about the event itself: `source`, `feature`, `actor`, `facts`, `sanctions`, `line`.
        stream: Where it is kept; empty before.
        version: Its number in the stream, from 0; -1 before.
        position: Its number in the store, from 1; 0 before.
        previous: Hash of the event at the position before, hex; empty before.
        hash: SHA-256 over the previous hash and everything above, hex; empty before.
    """

    event_type: str
    payload: Mapping[str, Any]
    event_id: str = attrs.field(kw_only=True)
    at: datetime = attrs.field(kw_only=True)
    metadata: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)
    stream: str = attrs.field(default="", kw_only=True)
    version: int = attrs.field(default=NO_STREAM, kw_only=True)
    position: int = attrs.field(default=0, kw_only=True)
    previous: str = attrs.field(default="", kw_only=True)
    hash: str = attrs.field(default="", kw_only=True)

    @at.validator
    def _aware(self, _attribute: object, value: datetime) -> None:
        if value.tzinfo is None:
            raise ValueError("the time of an event needs its offset from UTC")


def feature_stream(feature: str) -> str:
    """The stream of a feature (folder name below `kitty-specs/`)."""
    return f"{Category.FEATURE}-{feature}"


def work_package_stream(feature: str, work_package: str) -> str:
    """The stream of one work package of a feature."""
    return f"{Category.WORK_PACKAGE}-{feature}/{work_package}"


def audit_stream(worktree: str) -> str:
    """The stream of one work tree (its name in the repository; `main` for the main one)."""
    return f"{Category.AUDIT}-{worktree}"


@lru_cache(maxsize=4096)
def category_of(stream: str) -> str:
    """The part of a stream's name before the first hyphen."""
    return stream.partition("-")[0]


@lru_cache(maxsize=4096)
def subject_of(stream: str) -> tuple[str, str]:
    """The feature and, for a work package's stream, the work package that a stream is about; else empty texts."""
    category, _, name = stream.partition("-")
    if category == Category.FEATURE:
        return name, ""
    if category == Category.WORK_PACKAGE:
        feature, _, work_package = name.rpartition("/")
        return feature, work_package
    return "", ""
