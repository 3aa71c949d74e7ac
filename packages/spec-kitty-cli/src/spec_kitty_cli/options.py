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
