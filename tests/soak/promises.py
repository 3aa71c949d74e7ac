"""What a promise of a parser is, and how one input is held against all of them."""

from __future__ import annotations

import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import TypeVar

import attrs

from kitty_guardian.model.reports import Problem

_T = TypeVar("_T")

BOM = b"\xef\xbb\xbf"
UNIT = 1 << 16
"""Bytes that may take `PATIENCE`, in seconds of processor time; twice as many may take twice as long."""
PATIENCE = 1.0

NEVER_RAISES = "no bytes make it raise"
IN_TIME = "64 KiB are read within a second, longer ones in proportion"
SAME_TWICE = "the same bytes are read the same twice"
IN_PLACE = "a problem names the path it was given and a line that is there, or none"
MARKED = "a byte order mark changes nothing"
CARRIAGE = "CRLF line ends change no field and no lane"

EVERYWHERE = (NEVER_RAISES, IN_TIME, SAME_TWICE, IN_PLACE, MARKED, CARRIAGE)
"""What any parser promises."""

Verdict = tuple[str, str | None]
"""A promise, and what is wrong with it: None where it holds."""
Promises = Callable[[bytes], Iterator[Verdict]]
"""All promises that can be asked of one input."""


class BrokenPromiseError(AssertionError):
    """A promise that one input breaks.

    Attributes:
        promise: Its sentence.
        complaint: What happened instead.
    """

    def __init__(self, promise: str, complaint: str) -> None:
        super().__init__(f"{promise}: {complaint}")
        self.promise = promise
        self.complaint = complaint


def hold(promises: Promises, data: bytes) -> list[str]:
    """Holds `data` against every promise and returns those that could be asked of it.

    Raises:
        BrokenPromiseError: The first that does not hold.
    """
    held = [NEVER_RAISES]
    verdicts = promises(data)
    while True:
        try:
            promise, complaint = next(verdicts)
        except StopIteration:
            return held
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1].name
            promise = f"{NEVER_RAISES} ({type(error).__name__} in {place})"
            raise BrokenPromiseError(promise, f"{error!r:.200}") from error
        if complaint is not None:
            raise BrokenPromiseError(promise, complaint)
        held.append(promise)


def chance(data: bytes) -> Random:
    """Choices that are always the same for the same bytes, so that what they broke can be replayed."""
    return Random(zlib.crc32(data))  # noqa: S311 - chooses variants of an input


@attrs.define
class Watch:
    """Processor time that readings of one input took, in seconds; the longest counts."""

    size: int
    longest: float = 0.0

    def __call__(self, read: Callable[[], _T]) -> _T:
        start = time.process_time()
        found = read()
        self.longest = max(self.longest, time.process_time() - start)
        return found

    def verdict(self) -> Verdict:
        allowed = PATIENCE * max(1.0, self.size / UNIT)
        late = self.longest > allowed
        return IN_TIME, f"{self.size} bytes took {self.longest:.1f} s" if late else None


def problems_in_place(problems: Iterable[Problem], path: str, data: bytes) -> Verdict:
    """Whether each problem names `path` and one of the lines that an editor or git would count."""
    last = data.count(b"\n") + 1
    wrong = [each for each in problems if each.path != path or not (each.line is None or 1 <= each.line <= last)]
    return IN_PLACE, f"of {last} lines: {wrong[0]!r}" if wrong else None


def unlike(found: object, expected: object) -> str | None:
    """A complaint when the two differ."""
    return None if found == expected else f"{found!r:.300} is not {expected!r:.300}"
