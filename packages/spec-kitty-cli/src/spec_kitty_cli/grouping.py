"""Groups that import a command only when it is run, and commands whose help begins with examples."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.exceptions import NoSuchCommand
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import override
else:  # in typing from 3.12 on; only a type checker reads it

    def override(method: object) -> object:
        """Mark a method that stands in for its parent's."""
        return method


_COMMANDS = "spec_kitty_cli.commands"


class Lazy(NamedTuple):
    """A command that is not imported yet.

    Attributes:
        target: `module:attribute` below `spec_kitty_cli.commands`.
        summary: The line that stands for it in its group's help.
    """

    target: str
    summary: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        command = getattr(importlib.import_module(f"{_COMMANDS}.{module}"), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target} is no command")
        return command


class LazyGroup(click.Group):
    """A group whose members are table rows: its help and its completion import none of them."""

    def __init__(
        self,
        name: str,
        *,
        summary: str,
        members: Mapping[str, Lazy | LazyGroup],
        examples: Sequence[tuple[str, str]] = (),
        params: list[click.Parameter] | None = None,
    ) -> None:
        super().__init__(name, help=summary, params=params, context_settings=SETTINGS)
        self.summary = summary
        self.members = members
        self.examples = examples

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order a person meets them."""
        del ctx
        return list(self.members)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The member of that name, imported now if it has to be, or None."""
        del ctx
        member = self.members.get(cmd_name)
        return member.load() if isinstance(member, Lazy) else member

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The member that `args` begin with; an unknown name is answered with the nearest ones."""
        if args[0] not in self.members and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise NoSuchCommand(args[0], possibilities=self.members, ctx=ctx)
        return super().resolve_command(ctx, args)

    @override
    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """The members and options that begin with `incomplete`; imports nothing."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=member.summary)
            for name, member in self.members.items()
            if name.startswith(incomplete)
        ]

    @override
    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the group is for and how it is used."""
        super().format_help_text(ctx, formatter)
        _write_examples(formatter, self.examples)

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the members with their summaries; imports nothing."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, member.summary) for name, member in self.members.items()])

    @override
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the members first: a person looks for a command before an option."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)


class Command(click.Command):
    """A command whose help shows how it is used before it explains."""

    def __init__(self, name: str | None, *, examples: Sequence[tuple[str, str]] = (), **options: Any) -> None:  # noqa: ANN401
        super().__init__(name, **options)  # the many options of click's own class, passed on
        self.examples = examples

    @override
    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first paragraph, the examples, then the rest."""
        del ctx
        first, _, rest = inspect.cleandoc(self.help or "").partition("\n\n")
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(first)
        _write_examples(formatter, self.examples)
        if rest:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(rest)


def _write_examples(formatter: click.HelpFormatter, examples: Sequence[tuple[str, str]]) -> None:
    if examples:
        with formatter.section("Examples"):
            formatter.write_dl(examples, col_max=60)


# Wide, because help is read in logs as often as on narrow screens; a narrower terminal still wins.
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
