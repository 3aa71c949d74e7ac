"""Where a command's words go: data to stdout, talk to stderr, one JSON object where JSON was asked for."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

import click

from spec_kitty_cli.words import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# What a cell of a table is between two columns.
_GAP = "  "
# Columns a cut cell keeps however narrow the terminal is.
_LEAST = 12


class Console:
    """How one invocation speaks.

    Attributes:
        colour: True and False are wishes, None leaves it to whether the stream is a terminal.
        json: Whether the person asked for JSON; data and errors are then JSON, talk stays on stderr.
    """

    __slots__ = ("colour", "json")

    def __init__(self, *, colour: bool | None = None, json: bool = False) -> None:
        self.colour = colour
        self.json = json

    def show(self, text: str = "") -> None:
        """Print a line of data for people on stdout; says nothing in JSON mode."""
        if not self.json:
            click.echo(text, color=self.colour)

    def talk(self, text: str) -> None:
        """Print a line about the work on stderr, in either mode."""
        click.echo(text, err=True, color=self.colour)

    def emit(self, name: str, fields: Mapping[str, object]) -> None:
        """Print the one JSON object of a reading command, its `schema` first (contract, "Exit codes")."""
        click.echo(_json({"schema": f"spec-kitty/{name}/1", **fields}, indent=2))

    def emit_line(self, name: str, fields: Mapping[str, object]) -> None:
        """Print one JSON line of a stream; it is handed on at once, since a reader may be following."""
        click.echo(_json({"schema": f"spec-kitty/{name}/1", **fields}))

    def emit_whole(self, fields: Mapping[str, object]) -> None:
        """Print one JSON line of a stream, which brings its own `schema`."""
        click.echo(_json(fields))

    def fail(
        self,
        *,
        code: str,
        message: str,
        hint: str | None,
        extra: Mapping[str, object] | None = None,
        word: str = "error",
        details: Iterable[str] = (),
    ) -> None:
        """Print an error on stderr: a line that begins with `word`, details and a hint; one object in JSON mode."""
        if self.json:
            click.echo(_json({"code": code, "message": message, "hint": hint, **(extra or {})}), err=True)
            return
        self.talk(f"{click.style(f'{word}:', fg='red', bold=True)} {plain(message)}")
        for detail in details:
            self.talk(f"  {detail}")
        if hint:
            self.talk(f"{hinting()} {plain(hint)}")

    def table(
        self, rows: Iterable[Sequence[str]], *, header: Sequence[str] = (), indent: int = 2, cut: bool = False
    ) -> None:
        """Print rows in columns as wide as their widest cell; styled cells are measured without their style.

        Args:
            rows: The cells.
            header: The cells above them.
            indent: Columns before the first one.
            cut: Whether the last column, which is then plain, is cut where the terminal ends; only on a terminal.
        """
        lines = [[click.style(cell, dim=True) for cell in header]] if header else []
        lines.extend([list(row) for row in rows])
        if not lines:
            return
        widths = [max(len(click.unstyle(line[column])) for line in lines) for column in range(len(lines[0]))]
        room = self._room(indent + sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)) if cut else None
        for line in lines:
            if room is not None and len(click.unstyle(line[-1])) > room:
                line[-1] = f"{line[-1][: room - 1]}…"
            cells = [_padded(cell, width) for cell, width in zip(line, widths, strict=True)]
            self.show(f"{' ' * indent}{_GAP.join(cells)}".rstrip())

    def _room(self, taken: int) -> int | None:
        """Columns that are left on the terminal, or None without one."""
        if not sys.stdout.isatty():
            return None
        return max(shutil.get_terminal_size().columns - taken, _LEAST)


def prepare_streams() -> None:
    """Let stdout and stderr carry every file name and every sign, whatever the locale.

    A name that is not valid UTF-8 leaves as the bytes it is; where a sign is missing, its escape stands for it.
    """
    for stream in (sys.stdout, sys.stderr):
        _loosen(stream)


def _loosen(stream: TextIO) -> None:
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        is_utf = (stream.encoding or "").lower().startswith("utf")
        reconfigure(errors="surrogateescape" if is_utf else "backslashreplace")


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - len(click.unstyle(cell)))


def _json(fields: Mapping[str, object], *, indent: int | None = None) -> str:
    import json  # 4 ms of CPU that `--version` need not pay

    return json.dumps(fields, indent=indent, default=_plain)


def _plain(value: object) -> str:
    # Times as ISO 8601, paths as their text: what is left after str, numbers and the collections.
    return value.isoformat() if isinstance(value, datetime) else str(value)


pass_console = click.make_pass_decorator(Console, ensure=True)


def good(text: str) -> str:
    """`text` as something that is as it should be."""
    return click.style(text, fg="green")


def bad(text: str) -> str:
    """`text` as something that is wrong or was refused."""
    return click.style(text, fg="red")


def doubtful(text: str) -> str:
    """`text` as something to look at."""
    return click.style(text, fg="yellow")


def quiet(text: str) -> str:
    """`text` as something of second rank."""
    return click.style(text, dim=True)


def strong(text: str) -> str:
    """`text` as the thing the eye should find first."""
    return click.style(text, bold=True)


def hinting() -> str:
    """The word before a way on."""
    return click.style("hint:", fg="cyan")
