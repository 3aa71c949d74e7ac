"""`guardian quarantine`: list, read, bring back and drop what was taken away."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kitty_guardian.watch import entries as quarantine
from kitty_guardian.watch.entries import Entry
from kitty_guardian.watch.wayout import parse_duration
from spec_kitty_cli import candidates, words
from spec_kitty_cli.console import Console, good, hinting, pass_console, quiet, strong
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import here, json_option

_FIELDS = ("id", "path", "at", "size", "sha256", "reason")


@click.command(
    "list",
    cls=Command,
    examples=(
        ("spec-kitty guardian quarantine list", ""),
        ("spec-kitty guardian quarantine list --json", "for a script"),
    ),
    help="What was taken away, newest first.",
)
@json_option
@pass_console
def list_(console: Console) -> None:
    """List the entries."""
    entries = quarantine.list_entries(here())
    if console.json:
        console.emit("guardian-quarantine-list", {"entries": [_fields(entry) for entry in entries]})
        return
    if not entries:
        console.show("quarantine is empty")
        return
    _show(console, sorted(entries, key=lambda entry: entry.id, reverse=True))
    console.talk(f"{hinting()} spec-kitty guardian quarantine restore ID [--to PATH]")


@click.command(
    cls=Command,
    examples=(("spec-kitty guardian quarantine show ID", ""), ("spec-kitty guardian quarantine show ID > mine.py", "")),
    help="Write the bytes of one entry to stdout, exactly as they were.",
)
@click.argument("entry_id", metavar="ID", shell_complete=candidates.quarantine_ids)
def show(entry_id: str) -> None:
    """Write raw bytes, nothing else."""
    for chunk in quarantine.read_entry(here(), entry_id):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty guardian quarantine restore ID --to ../mine.py", "beside the project: always possible"),
        ("spec-kitty guardian quarantine restore ID", "where it was, if the phase allows it now"),
    ),
    help="Bring one entry back, with its mode and times. Nothing is overwritten, and the entry stays in quarantine.",
)
@click.argument("entry_id", metavar="ID", shell_complete=candidates.quarantine_ids)
@click.option("--to", metavar="PATH", type=click.Path(path_type=Path), help="Bring it back as PATH.")
@json_option
@pass_console
def restore(console: Console, *, entry_id: str, to: Path | None) -> None:
    """Bring one entry back and say where it is now."""
    place = quarantine.restore(here(), entry_id, to=to)
    if console.json:
        console.emit("guardian-quarantine-restore", {"id": entry_id, "path": place})
    else:
        console.show(f"{good('✓')} {strong(words.plain(place))}")


@click.command(
    cls=Command,
    examples=(("spec-kitty guardian quarantine drop --older-than 30d", "those bytes are then gone for good"),),
    help="Delete entries that are older than a given time. There is no way back.",
)
@click.option("--older-than", metavar="T", required=True, help="A duration such as 90s, 15m, 2h or 30d.")
@json_option
@pass_console
def drop(console: Console, *, older_than: str) -> None:
    """Delete old entries and name them."""
    dropped = quarantine.drop(here(), older_than=parse_duration(older_than))
    if console.json:
        console.emit("guardian-quarantine-drop", {"entries": [_fields(entry) for entry in dropped]})
        return
    _show(console, dropped)
    console.show(f"dropped {words.count(len(dropped), 'entry', 'entries')}")


def _fields(entry: Entry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in _FIELDS}


def _show(console: Console, entries: list[Entry] | tuple[Entry, ...]) -> None:
    console.table(
        [
            (
                entry.id,
                quiet(words.moment(entry.at)),
                _size(entry),
                quiet(_what(entry)),
                strong(words.plain(entry.path)),
            )
            for entry in entries
        ],
        header=("id", "taken", "  size", "what", "path") if entries else (),
    )


def _size(entry: Entry) -> str:
    return words.size(entry.size).rjust(6)


def _what(entry: Entry) -> str:
    return entry.operation if entry.reason == "violation" else f"{entry.operation}, {entry.reason}"
