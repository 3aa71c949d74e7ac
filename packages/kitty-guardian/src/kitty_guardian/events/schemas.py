"""The JSON Schemas of our own event types (draft 2020-12), as data, and the check that a value keeps to one.

They say what the store relies on and what a reader may expect, and leave room for more: unknown fields are kept. The
check understands the words these schemas use and no others; a test compares it with the specification.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from kitty_guardian.model.events import Category, EventType, Source
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = Mapping[str, Any]
Check = Callable[[object], str | None]

_TEXT: Final = {"type": "string"}
_SOME_TEXT: Final = {"type": "string", "minLength": 1}
_TEXT_OR_NONE: Final = {"type": ["string", "null"]}
_FLAG: Final = {"type": "boolean"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_ACTOR: Final = {"type": ["string", "object", "null"]}
_PHASE: Final = {"enum": [str(phase) for phase in Phase]}
_PHASE_OR_NONE: Final = {"enum": [*_PHASE["enum"], None]}
_SHA256: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def _object(required: tuple[str, ...], **properties: Schema) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


PAYLOADS: Final[Mapping[EventType, Schema]] = {
    EventType.PHASE_ENTERED: _object(
        ("feature", "phase"),
        feature=_SOME_TEXT, phase=_PHASE, from_phase=_PHASE_OR_NONE, actor=_ACTOR, reason=_TEXT_OR_NONE,
        head=_TEXT_OR_NONE, reopened=_FLAG,
    ),
    EventType.PHASE_BLOCKED: _object(
        ("feature", "gate", "reason"),
        feature=_TEXT_OR_NONE, work_package=_TEXT_OR_NONE, gate=_SOME_TEXT, reason=_TEXT, hint=_TEXT_OR_NONE,
        actor=_ACTOR, layer=_TEXT,
    ),
    EventType.VIOLATION: _object(
        ("path", "rule", "action"),
        path=_TEXT, rule=_TEXT, action=_SOME_TEXT, operation=_TEXT, phase=_PHASE_OR_NONE, layer=_TEXT,
        quarantine_id=_TEXT_OR_NONE, reason=_TEXT_OR_NONE,
    ),
    EventType.STOPPED: _object(("reason",), reason=_TEXT, actor=_ACTOR, asked=_FLAG),
    EventType.EXCEPTION: _object(
        ("kind", "reason"), kind=_SOME_TEXT, reason=_TEXT, path=_TEXT_OR_NONE, until=_TEXT_OR_NONE, actor=_ACTOR
    ),
    EventType.HEAD: _object(
        ("head",), head=_TEXT, judged=_COUNT, vouched_by_remotes=_COUNT, ignore_rules={"type": "array", "items": _TEXT}
    ),
    EventType.STATUS_LINE: _object(()),
}  # fmt: skip
"""Payloads of the types that are ours."""

WP_STATUS_CHANGED: Final[Schema] = _object(
    ("wp_id", "to_lane"),
    wp_id=_SOME_TEXT, from_lane=_TEXT_OR_NONE, to_lane={"enum": [str(lane) for lane in Lane]},
    force={"type": ["boolean", "null"]}, actor=_ACTOR,
)  # fmt: skip
"""What the fold needs of upstream's `WPStatusChanged`; the whole is upstream's model (spec-kitty facts, section 5)."""

GUARDIAN_STARTED: Final[Schema] = _object(
    ("features",),
    features={"type": "object", "additionalProperties": _TEXT}, head=_TEXT_OR_NONE, actor=_ACTOR, reason=_TEXT_OR_NONE,
)  # fmt: skip
"""`PhaseEntered` in an audit stream: a guardian began to watch, and the phase each of its features was in."""

METADATA: Final[Schema] = _object(
    (),
    source={"enum": [str(source) for source in Source]},
    feature=_TEXT_OR_NONE,
    facts={"type": ["object", "null"]},
    sanctions={"type": "object", "additionalProperties": _SHA256},
    line={"type": ["string", "null"], "pattern": _SHA256["pattern"]},
)
"""What the store and the fold need of every event's metadata."""


def schema_of(event_type: EventType) -> dict[str, Any]:
    """The JSON Schema of a type's payload, as a document of its own.

    Raises:
        KeyError: The type is upstream's.
    """
    return {
        "$schema": DIALECT,
        "$id": f"urn:spec-kitty:event:{event_type}:1",
        "title": str(event_type),
        **PAYLOADS[event_type],
    }


