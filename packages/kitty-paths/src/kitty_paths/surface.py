"""One place where state is kept: a path that knows what lies there and how private it is."""

from __future__ import annotations

from enum import StrEnum

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


class Kind(StrEnum):
    """What lies at a surface's path."""

    FILE = "file"
    DIRECTORY = "directory"
    DATABASE = "database"
    LOCK = "lock"
    SOCKET = "socket"  # only in a repository's own state, never below the state root


@attrs.frozen(order=True)
class Surface:
    """One typed child path: an `os.PathLike`, so `open(surface)`, `Path(surface)` and `str(surface)` do as expected.

    Attributes:
        name: Dotted name, the way to it from its root: `sync.config` is `root.sync.config`.
        path: Absolute path. Nothing says that it exists.
        kind: What lies there.
        secret: Whether what lies there, or below, opens an account: credentials, keys, tokens (NFR-005).
    """

    name: str
    path: Path
    kind: Kind
    secret: bool

    @property
    def mode(self) -> int:
        """The permission bits its writer creates it with: a person's state is nobody else's to read, secret or not."""
        return 0o700 if self.kind is Kind.DIRECTORY else 0o600

    def __fspath__(self) -> str:
        return str(self.path)

    __str__ = __fspath__
