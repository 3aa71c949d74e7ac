"""A policy as the TOML a person reads and edits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kitty_guardian.rules.policy import Policy, Setting, describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WIDTH = 80


def lines(settings: Iterable[Setting]) -> Iterator[tuple[str, str]]:
    """The settings as a TOML file's lines, each with where its value comes from (empty where there is none)."""
    table = ""
    for setting in settings:
        above, _, key = setting.key.rpartition(".")
        if above != table:
            table = above
            yield "", ""
            yield f"[{table}]", ""
        first, *more = _written(key, setting.value)
        yield first, setting.origin
        yield from ((line, "") for line in more)


def _written(key: str, value: str | bool | tuple[str, ...]) -> Iterator[str]:
    if not isinstance(value, tuple):
        yield f"{key} = {_toml(value)}"
        return
    whole = f"{key} = [{', '.join(map(_toml, value))}]"
    if len(whole) <= _WIDTH:
        yield whole
        return
    yield f"{key} = ["
    line = " "
    for item in value:
        if len(line) + len(_toml(item)) > _WIDTH:
            yield line
            line = " "
        line += f" {_toml(item)},"
    yield line
    yield "]"


def _toml(value: str | bool) -> str:
    # A JSON string or truth value is a TOML one; DEL alone must be escaped in TOML and is not in JSON.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def template() -> str:
    """A file that changes nothing: every key with its default, commented out."""
    body = "\n".join(f"# {line}".rstrip() for line, _ in lines(describe(Policy.default(), None)))
    return f"# What may be written in which phase. Every key with its default; remove the # to change one.\n\n{body}\n"
