"""The state root: the one directory all global sync, auth, tracker and daemon state lives below (FR-010, C-003)."""

from __future__ import annotations

from kitty_paths import layout
from kitty_paths.errors import UnknownSurfaceError
from kitty_paths.group import Group, surface_below
from kitty_paths.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kitty_paths.scopes import QueueScope, TrackerScope
    from kitty_paths.surface import Surface


class SyncPaths(Group):
    """The sync client's own files."""

    __slots__ = ()

    @property
    def config(self) -> Surface:
        """Sync configuration, TOML (FR-001)."""
        return self._child(layout.STATE["sync.config"])

    @property
    def config_lock(self) -> Surface:
        """The lock around every change of the configuration."""
        return self._child(layout.STATE["sync.config_lock"])

    @property
    def clock(self) -> Surface:
        """The Lamport clock, JSON (FR-007)."""
        return self._child(layout.STATE["sync.clock"])

    @property
    def clock_lock(self) -> Surface:
        """The lock around every tick."""
        return self._child(layout.STATE["sync.clock_lock"])

    @property
    def clock_damaged(self) -> Surface:
        """The last clock that could not be read, kept when it was recovered."""
        return self._child(layout.STATE["sync.clock_damaged"])


class QueuePaths(Group):
    """Event queues."""

    __slots__ = ()

    @property
    def unauthenticated(self) -> Surface:
        """The queue of events nobody is logged in for, SQLite (FR-004)."""
        return self._child(layout.STATE["queues.unauthenticated"])

    @property
    def directory(self) -> Surface:
        """The directory of scoped queues (FR-005)."""
        return self._child(layout.STATE["queues.directory"])

    def scoped(self, scope: QueueScope) -> Surface:
        """Give the queue of one server, user and team, SQLite (FR-005)."""
        return self._child(layout.STATE["queues.scoped"], scope.digest)

    @property
    def active_scope(self) -> Surface:
        """The record of the active queue scope, one line of text (FR-005)."""
        return self._child(layout.STATE["queues.active_scope"])

    @property
    def active_scope_lock(self) -> Surface:
        """The lock around every change of the active scope, and around what moves with it."""
        return self._child(layout.STATE["queues.active_scope_lock"])


class AuthPaths(Group):
    """The hosted-auth session."""

    __slots__ = ()

    @property
    def directory(self) -> Surface:
        """The directory of everything about the session (FR-002)."""
        return self._child(layout.STATE["auth.directory"])

    @property
    def session(self) -> Surface:
        """The encrypted session, JSON (FR-002)."""
        return self._child(layout.STATE["auth.session"])

    @property
    def session_salt(self) -> Surface:
        """The salt of the session's key, raw bytes (FR-002)."""
        return self._child(layout.STATE["auth.session_salt"])

    @property
    def session_lock(self) -> Surface:
        """The lock around every read and write of the session (FR-002)."""
        return self._child(layout.STATE["auth.session_lock"])

    @property
    def refresh_lock(self) -> Surface:
        """The lock around a token refresh (FR-003)."""
        return self._child(layout.STATE["auth.refresh_lock"])


class DaemonPaths(Group):
    """The sync daemon."""

    __slots__ = ()

    @property
    def state(self) -> Surface:
        """The running daemon's address, token and process id, text (FR-006)."""
        return self._child(layout.STATE["daemon.state"])

    @property
    def log(self) -> Surface:
        """The daemon's output (FR-006)."""
        return self._child(layout.STATE["daemon.log"])

    @property
    def old_log(self) -> Surface:
        """What the log held before it grew too large and was begun anew."""
        return self._child(layout.STATE["daemon.old_log"])

    @property
    def lock(self) -> Surface:
        """The lock a daemon holds as long as it lives (FR-006)."""
        return self._child(layout.STATE["daemon.lock"])

    @property
    def owner(self) -> Surface:
        """What the daemon says about itself, JSON (FR-006)."""
        return self._child(layout.STATE["daemon.owner"])


