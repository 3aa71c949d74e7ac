"""The layout as data: every path, kind and secrecy is written here and nowhere else.

The typed properties, `surfaces()`, `child()` and the reference page all read these tables. Paths are relative to their
root and spelled with `/` on every platform; `{digest}` stands for the 16 hex digits of a scope.
"""

from __future__ import annotations

from typing import NamedTuple

from kitty_paths.platforms import Platform
from kitty_paths.surface import Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "SPEC_KITTY_HOME"  # the one selector of state (C-003)
POSIX_STATE_HOME = ".spec-kitty"  # below the home directory (FR-011)
POSIX_ASSET_HOME = ".kittify"  # below the home directory
WINDOWS_HOME = "spec-kitty"  # below the user's local application data, for state and assets alike (NFR-003)


class Row(NamedTuple):
    """One row of a layout.

    A named tuple and no attrs class: defining one costs a tenth, and the import budget is small.

    Attributes:
        name: Dotted name of the typed property.
        posix: Relative path on Linux and macOS.
        kind: What lies there.
        secret: Whether what lies there, or below, opens an account.
        windows: Relative path on Windows; None where it is the same.
    """

    name: str
    posix: str
    kind: Kind
    secret: bool = False
    windows: str | None = None

    @property
    def fixed(self) -> bool:
        """Whether there is one such path for each root, and not one for each scope."""
        return "{digest}" not in self.posix

    def relative(self, platform: Platform) -> str:
        """Give the path below the root on `platform`, separated by `/`."""
        return self.windows if platform is Platform.WIN32 and self.windows else self.posix


def _by_name(*rows: Row) -> Mapping[str, Row]:
    return {row.name: row for row in rows}


# Below the state root.
STATE = _by_name(
    Row("sync.config", "config.toml", Kind.FILE),  # FR-001
    Row("sync.config_lock", "config.toml.lock", Kind.LOCK),
    Row("sync.clock", "clock.json", Kind.FILE),  # FR-007
    Row("sync.clock_lock", "clock.json.lock", Kind.LOCK),
    Row("sync.clock_damaged", "clock.json.damaged", Kind.FILE),  # what could not be read when the clock was recovered
    Row("queues.unauthenticated", "queue.db", Kind.DATABASE),  # FR-004
    Row("queues.directory", "queues", Kind.DIRECTORY),  # FR-005
    Row("queues.scoped", "queues/queue-{digest}.db", Kind.DATABASE),  # FR-005
    Row("queues.active_scope", "active_queue_scope", Kind.FILE),  # FR-005
    Row("queues.active_scope_lock", "active_queue_scope.lock", Kind.LOCK),
    Row("auth.directory", "auth", Kind.DIRECTORY, secret=True),  # FR-002
    Row("auth.session", "auth/session.json", Kind.FILE, secret=True),  # FR-002
    Row("auth.session_salt", "auth/session.salt", Kind.FILE, secret=True),  # FR-002
    Row("auth.session_lock", "auth/session.lock", Kind.LOCK),  # FR-002
    Row("auth.refresh_lock", "auth/refresh.lock", Kind.LOCK),  # FR-003
    Row("daemon.state", "sync-daemon", Kind.FILE, secret=True, windows="daemon/sync-daemon"),  # FR-006
    Row("daemon.log", "sync-daemon.log", Kind.FILE, windows="daemon/sync-daemon.log"),  # FR-006
    Row("daemon.old_log", "sync-daemon.log.1", Kind.FILE, windows="daemon/sync-daemon.log.1"),
    Row("daemon.lock", "sync-daemon.lock", Kind.LOCK, windows="daemon/sync-daemon.lock"),  # FR-006
    Row("daemon.owner", "sync/daemon/owner.json", Kind.FILE),  # FR-006
    Row("tracker.credentials", "credentials", Kind.FILE, secret=True, windows="tracker/credentials"),  # FR-008
    Row("tracker.credentials_lock", "credentials.lock", Kind.LOCK, windows="tracker/credentials.lock"),
    Row("tracker.directory", "trackers", Kind.DIRECTORY),  # FR-008
    Row("tracker.store", "trackers/{digest}.db", Kind.DATABASE),  # FR-008
    Row("guardian.directory", "guardian", Kind.DIRECTORY),  # the registry of running guardians, nothing else
)

# Below the git directory that all worktrees of a repository share.
REPOSITORY = _by_name(
    Row("events", "spec-kitty/events.db", Kind.DATABASE),
)

# Below one worktree's own git directory.
WORKTREE = _by_name(
    Row("guardian.directory", "spec-kitty/guardian", Kind.DIRECTORY),
    Row("guardian.lock", "spec-kitty/guardian/lock", Kind.LOCK),
    Row("guardian.start_lock", "spec-kitty/guardian/start.lock", Kind.LOCK),
    Row("guardian.socket", "spec-kitty/guardian/socket", Kind.SOCKET),
    Row("guardian.status", "spec-kitty/guardian/status.json", Kind.FILE),
    Row("guardian.log", "spec-kitty/guardian/daemon.log", Kind.FILE),
    Row("guardian.violations", "spec-kitty/guardian/violations.jsonl", Kind.FILE),
    Row("guardian.journal", "spec-kitty/guardian/journal.jsonl", Kind.FILE),
    Row("guardian.adoption", "spec-kitty/guardian/adoption.json", Kind.FILE),
    Row("guardian.baseline", "spec-kitty/guardian/baseline", Kind.DIRECTORY),
    Row("guardian.record", "spec-kitty/guardian/baseline/record.db", Kind.DATABASE),
    Row("guardian.stage", "spec-kitty/guardian/stage", Kind.DIRECTORY),
    Row("guardian.quarantine", "spec-kitty/guardian/quarantine", Kind.DIRECTORY),
)
