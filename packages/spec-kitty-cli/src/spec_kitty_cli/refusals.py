"""What refusals of the workflow say beside message and hint: the gate that said no, and the events that were missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spec_kitty_cli.console import quiet
from spec_kitty_cli.words import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kitty_guardian.model.events import Event

_SHOWN = 10
# How many the message of a conflict names itself.
_NAMED = 3


def word(code: str) -> str:
    """What an error is called: a refusal is an answer, and nothing that went wrong."""
    return "refused" if code == "guardian.transition.refused" else "error"


def fields(error: Exception) -> Mapping[str, object]:
    """Further fields of the JSON object that tells of `error`."""
    found: dict[str, object] = {}
    if isinstance(gate := getattr(error, "gate", None), str):
        found["gate"] = gate
    if isinstance(stream := getattr(error, "stream", None), str):
        found |= {
            "stream": stream,
            "expected": getattr(error, "expected", None),
            "actual": getattr(error, "actual", None),
            "missed": [
                {"position": event.position, "event_id": event.event_id, "event_type": event.event_type, "at": event.at}
                for event in _missed(error)
            ],
        }
    return found


def lines(error: Exception) -> list[str]:
    """Further lines for people."""
    gate, missed = getattr(error, "gate", None), _missed(error)
    if isinstance(gate, str):
        return [quiet(f"by {one_line(gate)}; nothing was changed")]
    if len(missed) <= _NAMED:
        return []
    from spec_kitty_cli import eventwords

    return ["what came in between:", *map(eventwords.line, missed[-_SHOWN:])]


def _missed(error: Exception) -> tuple[Event, ...]:
    missed = getattr(error, "missed", ())
    return missed if isinstance(missed, tuple) else ()
