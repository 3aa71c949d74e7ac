"""The settings as values, and what each key of `config.toml` may say (upstream's key list)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import attrs

from kitty_sync.config.address import server_url
from kitty_sync.errors import InvalidSettingError

QUEUE_SIZE: Final = 100_000


class BackgroundDaemon(StrEnum):
    """Whether commands may start the sync daemon unasked."""

    AUTO = "auto"
    MANUAL = "manual"


class EventSyncMode(StrEnum):
    """What happens to events: who keeps them, who gets them."""

    TEAMSPACE = "teamspace"
    EXTERNAL_RECEIVER = "external_receiver"
    LOCAL_RETENTION = "local_retention"
    OPT_OUT = "opt_out"


def _nothing() -> Mapping[str, bool]:
    return MappingProxyType({})


@attrs.frozen
class Settings:
    """Everything `config.toml` says that this version understands.

    Attributes:
        server_url: The server events go to, normalised; None while none was chosen. There is no default server: nothing
            is sent to anybody whom nobody named.
        max_queue_size: Events in a queue from which on a status warns. Nothing is ever dropped at this number.
        background_daemon: Whether commands may start the daemon unasked.
        repo_defaults: `owner/repo` to whether its events are sent.
        checkout_overrides: Absolute path of a checkout to whether its events are sent.
        project_consent: Project UUID to whether its events are sent.
        event_sync_mode: Who keeps events and who gets them; None where the file does not say.
        external_endpoint: Where events go in mode `external_receiver`, normalised; None where the file does not say.
    """

    server_url: str | None = None
    max_queue_size: int = QUEUE_SIZE
    background_daemon: BackgroundDaemon = BackgroundDaemon.AUTO
    repo_defaults: Mapping[str, bool] = attrs.field(factory=_nothing)
    checkout_overrides: Mapping[str, bool] = attrs.field(factory=_nothing)
    project_consent: Mapping[str, bool] = attrs.field(factory=_nothing)
    event_sync_mode: EventSyncMode | None = None
    external_endpoint: str | None = None


_SCALARS: Final = {
    "sync.server_url": "server_url",
    "sync.max_queue_size": "max_queue_size",
    "sync.background_daemon": "background_daemon",
    "event_sync.mode": "event_sync_mode",
    "event_sync.external_endpoint": "external_endpoint",
}
_TABLES: Final = {
    "sync.repo_defaults": "repo_defaults",
    "sync.checkout_overrides": "checkout_overrides",
    "sync.project_consent": "project_consent",
}
KEYS: Final = (*_SCALARS, *(f"{table}.NAME.enabled" for table in _TABLES))
"""Every key that can be set, as it is named in messages."""


def read_settings(document: Mapping[str, Any]) -> Settings:
    """Give the settings in a parsed `config.toml`; keys it does not know are not ours to judge.

    Raises:
        InvalidSettingError: A known key has a value it cannot have.
    """
    found: dict[str, Any] = {}
    for key, name in _SCALARS.items():
        value = _look_up(document, key)
        if value is not None:
            found[name] = checked(key, value)
    for key, name in _TABLES.items():
        table = _look_up(document, key)
        if table is not None:
            found[name] = _switches(key, table)
    return Settings(**found)


def _look_up(document: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - TOML has values of any kind
    table, _, name = key.partition(".")
    inner = document.get(table)
    if inner is not None and not isinstance(inner, dict):
        raise InvalidSettingError(f"`{table}` is {_kind(inner)}, but has to be a table", key=table)
    return None if inner is None else inner.get(name)


def _switches(key: str, table: object) -> Mapping[str, bool]:
    if not isinstance(table, dict):
        raise InvalidSettingError(f"`{key}` is {_kind(table)}, but has to be a table", key=key)
    switches = {}
    for name, entry in table.items():
        dotted = f'{key}."{name}"'
        if not isinstance(entry, dict):
            raise InvalidSettingError(f"`{dotted}` is {_kind(entry)}, but has to be a table", key=dotted)
        if "enabled" in entry:
            switches[name] = _boolean(f"{dotted}.enabled", entry["enabled"])
    return MappingProxyType(switches)


def checked(key: str, value: object) -> str | int:
    """Give the normalised value of one of the plain keys.

    Args:
        key: One of the dotted keys that are no table.
        value: As it was read from TOML, or as it is to be written.

    Raises:
        InvalidSettingError: The key does not exist or cannot have that value.
    """
    match key:
        case "sync.server_url" | "event_sync.external_endpoint":
            return server_url(_text(key, value), key=key)
        case "sync.max_queue_size":
            return _positive(key, value)
        case "sync.background_daemon":
            return _one_of(key, value, BackgroundDaemon)
        case "event_sync.mode":
            return _one_of(key, value, EventSyncMode)
        case _:
            raise InvalidSettingError(f"there is no setting `{key}`", key=key, hint=f"known: {', '.join(KEYS)}")


def place_of(key: str) -> tuple[str, ...]:
    """Give the way to a key in the document: `sync.repo_defaults.acme/app.enabled` has a name that may hold dots.

    Raises:
        InvalidSettingError: There is no such key.
    """
    if key in _SCALARS:
        return tuple(key.split("."))
    for table in _TABLES:
        name = key.removeprefix(f"{table}.").removesuffix(".enabled")
        if name and key == f"{table}.{name}.enabled":
            return (*table.split("."), name.strip('"'), "enabled")
    raise InvalidSettingError(f"there is no setting `{key}`", key=key, hint=f"known: {', '.join(KEYS)}")


def checked_at(key: str, value: object) -> str | int | bool:
    """Give the normalised value of any key that can be set; see `checked`."""
    return checked(key, value) if key in _SCALARS else _boolean(key, value)


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidSettingError(f"`{key}` is {_kind(value)}, but has to be a text", key=key)
    return value


def _positive(key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidSettingError(f"`{key}` is {value!r}, but has to be a whole number above 0", key=key)
    return value


def _boolean(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidSettingError(f"`{key}` is {_kind(value)}, but has to be true or false", key=key)
    return value


def _one_of(key: str, value: object, choices: type[StrEnum]) -> StrEnum:
    # Trimmed and without case, as upstream reads it; unlike upstream a typing error is no `auto`.
    word = _text(key, value).strip().casefold()
    known = [str(choice) for choice in choices]
    if word not in known:
        raise InvalidSettingError(f"`{key}` is {value!r}, but has to be one of: {', '.join(known)}", key=key)
    return choices(word)


def _kind(value: object) -> str:
    names = {str: "a text", bool: "true or false", int: "a number", float: "a number", dict: "a table", list: "a list"}
    return names.get(type(value), "something else")