class TrackerPaths(Group):
    """Issue trackers: one root with the rest of the state (FR-008, C-003)."""

    __slots__ = ()

    @property
    def credentials(self) -> Surface:
        """Tracker credentials, TOML (FR-008)."""
        return self._child(layout.STATE["tracker.credentials"])

    @property
    def credentials_lock(self) -> Surface:
        """The lock around every change of the credentials (upstream's name)."""
        return self._child(layout.STATE["tracker.credentials_lock"])

    @property
    def directory(self) -> Surface:
        """The directory of tracker stores (FR-008)."""
        return self._child(layout.STATE["tracker.directory"])

    def store(self, scope: TrackerScope) -> Surface:
        """Give the store of one tracker workspace and identity, SQLite (FR-008)."""
        return self._child(layout.STATE["tracker.store"], scope.digest)


class GuardianPaths(Group):
    """The guardians of this user; what they enforce lies in each repository instead (`RepositoryState`)."""

    __slots__ = ()

    @property
    def directory(self) -> Surface:
        """The registry of running guardians."""
        return self._child(layout.STATE["guardian.directory"])


class StateRoot(Home):
    """The root of all global state: `SPEC_KITTY_HOME` when set, else `~/.spec-kitty`, on Windows application data.

    On one platform two different roots share no child path, even when one lies below the other: no row of the layout is
    the tail of another row. A root placed inside another root's directory (such as its `auth`) is removed with it.

    >>> root = StateRoot.resolve({"SPEC_KITTY_HOME": "~/.spec-kitty-upsun"}, platform="linux", home="/home/ada")
    >>> str(root.auth.session), root.auth.session.secret
    ('/home/ada/.spec-kitty-upsun/auth/session.json', True)
    """

    __slots__ = ()

    posix_name = layout.POSIX_STATE_HOME

    @property
    def sync(self) -> SyncPaths:
        """The sync client's own files."""
        return SyncPaths(self.base, self.platform)

    @property
    def queues(self) -> QueuePaths:
        """Event queues."""
        return QueuePaths(self.base, self.platform)

    @property
    def auth(self) -> AuthPaths:
        """The hosted-auth session."""
        return AuthPaths(self.base, self.platform)

    @property
    def daemon(self) -> DaemonPaths:
        """The sync daemon."""
        return DaemonPaths(self.base, self.platform)

    @property
    def tracker(self) -> TrackerPaths:
        """Issue trackers."""
        return TrackerPaths(self.base, self.platform)

    @property
    def guardian(self) -> GuardianPaths:
        """The guardians of this user."""
        return GuardianPaths(self.base, self.platform)

    def surfaces(self) -> tuple[Surface, ...]:
        """Give every fixed surface, in the layout's order; scoped databases are found in their directories."""
        return tuple(surface_below(self.base, self.platform, row) for row in layout.STATE.values() if row.fixed)

    def child(self, name: str) -> Surface:
        """Give the fixed surface with this dotted name, such as `sync.config`.

        Raises:
            UnknownSurfaceError: There is none, or there is one for each scope.
        """
        row = layout.STATE.get(name)
        if row is not None and row.fixed:
            return surface_below(self.base, self.platform, row)
        if row is not None:
            directory = f"{name.partition('.')[0]}.directory"
            raise UnknownSurfaceError(
                f"The surface `{name}` has one path for each scope", hint=f"Its databases lie in `{directory}`"
            )
        raise UnknownSurfaceError(f"There is no surface {name!r}", hint=_suggestion(name))


def _suggestion(name: str) -> str:
    import difflib  # only a mistake pays for it

    known = [row.name for row in layout.STATE.values() if row.fixed]
    # `config` means `sync.config`: the last part alone counts as close.
    close = [each for each in known if name and name in each.split(".")] or difflib.get_close_matches(name, known)
    return f"Did you mean {' or '.join(f'`{each}`' for each in close)}?" if close else f"Known: {', '.join(known)}"