def check_of(schema: Schema) -> Check:
    """A function that gives what is wrong with a value, in words that continue its name, or None."""
    checks = [make(schema[word]) for word, make in _WORDS.items() if word in schema and schema[word] != []]
    if "properties" in schema or "additionalProperties" in schema:
        checks.append(_with_fields(schema.get("properties", {}), schema.get("additionalProperties")))
    return checks[0] if len(checks) == 1 else _every(tuple(checks))


def _every(checks: tuple[Check, ...]) -> Check:
    def check(value: object) -> str | None:
        for one in checks:
            problem = one(value)
            if problem is not None:
                return problem
        return None

    return check


_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "null": (type(None),), "integer": (int,)
}  # fmt: skip


def _of_type(named: str | list[str]) -> Check:
    words = [named] if isinstance(named, str) else named
    types = tuple(kind for word in words for kind in _TYPES[word])
    no_flags = "integer" in words and "boolean" not in words  # to Python, True is an integer
    problem = f"is not {' or '.join(words)}"

    def check(value: object) -> str | None:
        return None if isinstance(value, types) else problem

    def check_number(value: object) -> str | None:
        return None if isinstance(value, types) and not isinstance(value, bool) else problem

    return check_number if no_flags else check


def _among(values: list[str | None]) -> Check:
    problem = f"is none of {', '.join('null' if value is None else value for value in values)}"
    known = frozenset(values)

    def check(value: object) -> str | None:
        return None if (value is None or isinstance(value, str)) and value in known else problem

    return check


def _not_shorter(length: int) -> Check:
    def check(value: object) -> str | None:
        return f"is shorter than {length}" if isinstance(value, str) and len(value) < length else None

    return check


def _not_less(least: int) -> Check:
    def check(value: object) -> str | None:
        return f"is less than {least}" if isinstance(value, int) and value < least else None

    return check


def _like(pattern: str) -> Check:
    # `$` of a JSON Schema is the very end; Python's also stands before a last line feed.
    matches = re.compile(pattern.replace("$", r"\Z")).search

    def check(value: object) -> str | None:
        return f"is not like {pattern}" if isinstance(value, str) and matches(value) is None else None

    return check


def _having(names: list[str]) -> Check:
    def check(value: object) -> str | None:
        if isinstance(value, dict):
            for name in names:
                if name not in value:
                    return f"has no `{name}`"
        return None

    return check


def _with_fields(properties: Mapping[str, Schema], additional: Schema | None) -> Check:
    known = [(name, _fitting(schema), check_of(schema)) for name, schema in properties.items()]
    others = None if additional is None else check_of(additional)

    def check(value: object) -> str | None:
        if isinstance(value, dict):
            for name, types, judge in known:
                if name in value and type(found := value[name]) not in types:
                    problem = judge(found)
                    if problem is not None:
                        return f"has a `{name}` that {problem}"
            return None if others is None else check_others(value, others)
        return None

    def check_others(value: dict[str, object], judge: Check) -> str | None:
        for name, found in value.items():
            problem = None if name in properties else judge(found)
            if problem is not None:
                return f"has a `{name}` that {problem}"
        return None

    return check


def _fitting(schema: Schema) -> frozenset[type]:
    """Types whose every value keeps to a schema: what is of one of them need not be asked about."""
    if set(schema) != {"type"}:
        return frozenset()
    words = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return frozenset(kind for word in words for kind in _TYPES[word])


def _of_items(schema: Schema) -> Check:
    judge = check_of(schema)

    def check(value: object) -> str | None:
        for found in value if isinstance(value, list) else ():
            problem = judge(found)
            if problem is not None:
                return f"holds something that {problem}"
        return None

    return check


_WORDS: Final[Mapping[str, Callable[[Any], Check]]] = {
    "type": _of_type,
    "enum": _among,
    "minLength": _not_shorter,
    "minimum": _not_less,
    "pattern": _like,
    "required": _having,
    "items": _of_items,
}

CHECKS: Final[Mapping[str, Mapping[str, Check]]] = {
    Category.WORK_PACKAGE: {EventType.WP_STATUS_CHANGED: check_of(WP_STATUS_CHANGED)},
    Category.FEATURE: {
        kind: check_of(PAYLOADS[kind]) for kind in (EventType.PHASE_ENTERED, EventType.STATUS_LINE, EventType.EXCEPTION)
    },
    Category.AUDIT: {
        EventType.PHASE_ENTERED: check_of(GUARDIAN_STARTED),
        **{
            kind: check_of(PAYLOADS[kind])
            for kind in PAYLOADS
            if kind not in {EventType.PHASE_ENTERED, EventType.STATUS_LINE}
        },
    },
}
"""The check of a payload, by the category of its stream and its type: what is not here has no place there."""

CHECK_METADATA: Final = check_of(METADATA)
