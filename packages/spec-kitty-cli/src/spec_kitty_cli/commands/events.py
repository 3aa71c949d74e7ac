"""`events list`, `verify` and `export`: what the store keeps, whether it still does, and a copy of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kitty_guardian.boards import recorded
from spec_kitty_cli import boundary, eventwords, words
from spec_kitty_cli.console import Console, bad, good, hinting, pass_console, quiet, strong
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import here, json_option
from spec_kitty_cli.subjects import feature_option
from spec_kitty_cli.words import one_line, plain

if TYPE_CHECKING:
    from kitty_guardian.events.verification import ChainReport

_SHOWN = 50
_ANCHOR = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})\Z")
_FIELDS = (
    "position",
    "stream",
    "version",
    "event_id",
    "event_type",
    "at",
    "payload",
    "metadata",
    "previous",
    "hash",
)


def _anchor(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, str] | None:
    if value is None:
        return None
    found = _ANCHOR.match(value.strip().lower())
    if found is None:
        raise click.BadParameter("it is no POSITION:HASH, such as `spec-kitty events export --head` prints", ctx, param)
    return int(found[1]), found[2]


@click.command(
    "list",
    cls=Command,
    examples=(
        ("spec-kitty events list", f"the newest {_SHOWN}"),
        ("spec-kitty events list --feature 034 --all", "everything about one feature"),
        ("spec-kitty events list --after 812 --json", "what came after that one, as JSON lines"),
    ),
    help="Show what was recorded in this repository, oldest first.",
)
@feature_option("Only events about feature F.")
@click.option(
    "--after", metavar="POSITION", type=click.IntRange(min=0), default=0, help="Only events after that position."
)
@click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), default=_SHOWN, help=f"The newest N (default {_SHOWN})."
)
@click.option("--all", "every", is_flag=True, help="Without a limit.")
@json_option
@pass_console
def list_(console: Console, *, feature: str | None, after: int, limit: int, every: bool) -> int:
    """Print the newest events."""
    events = recorded.recent(here(), feature=feature, after=after, limit=None if every else limit)
    if console.json:
        for event in events:
            console.emit_line("event", {name: getattr(event, name) for name in _FIELDS})
    else:
        console.table([eventwords.row(event) for event in events], indent=0, cut=True)
    if not events:
        console.talk("nothing was recorded" + (" yet" if feature is None and after == 0 else ""))
    elif not every and len(events) == limit:
        console.talk(quiet(f"the newest {limit}; there may be more: --all"))
    return boundary.DONE


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty events verify", "is every event as it was recorded?"),
        ("spec-kitty events verify --head 812:9f2c…", "and is none missing that was there then?"),
    ),
    help="""Check the whole store: every hash, every version, and every move by the rules.

    Without --head nobody can tell whether events were cut off the end: keep what `events export --head` prints
    somewhere else. Exits 1 if anything is wrong; the first broken place is named first.""",
)
@click.option("--head", metavar="POSITION:HASH", callback=_anchor, help="What `events export --head` printed earlier.")
@json_option
@pass_console
def verify(console: Console, *, head: tuple[int, str] | None) -> int:
    """Check the chain."""
    report = recorded.verified(here(), head=head)
    ok = report is None or report.ok
    if console.json:
        console.emit("events-verify", _report_fields(report))
    elif report is None:
        console.show("nothing was recorded yet: there is no event store")
    else:
        _show_report(console, report, anchored=head is not None)
    return boundary.DONE if ok else boundary.NO


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty events export > events.jsonl", "a copy of everything"),
        ("spec-kitty events export --output ../events.jsonl", "the same, in one step or not at all"),
        ("spec-kitty events export --head", "what later proves that nothing was cut off"),
    ),
    help="Write every event as one JSON object on a line of its own; the last line holds the head of the chain.",
)
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="Write FILE anew.")
@click.option("--head", is_flag=True, help="Print POSITION:HASH of the last event and nothing else.")
@json_option
@pass_console
def export(console: Console, *, output: Path | None, head: bool) -> int:
    """Write everything, or only what proves it."""
    if head:
        position, digest = recorded.head_of(here())
        if console.json:
            console.emit("events-head", {"position": position, "hash": digest})
        elif position == 0:
            console.talk("nothing was recorded yet")
        else:
            console.show(f"{position}:{digest}")
        return boundary.DONE
    if output is None:
        for fields in recorded.exported(here()):
            console.emit_whole(fields)
        return boundary.DONE
    recorded.export_to(here(), output)
    console.talk(f"{good('✓')} {one_line(output)}")
    return boundary.DONE


def _report_fields(report: ChainReport | None) -> dict[str, object]:
    if report is None:
        return {"ok": True, "events": 0, "position": 0, "head": "", "breaks": []}
    return {
        "ok": report.ok,
        "events": report.events,
        "position": report.position,
        "head": report.head,
        "breaks": [
            {name: getattr(each, name) for name in ("position", "stream", "event_id", "reason")}
            for each in report.breaks
        ],
    }


def _show_report(console: Console, report: ChainReport, *, anchored: bool) -> None:
    for each in report.breaks:
        where = f"position {each.position}" if each.position else "the table"
        console.show(f"{bad('✗')} {strong(where)}  {plain(each.reason)}")
        about = "  ".join(one_line(text) for text in (each.stream, each.event_id) if text)
        if about:
            console.show(f"  {quiet(about)}")
    if not report.ok:
        places = words.count(len(report.breaks), "broken place")
        console.show(f"{bad('broken')}: {places} in {words.count(report.events, 'event')}")
        console.talk(f"{hinting()} keep the file as evidence; what agreed before is in: git log -- kitty-specs")
        return
    until = "up to the exported head and beyond" if anchored else "every hash, version and move"
    console.show(f"{good('✓')} {words.count(report.events, 'event')} as they were recorded; {until}")
    if report.position:
        console.show(f"  {quiet('head')} {report.position}:{report.head}")
