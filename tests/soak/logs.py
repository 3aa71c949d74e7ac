"""What `read_status_log` promises of any bytes: every sentence is checked on every input that it speaks about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from kitty_guardian.project.statuslog import StatusLog, read_status_log
from soak.promises import (
    BOM,
    CARRIAGE,
    EVERYWHERE,
    MARKED,
    SAME_TWICE,
    Verdict,
    Watch,
    chance,
    problems_in_place,
    unlike,
)
from support.reducing import LANES, Reading, reduced

PATH = "kitty-specs/001-one/status.events.jsonl"

AGREES = "lanes are those of the reference reducer"
REPORTED = "the first line that is a hard error is reported"
NO_FALSE_ALARM = "a log of well-formed transitions has no problems"
REPEATED = "exact duplicates of lines change no lane"
SHUFFLED = "the order of lines with distinct event ids changes no lane"
CUT_OFF = "a line that is only the beginning of one moves nothing"
NEWCOMER = "a line appended for a new work package moves it, and nothing else"
LATEST = "a line appended with the latest time moves its work package, and nothing else"

PROMISES = frozenset({*EVERYWHERE, AGREES, REPORTED, NO_FALSE_ALARM, REPEATED, SHUFFLED, CUT_OFF, NEWCOMER, LATEST})
"""Every one that is to be asked of some input."""

Reader = Callable[[bytes, str], StatusLog]
_Lanes = dict[str, str | None]


def log_promises(data: bytes, read: Reader = read_status_log) -> Iterator[Verdict]:
    """Each promise that can be asked of this log."""
    watch = Watch(len(data))
    log = watch(lambda: read(data, PATH))
    yield watch.verdict()
    yield SAME_TWICE, unlike(read(data, PATH), log)
    yield problems_in_place(log.problems, PATH, data)
    found = _lanes(log)

    def lanes_of(lines: list[bytes]) -> _Lanes:
        return _lanes(read(b"\n".join(lines), PATH))

    facts = reduced(data)
    yield from _as_the_facts_have_it(log, facts)
    yield from _in_other_dress(data, log, lambda variant: read(variant, PATH))
    rng = chance(data)
    lines = list(facts.lines)
    again = rng.choices(lines, k=3)
    yield REPEATED, unlike(lanes_of([*lines, *again]), found)
    if facts.distinct and not any(line.startswith(BOM) for line in lines):  # it would be none on the first line
        keep = 1 if len(lines) in facts.broken else 0  # a torn last line may be judged apart from a torn line
        shuffled = lines[: len(lines) - keep]
        rng.shuffle(shuffled)
        yield SHUFFLED, unlike(lanes_of([*shuffled, *lines[len(lines) - keep :]]), found)
    if facts.moves:
        place = rng.choice(facts.moves).line - 1
        beginning = lines[place][: rng.randrange(1, len(lines[place].rstrip()))]
        without = lanes_of([*lines[:place], b"", *lines[place + 1 :]])
        cut = lanes_of([*lines[:place], beginning, *lines[place + 1 :]])
        moved = {name: lane for name, lane in cut.items() if lane not in (None, without.get(name))}
        yield CUT_OFF, f"{beginning!r:.200} moves {moved}" if moved else None
    lane = rng.choice(LANES)
    number = _new_number(data)
    name = f"WP{number}"
    appended = lanes_of([*lines, _line(name, lane, "2026-03-01T10:00:00Z", number)])
    yield NEWCOMER, unlike(appended, found | {name: lane})
    sure = sorted({move.work_package for move in facts.moves if facts.is_sure(move.work_package)})
    if sure:
        name = rng.choice(sure)
        latest = max(move.at for move in facts.moves) + "\U0010ffff"
        yield LATEST, unlike(lanes_of([*lines, _line(name, lane, latest, number)]), found | {name: lane})


def _as_the_facts_have_it(log: StatusLog, facts: Reading) -> Iterator[Verdict]:
    found = _lanes(log)
    wrong = {name for name in found.keys() | facts.lanes.keys() if not facts.allows(name, found.get(name))}
    told = {name: (found.get(name), facts.lanes.get(name)) for name in sorted(wrong)}
    yield AGREES, f"here and by the facts: {told}" if wrong else None
    if facts.broken and len(log.problems) < _AS_MANY_AS_ARE_LISTED:
        listed = any(problem.line == facts.broken[0] for problem in log.problems)
        yield REPORTED, None if listed else f"line {facts.broken[0]} is not among {log.problems!r:.200}"
    if facts.plain:
        yield NO_FALSE_ALARM, unlike(log.problems, ())


_AS_MANY_AS_ARE_LISTED = 20


def _in_other_dress(data: bytes, log: StatusLog, read: Callable[[bytes], StatusLog]) -> Iterator[Verdict]:
    if not data.startswith(BOM):
        yield MARKED, unlike(read(BOM + data), log)
    if b"\r" not in data:
        dressed = read(data.replace(b"\n", b"\r\n"))
        yield CARRIAGE, unlike(_lanes(dressed), _lanes(log))
        yield CARRIAGE, unlike([each.line for each in dressed.problems], [each.line for each in log.problems])


def _lanes(log: StatusLog) -> _Lanes:
    return {name: None if standing.lane is None else str(standing.lane) for name, standing in log.standings.items()}


def _new_number(data: bytes) -> int:
    """A number that is nowhere in the log."""
    number = 7_654_321
    while str(number).encode() in data:
        number += 1
    return number


def _line(work_package: str, lane: str, at: str, number: int) -> bytes:
    event = {"wp_id": work_package, "from_lane": "planned", "to_lane": lane, "at": at, "event_id": f"N{number}"}
    return json.dumps(event).encode()
