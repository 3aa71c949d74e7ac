"""What may be kept at all: an event that comes back as it went in, in a stream it belongs to; the law comes after."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from kitty_guardian.errors import InvalidEventError
from kitty_guardian.events.chain import MAX_BYTES, kept
from kitty_guardian.events.schemas import CHECK_METADATA, CHECKS, Check
from kitty_guardian.events.store import Write
from kitty_guardian.model.events import Category, Event, EventType, category_of, subject_of

_MOST_IN_A_NAME: Final = 1000  # characters
_MOST_IN_AN_ID: Final = 200
# Control characters would hide in a list of events, and SQLite keeps no surrogates.
_UNFIT: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TYPES: Final = frozenset(EventType)
_CATEGORIES: Final = frozenset(Category)


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
    said: tuple[str, str, str, str, str]


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
    checks = CHECKS[category]
    for event in write.events:
        _check_event(write.stream, checks, event)
    return tuple(_admitted(write.stream, checks, write.events, has_sources=category != Category.AUDIT))


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


def _check_event(stream: str, checks: Mapping[str, Check], event: object) -> None:
    if not isinstance(event, Event):
        raise InvalidEventError(f"a {type(event).__name__} is no event")
    event_id: object = event.event_id
    if not isinstance(event_id, str) or not 0 < len(event_id) <= _MOST_IN_AN_ID or _UNFIT.search(event_id) is not None:
        raise InvalidEventError(f"{event_id!a:.80} is no id of an event")
    if event.event_type not in checks:
        if event.event_type not in _TYPES:
            raise InvalidEventError(f"the event `{event_id}` is of an unknown type: {event.event_type!a:.80}")
        raise InvalidEventError(f"the event `{event_id}` is a {event.event_type}, which `{stream}` does not hold")
    if event.at.utcoffset() is None:
        raise InvalidEventError(f"the event `{event_id}` happened at {event.at}, which says no offset from UTC")
    for what, value in (("payload", event.payload), ("metadata", event.metadata)):
        if type(value) is not dict and not isinstance(value, Mapping):
            raise InvalidEventError(f"the {what} of `{event_id}` is not JSON: a {type(value).__name__} is no object")


def _admitted(
    stream: str, checks: Mapping[str, Check], events: Sequence[Event], *, has_sources: bool
) -> Iterator[Admitted]:
    payloads, given = kept(
        [dict(event.payload) for event in events], lambda i: f"the payload of `{events[i].event_id}`"
    )
    metadata, about = kept(
        [dict(event.metadata) for event in events], lambda i: f"the metadata of `{events[i].event_id}`"
    )
    for event, payload, values, more, facts in zip(events, payloads, given, metadata, about, strict=True):
        event_id, event_type = str(event.event_id), str(event.event_type)
        at = event.at
        if len(payload) + len(more) > MAX_BYTES:
            raise InvalidEventError(
                f"the event `{event_id}` takes {len(payload) + len(more)} bytes; an event holds at most {MAX_BYTES}"
            )
        problem = checks[event_type](values)
        if problem is not None:
            raise InvalidEventError(f"the payload of `{event_id}` ({event_type} in `{stream}`) {problem}")
        problem = CHECK_METADATA(facts)
        if problem is None and has_sources and "source" not in facts:
            problem = "has no `source`"
        if problem is not None:
            raise InvalidEventError(f"the metadata of `{event_id}` ({event_type} in `{stream}`) {problem}")
        yield Admitted(event_id, event_type, at, values, facts, (event_id, event_type, at.isoformat(), payload, more))
