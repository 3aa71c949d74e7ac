"""The parsers that are soaked, each with what it promises and how its inputs are varied."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import attrs

from kitty_guardian.project.frontmatter import read_frontmatter
from kitty_guardian.project.statuslog import read_status_log
from soak import heads, logs, mutating
from soak.promises import Promises, Verdict
from soak.swelling import EVENLY, Swell, by_lines, by_pieces, evenly

SEEDS = Path(__file__).with_name("seeds")


@attrs.frozen
class Target:
    """One parser.

    Attributes:
        name: What it is called on the command line, and the folder of its seeds.
        parse: Reads one input.
        promises: All that can be asked of one input.
        asked: The promises of which a run without a single answer is no soak.
        mutate: Makes another input of one.
        real: The path of such a file in a real tree.
        excerpts: Short inputs of the same kind that are parts of a real one.
        longest: Bytes of an input, before it is made to swell.
        swell: Makes a long input of a short one.
        sizes: Bytes that inputs are made to swell to, one of them.
    """

    name: str
    parse: Callable[[bytes], object]
    promises: Promises
    asked: frozenset[str]
    mutate: mutating.Mutator
    real: re.Pattern[str]
    excerpts: Callable[[bytes], Iterable[bytes]]
    longest: int
    swell: Swell
    sizes: tuple[int, ...]

    def seeds(self) -> list[bytes]:
        """Those written by hand."""
        return [path.read_bytes() for path in sorted((SEEDS / self.name).iterdir())]

    def swelling(self, data: bytes) -> Iterator[Verdict]:
        """The promise about time, asked of what `data` becomes at a length that tells."""
        return evenly(self.parse, self.swell, self.sizes, data)


def _short_head(data: bytes) -> Iterable[bytes]:
    """The first lines of a head, fenced again."""
    head = data.removeprefix(b"---").partition(b"\n---")[0]
    return [b"---" + head[: head.rfind(b"\n", 0, 900) if len(head) > 900 else None] + b"\n---\n# Title\n"]


def _some_lines(data: bytes) -> Iterable[bytes]:
    """The first and the last lines of a log."""
    return [data[: data.rfind(b"\n", 0, 2400) + 1], data[data.find(b"\n", max(len(data) - 2400, 0)) + 1 :]]


TARGETS = {
    target.name: target
    for target in (
        Target(
            name="frontmatter",
            parse=lambda data: read_frontmatter(data, heads.PATH),
            promises=heads.head_promises,
            asked=heads.PROMISES | {EVENLY},
            mutate=mutating.mutate_head,
            real=re.compile(r".*/tasks/.*\.md"),
            excerpts=_short_head,
            longest=1024,
            swell=by_pieces,
            sizes=(60_000,),
        ),
        Target(
            name="statuslog",
            parse=lambda data: read_status_log(data, logs.PATH),
            promises=logs.log_promises,
            asked=logs.PROMISES | {EVENLY},
            mutate=mutating.mutate_log,
            real=re.compile(r".*/status\.events\.jsonl"),
            excerpts=_some_lines,
            longest=2500,
            swell=by_lines,
            sizes=(60_000, 60_000, 1_000_000),
        ),
    )
}
