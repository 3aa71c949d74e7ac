"""How what a transition did is told: by every workflow command in the same way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from spec_kitty_cli.console import good, hinting, quiet, strong
from spec_kitty_cli.options import here
from spec_kitty_cli.words import one_line, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kitty_guardian.transitions.requests import Outcome
    from spec_kitty_cli.console import Console


def show(
    console: Console,
    name: str,
    outcome: Outcome,
    *,
    details: Sequence[tuple[str, str]] = (),
    before_next: str = "",
    more: Mapping[str, object] | None = None,
) -> None:
    """Tell what was done, what was written and what comes next.

    Args:
        console: Where.
        name: Of the command, for the schema.
        outcome: What was done.
        details: Further rows for people.
        before_next: The command to run before the next one.
        more: Further fields of the JSON object.
    """
    if console.json:
        console.emit(name, {**_fields(outcome), **(more or {})})
        return
    headline, *others = outcome.said or (_standing(outcome),)
    console.show(f"{good('✓') if outcome.changed else quiet('·')} {strong(plain(headline))}")
    for sentence in others:
        console.show(f"  {plain(sentence)}")
    rows = list(details)
    if outcome.written:
        rows.append(("wrote", _listed(outcome.written)))
        if outcome.home != str(here()):
            rows.append(("in", one_line(outcome.home)))
    console.table([(quiet(label), value) for label, value in rows])
    if before_next:
        console.talk(f"{hinting()} {plain(before_next)}")
    if outcome.next:
        console.talk(f"{hinting()} {plain(outcome.next)}")


def _standing(outcome: Outcome) -> str:
    subject = f"{outcome.work_package} is {outcome.lane}; " if outcome.work_package else ""
    return f"{subject}{outcome.feature} is in {outcome.phase} phase"


def _listed(paths: Sequence[str]) -> str:
    """Paths with the folder they share said once."""
    folder = os.path.commonpath(paths) if len(paths) > 1 else ""
    names = ", ".join(one_line(path[len(folder) :].lstrip("/")) for path in paths)
    return f"{names}  {quiet(f'in {one_line(folder)}')}" if folder else names


def _fields(outcome: Outcome) -> dict[str, object]:
    return {
        "feature": outcome.feature,
        "phase": outcome.phase,
        "work_package": outcome.work_package or None,
        "lane": outcome.lane or None,
        "changed": outcome.changed,
        "said": outcome.said,
        "written": outcome.written,
        "home": outcome.home,
        "position": outcome.position,
        "next": outcome.next or None,
    }
