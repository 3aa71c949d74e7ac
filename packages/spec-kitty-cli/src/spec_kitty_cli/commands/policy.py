"""`guardian policy show` and `edit`: the rules in force, where each value comes from, and the way to change them."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from kitty_guardian.errors import GuardianError, InvalidValueError, PolicyError, TerminalRequiredError
from kitty_guardian.rules.policy import POLICY_PATH, describe, parse_policy
from kitty_guardian.watch import wayout
from spec_kitty_cli import environment, policy_text
from spec_kitty_cli.console import Console, good, pass_console, quiet
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import here, json_option, reason_option


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty guardian policy show", "as TOML, every key"),
        ("spec-kitty guardian policy show --origin", "with the place each value comes from"),
    ),
    help=f"Print the policy in force: {POLICY_PATH} over the defaults.",
)
@click.option("--origin", is_flag=True, help="Say for each value whether the file or the default gives it.")
@json_option
@pass_console
def show(console: Console, *, origin: bool) -> None:
    """Print the policy in force."""
    text = wayout.current_policy_text(here())
    settings = describe(parse_policy(text or ""), text)
    if console.json:
        fields = ("key", "value", "origin") if origin else ("key", "value")
        console.emit(
            "guardian-policy", {"settings": [{name: getattr(each, name) for name in fields} for each in settings]}
        )
        return
    for line, place in policy_text.lines(settings):
        console.show(f"{line}  {quiet(f'# {place}')}" if origin and place else line)


@click.command(
    cls=Command,
    examples=(('spec-kitty guardian policy edit --reason "tests move to spec/"', "opens $VISUAL or $EDITOR"),),
    help=f"""Change {POLICY_PATH} in your editor: the sanctioned way, any other change of it is undone.

    Works on a terminal only and is recorded. A policy that is not valid changes nothing; your draft is kept.""",
)
@reason_option(required=True)
@pass_console
def edit(console: Console, *, reason: str) -> None:
    """Open the policy in an editor and put what comes back in force."""
    where, terminal = here(), sys.stdin.isatty()
    if not terminal:
        raise TerminalRequiredError(
            "The policy is edited on a terminal only, and there is none",
            hint='run it yourself: spec-kitty guardian policy edit --reason "..."',
        )
    before = wayout.current_policy_text(where) or policy_text.template()
    draft = _draft(before)
    try:
        _open_editor(draft)
        text = draft.read_text(encoding="utf-8")
        if text == before:
            draft.unlink()
            console.show("unchanged")
            return
        parse_policy(text, origin=str(draft))
        wayout.edit_policy(where, text=text, reason=reason, terminal=terminal)
    except (GuardianError, UnicodeDecodeError) as error:
        _show_line(console, draft, error)
        console.talk(f"your draft is kept: {draft}")
        if isinstance(error, UnicodeDecodeError):
            raise PolicyError("The policy is not UTF-8", hint=None) from None
        raise
    draft.unlink()
    console.show(f"{good('✓')} {POLICY_PATH} is in force; recorded")


def _draft(text: str) -> Path:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="guardian-", suffix=".toml", delete=False) as file:
        file.write(text)
    return Path(file.name)


def _open_editor(draft: Path) -> None:
    command = environment.editor()
    if command is None:
        raise InvalidValueError("No editor is set", hint="set VISUAL or EDITOR, for example: export EDITOR=nano")
    try:
        status = subprocess.run([*shlex.split(command), str(draft)], check=False).returncode
    except (OSError, ValueError) as error:
        raise InvalidValueError(f"The editor `{command}` cannot be started: {error}", hint="set EDITOR") from error
    if status:
        raise InvalidValueError(f"The editor `{command}` ended with {status}; nothing was changed", hint=None)


def _show_line(console: Console, draft: Path, error: Exception) -> None:
    number = getattr(error, "line", None)
    if isinstance(number, int):
        lines = draft.read_text(encoding="utf-8").splitlines()
        if 0 < number <= len(lines):
            console.talk(f"{quiet(f'{number:>4} |')} {lines[number - 1]}")
