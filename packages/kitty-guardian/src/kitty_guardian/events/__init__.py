"""What happened, kept so that nothing of it is lost, reordered or changed unseen (enforcement model, sections 1 and 5).

The names below load their module when they are first used, as the package's own do.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kitty_guardian.errors import VersionConflict
    from kitty_guardian.events import validators
    from kitty_guardian.events.sqlite import SqliteEventStore
    from kitty_guardian.events.store import EventStore, Write
    from kitty_guardian.model.events import Event, EventType

__all__ = ["Event", "EventStore", "EventType", "SqliteEventStore", "VersionConflict", "Write", "validators"]

_HOMES: Final[Mapping[str, str]] = {
    "Event": "model.events",
    "EventStore": "events.store",
    "EventType": "model.events",
    "SqliteEventStore": "events.sqlite",
    "VersionConflict": "errors",
    "Write": "events.store",
}

if not TYPE_CHECKING:  # pragma: no branch - as in the package above

    def __getattr__(name: str) -> object:
        if name == "validators":
            return import_module("kitty_guardian.events.validators")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"kitty_guardian.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
