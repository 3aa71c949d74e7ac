"""ULIDs: event and quarantine ids that sort by creation, also within one millisecond of one process."""

from __future__ import annotations

import os
import threading
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS = 80


class UlidSource:
    """Gives out ULIDs that only ever grow, whatever the wall clock does (enforcement model, section 7)."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """The next ULID: 26 characters, 48 bits of Unix milliseconds and 80 random bits (ulid spec)."""
        with self._lock:
            fresh = (time.time_ns() // 1_000_000) << _RANDOM_BITS | int.from_bytes(os.urandom(10), "big")
            # A clock that stands still or jumps back must not reorder: count on from the last one instead.
            self._last = fresh if fresh >> _RANDOM_BITS > self._last >> _RANDOM_BITS else self._last + 1
            value = self._last
        return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


next_ulid = UlidSource()
