"""Scopes: whose queue, whose tracker store. A scope's hash is part of a file name and agrees with upstream's."""

from __future__ import annotations

import importlib
import sys

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash

# Loaded at once: loaded at first use, touching a path would read the disk (NFR-002). And lean as in the standard
# library's `random`: hashlib itself loads OpenSSL, which costs more than the rest of this package.
sha256: Callable[[bytes], _Hash]
try:
    sha256 = importlib.import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256
except ImportError:  # an interpreter built without its own hashes
    from hashlib import sha256


def _plain(part: str) -> str:
    return part.strip().lower()


def _server(part: str) -> str:
    return _plain(part).rstrip("/")


def _digest(text: str) -> str:
    # Lone surrogates have no UTF-8; `surrogatepass` makes the hash total and changes no other text's.
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@attrs.frozen(order=True)
class QueueScope:
    """Whose events a queue holds. Two spellings of one scope are one value.

    A part that contains `|` can meet another scope's text: the format is upstream's and is kept as it is.

    Attributes:
        server: Base URL, stripped and lowered, without trailing slashes.
        user: The session's e-mail address, stripped and lowered.
        team: Id of the Private Teamspace, stripped and lowered.
    """

    server: str = attrs.field(converter=_server)
    user: str = attrs.field(converter=_plain)
    team: str = attrs.field(converter=_plain)

    @property
    def text(self) -> str:
        """`server|user|team`, as it stands in `active_queue_scope`."""
        return f"{self.server}|{self.user}|{self.team}"

    @property
    def digest(self) -> str:
        """The first 16 hex digits of SHA-256 of `text`."""
        return _digest(self.text)


def _or_local(part: str) -> str:
    return _plain(part) or "local"


def _or_anonymous(part: str) -> str:
    return _plain(part) or "anonymous"


def _or_no_team(part: str) -> str:
    return _plain(part) or "no-team"


@attrs.frozen(order=True)
class TrackerScope:
    """Whose issues a tracker store holds. Two spellings of one scope are one value.

    Attributes:
        provider: The tracker, such as `linear` or `beads`, stripped and lowered.
        workspace: The tracker's workspace, stripped and lowered.
        server: Base URL, stripped and lowered; `local` when blank.
        user: The session's e-mail address, stripped and lowered; `anonymous` when blank.
        team: Id of the Private Teamspace, stripped and lowered; `no-team` when blank.
    """

    provider: str = attrs.field(converter=_plain)
    workspace: str = attrs.field(converter=_plain)
    server: str = attrs.field(converter=_or_local, default="")
    user: str = attrs.field(converter=_or_anonymous, default="")
    team: str = attrs.field(converter=_or_no_team, default="")

    @property
    def text(self) -> str:
        """`provider|workspace|server|user|team`."""
        return f"{self.provider}|{self.workspace}|{self.server}|{self.user}|{self.team}"

    @property
    def digest(self) -> str:
        """The first 16 hex digits of SHA-256 of `text`."""
        return _digest(self.text)
