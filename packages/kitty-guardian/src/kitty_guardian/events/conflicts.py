"""The words of a version conflict: what the writer had not seen, and what to do about it; pure."""

from __future__ import annotations

from kitty_guardian.errors import VersionConflict
from kitty_guardian.events.board import actor_name
from kitty_guardian.model.events import Event, EventType, subject_of

_NAMED_AT_MOST = 3


def conflict(stream: str, expected: int, actual: int, missed: tuple[Event, ...]) -> VersionConflict:
    """The error for a writer who expected another version.

    Args:
        stream: The stream.
        expected: What the writer had seen.
        actual: What is there.
        missed: The events between, or the first of them.
    """
    if expected > actual:
        there = f"ends at version {actual}" if actual >= 0 else "does not exist"
        message = f"`{stream}` {there}, and version {expected} was expected"
    else:
        words = [_words(event) for event in missed[-_NAMED_AT_MOST:]]
        more = actual - expected - len(words)
        if more > 0:
            words.insert(0, f"{more} more")
        message = f"`{stream}` moved on from version {expected} to {actual} in the meantime: {', '.join(words)}"
    return VersionConflict(
        message, stream=stream, expected=expected, actual=actual, missed=missed,
        hint="look at what changed (`spec-kitty wp list`) and try again",
    )  # fmt: skip


def _words(event: Event) -> str:
    payload = event.payload
    feature, work_package = subject_of(event.stream)
    by = actor_name(payload.get("actor"))
    suffix = f" by {by}" if by else ""
    if event.event_type == EventType.WP_STATUS_CHANGED:
        return f"{work_package} {payload.get('from_lane') or 'genesis'} → {payload.get('to_lane')}{suffix}"
    if event.event_type == EventType.PHASE_ENTERED and feature:
        return f"{feature} entered {payload.get('phase')}{suffix}"
    return f"{event.event_type}{suffix}"
