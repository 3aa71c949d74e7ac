"""`guardian log`: the audit trail of this worktree, as lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch.audit import read_events
from spec_kitty_cli import words
from spec_kitty_cli.console import Console, bad, pass_console, quiet, strong
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELDS = ("event_id", "event_type", "at", "payload")


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty guardian log", "what happened so far"),
        ("spec-kitty guardian log --follow", "and what happens from now on"),
        ("spec-kitty guardian log --json", "as JSON lines"),
    ),
    help="What the guardian saw and did, oldest first.",
)
@click.option("--follow", "-f", is_flag=True, help="Wait for more until Ctrl-C.")
@json_option
@pass_console
def log(console: Console, *, follow: bool) -> None:
    """Print the trail; with --follow go on until interrupted."""
    seen = False
    trail = Path(find_worktree(Path.cwd()).state.guardian.violations)
    for line in read_events(trail, follow=follow):
        seen = True
        if console.json:
            console.emit_line("guardian-log", {name: line.get(name) for name in _FIELDS})
        else:
            _show(console, line)
    if not seen:
        console.talk("nothing was recorded yet")


def _show(console: Console, line: Mapping[str, Any]) -> None:
    payload = line.get("payload") or {}
    kind = str(line.get("event_type", "?"))
    at = quiet(words.moment(str(line.get("at", ""))))
    if kind != "PolicyViolationAttempted":
        about = "  ".join(f"{name}={value}" for name, value in payload.items() if value not in {None, ""})
        console.show(f"{at}  {strong(kind)}  {about}")
        return
    words_of_it = (str(payload.get(name) or "") for name in ("operation", "action"))
    console.show(f"{at}  {bad('✗')} {strong(str(payload.get('path', '?')))}  {' → '.join(filter(None, words_of_it))}")
    details = (payload.get("phase"), payload.get("rule"), payload.get("quarantine_id"))
    console.show(f"{' ' * 21}  {quiet('  '.join(str(detail) for detail in details if detail))}")
