"""The file `credentials`: what trackers need to be reached, in the tables `[tracker.providers.*]` and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from kitty_paths import StateRoot
from kitty_sync.errors import DamagedFileError, InvalidCredentialError
from kitty_sync.secret import Secret
from kitty_sync.storage.documents import Drop, Edit, Put, TomlFile
from kitty_sync.storage.faults import aside_hint, explained

_PLACE: Final = ("tracker", "providers")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_BYTES: Final = 1 << 20


class TrackerCredentials:
    """The tracker credentials below one root.

    Args:
        root: The root; nothing is read until something is asked for.
    """

    def __init__(self, root: StateRoot) -> None:
        self._file = TomlFile(root, root.tracker.credentials, root.tracker.credentials_lock)

    def providers(self) -> tuple[str, ...]:
        """Name the trackers that have an entry, sorted; creates nothing.

        Raises:
            StateError: The file cannot be read or understood.
        """
        return tuple(sorted(self._tables()))

    def load(self, provider: str) -> Mapping[str, Secret] | None:
        """Give what is kept for one tracker, or None where it has no entry; creates nothing.

        Raises:
            StateError: The file cannot be read or understood.
        """
        entry = self._tables().get(provider)
        if entry is None:
            return None
        # Whether a value is a password is not for the file to say: all are kept from view.
        return MappingProxyType({name: Secret(str(value)) for name, value in entry.items()})

    def save(self, provider: str, values: Mapping[str, Secret]) -> None:
        """Keep these values for one tracker, in place of what was kept for it; every other table stays as it is.

        Raises:
            InvalidCredentialError: A name cannot be a credential's; nothing was written.
            StateError: The file cannot be read, understood or written; it is as it was.
        """
        for name in (provider, *values):
            check_name(name)

        def plan(before: Mapping[str, Any]) -> Iterable[Edit]:
            old = _tables_of(before, self._file.surface.path).get(provider, {})
            yield from (Drop((*_PLACE, provider, name)) for name in old if name not in values)
            yield from (Put((*_PLACE, provider, name), value.reveal()) for name, value in values.items())

        self._file.edit(plan)

    def remove(self, provider: str) -> bool:
        """Forget what is kept for one tracker, and say whether there was anything.

        Raises:
            StateError: The file cannot be read, understood or written; it is as it was.
        """
        if provider not in self._tables():
            return False
        return self._file.edit(lambda _: [Drop((*_PLACE, provider))])

    def _tables(self) -> Mapping[str, Mapping[str, Any]]:
        return _tables_of(self._file.read(), self._file.surface.path)


def _tables_of(document: Mapping[str, Any], path: Path) -> Mapping[str, Mapping[str, Any]]:
    table: dict[str, Any] = dict(document)
    for key in _PLACE:
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise DamagedFileError(f"cannot understand {path}: `{key}` is no table", path=path, hint=aside_hint(path))
    for name, entry in table.items():
        if not isinstance(entry, dict):
            raise DamagedFileError(
                f"cannot understand {path}: `{'.'.join(_PLACE)}.{name}` is no table", path=path, hint=aside_hint(path)
            )
    return table


def check_name(name: str) -> None:
    """See that a provider or a credential can be called that.

    Raises:
        InvalidCredentialError: It cannot.
    """
    if not _NAME.fullmatch(name):
        # Never the text itself: `--credential` with its parts mixed up would show the secret here.
        raise InvalidCredentialError(
            "a credential's name has to be letters, digits, `_` and `-`, at most 64 of them",
            hint="give it as NAME=-, and its value on standard input",
        )


def read_credential_file(path: Path) -> Mapping[str, Secret]:
    """Give the credentials a person keeps in a TOML file of their own: names and texts, no tables.

    Args:
        path: The file, wherever it lies. It is read and never changed.

    Raises:
        InvalidCredentialError: It is no such file; nothing of what it says is in the message.
        StateError: It cannot be read.
    """
    import tomllib

    with explained(path, "read"), path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    document: dict[str, Any] | None = None
    if len(data) <= _MOST_BYTES:
        try:
            document = tomllib.loads(data.decode())
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
            document = None
    if document is None or not all(isinstance(value, str) for value in document.values()):
        raise InvalidCredentialError(
            f'{path} is no file of credentials: it has to hold lines of TOML such as `token = "…"`'
        )
    for name in document:
        check_name(name)
    return MappingProxyType({name: Secret(value) for name, value in document.items()})
