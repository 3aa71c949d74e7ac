"""The package's one module that reads environment variables."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Shorter values ("1", "en", "vim") are everyday words: replacing them would only garble a report.
_TELLING = 8
_TELLING_SECRET = 4
_SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "CREDENTIAL", "AUTH")


def colour_wish() -> bool | None:
    """What `NO_COLOR` and `FORCE_COLOR` ask for: False, True, or None when neither is set (no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return None


def completion_instruction(variable: str) -> str | None:
    """What a shell's completion script asks for in `variable`, or None where no shell asks."""
    return os.environ.get(variable) or None


def editor() -> str | None:
    """The command line of the person's editor (`VISUAL`, then `EDITOR`), or None when neither is set."""
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or None


def telling_values() -> Mapping[str, str]:
    """Environment values that must not appear in a report, longest first, each with its variable's name."""
    values = {
        value: name
        for name, value in os.environ.items()
        if len(value) >= (_TELLING_SECRET if any(word in name.upper() for word in _SECRET_WORDS) else _TELLING)
    }
    return dict(sorted(values.items(), key=lambda pair: -len(pair[0])))


@contextmanager
def replaced(changes: Mapping[str, str], *, without: tuple[str, ...] = ()) -> Iterator[None]:
    """Run the body with `changes` applied and every variable beginning with one of `without` gone.

    Child processes started in the body inherit the change; afterwards everything is as it was.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith(without):
            del os.environ[name]
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
