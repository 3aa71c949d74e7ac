"""How a sync daemon's standing is shown: as one line for people, as fields for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from spec_kitty_cli.console import bad, good, quiet
from spec_kitty_cli.words import plain

if TYPE_CHECKING:
    from kitty_sync.daemon.lifecycle import DaemonStatus


def fields(found: DaemonStatus) -> dict[str, object]:
    """The daemon's standing as the fields of a JSON object."""
    return attrs.asdict(found)


def line(found: DaemonStatus) -> str:
    """The daemon's standing in a few words."""
    if found.running:
        return f"{good('●')} runs {quiet(f'(pid {found.pid}, {found.url}, version {found.version})')}"
    if found.owner == "foreign":
        return f"{bad('○')} not ours"
    return f"{bad('○')} {plain('in trouble' if found.problem else 'does not run')}"
