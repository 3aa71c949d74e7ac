"""What an event asks of the rules: its words for a refusal, the facts it brings, how strictly it is judged; pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final, NoReturn, TypeGuard

import attrs

from kitty_guardian.errors import TransitionRefusedError
from kitty_guardian.model.events import Category, Event, EventType, Source, category_of, subject_of

STREAMS: Final[Mapping[EventType, frozenset[Category]]] = {
    EventType.WP_STATUS_CHANGED: frozenset({Category.WORK_PACKAGE}),
    EventType.PHASE_ENTERED: frozenset({Category.FEATURE, Category.AUDIT}),
    EventType.STATUS_LINE: frozenset({Category.FEATURE}),
    EventType.EXCEPTION: frozenset({Category.FEATURE, Category.AUDIT}),
    EventType.PHASE_BLOCKED: frozenset({Category.AUDIT}),
    EventType.VIOLATION: frozenset({Category.AUDIT}),
    EventType.STOPPED: frozenset({Category.AUDIT}),
    EventType.HEAD: frozenset({Category.AUDIT}),
}
"""Where events of each type are kept. `PhaseEntered` in an audit stream only notes that a guardian began to watch."""

_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (list, "a list"),
    (tuple, "a list"),
    (Mapping, "an object"),
)
_SHOWN: Final = 60


@attrs.frozen
class Asked:
    """One event as the rules see it.

    Attributes:
        said: What it asks for and does not get, such as "WP01 of 001-login cannot go from planned to done".
        again: The command that asks for the same thing properly; the hint of a refusal that has no better one.
        source: How it came here; a missing or unknown one is refused before.
        payload: Its payload.
        facts: What was found out for it; empty where nothing was.
    """

    said: str
    again: str
    source: Source
    payload: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def brings_facts(self) -> bool:
        """Whether it is asked for here, so that everything it depends on can be and was found out here."""
        return self.source not in {Source.FILE, Source.GIT}

    def about(self, said: str, again: str = "") -> Asked:
        """The same in other words, once more is known of what it asks for."""
        return Asked(said, again or self.again, self.source, self.payload, self.facts)

    def refuse(self, gate: str, why: str, hint: str = "") -> NoReturn:
        """Say no."""
        raise TransitionRefusedError(f"{self.said}: {why}", gate=gate, hint=hint or self.again)

    def fact(self, name: str) -> Any:  # noqa: ANN401 - a JSON value
        """What was found out under `name`; not having looked is a refusal."""
        if name not in self.facts:
            self.refuse("facts", f"nobody looked what {name!r} is")
        return self.facts[name]

    def misread(self, name: str) -> NoReturn:
        """Say no to a fact that cannot be understood."""
        self.refuse("facts", f"what was found out about {name!r} cannot be understood")

    def unreadable(self, field: str, wanted: str) -> NoReturn:
        """Say no to a field of the payload."""
        found = f"is {shown(self.payload[field])}" if field in self.payload else "is missing"
        self.refuse("payload", f"its {field} {found} and should be {wanted}")


def asked_of(event: Event, said: str, again: str) -> Asked:
    """The event's payload and facts, once it is clear that they are where they belong and say where they come from.

    Args:
        event: With its stream.
        said: What it does not get if it is refused.
        again: The command that a refusal names.

    Raises:
        TransitionRefusedError: It is in the wrong stream, is not made of what it should be, or has no source.
    """
    payload, metadata = event.payload, event.metadata
    if not (is_object(payload) and is_object(metadata)):
        raise TransitionRefusedError(f"{said}: it says nothing that can be read", gate="payload", hint=again)
    source = source_of(event)
    if source is None:
        raise TransitionRefusedError(f"{said}: it does not say how it came here", gate="facts", hint=again)
    facts = metadata.get("facts")
    asked = Asked(said, again, source, payload, facts if is_object(facts) else {})
    _check_place(event, asked)
    _check_metadata(metadata, asked)
    return asked


def source_of(event: Event) -> Source | None:
    """How an event says it came into the store, or None where it does not say so in words there are."""
    word = event.metadata.get("source") if is_object(event.metadata) else None
    return _SOURCES.get(word) if isinstance(word, str) else None


_SOURCES: Final = {source.value: source for source in Source}
_TYPES: Final = {event_type.value: event_type for event_type in EventType}


def _check_place(event: Event, asked: Asked) -> None:
    """That its stream is one for events of its type and names what it should."""
    event_type = _TYPES.get(event.event_type)
    if event_type is None:
        asked.refuse("payload", "there are no such events")
    category = category_of(event.stream)
    feature, work_package = subject_of(event.stream)
    if category not in STREAMS[event_type]:
        asked.refuse("stream", f"events of the type {event_type} are not kept in {shown(event.stream)}")
    named = (feature, work_package) if category == Category.WORK_PACKAGE else (feature,)
    if category != Category.AUDIT and (not all(named) or "/" in feature):
        asked.refuse("stream", f"the stream {shown(event.stream)} names no feature or work package")
    if category != Category.AUDIT and event.metadata.get("feature") not in (None, feature):
        asked.refuse("stream", f"the event belongs to another feature than the stream {shown(event.stream)}")


def _check_metadata(metadata: Mapping[str, Any], asked: Asked) -> None:
    """That the board can fold what stands beside the payload, and that a line from elsewhere sanctions nothing."""
    sanctions = metadata.get("sanctions", {})
    if not is_object(sanctions) or not all(isinstance(text, str) for pair in sanctions.items() for text in pair):
        asked.refuse("payload", "the files it sanctions are not named with a hash each")
    if sanctions and asked.source is Source.GIT:
        asked.refuse("payload", "a line that git brought sanctions no files here")
    if not is_text_or_null(metadata.get("line")):
        asked.refuse("payload", "the hash of its line is no text")


def shown(value: object) -> str:
    """A value as a person can read it in one line, whatever it is."""
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "null" if value is None else "no JSON")


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is a JSON object; a caller may have read it from anywhere."""
    return type(value) is dict or isinstance(value, Mapping)  # the first is what it mostly is, and soon told


def is_text_or_null(value: object) -> bool:
    """Whether it is a text, be it empty, or nothing."""
    return value is None or isinstance(value, str)


def is_text(value: object) -> bool:
    """Whether it is a text with something in it."""
    return isinstance(value, str) and bool(value.strip())


def quoted(word: str) -> str:
    """A name as a shell takes it."""
    return shlex.quote(word)
