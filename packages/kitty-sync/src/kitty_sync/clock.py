"""The Lamport clock of one root (FR-007): a number that only grows, whatever the wall clock does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard

import attrs

from kitty_paths import StateRoot
from kitty_sync import environment
from kitty_sync.errors import DamagedFileError, InvalidEventError, StateError
from kitty_sync.queue.events import EventQueue
from kitty_sync.queue.listing import scoped_queues
from kitty_sync.storage.faults import aside_hint
from kitty_sync.storage.files import read_bytes, replace
from kitty_sync.storage.locking import holding

BELIEVED: Final = 2**53
"""Numbers from elsewhere - sent, queued, or left of a damaged clock - are believed below this: every language holds
them, and nobody counts that far."""

MOST: Final = 2 * BELIEVED
"""The clock's own numbers stay below this: behind the highest that is believed there is room to count on."""

_VALUE: Final = re.compile(rb'"value"\s*:\s*(\d{1,19})(?:\.0*)?\s*[,}]')  # complete: no digit is missing at its end
_ANYTHING: Final = 2**64  # the numbers worth telling of; a longer one is no number that anybody counted to
_NODE: Final = re.compile(r"[0-9a-f]{12}")


@attrs.frozen
class Tick:
    """The clock after a step.

    Attributes:
        value: The Lamport number, the event's own.
        node_id: 12 hexadecimal digits; who counts.
        recovered: What to tell the person where the clock had to be recovered, one sentence; else None.
    """

    value: int
    node_id: str
    recovered: str | None = attrs.field(default=None, eq=False)


def _utc() -> datetime:
    return datetime.now(UTC)


class LamportClock:
    """The clock of one root.

    Args:
        root: The root; nothing is read until something is asked for.
        now: Tells the time; only recorded, never counted with.
        node_id: Who counts, where there is no clock yet; None for upstream's: a hash of machine and login name.
    """

    def __init__(self, root: StateRoot, *, now: Callable[[], datetime] = _utc, node_id: str | None = None) -> None:
        self._root = root
        self._now = now
        self._node_id = node_id

    def tick(self) -> Tick:
        """Step on for an event of our own; the new number is on disk when this returns.

        A clock that is missing or cannot be understood goes on behind the highest number that the queues, or its own
        remains, still show; and says so.

        Raises:
            DamagedFileError: It has to be recovered, and a queue that is needed for that cannot be read.
            StateError: It cannot be read or written; the number was not given out.
        """
        return self._step(0)

    def receive(self, remote: int) -> Tick:
        """Step on past a number that somebody else sent.

        Args:
            remote: Their number.

        Raises:
            InvalidEventError: It is no Lamport number, or none that is believed; the clock did not move.
            StateError: As for `tick`.
        """
        if not _is_number(remote):
            raise InvalidEventError(
                f"{remote!r:.100} is no Lamport number",
                hint=f"who sent it has to count from 0 in whole numbers below {BELIEVED}",
            )
        return self._step(remote)

    def peek(self) -> Tick | None:
        """Give the clock as it stands, or None where there is none yet; creates nothing.

        Raises:
            DamagedFileError: It cannot be understood; the next step recovers it.
            StateError: It cannot be read.
        """
        data = read_bytes(self._root, self._root.sync.clock)
        if data is None:
            return None
        state = _understood(data)
        if state is None:
            path = self._root.sync.clock.path
            raise DamagedFileError(
                f"cannot understand {path}", path=path, hint="the next event recovers it from the queues"
            )
        return Tick(state["value"], state["node_id"])

    def _step(self, remote: int) -> Tick:
        with holding(self._root, self._root.sync.clock_lock):
            data = read_bytes(self._root, self._root.sync.clock)
            state = None if data is None else _understood(data)
            recovered = None
            if state is None:
                found = [*_numbers_queued(self._root), *_salvaged(data or b"")]
                highest = max(filter(_is_number, found), default=0)
                state = {"value": highest, "node_id": self._node_id or default_node_id(), "updated_at": None}
                recovered = self._keep_damaged(data, highest, tuple(each for each in found if not _is_number(each)))
            value = max(state["value"], remote) + 1
            self._write(value, state)
        return Tick(value, state["node_id"], recovered)

    def _write(self, value: int, state: dict[str, Any]) -> None:
        # The record of when follows the wall clock forward only, so two records in a row can be compared.
        at = self._now()
        if (before := _moment(state["updated_at"])) is not None:
            at = max(at, before)
        text = json.dumps({"value": value, "node_id": state["node_id"], "updated_at": at.isoformat()}, indent=2)
        replace(self._root, self._root.sync.clock, f"{text}\n".encode())

    def _keep_damaged(self, data: bytes | None, highest: int, absurd: tuple[int, ...]) -> str | None:
        doubt = f"; {max(absurd)} and whatever else is not below {BELIEVED} was not believed" if absurd else ""
        if data is None:
            # A new root has neither clock nor queues: nothing was lost, nothing is said.
            said = f"the clock was missing and goes on behind {highest}, the highest number in the queues{doubt}"
            return said if highest or absurd else None
        kept = self._root.sync.clock_damaged
        before = read_bytes(self._root, kept) or b""
        # One that was killed behind this line does it again, and needs no second copy.
        if not before or not before.endswith(data):
            replace(self._root, kept, before + (b"\n" if before else b"") + data)
        where = f"behind what was kept before in {kept}" if before else f"in {kept}"
        return (
            f"the clock {self._root.sync.clock} could not be understood and goes on behind {highest}, the highest"
            f" number that it or the queues still show{doubt}; what it said is kept {where}"
        )


