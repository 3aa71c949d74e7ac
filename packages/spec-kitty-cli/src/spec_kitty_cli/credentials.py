"""How a secret gets into the program: through stdin or a prompt that shows nothing; never through an argument."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from kitty_sync.secret import Secret
from kitty_sync.tracker.credentials import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST_BYTES = 1 << 16


def names_only(ctx: click.Context, param: click.Parameter, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Give the names that options `NAME=-` ask for, as click parses them; a value is refused, and not repeated.

    Raises:
        click.UsageError: An option is no `NAME=-`, or there are several: stdin is one text.
        InvalidCredentialError: A name cannot be a credential's.
    """
    del param
    names = tuple(each.removesuffix("=-") for each in wanted)
    if any(f"{name}=-" != each for name, each in zip(names, wanted, strict=True)):
        raise click.UsageError(
            "--credential takes NAME=- and reads the value from stdin: what stands on a command line can be read "
            "by every user of this machine, and stays in the shell's history",
            ctx,
        )
    for name in names:
        check_name(name)
    if len(names) > 1:
        raise click.UsageError("stdin holds one credential; put several into a file, --credential-file FILE", ctx)
    return names


def from_stdin(names: Sequence[str]) -> dict[str, Secret]:
    """Give the credential that stdin holds, by its name; typed at a prompt where stdin is a terminal.

    Raises:
        click.UsageError: Stdin does not hold one line of text.
    """
    if names and sys.stdin.isatty():
        return ask(names, of="the tracker")
    return {name: _read() for name in names}


def ask(names: Iterable[str], *, of: str) -> dict[str, Secret]:
    """Give what a person types at a prompt that shows nothing; nothing where stdin is no terminal.

    Args:
        names: What to ask for.
        of: What it belongs to, for the prompt.
    """
    if not sys.stdin.isatty():
        return {}
    return {name: Secret(click.prompt(f"{name} of {of}", hide_input=True, err=True)) for name in names}


def _read() -> Secret:
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    try:
        # An editor or `echo` ends the text with a line break that is not part of it.
        text = data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if not text or len(data) > _MOST_BYTES or not text.isprintable():
        raise click.UsageError(
            "stdin holds no credential: one line of text, and not an empty one", click.get_current_context()
        ) from None
    return Secret(text)
