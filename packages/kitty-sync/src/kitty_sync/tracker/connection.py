"""What a person does with a tracker: connect it, look at it, say which issue a work package is, disconnect it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from kitty_paths import StateRoot, Surface, TrackerScope
from kitty_sync.errors import InvalidMappingError, MissingCredentialError, NotConnectedError, UnknownIssueError
from kitty_sync.queue.record import active_scope
from kitty_sync.secret import Secret
from kitty_sync.tracker.credentials import TrackerCredentials
from kitty_sync.tracker.providers import PROVIDERS, Provider, provider_named
from kitty_sync.tracker.store import Issue, IssueMapping, TrackerStore

WORKSPACE: Final = "workspace"
"""The key beside the credentials that says which workspace is connected."""

_LONGEST: Final = 1_000


@attrs.frozen
class Connection:
    """A connected tracker; it holds no secret.

    Attributes:
        provider: The tracker's name.
        workspace: The tracker's workspace.
        offline: Whether its issues can be read and made without a network.
        credential_names: Which credentials are kept for it, sorted.
        store: Where its mappings lie.
        mappings: How many there are.
    """

    provider: str
    workspace: str
    offline: bool
    credential_names: tuple[str, ...]
    store: Surface
    mappings: int


def connect(root: StateRoot, provider: str, *, workspace: str, credentials: Mapping[str, Secret]) -> Connection:
    """Keep what a tracker needs, and its workspace, below the root; in place of what was kept for it before.

    Args:
        root: The root.
        provider: The tracker's name.
        workspace: The tracker's workspace.
        credentials: Name to secret; all that the tracker needs.

    Raises:
        UnknownProviderError: There is no such tracker.
        MissingCredentialError: It needs more than that.
        InvalidCredentialError: A name or the workspace cannot be kept.
        StateError: The credentials cannot be read, understood or written; they are as they were.
    """
    known = provider_named(provider)
    missing = tuple(name for name in known.needs if not credentials.get(name))
    if missing:
        raise MissingCredentialError(
            f"{known.name} needs {' and '.join(missing)}",
            names=missing,
            hint=f"give it on standard input: --credential {missing[0]}=-",
        )
    if WORKSPACE in credentials:
        raise InvalidMappingError("the workspace is no credential", hint="give it as --workspace NAME")
    name = _one_line("workspace", workspace)
    TrackerCredentials(root).save(known.name, {WORKSPACE: Secret(name), **credentials})
    return connection_to(root, known.name)


def disconnect(root: StateRoot, provider: str) -> bool:
    """Forget a tracker's credentials and workspace, and say whether there were any; its mappings are kept.

    Raises:
        UnknownProviderError: There is no such tracker.
        StateError: The credentials cannot be read, understood or written; they are as they were.
    """
    return TrackerCredentials(root).remove(provider_named(provider).name)


def connections(root: StateRoot) -> tuple[Connection, ...]:
    """Give every connected tracker, by name; creates nothing.

    Raises:
        StateError: The credentials or a store cannot be read or understood.
    """
    kept = TrackerCredentials(root)
    # Tables of trackers that this version does not know belong to another program.
    return tuple(
        connection_to(root, name)
        for name in kept.providers()
        if name in PROVIDERS and WORKSPACE in (kept.load(name) or {})
    )


def connection_to(root: StateRoot, provider: str) -> Connection:
    """Give one connected tracker; creates nothing.

    Raises:
        UnknownProviderError: There is no such tracker.
        NotConnectedError: It is not connected below this root.
        StateError: The credentials or the store cannot be read or understood.
    """
    known = provider_named(provider)
    kept = TrackerCredentials(root).load(known.name)
    if kept is None or not kept.get(WORKSPACE):
        raise NotConnectedError(
            f"{known.name} is not connected below {root.base}", hint=f"spec-kitty tracker connect {known.name}"
        )
    workspace = kept[WORKSPACE].reveal()
    store = _store(root, known, workspace)
    names = tuple(sorted(name for name in kept if name != WORKSPACE))
    return Connection(known.name, workspace, known.offline, names, store.surface, len(store.mappings()))


def map_issue(
    root: StateRoot, provider: str, wp_id: str, external_id: str, *, key: str | None = None, url: str | None = None
) -> IssueMapping:
    """Record which issue a work package is, in place of the one it was.

    Args:
        root: The root.
        provider: A connected tracker's name.
        wp_id: The work package, such as `WP01`.
        external_id: The issue, as the tracker names it. A tracker that works offline is asked whether it exists.
        key: The issue as people name it.
        url: Where to look at it.

    Raises:
        NotConnectedError: The tracker is not connected below this root.
        UnknownIssueError: The tracker has no such issue.
        MappingConflictError: The issue is another work package's.
        InvalidMappingError: The work package or the issue cannot be called that.
        StateError: Something cannot be read or written; nothing was changed.
    """
    known, store = _connected(root, provider)
    issue = _one_line("issue", external_id)
    wp = _one_line("work package", wp_id)
    if known.offline and all(each.issue_id != issue for each in known.issues(store)):
        raise UnknownIssueError(
            f"{known.name} has no issue {issue}", hint=f"see which there are: spec-kitty tracker status {known.name}"
        )
    return store.map(
        wp, issue, None if key is None else _one_line("key", key), None if url is None else _one_line("URL", url)
    )


def unmap_issue(root: StateRoot, provider: str, wp_id: str) -> bool:
    """Forget which issue a work package is, and say whether it was any; raises as `map_issue`."""
    _, store = _connected(root, provider)
    return store.unmap(wp_id.strip())


def mappings(root: StateRoot, provider: str) -> tuple[IssueMapping, ...]:
    """Give every mapping of a connected tracker, by work package; creates nothing; raises as `connection_to`."""
    _, store = _connected(root, provider)
    return store.mappings()


def issues(root: StateRoot, provider: str) -> tuple[Issue, ...]:
    """Give every issue of a connected tracker that works offline; creates nothing.

    Raises:
        ProviderOfflineError: The tracker does not work offline.
        NotConnectedError: It is not connected below this root.
        StateError: The store cannot be read.
    """
    known, store = _connected(root, provider)
    return known.issues(store)


def add_issue(root: StateRoot, provider: str, title: str) -> Issue:
    """Make an issue in a connected tracker that works offline; raises as `issues`, and for a blank title."""
    known, store = _connected(root, provider)
    return known.add(store, title)


def _connected(root: StateRoot, provider: str) -> tuple[Provider, TrackerStore]:
    known = provider_named(provider)
    return known, _store(root, known, connection_to(root, provider).workspace)


def _store(root: StateRoot, provider: Provider, workspace: str) -> TrackerStore:
    # What works offline belongs to nobody's account; a hosted tracker's mappings belong to who is logged in.
    scope = None if provider.offline else active_scope(root)
    identity = ("", "", "") if scope is None else (scope.server, scope.user, scope.team)
    surface = root.tracker.store(TrackerScope(provider.name, workspace, *identity))
    return TrackerStore(root, surface, system=provider.name, workspace=workspace.strip().lower())


def _one_line(what: str, text: str) -> str:
    stripped = text.strip()
    if not stripped or len(stripped) > _LONGEST or not stripped.isprintable():
        raise InvalidMappingError(f"a {what} has to be one line of at most {_LONGEST} characters, and not blank")
    return stripped
