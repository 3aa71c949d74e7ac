r"""Path text to the names it can mean, or the reason why it means nothing inside a work tree; total over any string.

A path is read twice. First as POSIX reads it: `/` separates, every other character is part of a name. Then as other
systems would, since the same repository is checked out there: Windows drops trailing dots, spaces and `:stream` and
also separates with a backslash; HFS+ ignores some code points. A path is closed if either reading is closed, and open
only by how it is really spelled: `SRC/x`, `src./x`, `src\x` and `src:a` never get around a rule for `src/`, while a
file that is really called `x:evil.py` does not hide from a rule for `*.py` behind its foreign name `x`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

if TYPE_CHECKING:
    from pathlib import PurePath


class Reading(NamedTuple):
    """One name for a path.

    Attributes:
        path: Relative to the work tree, components joined by `/`, none of them empty, `.` or `..`.
        key: `path` case-folded and NFC-normalised, which block rules compare.
        directory: Whether the text said by a trailing separator that it means a directory.
    """

    path: str
    key: str
    directory: bool


class Flaw(StrEnum):
    """Why a text is not a path inside a work tree; the value is the decision's rule."""

    EMPTY = "path.empty"
    NUL = "path.nul"
    ABSOLUTE = "path.absolute"
    ESCAPES = "path.escapes"


@attrs.frozen
class Rejection:
    """A text that names nothing inside a work tree.

    Attributes:
        text: What was given, separators as given.
        flaw: What is wrong with it.
    """

    text: str
    flaw: Flaw


_NOT_FIRST: Final = frozenset({"", "/"})
_NOT_LAST: Final = frozenset("/. ")
_DRIVE: Final = re.compile(r"[A-Za-z]:").match
# The code points HFS+ ignores when it compares names, as git's core.protectHFS lists them.
_IGNORED: Final = "[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]"
_IGNORED_IN: Final = re.compile(_IGNORED).search
_WITHOUT_IGNORED: Final = functools.partial(re.compile(_IGNORED).sub, "")


def normalise(path: str | PurePath) -> tuple[Reading, ...] | Rejection:
    """The readings of `path`, as spelled first and, where it differs, as other systems read it second; never raises."""
    text = path if isinstance(path, str) else path.as_posix()
    # Nearly every real path is its own canonical form in both readings; these tests are three times faster than one
    # expression that says the same.
    plain = (
        "\\" not in text
        and ":" not in text
        and "\0" not in text
        and "//" not in text
        and "./" not in text
        and " /" not in text
        and text[:1] not in _NOT_FIRST
        and text[-1] not in _NOT_LAST
    )
    if plain:
        if text.isascii():
            return (Reading(text, text.lower(), False),)  # noqa: FBT003 - keywords are slow
        if _IGNORED_IN(text) is None:
            return (Reading(text, fold(text), directory=False),)
    return _normalise_slowly(text)


def fold(text: str) -> str:
    """`text` as block rules compare it: canonical caseless form (Unicode 3.13, D145), composed."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _normalise_slowly(text: str) -> tuple[Reading, ...] | Rejection:
    if not text:
        return Rejection(text, Flaw.EMPTY)
    if "\0" in text:
        return Rejection(text, Flaw.NUL)
    elsewhere = _WITHOUT_IGNORED(text).replace("\\", "/")
    if elsewhere.startswith("/") or text.startswith("/") or _DRIVE(elsewhere):
        return Rejection(text, Flaw.ABSOLUTE)
    directory = elsewhere.endswith("/")
    readings: list[Reading] = []
    for names in (text.split("/"), [_name_elsewhere(name) for name in elsewhere.split("/")]):
        resolved = _resolve(names)
        if resolved is None:
            return Rejection(text, Flaw.ESCAPES)
        path = "/".join(resolved)
        if _DRIVE(path):
            return Rejection(text, Flaw.ABSOLUTE)
        if path and all(path != reading.path for reading in readings):
            readings.append(Reading(path, fold(path), directory))
    return tuple(readings) or Rejection(text, Flaw.EMPTY)


def _name_elsewhere(name: str) -> str:
    """`name` as Windows opens it: without stream, trailing dots and spaces."""
    name = name.partition(":")[0]
    stripped = name.rstrip(". ")
    # `..` and `.. ` lead to the parent directory; every other run of dots and spaces is dropped.
    return stripped if stripped or name.rstrip(" ") != ".." else ".."


def _resolve(names: list[str]) -> list[str] | None:
    """`names` without `.`, `..` and empty ones, or None when they leave the directory they start in."""
    resolved: list[str] = []
    for name in names:
        if name == "..":
            if not resolved:
                return None
            resolved.pop()
        elif name not in {"", "."}:
            resolved.append(name)
    return resolved
