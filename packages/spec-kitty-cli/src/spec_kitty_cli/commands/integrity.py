"""`guardian verify`: the chain of events, the hooks, and the work tree against what the guardian holds."""

from __future__ import annotations

from dataclasses import asdict

import click

from spec_kitty_cli import boundary, words
from spec_kitty_cli.console import Console, bad, good, hinting, pass_console, quiet
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.integrity import Integrity, Severity, integrity
from spec_kitty_cli.options import here, json_option
from spec_kitty_cli.words import plain


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty guardian verify", "is everything as it was recorded and as it should be?"),
        ("spec-kitty guardian verify --json", "for a script"),
    ),
    help="""Verify the chain of events and compare the worktree with what its guardian holds.

    What cannot be verified is said, never assumed. Exits 1 if anything is wrong.""",
)
@json_option
@pass_console
def verify(console: Console) -> int:
    """Verify everything that there is to verify."""
    found = integrity(here())
    if console.json:
        console.emit(
            "guardian-verify",
            {
                "chain_ok": found.chain_ok,
                "hooks_ok": found.hooks_ok,
                "worktree_ok": found.worktree_ok,
                "findings": [asdict(finding) for finding in found.findings],
                "events": found.events,
            },
        )
    else:
        _show(console, found)
    return boundary.DONE if found.ok else boundary.NO


def _show(console: Console, found: Integrity) -> None:
    rows = (
        ("chain", found.chain_ok, f"{words.count(found.events, 'event')} as they were recorded", "broken"),
        ("hooks", found.hooks_ok, "in place", "not in place"),
        ("worktree", found.worktree_ok, "as its guardian holds it", "not as it should be"),
    )
    for name, ok, yes, no in rows:
        sign, said = (
            (quiet("○"), quiet("not verified")) if ok is None else (good("✓"), yes) if ok else (bad("✗"), bad(no))
        )
        console.show(f"{sign} {name:<9} {said}")
    console.show()
    for finding in found.findings:
        sign = bad("✗") if finding.severity is Severity.ERROR else quiet("i")
        console.show(f"{sign} {plain(finding.message)}")
        if finding.hint:
            console.show(f"  {hinting()} {plain(finding.hint)}")
