"""Options and kinds of values that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from spec_kitty_cli.console import Console

_F = TypeVar("_F", bound=Callable[..., Any])


def _wants_json(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    del param
    if wanted:
        ctx.ensure_object(Console).json = True


json_option = click.option(
    "--json",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_wants_json,
    help="One JSON object on stdout, everything else on stderr.",
)


def here() -> Path:
    """The current directory, which `-C` may have changed.

    Raises:
        click.UsageError: It was removed while we are in it.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise click.UsageError("The current directory does not exist any more", click.get_current_context()) from None


def reason_option(*, required: bool) -> Callable[[_F], _F]:
    """`--reason TEXT`; a blank one is refused."""
    return click.option(
        "--reason", metavar="TEXT", required=required, callback=_not_blank, help="Why; goes into the record."
    )


def _not_blank(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("say why in a few words", ctx, param)
    return value


def actor_option(function: _F) -> _F:
    """`--actor NAME`, by default the name the person logged in with (the use cases ask for it); one line of text."""
    return click.option(
        "--actor",
        metavar="NAME",
        callback=in_one_line,
        help="Who does it; by default the name you logged in with. A claim, recorded as one.",
    )(function)


def reference_option(function: _F) -> _F:
    """`--reference REF`: what a verdict refers to; one line of text."""
    return click.option(
        "--reference",
        metavar="REF",
        callback=in_one_line,
        help="What the verdict refers to: a review file, a pull request, a commit.",
    )(function)


def in_one_line(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A callback that lets pass what is text, in one line, or not given at all."""
    if value is not None and not value.strip():
        raise click.BadParameter("it is blank", ctx, param)
    if value is not None and not value.isprintable():
        raise click.BadParameter("it holds a line break or another control character", ctx, param)
    return value
