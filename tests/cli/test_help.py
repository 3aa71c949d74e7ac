"""Help: every command explains itself with an example, on 80 columns, without failing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from spec_kitty_cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.program import Program


def every(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            assert member is not None
            yield from every(member, (*path, name))


PATHS = list(every(app.spec_kitty(), ()))


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_shows_an_example_and_fits_a_terminal(path: tuple[str, ...]) -> None:
    command: click.Command = app.spec_kitty()
    context = click.Context(command, info_name="spec-kitty", terminal_width=80)
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(context, name)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    text = command.get_help(context)
    assert "Examples:" in text
    assert text.index("Examples:") < text.index("Options:")
    assert all(len(line) <= 80 or "spec-kitty" in line for line in text.splitlines()), text


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_both_spellings_of_help_work_everywhere(spec_kitty: Program, option: str) -> None:
    assert spec_kitty(option).code == 0
    assert spec_kitty("state", "doctor", option).code == 0


def test_no_command_is_a_usage_error_that_shows_help(spec_kitty: Program) -> None:
    code, out, err = spec_kitty()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: spec-kitty")


def test_an_unknown_command_is_answered_with_the_nearest(spec_kitty: Program) -> None:
    code, out, err = spec_kitty("guardian", "statsu")
    assert (code, out) == (2, "")
    assert err == "error: No such command 'statsu'\nhint: did you mean `status`?\n"


def test_an_unknown_option_is_answered_with_the_nearest(spec_kitty: Program) -> None:
    assert spec_kitty("state", "doctor", "--jsn").err.endswith("hint: did you mean `--json`?\n")


def test_without_anything_near_the_hint_is_the_help(spec_kitty: Program) -> None:
    assert spec_kitty("xyzzy").err == "error: No such command 'xyzzy'\nhint: spec-kitty --help\n"


def test_the_guardian_alone_lists_the_guardians_commands(spec_kitty: Program) -> None:
    outcome = spec_kitty.run("--help", program="spec-kitty-guardian")
    assert outcome.code == 0
    assert "spec-kitty-guardian start" in outcome.out
    assert "quarantine" in outcome.out
    assert "doctor" not in outcome.out
