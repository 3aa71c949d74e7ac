"""TOML files that belong to a person: read strictly, edited without touching what was not meant."""

from __future__ import annotations

import codecs
import copy
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from kitty_paths import StateRoot, Surface
from kitty_sync.errors import DamagedFileError, StateError
from kitty_sync.storage.faults import aside_hint
from kitty_sync.storage.files import read_bytes, replace
from kitty_sync.storage.locking import holding

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

Keys = tuple[str, ...]
"""The way to a key, outermost table first."""


@attrs.frozen
class Put:
    """Give a key a value; tables on the way are made where missing.

    Attributes:
        keys: The way to the key.
        value: A plain string, number or boolean.
    """

    keys: Keys
    value: str | int | bool = attrs.field(repr=False)


@attrs.frozen
class Drop:
    """Remove a key, or a whole table; nothing happens where there is none.

    Attributes:
        keys: The way to the key.
    """

    keys: Keys


Edit = Put | Drop


@attrs.frozen
class TomlFile:
    """One TOML file below the root.

    Attributes:
        root: The root it belongs to.
        surface: The file.
        lock: The lock around every change.
    """

    root: StateRoot
    surface: Surface
    lock: Surface

    def read(self) -> dict[str, Any]:
        """Give everything in the file as plain values, {} where there is no file; creates nothing.

        Raises:
            DamagedFileError: It is no TOML.
            StateError: It cannot be read.
        """
        return self._parsed(self._text())

    def edit(self, plan: Callable[[Mapping[str, Any]], Iterable[Edit]]) -> bool:
        """Change the file under its lock: read, plan, edit, check, replace.

        Args:
            plan: Is given what stands in the file now, and says what to change. If it raises, the file stays as it is.

        Returns:
            Whether there was anything to change; where not, nothing is written.

        Raises:
            DamagedFileError: It is no TOML, or the edit does not fit into it; the file is as it was.
            StateError: It cannot be locked, read or written.
        """
        with holding(self.root, self.lock):
            text = self._text()
            before = self._parsed(text)
            edits = tuple(plan(before))
            after = copy.deepcopy(before)
            for each in edits:
                self._apply(each, after)
            if after == before:
                return False
            written = self._edited(text, edits)
            # tomlkit keeps comments and order, tomllib says what was really written: both must agree.
            if not _same(_tidied(self._parsed(written), edits), _tidied(after, edits)):
                raise self._damaged("it is laid out so that it cannot be edited safely")
            replace(self.root, self.surface, self._encoded(written))
            return True

    def _text(self) -> str:
        data = read_bytes(self.root, self.surface)
        if data is None:
            return ""
        if data.startswith(codecs.BOM_UTF8):
            raise self._damaged("it begins with a byte order mark (BOM), which TOML does not have")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise self._damaged(f"byte {error.start} is not UTF-8") from None

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError:
            pass  # the error holds the whole text
        path = self.surface.path
        raise StateError(
            f"cannot write {path}: a text in it would be no Unicode", path=path, hint="give the text as UTF-8"
        )

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            return tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            # The parser's words may quote the file, and so may the error itself: neither leaves here for a secret one.
            reason = "it is no TOML" if self.surface.secret else f"it is no TOML: {error}"
        raise self._damaged(reason)

    def _apply(self, edit: Edit, table: dict[str, Any]) -> None:
        for key in edit.keys[:-1]:
            if isinstance(edit, Drop) and key not in table:
                return
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise self._damaged(f"`{key}` is no table")
        if isinstance(edit, Put):
            table[edit.keys[-1]] = edit.value
        else:
            table.pop(edit.keys[-1], None)

    def _edited(self, text: str, edits: Sequence[Edit]) -> str:
        import tomlkit
        from tomlkit.exceptions import TOMLKitError

        try:
            document = tomlkit.parse(text)
            for each in edits:
                _edit_document(document, each)
            return _with_line_ends_of(text, tomlkit.dumps(document))
        except (TOMLKitError, TypeError, KeyError, ValueError, RecursionError):
            pass  # its words may quote the file
        raise self._damaged("it is laid out so that it cannot be edited safely")

    def _damaged(self, reason: str) -> DamagedFileError:
        path = self.surface.path
        return DamagedFileError(f"cannot understand {path}: {reason}", path=path, hint=aside_hint(path))


def _with_line_ends_of(before: str, text: str) -> str:
    # Inside of texts too: TOML reads both kinds as the same.
    if "\n" not in before or before.count("\n") != before.count("\r\n"):
        return text
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _same(one: object, other: object) -> bool:
    """Whether two documents say the same; a number that is none (`nan`) is the same as another."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return one == other


def _tidied(document: dict[str, Any], edits: Iterable[Edit]) -> dict[str, Any]:
    # Where the last key of a table goes, its heading may go or stay: both say the same.
    for edit in edits:
        for depth in range(len(edit.keys) - 1, 0, -1):
            above: Any = document
            for key in edit.keys[: depth - 1]:
                above = above.get(key, {})
            if above.get(edit.keys[depth - 1]) == {}:
                del above[edit.keys[depth - 1]]
    return document


def _edit_document(document: TOMLDocument, edit: Edit) -> None:
    import tomlkit

    table: Any = document
    for key in edit.keys[:-1]:
        if key not in table:
            if isinstance(edit, Drop):
                return
            table[key] = tomlkit.table()
        table = table[key]
    if isinstance(edit, Put):
        table[edit.keys[-1]] = edit.value
    elif edit.keys[-1] in table:
        del table[edit.keys[-1]]
