"""Mutators that know what a head and a log are made of; bytes alone would seldom get past the first brace.

Each changes a few things at once, most often one: lines, fields and words rather than bytes, and bytes within a line.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from soak import words
from soak.promises import BOM

ByteMutator = Callable[[bytes, int], bytes]
"""The fuzzer's own mutation of `data` to at most so many bytes."""
Mutator = Callable[[bytes, int, Random, ByteMutator], bytes]

_Change = Callable[[list[bytes], Random, ByteMutator], None]


def mutate_log(data: bytes, max_size: int, rng: Random, by_bytes: ByteMutator) -> bytes:
    """Another log: lines come, go, move or are torn, and their fields get other values."""
    lines = [] if rng.random() < _SELDOM else data.split(b"\n")
    if not lines:
        for _ in range(rng.randrange(1, 9)):
            _move(lines, rng, by_bytes)
    for _ in range(_few(rng)):
        rng.choice(_LOG_CHANGES)(lines, rng, by_bytes)
    return _dressed(b"\n".join(lines), rng)[:max_size]


def mutate_head(data: bytes, max_size: int, rng: Random, by_bytes: ByteMutator) -> bytes:
    """Another work package file, most often with both fences."""
    lines = [] if rng.random() < _SELDOM else data.split(b"\n")
    if not lines:
        for _ in range(rng.randrange(1, 9)):
            _pair(lines, rng, by_bytes)
    for _ in range(_few(rng)):
        rng.choice(_HEAD_CHANGES)(lines, rng, by_bytes)
    if rng.random() < _MOSTLY:  # without fences nothing more is found
        body = [line for line in lines if line.rstrip(b"\r") != b"---"]
        cut = rng.randrange(len(body) + 1) if rng.random() < _SELDOM else len(body)
        lines = [b"---", *body[:cut], b"---", *body[cut:]]
    return _dressed(b"\n".join(lines), rng)[:max_size]


def cross(one: bytes, other: bytes, max_size: int, rng: Random) -> bytes:
    """The first lines of one and the last of another."""
    lines, more = one.split(b"\n"), other.split(b"\n")
    return b"\n".join([*lines[: rng.randrange(len(lines) + 1)], *more[rng.randrange(len(more)) :]])[:max_size]


_MOSTLY = 0.8
_SELDOM = 0.15


def _few(rng: Random) -> int:
    return rng.choice((1, 1, 1, 1, 2, 2, 3, 5))


def _dressed(data: bytes, rng: Random) -> bytes:
    if rng.random() >= _SELDOM:
        return data
    match rng.randrange(4):
        case 0:
            return data.removeprefix(BOM) if data.startswith(BOM) else BOM + data
        case 1:
            return data.replace(b"\r\n", b"\n") if b"\r\n" in data else data.replace(b"\n", b"\r\n")
        case 2:
            return data.rstrip(b"\n") if data.endswith(b"\n") else data + b"\n"
        case _:
            return data[: rng.randrange(len(data) + 1)]


def _place(lines: list[bytes], rng: Random) -> int:
    if not lines:
        lines.append(b"")
    return rng.randrange(len(lines))


