r"""The platforms a layout exists for, and how each of them spells an absolute path.

A platform is a parameter, so Windows paths are computed on Linux as well. `pathlib.WindowsPath` refuses to exist there,
and a `PosixPath` holding `C:\Users` would claim to be relative: `WindowsPathElsewhere` is the `Path` that does neither.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path, PurePosixPath, PureWindowsPath

from kitty_paths.errors import UnknownPlatformError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class Platform(StrEnum):
    """A platform with a layout and a default base of its own (FR-011)."""

    LINUX = "linux"
    DARWIN = "darwin"
    WIN32 = "win32"


# What `sys.platform` begins with on the systems that are POSIX and are no Mac: they share one layout.
POSIX_NAMES = (
    "linux",
    "cygwin",
    "msys",
    "freebsd",
    "openbsd",
    "netbsd",
    "dragonfly",
    "sunos",
    "aix",
    "hp-ux",
    "haiku",
    "gnu",
    "android",
    "emscripten",
    "wasi",
)


def parse_platform(name: str) -> Platform:
    """Give the platform whose layout holds where `sys.platform` is `name`.

    Raises:
        UnknownPlatformError: `sys.platform` says this nowhere (`Windows` and `nt` are other interfaces' words).
    """
    if name in {Platform.DARWIN, "ios"}:
        return Platform.DARWIN
    if name == Platform.WIN32:
        return Platform.WIN32
    if name.startswith(POSIX_NAMES):
        return Platform.LINUX
    raise UnknownPlatformError(
        f"There is no platform {name!r}", hint="Name it as sys.platform does: linux, darwin or win32"
    )


class WindowsPathElsewhere(Path, PureWindowsPath):
    """A Windows path where Windows is not: compares, joins and prints as on Windows; it leads to no file."""

    __slots__ = ()

    def __new__(cls, *segments: str) -> Self:
        """Make it without asking whether the host is Windows, which is the one thing `WindowsPath` does more."""
        return PureWindowsPath.__new__(cls, *segments)


class PosixPathElsewhere(Path, PurePosixPath):
    """A POSIX path where POSIX is not: compares, joins and prints as on POSIX; it leads to no file."""

    __slots__ = ()

    def __new__(cls, *segments: str) -> Self:
        """Make it without asking whether the host is POSIX, which is the one thing `PosixPath` does more."""
        return PurePosixPath.__new__(cls, *segments)


def separators(platform: Platform) -> str:
    """Give the characters that separate a path's components."""
    return "\\/" if platform is Platform.WIN32 else "/"


def absolute_path(text: str, platform: Platform) -> Path | None:
    """Give `text` as a normalised absolute path, or None when it is relative.

    The platform's own spelling comes first. A path that is absolute for the running interpreter counts too: this is how
    a test on Linux asks for Windows' layout below a directory that exists.

    Args:
        text: The path; `.` components, doubled and trailing separators vanish, `..` stays.
        platform: Whose spelling `text` is in.
    """
    if platform is Platform.WIN32:
        return _windows_path(text) or _host_path(text)
    return _posix_path(text) or _host_path(text)


def _windows_path(text: str) -> Path | None:
    pure = PureWindowsPath(text)
    # `\x` moves with the current drive and `C:x` with the drive's current directory: only both parts make it absolute.
    if not (pure.drive and pure.root):
        return None
    return Path(text) if _host_is_windows() else WindowsPathElsewhere(text)


def _posix_path(text: str) -> Path | None:
    if not text.startswith("/"):
        return None
    # pathlib keeps exactly two leading slashes, as POSIX allows; Linux and macOS mean `/` by them: one spelling.
    single = "/" + text.lstrip("/")
    return PosixPathElsewhere(single) if _host_is_windows() else Path(single)


def _host_path(text: str) -> Path | None:
    return _windows_path(text) if _host_is_windows() else _posix_path(text)


def _host_is_windows() -> bool:
    return issubclass(type(Path()), PureWindowsPath)
