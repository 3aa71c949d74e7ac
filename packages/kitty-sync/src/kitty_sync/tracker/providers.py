"""Trackers behind one small Protocol: one that works offline, and those whose issues lie on a server."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

import attrs

from kitty_sync.errors import InvalidMappingError, ProviderOfflineError, UnknownProviderError
from kitty_sync.tracker.store import Issue, TrackerStore


class Provider(Protocol):
    """What the use cases ask of a tracker."""

    @property
    def name(self) -> str:
        """Its name: part of the store's file name, and the table in `credentials`."""
        ...

    @property
    def offline(self) -> bool:
        """Whether its issues can be read and made without a network."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the credentials without which it cannot be reached."""
        ...

    def issues(self, store: TrackerStore) -> tuple[Issue, ...]:
        """Give every issue.

        Raises:
            ProviderOfflineError: They can only be asked for over the network.
            StateError: The store cannot be read.
        """
        ...

    def add(self, store: TrackerStore, title: str) -> Issue:
        """Make an issue.

        Raises:
            InvalidMappingError: It has no title.
            ProviderOfflineError: It can only be made over the network.
            StateError: The store cannot be written.
        """
        ...


@attrs.frozen
class LocalTracker:
    """Issues of one's own machine, numbered, kept in the tracker store: nothing to reach, nothing to log in to."""

    name: str = "local"
    offline: bool = True
    needs: tuple[str, ...] = ()

    def issues(self, store: TrackerStore) -> tuple[Issue, ...]:
        """Give every issue, oldest first."""
        return store.issues()

    def add(self, store: TrackerStore, title: str) -> Issue:
        """Make an issue, named by the tracker and its number: `local-1`."""
        if not title.strip() or not title.isprintable():
            raise InvalidMappingError("an issue needs a title of one line")
        return store.add_issue(lambda number: f"{self.name}-{number}", {"title": title.strip(), "status": "open"})


@attrs.frozen
class HostedTracker:
    """A tracker on a server. Its credentials and mappings are kept; nothing here speaks to it.

    Attributes:
        name: Its name.
        needs: Names of the credentials it cannot be reached without.
    """

    name: str
    needs: tuple[str, ...] = ("token",)
    offline: bool = False

    def issues(self, store: TrackerStore) -> tuple[Issue, ...]:
        """Refuse: they lie on the server."""
        raise self._refusal(store)

    def add(self, store: TrackerStore, title: str) -> Issue:
        """Refuse: it would have to be made on the server."""
        del title
        raise self._refusal(store)

    def _refusal(self, store: TrackerStore) -> ProviderOfflineError:
        del store
        return ProviderOfflineError(
            f"the issues of {self.name} lie on its server, and this command does not use the network",
            hint="map an issue by the id it has there",
        )


_ALL: Final[tuple[Provider, ...]] = (
    LocalTracker(),
    *(HostedTracker(name) for name in ("linear", "jira", "github", "gitlab")),
)
PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType({provider.name: provider for provider in _ALL})
"""Every tracker by its name."""


def provider_named(name: str) -> Provider:
    """Give a tracker.

    Raises:
        UnknownProviderError: There is none of that name.
    """
    known = PROVIDERS.get(name.strip().lower())
    if known is None:
        raise UnknownProviderError(f"there is no tracker {name!r}", hint=f"known: {', '.join(PROVIDERS)}")
    return known
