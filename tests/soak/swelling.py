"""Inputs that are long because a piece of them is there often: what takes time in the square shows only at length.

A fuzzer alone does not get there, since it keeps what is short.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from soak.promises import PATIENCE, UNIT, Verdict, chance

EVENLY = "an input twice as long, of the same pieces, takes about twice the time"

Swell = Callable[[bytes, int, Random], bytes]
"""Makes `data` about so many bytes long; with equal chances it makes the same of them at any length."""
_NUMBER = 5
"""Digits of a number, about."""
_SHORTEST = 0.1
"""Seconds; what takes less than this is not measured well enough to be compared."""
_MUCH = 2.7
"""Times; with twice the length, time in proportion is 2, in the square 4."""
_OFTEN = 3


def evenly(parse: Callable[[bytes], object], swell: Swell, sizes: Sequence[int], data: bytes) -> Iterator[Verdict]:
    """The promise about time, asked of what `data` becomes at one of `sizes` and at half of it."""
    rng = chance(data)
    size, seed = rng.choice(sizes), rng.random()
    half, full = (swell(data, length, Random(seed)) for length in (size // 2, size))  # noqa: S311 - as `chance`
    for _ in range(_OFTEN):  # what else the machine does makes it slower now and then, never faster
        before, after = _seconds(parse, half), _seconds(parse, full)
        much = after > max(_SHORTEST, _MUCH * before) or after > max(1.0, len(full) / UNIT) * PATIENCE
        if not much:
            break
    middle = full[len(full) // 2 :][:60]
    told = f"{len(half)} bytes took {before:.2f} s, {len(full)} took {after:.2f} s; they go on like {middle!r}"
    yield EVENLY, told if much else None


def _seconds(parse: Callable[[bytes], object], data: bytes) -> float:
    start = time.process_time()
    parse(data)
    return time.process_time() - start


def by_pieces(data: bytes, size: int, rng: Random) -> bytes:
    """A piece of it again and again where it stands, with a number in it or not."""
    start = rng.randrange(len(data) or 1)
    piece = data[start : start + rng.choice((1, 1, 2, 3, 5, 8, 13, 21, 34, 300))]
    cut = rng.randrange(len(piece) + 1)
    is_numbered = rng.random() < 0.5
    if not piece:
        return data
    room = max(size - len(data), 0)
    if is_numbered:
        again = b"".join(b"%b%d%b" % (piece[:cut], n, piece[cut:]) for n in range(room // (len(piece) + _NUMBER)))
    else:
        again = piece * (room // len(piece))
    return data[:start] + again + data[start:]


def by_lines(data: bytes, size: int, rng: Random) -> bytes:
    """A line of JSON again and again with numbers in its texts, or one with very many keys, or a piece of the log."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    room = max(size - len(data), 0)
    event = _event(lines[place])
    way = rng.random()
    if event is None or way < _BY_PIECES:
        return by_pieces(data, size, rng)
    if way < _WIDE:
        keys = b"".join(b'"k%d": 0, ' % number for number in range(room // 13))
        lines[place] = b"{" + keys + lines[place].lstrip()[1:]
        return b"\n".join(lines)
    seed = rng.random()
    count = room // (len(lines[place]) + 2 * _NUMBER)
    again = [json.dumps(_numbered(event, number, Random(seed))).encode() for number in range(count)]  # noqa: S311 - as above
    return b"\n".join([*again, *lines])


_BY_PIECES = 0.3
_WIDE = 0.5
_LIKELY = {"event_id": 0.9, "kind": 0.0, "from_lane": 0.0, "to_lane": 0.0, "wp_id": 0.1}


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and event else None


def _numbered(value: Any, number: int, rng: Random, likely: float = 0.5) -> Any:  # noqa: ANN401 - JSON
    """`value` with a number in some of its texts; with equal chances always in the same."""
    if isinstance(value, dict):
        return {key: _numbered(part, number, rng, _LIKELY.get(key, 0.5)) for key, part in value.items()}
    if isinstance(value, list):
        return [_numbered(part, number, rng, likely) for part in value]
    return f"{value}{number}" if isinstance(value, str) and rng.random() < likely else value
