"""Everything that can go wrong in kitty_paths, as one family of errors with stable codes."""

from __future__ import annotations

from typing import ClassVar


class KittyPathsError(Exception):
    """The base of every error this package raises on purpose.

    Attributes:
        code: Stable, documented identifier for scripts.
        exit_code: What a command line exits with (contract: 2 = usage, configuration or environment).
        message: What happened and where, one sentence without a full stop.
        hint: What to do next, or None.
    """

    code: ClassVar[str] = "paths.error"
    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidStateRootError(KittyPathsError, ValueError):
    """A value that has to name the root, or the home it defaults to, cannot do so.

    Attributes:
        variable: What holds the value: an environment variable's name, or `path` for `StateRoot.at`.
        value: The value as it was given; None when it is missing.
    """

    code = "paths.state-root.invalid"

    def __init__(
        self, message: str, *, hint: str | None = None, variable: str | None = None, value: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.variable = variable
        self.value = value


class InvalidRepositoryPathError(KittyPathsError, ValueError):
    """A git directory was given as a relative path."""

    code = "paths.repository.relative"


class UnknownPlatformError(KittyPathsError, ValueError):
    """A platform was named that `sys.platform` never says."""

    code = "paths.platform.unknown"


class UnknownSurfaceError(KittyPathsError, LookupError):
    """A state surface was named that does not exist, or that has one path for each scope."""

    code = "paths.surface.unknown"
