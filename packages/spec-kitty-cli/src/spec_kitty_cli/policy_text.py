"""A policy as the TOML a person reads and edits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kitty_guardian.rules.policy import Policy, Setting, describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def lines(settings: Iterable[Setting]) -> Iterator[tuple[str, str]]:
    """The settings as a TOML file's lines, each with where its value comes from (empty where there is none)."""
    table = ""
    for setting in settings:
        above, _, key = setting.key.rpartition(".")
        if above != table:
            table = above
            yield "", ""
            yield f"[{table}]", ""
        value = list(setting.value) if isinstance(setting.value, tuple) else setting.value
        yield f"{key} = {json.dumps(value, ensure_ascii=False)}", setting.origin


def template() -> str:
    """A file that changes nothing: every key with its default, commented out."""
    body = "\n".join(f"# {line}".rstrip() for line, _ in lines(describe(Policy.default(), None)))
    return f"# What may be written in which phase. Every key with its default; remove the # to change one.\n\n{body}\n"
