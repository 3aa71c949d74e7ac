"""`sync daemon start`, `stop`, `status` and `run`: the life of the one daemon a state root has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kitty_paths import StateRoot
from kitty_sync.daemon import lifecycle
from spec_kitty_cli import boundary, daemonview, words
from spec_kitty_cli.console import Console, bad, doubtful, hinting, pass_console, quiet, strong
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import json_option
from spec_kitty_cli.words import plain

if TYPE_CHECKING:
    from kitty_sync.daemon.lifecycle import DaemonStatus


@click.command(
    cls=Command,
    examples=(("spec-kitty sync daemon start", ""),),
    help="""Start the sync daemon of this state root; returns once it answers.

    A second start reports the first. Nothing is started beside a daemon of another program. It watches the queues; as
    long as nobody can log in, it sends nothing.""",
)
@json_option
@pass_console
def start(console: Console) -> None:
    """Start the daemon of this root, or find it running."""
    started = lifecycle.start(StateRoot.resolve())
    if console.json:
        console.emit(
            "sync-daemon-start", {"already_running": started.already_running, **daemonview.fields(started.status)}
        )
        return
    console.show(strong("already running" if started.already_running else "started"))
    _show(console, started.status)


@click.command(
    cls=Command,
    examples=(("spec-kitty sync daemon stop", ""),),
    help="""Stop the sync daemon of this state root, and see that it ended.

    Stopping none is no error. A daemon of another root, or of another program, is not touched.""",
)
@json_option
@pass_console
def stop(console: Console) -> None:
    """Stop the daemon of this root; stopping none is no error."""
    root = StateRoot.resolve()
    stopped = lifecycle.stop(root)
    if console.json:
        console.emit(
            "sync-daemon-stop",
            {"was_running": stopped.was_running, "pid": stopped.pid, "root": root.base, "by_signal": stopped.by_signal},
        )
    elif not stopped.was_running:
        console.show("was not running")
    else:
        how = "by SIGTERM, since it did not answer; " if stopped.by_signal else ""
        console.show(f"{strong('stopped')} {quiet(f'({how}pid {stopped.pid})')}")


@click.command(
    cls=Command,
    examples=(("spec-kitty sync daemon status", ""), ("spec-kitty sync daemon status --json", "for a script")),
    help="Say whether the sync daemon of this state root runs, and what it sees. Exits 1 if it does not run.",
)
@json_option
@pass_console
def status(console: Console) -> int:
    """Say how the daemon of this root stands."""
    found = lifecycle.status(StateRoot.resolve())
    if console.json:
        console.emit("sync-daemon-status", daemonview.fields(found))
    else:
        _show(console, found)
    return boundary.DONE if found.running else boundary.NO


@click.command(
    cls=Command,
    examples=(("spec-kitty sync daemon run", "until Ctrl-C, or as a service manager wants it"),),
    help="Be the sync daemon of this state root, in this terminal, until it is stopped.",
)
@pass_console
def run(console: Console) -> int:
    """Be the daemon, in the foreground."""
    root = StateRoot.resolve()

    def ready(found: DaemonStatus) -> None:
        console.talk(f"{strong('running')} in the foreground {quiet(f'({found.url})')}; Ctrl-C stops it")

    ended = lifecycle.run(root, ready, lambda text: console.talk(quiet(plain(text))))
    if ended.already_running:
        console.show(strong("already running"))
        _show(console, ended.status)
        return boundary.NO
    console.talk(strong("stopped"))
    return boundary.DONE


def _show(console: Console, found: DaemonStatus) -> None:
    console.show(daemonview.line(found))
    if found.running:
        rows = [("root", plain(found.root)), ("since", words.moment(found.started_at or ""))]
        for number, each in enumerate(found.queues):
            rows.append(("" if number else "queues", f"{words.waiting(each.events)}  {quiet(plain(each.path))}"))
        console.table([(quiet(label), value) for label, value in rows])
    for note in found.notes:
        console.talk(f"{doubtful('note:')} {plain(note)}")
    if found.problem:
        console.talk(f"{bad('!')} {plain(found.problem)}")
        if found.hint:
            console.talk(f"  {hinting()} {plain(found.hint)}")
    elif not found.running:
        console.talk(f"{hinting()} spec-kitty sync daemon start")
