"""`init`: makes a git repository a Spec Kitty project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kitty_guardian import workflow
from spec_kitty_cli import boundary, words
from spec_kitty_cli.console import Console, doubtful, good, hinting, pass_console, quiet, strong
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import actor_option, here, json_option
from spec_kitty_cli.words import one_line, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kitty_guardian.transitions.initialising import InitReport
    from kitty_guardian.transitions.roots import Root

_SHOWN = 6
_TRANSITIONS = {
    "explicit": "explicit: a phase moves by a command only",
    "gated": "gated: writing the next artifact asks for its phase",
}


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty init", "source and test roots as the project suggests"),
        ("spec-kitty init --source lib/ --tests spec/", "these"),
    ),
    help="""Make this git repository a Spec Kitty project, or complete what it lacks.

    Writes the policy with its source and test roots, the project's identity and kitty-specs/, and takes the features
    that HEAD holds into the event store. What is there already stays; a second run changes nothing.""",
)
@click.option("--source", metavar="PATTERN", multiple=True, help="A source root such as src/; may be repeated.")
@click.option("--tests", metavar="PATTERN", multiple=True, help="A test root such as tests/; may be repeated.")
@click.option("--force", is_flag=True, help="Write the policy anew where one exists.")
@actor_option
@json_option
@pass_console
def init(console: Console, *, source: tuple[str, ...], tests: tuple[str, ...], force: bool, actor: str | None) -> int:
    """Make a project."""
    report = workflow.init(here(), source=source, tests=tests, force_policy=force, actor=actor)
    if console.json:
        console.emit("init", _init_fields(report))
        for note in report.notes:
            console.talk(plain(note))
    else:
        _show_init(console, report)
    return boundary.DONE


def _init_fields(report: InitReport) -> dict[str, object]:
    def roots(several: Sequence[Root]) -> list[dict[str, object]]:
        return [{"pattern": root.pattern, "files": root.files} for root in several]

    names = ("worktree", "transitions", "written", "kept", "adopted", "known", "notes", "commit", "next")
    fields: dict[str, object] = {name: getattr(report, name) for name in names}
    return {**fields, "source": roots(report.source), "tests": roots(report.tests)}


def _show_init(console: Console, report: InitReport) -> None:
    done = "is a Spec Kitty project now" if report.written else "is a Spec Kitty project already; nothing to do"
    console.show(f"{good('✓')} {strong(plain(report.worktree))} {done}")
    rows = [
        *[("source", f"{one_line(root.pattern)}  {_holds(root)}") for root in report.source],
        *[("tests", f"{one_line(root.pattern)}  {_holds(root)}") for root in report.tests],
        ("transitions", _TRANSITIONS.get(report.transitions, report.transitions)),
        *[("wrote", one_line(path)) for path in report.written],
        *([("adopted", _features(report))] if report.adopted else []),
    ]
    console.table([(quiet(label), value) for label, value in _named_once(rows)])
    for note in report.notes:
        console.talk(f"{doubtful('note:')} {plain(note)}")
    if report.commit:
        console.talk(f"{hinting()} {plain(report.commit)}")
    if report.next:
        console.talk(f"{hinting()} {plain(report.next)}")


def _named_once(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    labels = ["", *(label for label, _ in rows)]
    return [("" if label == before else label, value) for before, (label, value) in zip(labels, rows, strict=False)]


def _holds(root: Root) -> str:
    return quiet(words.count(root.files, "file")) if root.files else doubtful("no file yet")


def _features(report: InitReport) -> str:
    shown = ", ".join(map(one_line, report.adopted[:_SHOWN]))
    more = len(report.adopted) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
