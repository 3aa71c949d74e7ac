"""The line on which a TOML document says a key, which the standard parser does not tell."""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_DOTTED: Final = rf"{_WORD}(?:\s*\.\s*{_WORD})*"
_HEADER: Final = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]").match
_ASSIGNMENT: Final = re.compile(rf"\s*({_DOTTED})\s*=").match
_WORDS: Final = re.compile(_WORD).findall


class Positions:
    """Finds lines by reading headers and assignments at line starts.

    It is a scan, not a parser: a key inside an inline table is found at the line of that table, and a key it cannot
    find at the line of the longest part it can, at worst line 1. Lines of a multi-line string are not told from others.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.removeprefix("\ufeff").splitlines()
        self._starts: dict[str, int] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(self._lines, 1):
            if header := _HEADER(line):
                table = _parts(header[1])
                self._note(table, number)
            elif assignment := _ASSIGNMENT(line):
                self._note((*table, *_parts(assignment[1])), number)

    def line(self, key: str, *, item: str | None = None) -> int:
        """The 1-based line of dotted `key`, or of the string `item` in its value where it can be seen."""
        parts = key.split(".")
        start = next((n for end in range(len(parts), 0, -1) if (n := self._starts.get(".".join(parts[:end])))), 1)
        if item is not None:
            spelled = re.compile(rf"""["']{re.escape(item)}["']""")
            for number in range(start, len(self._lines) + 1):
                line = self._lines[number - 1]
                if number > start and (_HEADER(line) or _ASSIGNMENT(line)):
                    break
                if spelled.search(line):
                    return number
        return start

    def _note(self, parts: tuple[str, ...], number: int) -> None:
        for end in range(1, len(parts) + 1):
            self._starts.setdefault(".".join(parts[:end]), number)


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(word.strip("\"'") for word in _WORDS(dotted))
