"""What the two homes, state and assets, have in common: a base directory and the reason why it is that one."""

from __future__ import annotations

import os
from typing import ClassVar

import attrs

from kitty_paths import environment
from kitty_paths.errors import InvalidStateRootError
from kitty_paths.platforms import Platform, parse_platform
from kitty_paths.resolution import RootSource, Surroundings, checked_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self


def _absolute(_home: Home, _field: attrs.Attribute[Path], base: Path) -> None:
    if not base.is_absolute():
        raise InvalidStateRootError(
            f"`base` is {str(base)!r}: a relative path moves with the current directory",
            hint="Use `resolve` or `at`",
            variable="base",
            value=str(base),
        )


@attrs.frozen(order=True)
class Home:
    """A base directory with a platform's layout. Two are equal when every path below them is.

    Attributes:
        base: Absolute, normalised. Nothing says that it exists. Where `platform` spells paths unlike the host, it is a
            `Path` that compares and prints as on that platform.
        platform: Whose layout holds: `linux` (every POSIX system but macOS), `darwin` or `win32`.
        source: Why the base is that one; of no weight in comparisons.
        default_base: Where it would be with the variable unset; None for `at`, and where no home directory is known. Of
            no weight in comparisons.
    """

    posix_name: ClassVar[str]

    base: Path = attrs.field(validator=_absolute)
    platform: Platform
    source: RootSource = attrs.field(eq=False)
    default_base: Path | None = attrs.field(eq=False, default=None)

    @classmethod
    def resolve(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        platform: str | None = None,
        home: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Give the home that `SPEC_KITTY_HOME` selects, or the platform's default (FR-010, FR-011, FR-012).

        Pure (NFR-002): creates nothing, reads no file, resolves no symbolic link.

        Args:
            environ: Environment variables; None for the process's own. The host adds nothing to a passed one.
            platform: A `sys.platform`; None for the running interpreter's.
            home: The user's home directory; None for `HOME` (`USERPROFILE` on Windows) of the environment.

        Raises:
            InvalidStateRootError: A value that is needed names no absolute path, or one with two spellings.
            UnknownPlatformError: `platform` is nothing `sys.platform` says.
        """
        surroundings = Surroundings.of(environ, platform, home)
        base = surroundings.chosen()
        if base is None:
            base = surroundings.default(cls.posix_name)
            return cls(base, surroundings.platform, RootSource.PLATFORM_DEFAULT, base)
        try:
            default_base = surroundings.default(cls.posix_name)
        except InvalidStateRootError:
            default_base = None  # not needed for the answer, so its absence is no error
        return cls(base, surroundings.platform, RootSource.ENVIRONMENT, default_base)

    @classmethod
    def at(cls, path: str | os.PathLike[str], *, platform: str | None = None) -> Self:
        """Give the home at `path`, whatever the environment says.

        Args:
            path: Absolute; `~` has no meaning here.
            platform: A `sys.platform`; None for the running interpreter's.

        Raises:
            InvalidStateRootError: `path` is relative or has two spellings.
            UnknownPlatformError: `platform` is nothing `sys.platform` says.
        """
        layout = parse_platform(environment.host_platform() if platform is None else platform)
        base = checked_path(os.fspath(path), variable="path", platform=layout)
        return cls(base, layout, RootSource.EXPLICIT)

    def __fspath__(self) -> str:
        return str(self.base)

    __str__ = __fspath__
