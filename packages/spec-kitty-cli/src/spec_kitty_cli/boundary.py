"""The error boundary: whatever a command does, the process ends with a code of the contract and no traceback."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import click
from click.shell_completion import shell_complete

from spec_kitty_cli import environment
from spec_kitty_cli.console import Console, prepare_streams

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE = 0
NO = 1
USAGE = 2
INTERNAL = 3
INTERRUPTED = 130
# What a shell reports for a program that a closed pipe ended (128 + SIGPIPE): the reader left before the answer.
PIPE_CLOSED = 141


@runtime_checkable
class ExpectedError(Protocol):
    """What every error that a library raises on purpose carries (KittyPathsError, GuardianError)."""

    code: str
    exit_code: int
    message: str
    hint: str | None


def run(group: click.Group, program: str, arguments: Sequence[str]) -> int:
    """Run one invocation and give its exit code.

    Args:
        group: The top group.
        program: The name to show in usage lines.
        arguments: Everything after the program's name.
    """
    prepare_streams()
    console = Console(colour=environment.colour_wish(), json=_asks_for_json(arguments))
    try:
        answer = _invoke(group, program, arguments, console)
        sys.stdout.flush()  # a reader that has gone is noticed here, not in the interpreter's last moments
    except BrokenPipeError:
        _silence()
        return PIPE_CLOSED
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as error:
        return _usage(console, error)
    except Exception as error:  # noqa: BLE001 - this is the boundary
        return _expected(console, error) or _internal(console, error, program, arguments)
    return answer if isinstance(answer, int) else DONE


def _expected(console: Console, error: Exception) -> int:
    # Its exit code, or 0 for an error that nobody raised on purpose.
    if not isinstance(error, ExpectedError):
        return 0
    from spec_kitty_cli import refusals  # its imports are a refusal's expense alone

    console.fail(
        code=error.code,
        message=error.message,
        hint=error.hint,
        extra=refusals.fields(error),
        word=refusals.word(error.code),
        details=refusals.lines(error),
    )
    return error.exit_code


def _invoke(group: click.Group, program: str, arguments: Sequence[str], console: Console) -> object:
    # click's own `main` ends the process with 1 when a pipe is closed: here that code means "no".
    settings: dict[str, Any] = {"obj": console, "color": console.colour}
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    if instruction := environment.completion_instruction(variable):
        return shell_complete(group, settings, program, variable, instruction)
    with group.make_context(program, list(arguments), **settings) as context:
        return group.invoke(context)


def _asks_for_json(arguments: Sequence[str]) -> bool:
    # Read before parsing, so that an error of parsing is JSON too.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return "--json" in arguments[:end]


def _usage(console: Console, error: click.ClickException) -> int:
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None and isinstance(error, click.exceptions.NoArgsIsHelpError) and not console.json:
        error.show()
        return USAGE
    message = error.format_message()
    hint = f"{context.command_path} --help" if context is not None else None
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        message = "Missing command"
    if isinstance(error, click.NoSuchOption | click.exceptions.NoSuchCommand) and error.possibilities:
        message = error.message
        hint = f"did you mean `{error.possibilities[0]}`?"
    console.fail(code="cli.usage", message=message.rstrip("."), hint=hint)
    return USAGE


def _internal(console: Console, error: Exception, program: str, arguments: Sequence[str]) -> int:
    from spec_kitty_cli import report  # its imports are a bug's expense alone

    try:
        place = str(report.write(error, program, arguments))
    except OSError as reason:
        report.print_to_stderr(error, program, arguments)
        place = f"not written ({reason.strerror}), it is above"
    console.fail(
        code="cli.internal",
        message=f"internal error, {type(error).__name__}; the report to paste into an issue: {place}",
        hint=None,
        extra={"report": place},
    )
    return INTERNAL


def _silence() -> None:
    # The interpreter flushes stdout once more when it ends; with the reader gone that must go nowhere.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        pass  # stdout is no file (a test's capture): nothing to flush
    finally:
        os.close(nowhere)
