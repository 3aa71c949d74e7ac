"""`status.events.jsonl`: which lane each work package is in, and what could not be read (facts, section 6.6).

A line that cannot be understood is reported and left out, never guessed; whatever it may have moved is in doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from kitty_guardian.model.reports import Problem
from kitty_guardian.project.reducer import Standing, reduce
from kitty_guardian.project.statuslines import NOT_JSON, Annotation, LineError, Move, read_line

LOG_LIMIT = 8 << 20
"""Bytes; the longest of the real logs has 512 lines and a quarter of a mebibyte."""

_MOST_PROBLEMS = 20
_BOM = b"\xef\xbb\xbf"


@attrs.frozen
class StatusLog:
    """What one log says.

    Attributes:
        standings: By work package id; only those that the log moves.
        problems: Lines that could not be understood.
        in_doubt: Work packages that a line which could not be understood may have moved.
        whole: Whether no such line may have moved just any work package.
    """

    standings: Mapping[str, Standing] = attrs.field(factory=dict)
    problems: tuple[Problem, ...] = ()
    in_doubt: frozenset[str] = frozenset()
    whole: bool = True

    def doubts(self, work_package: str) -> bool:
        """Whether the lane of `work_package` may be another than the log says, or than it says nothing of."""
        standing = self.standings.get(work_package)
        return not self.whole or work_package in self.in_doubt or (standing is not None and standing.in_doubt)

    @property
    def is_malformed(self) -> bool:
        """Whether a lane cannot be known before the log is mended."""
        return not self.whole or bool(self.in_doubt) or any(each.in_doubt for each in self.standings.values())


def read_status_log(data: bytes, path: str) -> StatusLog:
    """Folds a log as upstream does: duplicate event ids dropped, order by `(at, event_id)` as strings.

    Args:
        data: The whole file, at most `LOG_LIMIT` bytes; longer ones are reported and not read.
        path: Where it is, for problems.
    """
    if len(data) > LOG_LIMIT:
        problem = Problem(path, None, f"is longer than {LOG_LIMIT >> 20} MiB and was not read")
        return StatusLog(problems=(problem,), whole=False)
    problems: list[Problem] = []
    found: dict[str, Move | Annotation] = {}
    in_doubt: set[str] = set()
    whole = True
    lines = data.removeprefix(_BOM).split(b"\n")
    for number, raw in enumerate(lines, start=1):
        try:
            read = read_line(raw, number)
        except LineError as error:
            cut_off = number == len(lines) and error.message.startswith(NOT_JSON)
            message = f"{error.message}{' (the last line is cut off)' if cut_off else ''}"
            problems.append(Problem(path, number, message))
            if error.concerns is not None:
                in_doubt.add(error.concerns)
            elif not error.harmless:
                whole = False
            continue
        if read is None:
            continue
        if (earlier := found.setdefault(read.event_id, read)) is not read:
            problems.append(Problem(path, number, f"repeats event {read.event_id} of line {earlier.line}; left out"))
        elif isinstance(read, Move) and read.problem:
            problems.append(Problem(path, number, read.problem))
    standings = reduce(
        (read for read in found.values() if isinstance(read, Move)),
        (read for read in found.values() if isinstance(read, Annotation)),
    )
    return StatusLog(standings, tuple(_bounded(problems, path)), frozenset(in_doubt), whole)


def _bounded(problems: list[Problem], path: str) -> Iterator[Problem]:
    yield from problems[:_MOST_PROBLEMS]
    if len(problems) > _MOST_PROBLEMS:
        yield Problem(path, None, f"has {len(problems) - _MOST_PROBLEMS} more lines with problems")