def _swap(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    one, other = _place(lines, rng), _place(lines, rng)
    lines[one], lines[other] = lines[other], lines[one]


def _copy(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    line = lines[_place(lines, rng)]
    lines.insert(_place(lines, rng), line)


def _drop(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    del lines[_place(lines, rng)]


def _tear(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    number = _place(lines, rng)
    at = rng.randrange(len(lines[number]) + 1)
    lines[number : number + 1] = rng.choice(
        ([lines[number][:at]], [lines[number][at:]], [lines[number][:at], lines[number][at:]])
    )


def _glue(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    number = _place(lines, rng)
    lines[number : number + 2] = [b"".join(lines[number : number + 2])]


def _bytes(lines: list[bytes], rng: Random, by_bytes: ByteMutator) -> None:
    number = _place(lines, rng)
    lines[number] = by_bytes(lines[number], len(lines[number]) + 16)


def _piece(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    number = _place(lines, rng)
    at = rng.randrange(len(lines[number]) + 1)
    over = rng.choice((0, 0, 1, 4))
    lines[number] = lines[number][:at] + rng.choice(words.PIECES) + lines[number][at + over :]


def _odd_line(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    lines.insert(_place(lines, rng), rng.choice(words.ODD_LINES))


def _move(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    lines.insert(_place(lines, rng), _line({name: rng.choice(values) for name, values in words.GOOD.items()}, rng))


def _other_event(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    names = rng.choice(words.OTHER_EVENTS)
    event = {name: rng.choice((words.OTHER | words.GOOD)[name]) for name in names}
    if rng.random() < _SELDOM:
        event |= {name: rng.choice(words.ODD[name]) for name in (rng.choice(names),) if name in words.ODD}
    lines.insert(_place(lines, rng), _line(event, rng))


def _annotation(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    """About a work package that is there, or another, with a delta of one or two."""
    named = [event["wp_id"] for event in map(_event, lines[:40]) if event is not None and "wp_id" in event]
    deltas = [rng.choice(rng.choice((words.OTHER, words.OTHER, words.ODD))["delta"]) for _ in range(2)]
    event = {name: rng.choice(words.GOOD[name]) for name in ("wp_id", "at", "event_id")} | {"kind": "annotation"}
    event["delta"] = deltas[0] | deltas[1] if all(isinstance(delta, dict) for delta in deltas) else deltas[0]
    lines.insert(_place(lines, rng), _line(event | {"wp_id": rng.choice(named or ["WP01"])}, rng))


def _field(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    """Another value, of those that are right where this field is."""
    _change(lines, rng, rng.choice((words.GOOD, words.GOOD, words.OTHER)))


def _odd_field(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    _change(lines, rng, words.ODD)


def _change(lines: list[bytes], rng: Random, values: dict[str, tuple[Any, ...]]) -> None:
    number = _place(lines, rng)
    event = _event(lines[number])
    name = rng.choice(list(values))
    if event is not None:
        lines[number] = _line(event | {name: rng.choice(values[name])}, rng)


def _fewer_fields(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    number = _place(lines, rng)
    if event := _event(lines[number]):
        del event[rng.choice(list(event))]
        lines[number] = _line(event, rng)


def _field_twice(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    number = _place(lines, rng)
    name = rng.choice(list(words.GOOD))
    twice = json.dumps({name: rng.choice(words.GOOD[name])})[1:-1].encode()
    if _event(lines[number]):
        lines[number] = lines[number].rstrip(b"\r\n\t }") + b", " + twice + b"}"


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _line(event: dict[str, Any], rng: Random) -> bytes:
    plain = rng.random() < _MOSTLY
    separators = None if plain else (",", ":")
    try:
        return json.dumps(event, sort_keys=plain, separators=separators, ensure_ascii=plain).encode()
    except (UnicodeEncodeError, ValueError, RecursionError):
        return b"{}"


def _head_line(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    lines.insert(_place(lines, rng), rng.choice(words.HEAD_LINES))


def _pair(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    """A line that is right at the top level of most heads."""
    lines.insert(_place(lines, rng), b"%b: %b" % (rng.choice(words.KEYS), rng.choice(words.VALUES)))


def _value(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    number = _place(lines, rng)
    key, colon, _old = lines[number].partition(b":")
    new = rng.choice(words.HEAD_LINES).partition(b":")
    lines[number] = rng.choice((key + colon + new[2], new[0] + colon + _old))


def _indent(lines: list[bytes], rng: Random, _: ByteMutator) -> None:
    first = _place(lines, rng)
    by = rng.choice((1, 2, 2, 4, -1, -2))
    for number in range(first, min(len(lines), first + rng.choice((1, 1, 2, 5)))):
        line = lines[number]
        lines[number] = b" " * by + line if by > 0 else line[min(-by, len(line) - len(line.lstrip(b" "))) :]


_LOG_CHANGES: tuple[_Change, ...] = (
    *(_swap, _swap, _copy, _drop, _tear, _glue, _bytes, _piece, _odd_line, _other_event, _other_event),
    *(_odd_field, _odd_field, _fewer_fields, _field_twice, *[_move] * 8, *[_annotation] * 5, *[_field] * 8),
)
_HEAD_CHANGES: tuple[_Change, ...] = (
    *(_swap, _copy, _drop, _tear, _glue, _bytes, _piece, _piece, _head_line, _head_line, _indent),
    *(*[_pair] * 6, *[_value] * 3),
)
