"""Events to append: of every type, in every kind of stream, and the same every time but for their ids."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kitty_guardian.events.minting import new_event
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.model.events import Event, EventType, Source, audit_stream, feature_stream, work_package_stream

FEATURE = "001-login"
PHASES = feature_stream(FEATURE)
WP01 = work_package_stream(FEATURE, "WP01")
WP02 = work_package_stream(FEATURE, "WP02")
AUDIT = audit_stream("main")
STREAMS = (PHASES, WP01, WP02, AUDIT)


def moved(
    to_lane: str = "claimed",
    from_lane: str = "planned",
    *,
    work_package: str = "WP01",
    metadata: Mapping[str, Any] | None = None,
    event_id: str | None = None,
    **more: Any,  # noqa: ANN401 - JSON values
) -> Event:
    """A work package's move."""
    payload = {
        "mission_slug": FEATURE, "wp_id": work_package, "from_lane": from_lane, "to_lane": to_lane, "actor": "ada",
        "execution_mode": "worktree", "force": False, "reason": None, "review_ref": None, "evidence": None, **more,
    }  # fmt: skip
    about = {"source": Source.COMMAND, "feature": FEATURE} if metadata is None else metadata
    return new_event(EventType.WP_STATUS_CHANGED, payload, metadata=about, event_id=event_id)


def entered(phase: str = "specify", **more: Any) -> Event:  # noqa: ANN401 - JSON values
    """A phase that was entered."""
    payload = {"feature": FEATURE, "phase": phase, "from_phase": None, "actor": "ada", "reason": None, **more}
    return new_event(EventType.PHASE_ENTERED, payload, metadata={"source": Source.COMMAND, "feature": FEATURE})


def blocked(reason: str = "there is no spec.md") -> Event:
    """A transition that was refused."""
    payload = {
        "feature": FEATURE, "work_package": None, "from": "specify", "to": "plan", "gate": "gate:spec.md",
        "reason": reason, "hint": None, "actor": "ada", "layer": "command",
    }  # fmt: skip
    return new_event(EventType.PHASE_BLOCKED, payload, metadata={"source": Source.COMMAND})


def violation(path: str = "src/app.py") -> Event:
    """A write that was undone."""
    payload = {
        "path": path, "phase": "plan", "rule": "source", "operation": "write", "action": "restored", "layer": "watcher",
        "quarantine_id": None, "reason": "source is written in implement",
    }  # fmt: skip
    return new_event(EventType.VIOLATION, payload, metadata={"source": Source.GUARDIAN})


def some_event(stream: str, **more: Any) -> Event:  # noqa: ANN401 - JSON values
    """An event that has its place in `stream`."""
    if stream.startswith("workPackage"):
        return moved(work_package=stream.rpartition("/")[2], **more)
    return entered(**more) if stream.startswith("feature") else blocked()


def opened(path: Path) -> SqliteEventStore:
    """A store without a law: here it is about keeping, not about judging."""
    return SqliteEventStore(path, validators=())


def is_told(error: Exception, *words: str) -> bool:
    """Whether an error says these words, in one line without a full stop."""
    message = getattr(error, "message", "")
    assert message
    assert "\n" not in message
    assert not message.endswith(".")
    return all(word in message for word in words)
