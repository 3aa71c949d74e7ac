"""`tracker connect`, `disconnect`, `status` and `map`: which tracker, and which issue is which work package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from kitty_paths import StateRoot
from kitty_sync.errors import NotConnectedError
from kitty_sync.tracker import connection
from kitty_sync.tracker.credentials import read_credential_file
from kitty_sync.tracker.providers import PROVIDERS, provider_named
from spec_kitty_cli import boundary
from spec_kitty_cli.console import Console, good, hinting, pass_console, quiet, strong
from spec_kitty_cli.credentials import ask, from_stdin, names_only
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import json_option
from spec_kitty_cli.words import plain

if TYPE_CHECKING:
    from kitty_sync.secret import Secret
    from kitty_sync.tracker.connection import Connection
    from kitty_sync.tracker.store import IssueMapping

_MAPPING_FIELDS = (
    "wp_id",
    "system",
    "workspace",
    "external_id",
    "external_key",
    "external_url",
    "created_at",
    "updated_at",
)


def _complete_providers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    del ctx, param
    return [CompletionItem(name) for name in PROVIDERS if name.startswith(incomplete)]


_provider_option = click.option(
    "--provider", metavar="P", shell_complete=_complete_providers, help="Which tracker; needed where several are."
)


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty tracker connect local", "the one that works offline"),
        ("spec-kitty tracker connect linear", "asks for its token, and does not show it"),
        ("pass show linear | spec-kitty tracker connect linear --credential token=-", ""),
    ),
    help="""Connect a tracker: keep its workspace and credentials below this state root.

    A secret is typed at a prompt, read from stdin (--credential token=-) or from a file of TOML (--credential-file);
    never given as an argument, which every user of this machine can read. Known: local, linear, jira, github,
    gitlab.""",
)
@click.argument("provider", shell_complete=_complete_providers)
@click.option(
    "--workspace",
    metavar="W",
    default="default",
    show_default=True,
    help="The tracker's workspace, project or repository.",
)
@click.option(
    "--credential", "names", metavar="NAME=-", multiple=True, callback=names_only, help="Read NAME from stdin."
)
@click.option(
    "--credential-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help='Read credentials from a file with lines such as token = "…".',
)
@json_option
@pass_console
def connect(
    console: Console, *, provider: str, workspace: str, names: tuple[str, ...], credential_file: Path | None
) -> None:
    """Connect a tracker."""
    known = provider_named(provider)
    given: dict[str, Secret] = {} if credential_file is None else dict(read_credential_file(credential_file))
    given |= from_stdin(names)
    given |= ask((name for name in known.needs if name not in given), of=known.name)
    made = connection.connect(StateRoot.resolve(), provider, workspace=workspace, credentials=given)
    if console.json:
        console.emit("tracker-connect", _fields(made))
        return
    console.show(f"{good('✓')} {strong(made.provider)} is connected, workspace {plain(made.workspace)}")
    kept = ", ".join(made.credential_names) or "none needed"
    console.show(f"  {quiet(f'credentials kept below this root: {plain(kept)}')}")


@click.command(
    cls=Command,
    examples=(("spec-kitty tracker disconnect linear", ""),),
    help="Forget a tracker's workspace and credentials. Its mappings stay. Exits 1 if it was not connected.",
)
@click.argument("provider", shell_complete=_complete_providers)
@json_option
@pass_console
def disconnect(console: Console, *, provider: str) -> int:
    """Forget a tracker's credentials."""
    was_connected = connection.disconnect(StateRoot.resolve(), provider)
    if console.json:
        console.emit("tracker-disconnect", {"provider": provider, "was_connected": was_connected})
    else:
        console.show(f"{strong('disconnected')}; its mappings stay" if was_connected else "was not connected")
    return boundary.DONE if was_connected else boundary.NO


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty tracker status", "which trackers are connected?"),
        ("spec-kitty tracker status local", "that one, with its issues"),
    ),
    help="""Say which trackers are connected below this state root; with PROVIDER, which issues it has, if it works
    offline. Asks nobody outside. Exits 1 if none is connected.""",
)
@click.argument("provider", required=False, shell_complete=_complete_providers)
@json_option
@pass_console
def status(console: Console, *, provider: str | None) -> int:
    """Say which trackers are connected."""
    root = StateRoot.resolve()
    found = connection.connections(root) if provider is None else (connection.connection_to(root, provider),)
    issues = connection.issues(root, provider) if provider is not None and found[0].offline else ()
    if console.json:
        shown = [{"issue_id": each.issue_id, **each.payload} for each in issues]
        console.emit("tracker-status", {"connections": [_fields(each) for each in found], "issues": shown})
    elif not found:
        console.show("no tracker is connected")
        console.talk(f"{hinting()} spec-kitty tracker connect local --workspace NAME")
    else:
        console.table([_row(each) for each in found], header=("tracker", "workspace", "maps", "credentials"), indent=0)
        console.table([(each.issue_id, plain(each.payload.get("title", ""))) for each in issues])
    return boundary.DONE if found else boundary.NO


