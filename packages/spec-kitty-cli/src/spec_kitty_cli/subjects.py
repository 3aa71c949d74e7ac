"""What workflow commands are about: a feature, a work package, a lane; read from the command line and completed."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from kitty_guardian.model.lanes import Lane
from spec_kitty_cli import candidates

if TYPE_CHECKING:
    from typing_extensions import override
else:  # in typing from 3.12 on; only a type checker reads it

    def override(method: object) -> object:
        """Mark a method that stands in for its parent's."""
        return method


_F = TypeVar("_F", bound=Callable[..., Any])


def feature_option(help_text: str) -> Callable[[_F], _F]:
    """`--feature F`: folder name, number, ULID or its first eight, or plain name; completed."""
    return click.option("--feature", metavar="F", shell_complete=candidates.features, help=help_text)


def work_package_argument(function: _F) -> _F:
    """`WP`, such as `WP01`; completed from the feature that `--feature` names, or the bound one."""
    return click.argument("work_package", metavar="WP", shell_complete=candidates.work_packages)(function)


class LaneName(click.ParamType[Lane]):
    """A lane; `doing` is read as `in_progress`, a hyphen as an underscore."""

    name = "lane"

    @override
    def convert(self, value: str | Lane, param: click.Parameter | None, ctx: click.Context | None) -> Lane:
        """The lane."""
        found = value if isinstance(value, Lane) else Lane.parse(value.replace("-", "_"))
        if found is None:
            near = difflib.get_close_matches(value.lower(), list(Lane), n=1, cutoff=0.5)
            self.fail(
                f"{value!r} is no lane; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(Lane)}"),
                param,
                ctx,
            )
        return found

    @override
    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """The lanes that begin with `incomplete`."""
        del ctx, param
        return [CompletionItem(lane.value) for lane in Lane if lane.startswith(incomplete.lower())]
