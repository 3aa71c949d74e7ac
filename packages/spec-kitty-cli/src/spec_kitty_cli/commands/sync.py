"""`sync server`, `sync status` and `sync enqueue`: where events go, how that stands, and one more event."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import click

from kitty_paths import StateRoot
from kitty_sync.config import SyncConfig
from kitty_sync.intake import read_events
from kitty_sync.queue.events import EventQueue
from kitty_sync.status import SyncStatus, sync_status
from spec_kitty_cli import boundary, daemonview, words
from spec_kitty_cli.console import Console, bad, doubtful, good, hinting, pass_console, quiet, strong
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import json_option
from spec_kitty_cli.words import plain

if TYPE_CHECKING:
    from kitty_sync.daemon.work import QueueCount


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty sync server", "which one is set?"),
        ("spec-kitty sync server https://kitty.example", "this one, from now on"),
    ),
    help="""Print the server that events are meant for, or set it to URL.

    URL is https, or http on this machine. It is kept in the configuration of this state root alone. Exits 1 if none is
    set.""",
)
@click.argument("url", required=False)
@json_option
@pass_console
def server(console: Console, *, url: str | None) -> int:
    """Print or set the server."""
    root = StateRoot.resolve()
    config = SyncConfig(root)
    chosen = config.read().server_url if url is None else config.set_server_url(url)
    if console.json:
        console.emit("sync-server", {"server_url": chosen, "path": root.sync.config.path})
    elif chosen is None:
        console.show("no server is set")
        console.talk(f"{hinting()} spec-kitty sync server https://HOST")
    elif url is None:
        console.show(chosen)
    else:
        console.show(f"{good('✓')} the server is {strong(chosen)}")
        console.show(f"  {quiet(f'kept in {plain(root.sync.config)}')}")
    return boundary.NO if chosen is None else boundary.DONE


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty sync status", "what is here; asks nobody outside"),
        ("spec-kitty sync status --check", "ask the server too; is everything in order?"),
    ),
    help="""Say how syncing stands below this state root: server, queues, login, daemon.

    With --check the server is asked whether it answers, and the exit code is 1 if something keeps events from being
    sent.""",
)
@click.option("--check", is_flag=True, help="Ask the server, and exit 1 if anything is not as it should be.")
@json_option
@pass_console
def status(console: Console, *, check: bool) -> int:
    """Say how syncing stands."""
    found = sync_status(StateRoot.resolve(), check=check)
    if console.json:
        console.emit("sync-status", _fields(found))
    else:
        _show(console, found)
    return boundary.NO if check and found.findings else boundary.DONE


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty sync enqueue events.jsonl", "each line one event"),
        ("my-tool | spec-kitty sync enqueue -", "from another program"),
    ),
    help="""Put the events of a file into this state root's queue: JSON lines, each an event with `event_id` and
    `event_type`.

    All of them or, if one cannot be read, none. An event that waits already is not queued twice. What they are good
    for: tools that make events of their own, and files into which a full queue was drained.""",
)
@click.argument("file", type=click.File("rb"), default="-")
@json_option
@pass_console
def enqueue(console: Console, *, file: BinaryIO) -> None:
    """Queue events from a file or from stdin."""
    queue = EventQueue.active(StateRoot.resolve())
    if file.isatty():
        console.talk("reading events from the terminal, one a line; Ctrl-D ends")
    appended = queue.append(read_events(file, name=file.name.strip("<>")))
    waiting = queue.count()
    if console.json:
        made = {"added": appended.added, "duplicates": appended.duplicates}
        console.emit("sync-enqueue", {"path": queue.surface.path, "events": waiting, **made})
        return
    again = f", {appended.duplicates} of them waited already" if appended.duplicates else ""
    total = appended.added + appended.duplicates
    console.show(f"{good('✓')} {words.count(total, 'event')} queued{again}")
    console.show(f"  {words.waiting(waiting)}  {quiet(plain(queue.surface))}")


def _fields(found: SyncStatus) -> dict[str, object]:
    return {
        "root": found.root,
        "server_url": found.server_url,
        "queue": {"path": found.queue.path, "events": found.queue.events},
        "queues": daemonview.queues(found.queues),
        "auth": {"authenticated": found.authenticated, "session_file": found.session_file},
        "daemon": daemonview.fields(found.daemon),
        "reachable": found.reachable,
        "findings": [{"code": each.code, "message": each.message, "hint": each.hint} for each in found.findings],
    }


def _show(console: Console, found: SyncStatus) -> None:
    answers = {None: quiet("not asked"), True: good("answers"), False: bad("does not answer")}
    rows = [
        ("root", plain(found.root)),
        ("server", f"{strong(found.server_url)}, {answers[found.reachable]}" if found.server_url else "none is set"),
        ("queue", f"{_waiting(found.queue)}  {quiet(plain(found.queue.path))}"),
        *(
            ("", f"{_waiting(each)}  {quiet(plain(each.path))}")
            for each in found.queues
            if each.path != found.queue.path
        ),
        (
            "login",
            "nobody" + (quiet(", though a session file of another program is there") if found.session_file else ""),
        ),
        ("daemon", daemonview.line(found.daemon)),
    ]
    console.table([(quiet(label), value) for label, value in rows], indent=0)
    for finding in found.findings:
        console.talk(f"{doubtful('!')} {plain(finding.message)}  {quiet(finding.code)}")
        if finding.hint:
            console.talk(f"  {hinting()} {plain(finding.hint)}")


def _waiting(queue: QueueCount) -> str:
    return bad(words.waiting(None)) if queue.events is None else words.waiting(queue.events)
