"""`spec-kitty completion SHELL`: click's completion script, to load or to install."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from spec_kitty_cli.grouping import Command

_PROGRAM = "spec-kitty"


@click.command(
    cls=Command,
    examples=(
        ('eval "$(spec-kitty completion bash)"', "in ~/.bashrc"),
        ('eval "$(spec-kitty completion zsh)"', "in ~/.zshrc"),
        ("spec-kitty completion fish > ~/.config/fish/completions/spec-kitty.fish", "once"),
    ),
    help="Print the script that completes commands, options, feature names and quarantine ids in a shell.",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of `shell`."""
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"click knows no completion for {shell}", ctx)
    click.echo(script(ctx.find_root().command, {}, _PROGRAM, "_SPEC_KITTY_COMPLETE").source())
