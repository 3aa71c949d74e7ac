"""Events in words: one line for each, the same wherever events are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitty_guardian.events.board import actor_name
from kitty_guardian.model.events import Event, EventType, Source, subject_of
from spec_kitty_cli.console import bad, doubtful, good, quiet, strong
from spec_kitty_cli.words import count, moment, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Where events come from that nobody brought from elsewhere.
_HERE = (None, Source.COMMAND, Source.GUARDIAN)


def row(event: Event) -> tuple[str, str, str, str]:
    """Position, time, what happened behind a sign, and what it was about: cells of a table, the last one plain."""
    sign, what, details = _told(event, event.payload)
    feature = subject_of(event.stream)[0] or event.payload.get("feature")
    actor = actor_name(event.payload.get("actor"))
    details += [_text(feature)] if feature else []
    source = event.metadata.get("source")
    details += [f"by {_text(actor)}"] if actor and actor != source else []
    details += [f"from {_text(source)}"] if source not in _HERE else []
    return quiet(f"{event.position:>5}"), quiet(moment(event.at)), f"{sign} {what}", ", ".join(details)


def line(event: Event) -> str:
    """The same as one line."""
    *cells, details = row(event)
    return "  ".join([*cells, quiet(details)] if details else cells)


def _told(event: Event, payload: Mapping[str, Any]) -> tuple[str, str, list[str]]:
    """A sign, what happened, and details; whatever the payload holds."""
    told = " ", strong(one_line(event.event_type))
    details: list[str] = []
    match event.event_type:
        case EventType.WP_STATUS_CHANGED:
            move = f"{_text(payload.get('from_lane'))} → {strong(_text(payload.get('to_lane')))}"
            told = good("●"), f"{strong(_text(payload.get('wp_id')))} {move}"
            details += ["forced"] if payload.get("force") is True else []
        case EventType.PHASE_ENTERED if "phase" in payload:
            told = good("▸"), f"{strong(_text(payload['phase']))} phase"
            details += ["reopened"] if payload.get("reopened") is True else []
        case EventType.PHASE_ENTERED:  # what a guardian took up for its work tree
            features = payload.get("features")
            names = list(features) if isinstance(features, dict) else []
            told = good("●"), f"guarding {strong(count(len(names), 'feature'))}"
            details += [one_line(name) for name in names]
        case EventType.PHASE_BLOCKED:
            subject = [_text(payload[name]) for name in ("work_package", "to") if payload.get(name)]
            told = bad("✗"), f"refused: {strong(' → '.join(subject))}"
            details.append(_text(payload.get("gate")))
        case EventType.VIOLATION:
            told = bad("✗"), f"{_text(payload.get('operation'))} {_text(payload.get('action'))}"
            details.append(_text(payload.get("path")))
        case EventType.STATUS_LINE:
            told = quiet("·"), "a line that moves nothing"
        case EventType.EXCEPTION:
            told = doubtful("!"), f"exception: {_text(payload.get('kind'))}"
            details += [_text(payload["path"])] if payload.get("path") else []
        case EventType.STOPPED:
            told = quiet("○"), "guardian stopped"
        case EventType.HEAD:
            told = quiet("·"), f"HEAD {_text(payload.get('head'))[:12]} counts"
    return *told, details


def _text(value: object) -> str:
    return one_line(value if value is not None else "-")
