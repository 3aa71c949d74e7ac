"""Events that come from outside: JSON lines, one event each."""

from __future__ import annotations

import json
from collections.abc import Iterable

from kitty_sync.errors import InvalidEventError
from kitty_sync.queue.events import Event

_HINT = "each line has to be one event, a JSON object with `event_id` and `event_type`"


def read_events(lines: Iterable[bytes], *, name: str) -> tuple[Event, ...]:
    """Give the events that lines hold, all of them or none; empty lines are skipped.

    Args:
        lines: UTF-8, with or without a byte order mark.
        name: What the lines come from; an error names it with the line's number.

    Raises:
        InvalidEventError: A line is no JSON object, or no event.
    """
    found = []
    for number, line in enumerate(lines, start=1):
        if not (text := line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip():
            continue
        try:
            found.append(_event(text))
        except InvalidEventError as error:
            raise InvalidEventError(f"{name}, line {number}: {error.message}; nothing was queued", hint=_HINT) from None
    return tuple(found)


def _event(text: bytes) -> Event:
    try:
        envelope = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidEventError("not JSON") from None
    if not isinstance(envelope, dict):
        raise InvalidEventError("no JSON object")
    event = Event.from_envelope(envelope)
    event.text()  # what cannot be queued is found here, where its line is known
    return event
