"""`state doctor` and `state paths`: where local state is, said by the code that uses it (FR-009, SC-004)."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from kitty_paths import RootSource, StateRoot
from kitty_paths.layout import VARIABLE
from spec_kitty_cli import boundary, words
from spec_kitty_cli.console import Console, bad, doubtful, good, hinting, pass_console, quiet, strong
from spec_kitty_cli.diagnosis import Diagnosis, Seen, Severity, diagnose
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIGNS = {Severity.ERROR: bad("✗"), Severity.WARNING: doubtful("!"), Severity.INFO: quiet("i")}


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty state doctor", ""),
        (f"{VARIABLE}=~/teamspace spec-kitty state doctor", "the same for another root"),
    ),
    help="""Report the root of all local state, every surface in it, and what is wrong with them.

    Looks only: nothing is created or changed. Exits 1 if something must be mended.""",
)
@json_option
@pass_console
def doctor(console: Console) -> int:
    """Report the state root, its surfaces and the findings."""
    found = diagnose(StateRoot.resolve())
    if console.json:
        console.emit("state-doctor", _fields(found, found.seen))
    else:
        _show_root(console, found)
        _show_daemon(console, found)
        _show_surfaces(console, found)
        _show_findings(console, found)
    return boundary.DONE if found.healthy else boundary.NO


def _complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    del ctx, param
    names = (surface.name for surface in StateRoot.resolve().surfaces())
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty state paths", "all of them"),
        ("spec-kitty state paths sync.config", "that one and nothing else, for a script"),
    ),
    help="Print where each surface is, or would be. With NAME print that path alone.",
)
@click.argument("name", required=False, shell_complete=_complete_names)
@json_option
@pass_console
def paths(console: Console, *, name: str | None) -> None:
    """Print every path, or the one that is named."""
    root = StateRoot.resolve()
    chosen = None if name is None else root.child(name)
    if console.json:
        found = diagnose(root)
        console.emit("state-paths", _fields(found, [each for each in found.seen if chosen in {None, each.surface}]))
    elif chosen is not None:
        console.show(str(chosen))
    else:
        console.table([(surface.name, str(surface)) for surface in root.surfaces()], indent=0)


def _fields(found: Diagnosis, seen: Sequence[Seen]) -> dict[str, object]:
    from spec_kitty_cli import daemonview  # `state paths` alone does without the daemon

    return {
        "root": found.root.base,
        "source": found.root.source,
        "default_root": found.default,
        "healthy": found.healthy,
        "surfaces": [
            {
                "name": each.surface.name,
                "path": each.surface.path,
                "kind": each.surface.kind,
                "secret": each.surface.secret,
                "exists": each.exists,
                "mode": None if each.mode is None else f"{each.mode:04o}",
            }
            for each in seen
        ],
        "daemon": None if found.daemon is None else daemonview.fields(found.daemon),
        "findings": [asdict(finding) for finding in found.findings],
    }


def _show_root(console: Console, found: Diagnosis) -> None:
    why = {
        RootSource.ENVIRONMENT: f"{VARIABLE} names it",
        RootSource.PLATFORM_DEFAULT: f"{VARIABLE} is not set",
        RootSource.EXPLICIT: "named by the caller",
    }
    console.show(f"{strong('root')}    {words.plain(found.root.base)}")
    console.show(f"        {quiet(f'{found.root.source}: {why[found.root.source]}')}")
    if found.is_visible and not os.path.exists(found.root.base):  # noqa: PTH110 - Path.exists raises where it may not look
        console.show(f"        {quiet('does not exist yet; the first command that writes makes it')}")


def _show_daemon(console: Console, found: Diagnosis) -> None:
    from spec_kitty_cli import daemonview

    if found.daemon is None:
        return
    console.show(f"{strong('daemon')}  {daemonview.line(found.daemon)}")
    if found.daemon.root is not None:
        console.show(f"        {quiet(f'it says it works for {words.plain(found.daemon.root)}')}")


def _show_surfaces(console: Console, found: Diagnosis) -> None:
    console.show()
    console.table(
        [(_sign(each), each.surface.name, _mode(each), _place(each, found)) for each in found.seen],
        header=("", "surface", "mode", "below the root"),
        indent=0,
    )


def _sign(seen: Seen) -> str:
    return good("●") if seen.exists else quiet("○")


def _mode(seen: Seen) -> str:
    if not seen.exists:
        return quiet("-")
    if seen.mode is None:
        return bad("?")
    text = f"{seen.mode:04o}"
    if seen.surface.secret and seen.mode & ~seen.surface.mode:
        return f"{bad(text)} (want {seen.surface.mode:04o})"
    return text


def _place(seen: Seen, found: Diagnosis) -> str:
    below = words.one_line(seen.surface.path.relative_to(found.root.base))
    note = f" {quiet('secret')}" if seen.surface.secret else ""
    return (below if seen.exists else quiet(below)) + note


def _show_findings(console: Console, found: Diagnosis) -> None:
    console.show()
    for finding in found.findings:
        console.show(f"{_SIGNS[finding.severity]} {words.plain(finding.message)}  {quiet(finding.code)}")
        if finding.hint:
            console.show(f"  {hinting()} {words.plain(finding.hint)}")
    there = sum(each.exists for each in found.seen)
    count = f"{there} of {words.count(len(found.seen), 'surface')} in use"
    errors = sum(finding.severity is Severity.ERROR for finding in found.findings)
    verdict = good("healthy") if found.healthy else bad(f"{words.count(errors, 'thing')} to mend")
    console.show(f"{verdict}, {count}")
