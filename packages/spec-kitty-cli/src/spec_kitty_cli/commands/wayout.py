"""`guardian allow` and `guardian pause`: a person's exceptions, for a while and on the record."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kitty_guardian.watch import wayout
from kitty_guardian.watch.wayout import Granted
from spec_kitty_cli import words
from spec_kitty_cli.console import Console, good, pass_console, strong
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import here, reason_option

_duration_option = click.option(
    "--for", "duration", metavar="T", required=True, help="How long: a duration such as 90s, 15m, 2h or 1d."
)


@click.command(
    cls=Command,
    examples=(('spec-kitty guardian allow src/app.py --for 15m --reason "typo in a log line"', ""),),
    help="""Let one path, or everything below a directory, be written for a while.

    Asked for on a terminal only, recorded, and over when the time is.""",
)
@click.argument("path", type=click.Path(path_type=Path))
@_duration_option
@reason_option(required=True)
@pass_console
def allow(console: Console, *, path: Path, duration: str, reason: str) -> None:
    """Grant an exception for one path."""
    seconds = wayout.parse_duration(duration)
    grant = wayout.allow(here(), str(path), seconds=seconds, reason=reason, terminal=sys.stdin.isatty())
    _show(console, grant, f"{strong(words.plain(grant.path))} may be written")


@click.command(
    cls=Command,
    examples=(('spec-kitty guardian pause --for 10m --reason "merging by hand"', ""),),
    help="""Let every write stand for a while. What is written then is judged by the same rules afterwards.

    Asked for on a terminal only, recorded, and over when the time is.""",
)
@_duration_option
@reason_option(required=True)
@pass_console
def pause(console: Console, *, duration: str, reason: str) -> None:
    """Let every write stand for a while."""
    seconds = wayout.parse_duration(duration)
    grant = wayout.pause(here(), seconds=seconds, reason=reason, terminal=sys.stdin.isatty())
    _show(console, grant, "every write stands")


def _show(console: Console, grant: Granted, what: str) -> None:
    console.show(f"{good('✓')} {what} until {words.moment(grant.until)}; recorded")
