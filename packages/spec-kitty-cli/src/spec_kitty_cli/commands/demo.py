"""`spec-kitty demo`: the story so far, in a throw-away repository, each claim checked."""

from __future__ import annotations

import time

import click

from spec_kitty_cli import boundary
from spec_kitty_cli.console import Console, bad, good, pass_console, quiet, strong
from spec_kitty_cli.demo import stage
from spec_kitty_cli.demo.story import Story
from spec_kitty_cli.grouping import Command


@click.command(
    cls=Command,
    examples=(("spec-kitty demo", "a few seconds; nothing of yours is touched"),),
    help="""See a forbidden write undone, kept and brought back, and a phase that moves by command alone.

    Makes a git repository with a feature in plan phase in a temporary directory, starts a real guardian there, lets a
    process of its own write where it should not, and compares bytes on disk. Exits 1 and says which, if any claim does
    not hold. The guardian is stopped and the directory removed in every case.""",
)
@pass_console
def demo(console: Console) -> int:
    """Play the demonstration; exit code 0 only if every claim held."""
    began = time.monotonic()
    console.show(strong("Phases decide what may be written, whoever writes."))
    console.show(quiet("A shop, a feature in plan phase, and an agent that would rather write code."))
    with stage.set_up() as built:
        story = Story(console, built)
        story.tell()
    if built.directory.exists():
        story.failed.append(f"{built.directory} is gone")
    seconds = f"{time.monotonic() - began:.1f} s"
    if story.failed:
        console.show(f"\n{bad(f'{len(story.failed)} claims did not hold')}:")
        for text in story.failed:
            console.show(f"  {text}")
        return boundary.NO
    console.show(
        f"\n{good(f'All {len(story.held)} claims held')}, compared on disk; {seconds}, and nothing is left behind."
    )
    return boundary.DONE