@click.command(
    "map",
    cls=Command,
    examples=(
        ("spec-kitty tracker map", "list what is mapped"),
        ("spec-kitty tracker map WP01 ACME-7", "work package WP01 is issue ACME-7"),
        ('spec-kitty tracker map WP02 --new "Empty carts"', "make the issue first, in a tracker that works offline"),
        ("spec-kitty tracker map WP01 --remove", "forget it"),
    ),
    help="Say which issue a work package WP is, or list what was said.",
)
@click.argument("wp", required=False)
@click.argument("issue", required=False)
@_provider_option
@click.option("--key", metavar="K", help="The issue as people name it.")
@click.option("--url", metavar="URL", help="Where to look at the issue.")
@click.option("--new", "title", metavar="TITLE", help="Make the issue, with this title.")
@click.option("--remove", is_flag=True, help="Forget which issue WP is. Exits 1 if it was none.")
@json_option
@pass_console
def map_(
    console: Console,
    *,
    wp: str | None,
    issue: str | None,
    provider: str | None,
    key: str | None,
    url: str | None,
    title: str | None,
    remove: bool,
) -> int:
    """Map a work package, list the mappings, or remove one."""
    root = StateRoot.resolve()
    if wp is None:
        if any((title, remove, key, url)):
            raise click.UsageError("Name the work package", click.get_current_context())
        _list(console, root, provider)
        return boundary.DONE
    if [issue is not None, title is not None, remove].count(True) != 1:
        raise click.UsageError("Give either ISSUE or --new TITLE or --remove", click.get_current_context())
    name = provider or _only_one(root)
    if remove:
        was_mapped = connection.unmap_issue(root, name, wp)
        console.talk("forgotten" if was_mapped else "was not mapped")
        return boundary.DONE if was_mapped else boundary.NO
    made = issue if title is None else connection.add_issue(root, name, title).issue_id
    mapped = connection.map_issue(root, name, wp, made or "", key=key, url=url)
    if console.json:
        console.emit("tracker-map", {"mappings": [_mapping_fields(mapped)]})
    else:
        console.show(f"{good('✓')} {strong(plain(mapped.wp_id))} is {plain(mapped.external_id)} {quiet(f'({name})')}")
    return boundary.DONE


def _list(console: Console, root: StateRoot, provider: str | None) -> None:
    names = [each.provider for each in connection.connections(root)] if provider is None else [provider]
    found = [each for name in names for each in connection.mappings(root, name)]
    if console.json:
        console.emit("tracker-map", {"mappings": [_mapping_fields(each) for each in found]})
    elif not found:
        console.show("nothing is mapped yet")
    else:
        console.table([_mapping(each) for each in found], header=("work package", "tracker", "issue"), indent=0)


def _mapping_fields(found: IssueMapping) -> dict[str, object]:
    return {name: getattr(found, name) for name in _MAPPING_FIELDS}


def _mapping(found: IssueMapping) -> tuple[str, ...]:
    more = " ".join(plain(each) for each in (found.external_key, found.external_url) if each)
    return (plain(found.wp_id), found.system, f"{plain(found.external_id)}  {quiet(more)}".rstrip())


def _only_one(root: StateRoot) -> str:
    names = [each.provider for each in connection.connections(root)]
    if not names:
        raise NotConnectedError(
            f"no tracker is connected below {root.base}", hint="spec-kitty tracker connect local --workspace NAME"
        )
    if len(names) > 1:
        raise click.UsageError(
            f"Several trackers are connected ({', '.join(names)}): say which, --provider P",
            click.get_current_context(),
        )
    return names[0]


def _fields(found: Connection) -> dict[str, object]:
    return {
        "provider": found.provider,
        "workspace": found.workspace,
        "offline": found.offline,
        "credential_names": found.credential_names,
        "store": found.store.path,
        "mappings": found.mappings,
    }


def _row(found: Connection) -> tuple[str, ...]:
    kept = ", ".join(found.credential_names) or ("works offline" if found.offline else "none")
    return (strong(found.provider), plain(found.workspace), str(found.mappings), quiet(plain(kept)))
