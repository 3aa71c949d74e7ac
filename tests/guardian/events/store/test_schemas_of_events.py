"""Each of our own types has a schema, the check understands all of it, and what the guardian writes keeps to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from kitty_guardian.events.schemas import (
    CHECK_METADATA,
    CHECKS,
    DIALECT,
    GUARDIAN_STARTED,
    METADATA,
    PAYLOADS,
    WP_STATUS_CHANGED,
    check_of,
    schema_of,
)
from kitty_guardian.model.events import Category, EventType

UNDERSTOOD = {
    "type", "enum", "minLength", "minimum", "pattern", "required", "items", "properties", "additionalProperties"
}  # fmt: skip


def words_of(schema: Mapping[str, Any]) -> Iterator[str]:
    """Every keyword of a schema and of those inside it."""
    for word, value in schema.items():
        yield word
        inner = value.values() if word == "properties" else [value] if word in {"items", "additionalProperties"} else []
        for one in inner:
            yield from words_of(one)


@pytest.mark.parametrize("schema", [*PAYLOADS.values(), WP_STATUS_CHANGED, GUARDIAN_STARTED, METADATA])
def test_the_check_understands_every_word(schema: Mapping[str, Any]) -> None:
    assert set(words_of(schema)) <= UNDERSTOOD


def test_every_type_but_upstreams_has_a_schema_that_is_a_document() -> None:
    assert set(PAYLOADS) == set(EventType) - {EventType.WP_STATUS_CHANGED}
    for event_type in PAYLOADS:
        document = schema_of(event_type)
        assert json.loads(json.dumps(document)) == document
        assert document["$schema"] == DIALECT
        assert str(event_type) in document["$id"]


def test_every_type_has_a_stream() -> None:
    assert set(CHECKS) == set(Category)
    assert {kind for checks in CHECKS.values() for kind in checks} == set(EventType)


HEX = "0123456789abcdef" * 4
WRITTEN: list[tuple[Category, EventType, dict[str, Any]]] = [
    (Category.AUDIT, EventType.PHASE_ENTERED, {"features": {"001": "plan"}, "head": None, "reason": "start"}),
    (Category.AUDIT, EventType.STOPPED, {"reason": "asked", "actor": "ada", "asked": True}),
    (Category.AUDIT, EventType.HEAD, {"head": "abc", "judged": 3, "vouched_by_remotes": 0, "ignore_rules": ["*.o"]}),
    (
        Category.AUDIT, EventType.EXCEPTION,
        {"kind": "allow", "path": "src/a.py", "until": "2026-01-01T00:00:00+00:00", "reason": "r", "actor": "ada"},
    ),
    (
        Category.AUDIT, EventType.VIOLATION,
        {
            "path": "src/\udcff", "phase": None, "rule": "hooks", "operation": "delete", "action": "restored",
            "layer": "watcher", "quarantine_id": None, "reason": "why",
        },
    ),
    (
        Category.FEATURE, EventType.PHASE_ENTERED,
        {
            "feature": "001", "phase": "plan", "from_phase": "specify", "actor": "ada", "reason": None, "gate": None,
            "head": "abc", "reopened": False,
        },
    ),
    (
        Category.AUDIT, EventType.PHASE_BLOCKED,
        {
            "feature": "001", "work_package": "WP01", "from": "planned", "to": "done", "gate": "matrix", "reason": "no",
            "hint": None, "actor": {"profile": "p"}, "layer": "git",
        },
    ),
    (Category.FEATURE, EventType.STATUS_LINE, {"anything": ["goes"]}),
    (
        Category.WORK_PACKAGE, EventType.WP_STATUS_CHANGED,
        {"wp_id": "WP01", "from_lane": "genesis", "to_lane": "planned", "actor": {"role": "x"}, "force": None},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("category", "event_type", "payload"), WRITTEN)
def test_what_is_written_keeps_to_its_schema(
    category: Category, event_type: EventType, payload: dict[str, Any]
) -> None:
    assert CHECKS[category][event_type](payload) is None


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({"type": "object"}, [], "is not object"), ({"type": ["string", "null"]}, 1, "is not string or null"),
        ({"type": "integer"}, True, "is not integer"), ({"type": ["integer", "boolean"]}, True, None),
        ({"type": "integer"}, 1.0, "is not integer"), ({"minimum": 0}, -1, "is less than 0"),
        ({"minimum": 0}, "x", None),
        ({"enum": ["a", None]}, None, None), ({"enum": ["a", None]}, "b", "is none of a, null"),
        ({"enum": ["a"]}, ["a"], "is none of a"), ({"enum": ["a"]}, {}, "is none of a"),
        ({"minLength": 1}, "", "is shorter than 1"), ({"minLength": 1}, 0, None),
        ({"pattern": "^[0-9]{2}$"}, "12\n", "is not like ^[0-9]{2}$"), ({"pattern": "^[0-9]{2}$"}, "12", None),
        ({"pattern": "b"}, "abc", None), ({"pattern": "b"}, 3, None),
        ({"required": ["a"]}, {}, "has no `a`"), ({"required": ["a"]}, "text", None),
        ({"required": ["a"]}, {"a": None}, None),
        ({"properties": {"a": {"type": "string"}}}, {"a": 1}, "has a `a` that is not string"),
        ({"properties": {"a": {"type": "string"}}}, {"b": 1}, None),
        ({"properties": {"a": {}}, "additionalProperties": {"type": "string"}}, {"a": 1, "b": ""}, None),
        ({"additionalProperties": {"type": "string"}}, {"b": 2}, "has a `b` that is not string"),
        ({"items": {"type": "string"}}, ["a", 1], "holds something that is not string"),
        ({"items": {}}, [1], None), ({}, 1, None),
    ],
)  # fmt: skip
def test_a_check_says_what_is_wrong(schema: Mapping[str, Any], value: object, problem: str | None) -> None:
    assert check_of(schema)(value) == problem


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({}, None), ({"source": "git", "line": HEX, "sanctions": {"meta.json": HEX}, "facts": {}}, None),
        ({"line": "abc"}, "has a `line` that is not like ^[0-9a-f]{64}$"), ({"line": None}, None),
        ({"sanctions": None}, "has a `sanctions` that is not object"),
        ({"sanctions": {"a": "b"}}, "has a `sanctions` that has a `a` that is not like ^[0-9a-f]{64}$"),
        ({"source": "x"}, "has a `source` that is none of command, adoption, git, file, guardian"),
    ],
)  # fmt: skip
def test_metadata_can_be_folded(metadata: dict[str, Any], problem: str | None) -> None:
    assert CHECK_METADATA(metadata) == problem
