"""What may be kept at all: an event that comes back as it went in, in a stream it belongs to; the law comes after."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from kitty_guardian.errors import InvalidEventError
from kitty_guardian.events.chain import MAX_BYTES, kept, text_of
from kitty_guardian.events.schemas import CHECK_METADATA, CHECKS
from kitty_guardian.events.store import Write
from kitty_guardian.model.events import Category, Event, EventType, category_of, subject_of

_MOST_IN_A_NAME: Final = 1000  # characters
_MOST_IN_AN_ID: Final = 200
# Control characters would hide in a list of events, and SQLite keeps no surrogates.
_UNFIT: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TYPES: Final = frozenset(EventType)
_CATEGORIES: Final = frozenset(Category)


Said = tuple[str, str, str, str, str]


class Admitted(NamedTuple):
    """One event that may be kept, as it will be read back, and the texts it is kept as.

    Attributes:
        event_id: Its id.
        event_type: Its type.
        at: When it happened.
        payload: JSON values, nobody else's.
        metadata: As above.
        said: Id, type, time (ISO 8601), payload and metadata (canonical texts).
    """

    event_id: str
    event_type: str
    at: datetime
    payload: dict[str, Any]
    metadata: dict[str, Any]
    said: Said


def admit(write: Write) -> tuple[Admitted, ...]:
    """Every event of one write.

    Raises:
        InvalidEventError: One cannot be kept, there is none, or the stream or its expected version is none.
    """
    category = check_stream(write.stream)
    expected: object = write.expected_version
    if expected is None:
        if category != Category.AUDIT:
            raise InvalidEventError(
                f"an append to `{write.stream}` says which version it expects; only audit streams take any"
            )
    elif isinstance(expected, bool) or not isinstance(expected, int) or expected < -1:
        raise InvalidEventError(f"an expected version is -1 or a version, not {expected!r}")
    if not write.events:
        raise InvalidEventError(f"there is no event to append to `{write.stream}`")
    return _Admission(write.stream, category).admitted(write.events)


def readmit(event: Event) -> Said:
    """The texts that a stored event has to be kept as, if it can be kept at all.

    Raises:
        InvalidEventError: No store would have taken it.
    """
    admission = _Admission(event.stream, check_stream(event.stream))
    admission.check_event(event)
    texts = (_text_in(event, 0), _text_in(event, 1))
    admission.check_values(event, event.payload, event.metadata, texts)
    return (event.event_id, event.event_type, event.at.isoformat(), *texts)


def check_stream(stream: str) -> str:
    """The category of a stream.

    Raises:
        InvalidEventError: It is no name of a stream.
    """
    name: object = stream
    if not isinstance(name, str) or not name:
        raise InvalidEventError(f"a stream has a name, not {stream!a:.80}")
    if len(stream) > _MOST_IN_A_NAME:
        raise InvalidEventError(f"the stream's name `{stream:.40}…` has more than {_MOST_IN_A_NAME} characters")
    if _UNFIT.search(stream) is not None:
        raise InvalidEventError(f"the stream's name {stream!a} holds characters that cannot be shown")
    category = category_of(stream)
    if category not in _CATEGORIES:
        raise InvalidEventError(
            f"`{stream}` is no stream: its name begins with none of {', '.join(Category)} and a hyphen"
        )
    feature, work_package = subject_of(stream)
    named = {Category.FEATURE: bool(feature), Category.WORK_PACKAGE: bool(feature and work_package)}
    if not named.get(Category(category), len(stream) > len(category) + 1):
        raise InvalidEventError(f"`{stream}` is no stream: it does not say what it is about")
    return category


class _Admission:
    """The checks of one stream's events."""

    def __init__(self, stream: str, category: str) -> None:
        self._stream = stream
        self._checks = CHECKS[category]
        self._has_sources = category != Category.AUDIT

    def admitted(self, events: Sequence[Event]) -> tuple[Admitted, ...]:
        values: list[dict[str, Any]] = []
        for event in events:
            self.check_event(event)
            values.append(_object_of(event.payload, event, 0))
            values.append(_object_of(event.metadata, event, 1))
        texts, back = kept(values, lambda index: _name_of(events[index // 2], index))
        found: list[Admitted] = []
        pairs = zip(texts[::2], texts[1::2], strict=True)
        for event, payload, metadata, said in zip(events, back[::2], back[1::2], pairs, strict=True):
            self.check_values(event, payload, metadata, said)
            event_id, event_type, at = str(event.event_id), str(event.event_type), event.at
            words = (event_id, event_type, at.isoformat(), *said)
            found.append(Admitted(event_id, event_type, at, payload, metadata, words))
        return tuple(found)

    def check_event(self, event: object) -> None:
        """That it is an event for this stream, whatever it says."""
        if not isinstance(event, Event):
            raise InvalidEventError(f"a {type(event).__name__} is no event")
        name: object = event.event_id
        if not isinstance(name, str) or not 0 < len(name) <= _MOST_IN_AN_ID or _UNFIT.search(name) is not None:
            raise InvalidEventError(f"{name!a:.80} is no id of an event")
        if event.event_type not in self._checks:
            if event.event_type not in _TYPES:
                raise InvalidEventError(f"the event `{name}` is of an unknown type: {event.event_type!a:.80}")
            raise InvalidEventError(f"the event `{name}` is a {event.event_type}, which `{self._stream}` does not hold")
        if event.at.utcoffset() is None:
            raise InvalidEventError(f"the event `{name}` happened at {event.at}, which says no offset from UTC")

    def check_values(
        self, event: Event, payload: Mapping[str, Any], metadata: Mapping[str, Any], texts: tuple[str, str]
    ) -> None:
        """That what it says is what its type says, and not too much."""
        size = len(texts[0]) + len(texts[1])
        if size > MAX_BYTES:
            raise InvalidEventError(
                f"the event `{event.event_id}` takes {size} bytes; an event holds at most {MAX_BYTES}"
            )
        problem = self._checks[event.event_type](payload)
        if problem is not None:
            raise InvalidEventError(f"the payload of {self._shown(event)} {problem}")
        problem = CHECK_METADATA(metadata)
        if problem is None and self._has_sources and "source" not in metadata:
            problem = "has no `source`"
        if problem is not None:
            raise InvalidEventError(f"the metadata of {self._shown(event)} {problem}")

    def _shown(self, event: Event) -> str:
        return f"`{event.event_id}` ({event.event_type} in `{self._stream}`)"


def _object_of(value: object, event: Event, index: int) -> dict[str, Any]:
    if type(value) is dict:
        return value
    if isinstance(value, Mapping):
        return dict(value)
    raise InvalidEventError(f"{_name_of(event, index)} is not JSON: a {type(value).__name__} is no object")


def _name_of(event: Event, index: int) -> str:
    return f"the {'metadata' if index % 2 else 'payload'} of `{event.event_id}`"


def _text_in(event: Event, index: int) -> str:
    return text_of(event.metadata if index else event.payload, lambda index: _name_of(event, index), index)
