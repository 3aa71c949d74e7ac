"""How numbers, sizes and times are written for people."""

from __future__ import annotations

from datetime import datetime

_STEP = 1000
_TWO_FIGURES = 10
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
# Up to how many of a unit is counted in it: 90 minutes say more than one hour, 47 hours more than one day.
_AGES = ((120 * _MINUTE, _MINUTE, "min"), (48 * _HOUR, _HOUR, "h"), (100 * _DAY, _DAY, "days"))
_MONTH = 30 * _DAY


def plain(text: object) -> str:
    """`text` for a terminal: control characters and stray bytes, which file names may hold to mislead, spelled out."""
    return "".join(letter if letter.isprintable() or letter == "\n" else _spelled(letter) for letter in str(text))


def one_line(text: object) -> str:
    """`text` as `plain` has it, in one line: a name in a table."""
    return plain(text).replace("\n", "\\n")


def _spelled(letter: str) -> str:
    stray = letter.encode("utf-8", "surrogateescape") if "\udc80" <= letter <= "\udcff" else b""
    return f"\\x{stray[0]:02x}" if stray else letter.encode("unicode_escape").decode("ascii")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 file`, `2 files`, `3 entries`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def waiting(number: int | None) -> str:
    """`1 event waits`, `2 events wait`; None where nobody could count them."""
    if number is None:
        return "cannot be counted"
    return f"{count(number, 'event')} {'waits' if number == 1 else 'wait'}"


def size(number: int) -> str:
    """Bytes in at most three figures: `512 B`, `1.2 kB`, `40 MB`."""
    if number < _STEP:
        return f"{number} B"
    value, unit = number / _STEP, "kB"
    for larger in ("MB", "GB"):
        if value >= _STEP:
            value, unit = value / _STEP, larger
    return f"{value:.1f} {unit}" if value < _TWO_FIGURES else f"{value:.0f} {unit}"


def moment(at: datetime | str) -> str:
    """A point in time on this machine's clock, to the second; what is no time stays as it is."""
    try:
        point = datetime.fromisoformat(at) if isinstance(at, str) else at
    except ValueError:
        return str(at)
    return point.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def age(at: str | None, now: datetime) -> str:
    """How long ago, in seven letters at most: `now`, `5 min`, `3 h`, `12 days`, `8 mon`; empty for what is no time."""
    try:
        seconds = (now - datetime.fromisoformat(at or "")).total_seconds()
    except (ValueError, TypeError):  # TypeError: a time without its offset from UTC, which other tools may write
        return ""
    if seconds < _MINUTE:
        return "now"
    for limit, unit, word in _AGES:
        if seconds < limit:
            return f"{seconds // unit:.0f} {word}"
    return f"{seconds // _MONTH:.0f} mon"