def default_node_id() -> str:
    """Give upstream's node id: the first 12 hexadecimal digits of SHA-256 of `host:login`."""
    from hashlib import sha256

    name = f"{environment.host_name()}:{environment.login_name()}"
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _numbers_queued(root: StateRoot) -> list[int]:
    """Give the highest `lamport_clock` that is believed, and the highest that is not, of all events in all queues.

    Raises:
        DamagedFileError: A queue cannot be read: without it the clock could go back.
    """
    highest: dict[bool, int] = {}
    for surface in (root.queues.unauthenticated, *scoped_queues(root)):
        queue = EventQueue(root, surface)
        try:
            last = None
            while rows := queue.batch(after=last):
                for number in (_number_of(row.text) for row in rows):
                    highest[_is_number(number)] = max(number, highest.get(_is_number(number), 0))
                last = rows[-1]
        except StateError as error:
            raise DamagedFileError(
                f"the clock cannot be recovered without the queue {surface.path}, and {error.message}",
                path=surface.path,
                hint=error.hint or aside_hint(surface.path),
            ) from error
    return list(highest.values())


def _number_of(text: str) -> int:
    try:
        envelope = json.loads(text)
    except (ValueError, RecursionError):
        return 0
    number = envelope.get("lamport_clock") if isinstance(envelope, dict) else None
    return number if _is_number(number, below=_ANYTHING) else 0


def _salvaged(data: bytes) -> list[int]:
    # Delivered events are in no queue any more: what is left of the file may know a higher number.
    return [int(digits) for digits in _VALUE.findall(data)]


def _is_number(value: object, *, below: int = BELIEVED) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below


def _understood(data: bytes) -> dict[str, Any] | None:
    try:
        state = json.loads(data)
    except (ValueError, RecursionError):
        return None
    # A clock at its end is damaged too: it could never step again.
    if not isinstance(state, dict) or not _is_number(state.get("value"), below=MOST - 1):
        return None
    node = state.get("node_id")
    if not isinstance(node, str) or not _NODE.fullmatch(node):
        return None
    return {"value": state["value"], "node_id": node, "updated_at": state.get("updated_at")}


def _moment(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
        return None if at is None or at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):  # no time, or one that is outside the calendar in UTC
        return None
