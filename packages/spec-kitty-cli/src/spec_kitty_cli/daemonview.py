"""How a sync daemon's standing is shown: as one line for people, as fields for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitty_sync.daemon import lifecycle
from spec_kitty_cli.console import bad, good, quiet
from spec_kitty_cli.words import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kitty_sync.daemon.lifecycle import DaemonStatus
    from kitty_sync.daemon.work import QueueCount

_FIELDS = (
    "running",
    "pid",
    "url",
    "root",
    "version",
    "started_at",
    "notes",
    "problem",
    "problem_code",
    "hint",
    "owner",
)


def fields(found: DaemonStatus) -> dict[str, object]:
    """The daemon's standing as the fields of a JSON object."""
    return {name: getattr(found, name) for name in _FIELDS} | {"queues": queues(found.queues)}


def queues(found: Iterable[QueueCount]) -> list[dict[str, object]]:
    """Counts of queues as the fields of JSON objects."""
    return [
        {"path": each.path, "active": each.active, "events": each.events, "problem": each.problem} for each in found
    ]


def line(found: DaemonStatus) -> str:
    """The daemon's standing in a few words."""
    if found.running:
        return f"{good('●')} runs {quiet(plain(f'(pid {found.pid}, {found.url}, version {found.version})'))}"
    words = {None: "does not run", lifecycle.FOREIGN: "another program's", lifecycle.DIED: "died"}
    sign = quiet("○") if found.problem is None else bad("○")
    return f"{sign} {words.get(found.problem_code, 'does not answer')}"
