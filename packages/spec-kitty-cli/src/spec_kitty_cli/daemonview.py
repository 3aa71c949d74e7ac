"""How a sync daemon's standing is shown: as one line for people, as fields for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from kitty_sync.daemon import lifecycle
from spec_kitty_cli.console import bad, good, quiet

if TYPE_CHECKING:
    from kitty_sync.daemon.lifecycle import DaemonStatus


def fields(found: DaemonStatus) -> dict[str, object]:
    """The daemon's standing as the fields of a JSON object."""
    return attrs.asdict(found)


def line(found: DaemonStatus) -> str:
    """The daemon's standing in a few words."""
    if found.running:
        return f"{good('●')} runs {quiet(f'(pid {found.pid}, {found.url}, version {found.version})')}"
    words = {None: "does not run", lifecycle.FOREIGN: "another program's", lifecycle.DIED: "died"}
    sign = quiet("○") if found.problem is None else bad("○")
    return f"{sign} {words.get(found.problem_code, 'does not answer')}"
