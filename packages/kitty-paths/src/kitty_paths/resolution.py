"""How a root is chosen: from `SPEC_KITTY_HOME`, else from the platform's default (FR-011, FR-012).

Every rule here has one aim: one spelling, one place. A root that moves with the current directory, or that two values
can name, is no isolation.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import PureWindowsPath
from typing import NamedTuple, NoReturn

from kitty_paths import environment
from kitty_paths.errors import InvalidStateRootError
from kitty_paths.layout import VARIABLE, WINDOWS_HOME
from kitty_paths.platforms import Platform, absolute_path, parse_platform, separators

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class RootSource(StrEnum):
    """Why a root is where it is."""

    ENVIRONMENT = "environment"  # SPEC_KITTY_HOME names it
    PLATFORM_DEFAULT = "platform_default"  # the variable is unset or empty
    EXPLICIT = "explicit"  # the caller named it


class Surroundings(NamedTuple):
    """What a root is resolved against: the real host, or exactly what was passed.

    A named tuple for the reason `Row` is one.

    Attributes:
        environ: Environment variables.
        platform: Whose layout and spelling hold.
        given_home: The home directory the caller passed; None to take it from `environ`.
        real: Whether `environ` is the host's own, so that the host may be asked for what it leaves out.
    """

    environ: Mapping[str, str]
    platform: Platform
    given_home: str | None
    real: bool

    @classmethod
    def of(
        cls, environ: Mapping[str, str] | None, platform: str | None, home: str | os.PathLike[str] | None
    ) -> Surroundings:
        """Complete what was passed with the real host. An injected environment is never completed.

        Raises:
            UnknownPlatformError: `platform` is nothing `sys.platform` says.
        """
        return cls(
            environ=environment.real_environment() if environ is None else environ,
            platform=parse_platform(environment.host_platform() if platform is None else platform),
            given_home=None if home is None else os.fspath(home),
            real=environ is None,
        )

    def home(self) -> Path:
        """Give the user's home directory.

        Raises:
            InvalidStateRootError: There is none, or it is no absolute path.
        """
        variable = "USERPROFILE" if self.platform is Platform.WIN32 else "HOME"
        value = self.environ.get(variable) if self.given_home is None else self.given_home
        if value is None and self.real:
            value = environment.host_home()
        if not value:
            raise InvalidStateRootError(
                f"`{variable}` is {'unset' if value is None else 'empty'}, so there is no home directory to look in",
                hint=f"Set {variable} to your home directory, or {VARIABLE} to an absolute path",
                variable=variable,
                value=value,
            )
        return checked_path(value, variable=variable, platform=self.platform)

    def chosen(self) -> Path | None:
        """Give the root `SPEC_KITTY_HOME` names, never suffixed, or None when it is unset or empty (FR-012).

        Raises:
            InvalidStateRootError: The value is relative, blank, names another user's home or has two spellings.
        """
        value = self.environ.get(VARIABLE, "")
        if not value:
            return None
        if not value.startswith("~"):
            return checked_path(value, variable=VARIABLE, platform=self.platform)
        below = value[1:]
        if below and below[0] not in separators(self.platform):
            _refuse(VARIABLE, value, "another user's home is not looked up", "Write the whole path")
        # Checked as the rest of some absolute path, then hung below the home component by component: `~//x` is in it.
        anchor = "C:/" if self.platform is Platform.WIN32 else "/"
        rest = anchor + below.lstrip(separators(self.platform))
        parts = checked_path(rest, variable=VARIABLE, platform=self.platform, shown=value).parts[1:]
        return self.home().joinpath(*parts)

    def default(self, posix_name: str) -> Path:
        """Give the root while `SPEC_KITTY_HOME` is unset: `~/<posix_name>`, on Windows local application data.

        Raises:
            InvalidStateRootError: The home directory or `LOCALAPPDATA` is needed and cannot be used.
        """
        if self.platform is not Platform.WIN32:
            return self.home() / posix_name
        if self.real and environment.host_platform() == Platform.WIN32:
            found = environment.windows_user_data(WINDOWS_HOME)
            return checked_path(found, variable="LOCALAPPDATA", platform=self.platform)
        local = self.environ.get("LOCALAPPDATA", "")
        if local:
            return checked_path(local, variable="LOCALAPPDATA", platform=self.platform) / WINDOWS_HOME
        return self.home() / "AppData" / "Local" / WINDOWS_HOME


def checked_path(text: str, *, variable: str, platform: Platform, shown: str | None = None) -> Path:
    """Give `text` as an absolute, normalised path, or refuse it.

    Taken as it is otherwise, as git and borg take theirs: white space at either end belongs to a POSIX name, so taking
    it off would make two values name one root.

    Args:
        text: The path, not empty. `~` has no meaning here.
        variable: What holds it; the error names it.
        platform: Whose spelling it is in.
        shown: What the error shows as the value; None for `text` itself.

    Raises:
        InvalidStateRootError: `text` is blank, relative, holds `..` or NUL, or is a second spelling of some path.
    """
    value = text if shown is None else shown
    if not text.strip():
        _refuse(variable, value, "white space only names no place", "Set it to an absolute path")
    if "\0" in text or not _can_name_a_file(text, platform):
        _refuse(variable, value, "no file name can hold these characters", "Remove them")
    path = absolute_path(text, platform)
    if path is None:
        _refuse(
            variable,
            value,
            "a relative path moves with the current directory",
            f"Set it to an absolute path, such as {_example(platform)}",
        )
    if ".." in _components(text, platform):
        _refuse(variable, value, "`..` gives one place two spellings", "Write the path without `..`")
    if isinstance(path, PureWindowsPath) and _has_second_windows_spelling(path):
        _refuse(
            variable,
            value,
            r"Windows knows this place by a shorter name (`\\?\`, `:` or a component that ends in a dot or space)",
            "Write the plain path",
        )
    return path


def _refuse(variable: str, value: str, reason: str, fix: str) -> NoReturn:
    raise InvalidStateRootError(
        f"`{variable}` is {value!r}: {reason}",
        hint=f"{fix}, or unset {variable}" if variable == VARIABLE else fix,
        variable=variable,
        value=value,
    )


def _example(platform: Platform) -> str:
    return r"C:\Users\ada\spec-kitty-work" if platform is Platform.WIN32 else "/home/ada/.spec-kitty-work"


def _can_name_a_file(text: str, platform: Platform) -> bool:
    if platform is Platform.WIN32:
        return True
    # Undecodable bytes arrive as the surrogates U+DC80…U+DCFF and leave as the same bytes; other surrogates cannot.
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _components(text: str, platform: Platform) -> list[str]:
    return (text.replace("\\", "/") if platform is Platform.WIN32 else text).split("/")


def _has_second_windows_spelling(path: PureWindowsPath) -> bool:
    if path.anchor.startswith(("\\\\?\\", "\\\\.\\")):
        return True
    return any(":" in part or part != part.rstrip(". ") for part in path.parts[1:])
