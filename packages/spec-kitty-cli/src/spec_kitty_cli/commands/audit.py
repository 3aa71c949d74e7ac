"""`guardian log`: the audit trail of this worktree, as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch.trail import read_trail
from spec_kitty_cli import words
from spec_kitty_cli.console import Console, bad, doubtful, good, pass_console, quiet, strong
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import here, json_option

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELDS = ("event_id", "event_type", "at", "payload")
# The width of a time and a sign.
_INDENT = 23


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
    for line in read_trail(find_worktree(here()), follow=follow):
        seen = True
        if console.json:
            console.emit_line("log", {name: line.get(name) for name in _FIELDS})
        else:
            _show(console, line)
    if not seen:
        console.talk("nothing was recorded yet")


def _show(console: Console, line: Mapping[str, Any]) -> None:
    payload = line.get("payload") or {}
    sign, what, details = _told(str(line.get("event_type")), payload)
    console.show(f"{quiet(words.moment(str(line.get('at'))))}  {sign} {what}")
    if details:
        console.show(f"{' ' * _INDENT}{quiet('  '.join(details))}")


def _told(kind: str, payload: Mapping[str, Any]) -> tuple[str, str, list[str]]:
    """A sign, what happened, and the details of one event."""

    def said(*names: str) -> list[str]:
        return [words.plain(payload[name]) for name in names if payload.get(name)]

    sign, what = " ", strong(words.plain(kind))
    match kind:
        case "PolicyViolationAttempted":
            sign, what = bad("✗"), f"{strong(' '.join(said('path')))}  {' → '.join(said('operation', 'action'))}"
            details = said("phase", "rule", "quarantine_id")
        case "PhaseEntered":
            features = payload.get("features") or {}
            entered = ", ".join(f"{words.plain(name)} in {words.plain(phase)}" for name, phase in features.items())
            sign, what = good("●"), f"guarding {strong(entered or 'no feature')}"
            details = said("reason", "actor")
        case "PhaseTransitionBlocked":
            sign, what = (
                bad("✗"),
                f"{strong(' '.join(said('feature', 'work_package')))}  refused: {' '.join(said('to'))}",
            )
            details = said("gate", "reason", "actor")
        case "GuardianStopped":
            sign, what = quiet("○"), "stopped"
            details = said("reason", "actor")
        case "ExceptionGranted":
            sign, what = doubtful("!"), f"{' '.join(said('kind'))} {strong(' '.join(said('path')))}"
            details = said("reason", "actor", "until")
        case "HeadAttested":
            sign, what = quiet("·"), f"HEAD {words.plain(str(payload.get('head'))[:12])} counts"
            details = [f"{payload.get('judged', 0)} commits judged"]
            if payload.get("vouched_by_remotes"):
                details.append(f"{payload['vouched_by_remotes']} vouched for by remote-tracking references alone")
            details += [f"ignore rules changed in {words.plain(path)}" for path in payload.get("ignore_rules") or ()]
        case _:
            details = [f"{name}={words.plain(value)}" for name, value in payload.items()]
    return sign, what, details
