"""`guardian start`, `status`, `stop` and `restart`: the life of the one daemon a worktree has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from kitty_guardian.watch import lifecycle
from kitty_guardian.watch.lifecycle import StartReport, Status
from spec_kitty_cli import boundary, candidates, words
from spec_kitty_cli.console import Console, bad, doubtful, good, hinting, pass_console, quiet, strong
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import here, json_option, reason_option
from spec_kitty_cli.words import plain

_F = TypeVar("_F", bound=Callable[..., Any])
_FIELDS = (
    "running",
    "pid",
    "worktree",
    "feature",
    "phase",
    "mode",
    "healthy",
    "level",
    "violations",
    "protected_files",
    "features",
    "detected",
)


def _binding_options(function: _F) -> _F:
    # What `start` and `restart` have in common.
    for option in (
        json_option,
        click.option("--reason", metavar="TEXT", help="Why; required with --accept-current."),
        click.option(
            "--accept-current", is_flag=True, help="What changed while nothing watched becomes legal; recorded."
        ),
        click.option(
            "--foreground", is_flag=True, help="Stay in this terminal until Ctrl-C, as a service manager wants it."
        ),
        click.option("--all", "every", is_flag=True, help="Guard every unfinished feature."),
        click.option(
            "--feature", metavar="F", shell_complete=candidates.features, help="Bind this worktree to feature F."
        ),
    ):
        function = option(function)
    return function


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty guardian start", "the feature that the worktree or branch is named after"),
        ("spec-kitty guardian start --feature 001-login", "this one"),
        ("spec-kitty guardian start --all", "every unfinished one"),
        ('spec-kitty guardian start --accept-current --reason "hotfix by hand"', "keep what changed meanwhile"),
    ),
    help="""Guard this worktree: what its feature's phase forbids is undone within milliseconds, and kept.

    Returns once everything is watched; a second start reports the first. What was changed against the phase while
    nothing watched goes to quarantine, unless --accept-current makes it legal. Exits 1 if there is nothing to
    protect.""",
)
@_binding_options
@pass_console
def start(
    console: Console, *, feature: str | None, every: bool, foreground: bool, accept_current: bool, reason: str | None
) -> int:
    """Start the guardian of this worktree, or find it running."""
    _begin(console, lifecycle.start, feature, every, foreground, _accepted(accept_current, reason), "guardian-start")
    return boundary.DONE


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty guardian restart", "after an upgrade, say"),
        ("spec-kitty guardian restart --feature 002-search", "guard another feature"),
    ),
    help="""Stop the guardian and start it again, without a gap that would go unseen: what changes meanwhile is judged.

    It takes up what the worktree is to be bound to and features that HEAD brought. Phases move by commands alone:
    see `spec-kitty plan --help`.""",
)
@_binding_options
@pass_console
def restart(
    console: Console, *, feature: str | None, every: bool, foreground: bool, accept_current: bool, reason: str | None
) -> int:
    """Stop the guardian of this worktree and start it again."""
    _begin(
        console, lifecycle.restart, feature, every, foreground, _accepted(accept_current, reason), "guardian-restart"
    )
    return boundary.DONE


@click.command(
    cls=Command,
    examples=(("spec-kitty guardian stop", ""), ('spec-kitty guardian stop --reason "done for today"', "")),
    help="Stop guarding this worktree. It is a person's word: recorded, and no later command undoes it.",
)
@reason_option(required=False)
@json_option
@pass_console
def stop(console: Console, *, reason: str | None) -> int:
    """Stop the guardian of this worktree; stopping none is no error."""
    where = here()
    report = lifecycle.stop(where, reason=reason)
    if console.json:
        console.emit("guardian-stop", _fields(lifecycle.status(where)))
    elif report.was_running:
        console.show(f"{strong('stopped')} {quiet(f'(pid {report.pid})')}; this worktree is not guarded any more")
    else:
        console.show("was not running")
    return boundary.DONE


@click.command(
    cls=Command,
    examples=(("spec-kitty guardian status", ""), ("spec-kitty guardian status --json", "for a script")),
    help="Whether this worktree is guarded, in which phase and how well. Exits 1 if it is not.",
)
@json_option
@pass_console
def status(console: Console) -> int:
    """Say whether a guardian runs for this worktree, and how it is."""
    found = lifecycle.status(here())
    if console.json:
        console.emit("guardian-status", _fields(found))
        for note in found.notes:
            console.talk(plain(note))
    else:
        _show_status(console, found)
    return boundary.DONE if found.running else boundary.NO


def _accepted(accept_current: bool, reason: str | None) -> str | None:
    if accept_current and not (reason and reason.strip()):
        raise click.UsageError(
            "--accept-current needs --reason TEXT: it goes into the record", click.get_current_context()
        )
    if reason is not None and not accept_current:
        raise click.UsageError("--reason belongs to --accept-current", click.get_current_context())
    return reason


def _begin(
    console: Console,
    use_case: Callable[..., StartReport],
    feature: str | None,
    every: bool,
    foreground: bool,
    accept_current: str | None,
    name: str,
) -> None:
    if feature is not None and every:
        raise click.UsageError("--feature and --all exclude each other", click.get_current_context())
    if foreground:
        console.talk("starting in the foreground; Ctrl-C stops it")
    report = use_case(
        here(),
        feature=feature,
        every=every,
        accept_current=accept_current,
        foreground=(lambda report: _show_begun(console, report, name)) if foreground else None,
    )
    if foreground and not report.already_running:
        if not console.json:
            console.show(f"{strong('stopped')}; this worktree is not guarded any more")
        return
    _show_begun(console, report, name)


def _show_begun(console: Console, report: StartReport, name: str) -> None:
    if console.json:
        console.emit(name, _fields(report.status))
        for note in report.notes:
            console.talk(plain(note))
        return
    if report.already_running:
        console.show(strong("already running"))
    _show_status(console, report.status)
    _show_protected(console, report)
    _show_changed(console, report)
    for note in report.notes:
        console.talk(f"{doubtful('note:')} {plain(note)}")


def _fields(found: Status) -> dict[str, object]:
    return {name: getattr(found, name) for name in _FIELDS}


def _show_status(console: Console, found: Status) -> None:
    if not found.running:
        console.show(f"{bad('○')} {strong('not guarded')}  {plain(found.worktree)}")
        console.talk(f"{hinting()} spec-kitty guardian start")
        return
    sign = good("●") if found.healthy else doubtful("●")
    console.show(f"{sign} {strong('guarded')}  {plain(found.worktree)}")
    features = ", ".join(f"{name} ({phase})" for name, phase in found.features.items())
    differing = [f"{name} ({look})" for name, look in found.detected.items() if look != found.features.get(name)]
    rows = [
        ("feature", strong(features) if features else "none active; only what is always protected is held"),
        *([("looks like", ", ".join(differing))] if differing else []),
        ("mode", f"{found.mode}, {found.level}"),
        ("protects", words.count(found.protected_files, "file")),
        ("undone", words.count(found.violations, "write")),
        ("pid", str(found.pid)),
    ]
    console.table([(quiet(label), value) for label, value in rows])
    for note in found.notes:
        console.talk(f"{doubtful('note:')} {plain(note)}")


def _show_protected(console: Console, report: StartReport) -> None:
    if not report.protected:
        return
    console.show()
    console.table([(root.root, words.count(root.files, "file")) for root in report.protected], header=("root", "holds"))


def _show_changed(console: Console, report: StartReport) -> None:
    if not report.changed:
        return
    console.show(f"\nchanged while nothing watched: {words.count(len(report.changed), 'path')}")
    console.table(
        [
            (
                plain(change.path),
                change.operation,
                f"in quarantine as {change.quarantine_id}" if change.quarantine_id else "",
            )
            for change in report.changed
        ]
    )
