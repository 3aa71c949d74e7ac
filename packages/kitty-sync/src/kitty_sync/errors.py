"""Everything that can go wrong in kitty_sync, as one family of errors with stable codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pathlib import Path


class SyncError(Exception):
    """The base of every error this package raises on purpose.

    Attributes:
        code: Stable, documented identifier for scripts.
        exit_code: What a command line exits with (contract: 2 = usage, configuration or environment).
        message: What happened and where, one sentence without a full stop.
        hint: The command to run next, or None.
    """

    code: ClassVar[str] = "sync.error"
    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class StateError(SyncError):
    """The operating system could not do what was asked of it with a file of the state.

    Attributes:
        path: The file or directory, absolute.
    """

    code = "sync.state.failed"

    def __init__(self, message: str, *, path: Path, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class RootNotADirectoryError(StateError):
    """The root, or a directory above or below it, is a file or a link that leads nowhere."""

    code = "sync.root.not-a-directory"


class ForeignRootError(StateError):
    """The root belongs to another user of this machine."""

    code = "sync.root.foreign"


class ReadOnlyStateError(StateError):
    """The file system, or the database, can only be read."""

    code = "sync.state.read-only"


class AccessDeniedError(StateError):
    """Permissions forbid it."""

    code = "sync.state.denied"


class DiskFullError(StateError):
    """There is no room: the disk, the quota or the limit on a file's size is used up."""

    code = "sync.state.full"


class BusyError(StateError):
    """Another process held a lock or a database for too long."""

    code = "sync.state.busy"


class DamagedFileError(StateError):
    """A file of the state cannot be understood; it is left as it is."""

    code = "sync.state.damaged"


class WrongSchemaError(StateError):
    """A database is in order, but not laid out as the one it should be; it is left as it is."""

    code = "sync.state.schema"


class LinkedFileError(StateError):
    """A file or directory below the root is a symbolic link, so writing it would write elsewhere."""

    code = "sync.state.link"


class InvalidSettingError(SyncError):
    """A key of the configuration is unknown or has a value it cannot have.

    Attributes:
        key: Dotted key, such as `sync.max_queue_size`.
    """

    code = "sync.config.invalid"

    def __init__(self, message: str, *, key: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.key = key


class InvalidServerUrlError(InvalidSettingError):
    """A server's address is neither https nor http on this machine, or carries what an address must not."""

    code = "sync.server-url.invalid"


class InvalidEventError(SyncError):
    """An event cannot be queued: it lacks an id or a type, or is no JSON object."""

    code = "sync.event.invalid"


class EventConflictError(SyncError):
    """An event's id is already queued with other content; nothing was written.

    Attributes:
        event_id: The id both have.
    """

    code = "sync.event.conflict"

    def __init__(self, message: str, *, event_id: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.event_id = event_id


class InvalidScopeError(SyncError):
    """A server, user or team cannot be recorded as the active queue scope."""

    code = "sync.scope.invalid"


class TrackerError(SyncError):
    """The base of what can go wrong with issue trackers."""

    code = "tracker.error"


class UnknownProviderError(TrackerError):
    """A tracker was named that is not known."""

    code = "tracker.provider.unknown"


class InvalidCredentialError(TrackerError):
    """A credential has a name or a value that cannot be kept."""

    code = "tracker.credential.invalid"


class MissingCredentialError(TrackerError):
    """The tracker needs credentials that were not given.

    Attributes:
        names: What is missing.
    """

    code = "tracker.credential.missing"

    def __init__(self, message: str, *, names: tuple[str, ...], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.names = names


class NotConnectedError(TrackerError):
    """The tracker is not connected below this root."""

    code = "tracker.not-connected"
    exit_code = 1


class ProviderOfflineError(TrackerError):
    """The tracker's issues can only be reached over the network, which this command does not use."""

    code = "tracker.provider.remote"


class MappingConflictError(TrackerError):
    """An issue belongs to another work package already."""

    code = "tracker.mapping.conflict"


class InvalidMappingError(TrackerError):
    """A work package or an issue is named in a way that cannot be recorded."""

    code = "tracker.mapping.invalid"


class UnknownIssueError(TrackerError):
    """The tracker has no such issue."""

    code = "tracker.issue.unknown"


class ForeignDaemonError(SyncError):
    """An owner record that is not ours lies at the root: another program's daemon may work there."""

    code = "sync.daemon.foreign"


class DaemonUnreachableError(SyncError):
    """Somebody holds the daemon's lock and does not answer, or answers what no daemon of ours would."""

    code = "sync.daemon.unreachable"


class DaemonStartError(SyncError):
    """The daemon ended, or said nothing, before it answered."""

    code = "sync.daemon.start"
