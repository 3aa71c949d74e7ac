"""What may be written in which phase of a Spec Kitty project, and how that is held.

The names below load their module when they are first used, so that importing one of them costs what that one needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kitty_guardian.model.decisions import Decision
    from kitty_guardian.model.lanes import Lane
    from kitty_guardian.model.phases import Phase
    from kitty_guardian.model.reports import PhaseReport
    from kitty_guardian.project.detecting import detect_phase, get_current_phase
    from kitty_guardian.project.pins import effective_phase
    from kitty_guardian.rules.decision import decide, is_write_allowed
    from kitty_guardian.rules.policy import Policy
    from kitty_guardian.rules.table import PROTECTED_PATHS

    __version__: str

__all__ = [
    "PROTECTED_PATHS",
    "Decision",
    "Lane",
    "Phase",
    "PhaseReport",
    "Policy",
    "__version__",
    "decide",
    "detect_phase",
    "effective_phase",
    "get_current_phase",
    "is_write_allowed",
]

_HOMES: Final[Mapping[str, str]] = {
    "PROTECTED_PATHS": "rules.table",
    "Decision": "model.decisions",
    "Lane": "model.lanes",
    "Phase": "model.phases",
    "PhaseReport": "model.reports",
    "Policy": "rules.policy",
    "decide": "rules.decision",
    "detect_phase": "project.detecting",
    "effective_phase": "project.pins",
    "get_current_phase": "project.detecting",
    "is_write_allowed": "rules.decision",
}

if not TYPE_CHECKING:  # pragma: no branch - a type checker would take the function for a promise that every name exists

    def __getattr__(name: str) -> object:
        if name == "__version__":
            return import_module("importlib.metadata").version("kitty-guardian")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
