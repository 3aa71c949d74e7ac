"""What a daemon does while it lives: steps, each done again after a while.

Today there is one: look at the queues and keep their counts. Sending will be a second step beside it; nothing here
sends, and the daemon says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from kitty_sync.queue import listing

if TYPE_CHECKING:
    from collections.abc import Callable

    from kitty_paths import StateRoot

LOOK_SECONDS = 5.0
NOTHING_IS_SENT = "not logged in: nothing is sent"


class Step(Protocol):
    """A part of the daemon's work.

    Attributes:
        name: What it is called in the log and in the status.
        pause: Seconds between the end of one run and the next.
    """

    name: str
    pause: float

    def run(self, say: Callable[[str], None]) -> None:
        """Do it once. What is raised is logged and shown in the status, and the step is run again later.

        Args:
            say: Writes a line into the log.
        """
        ...


@attrs.frozen
class QueueCount:
    """How many events wait in one queue.

    Attributes:
        path: The database, absolute.
        active: Whether new events go there.
        events: How many, or None where they cannot be counted.
        problem: Why not, or None.
    """

    path: str
    active: bool
    events: int | None
    problem: str | None


def count_queues(root: StateRoot) -> tuple[QueueCount, ...]:
    """Count what waits in every queue below a root; creates nothing.

    Raises:
        StateError: The root cannot be looked into.
    """
    return tuple(QueueCount(str(each.path), each.active, each.events, each.problem) for each in listing.queues(root))


class QueueWatch:
    """Keeps watch over the queues and logs when their counts change.

    Args:
        root: Whose queues.
        pause: Seconds between two looks.
    """

    name = "queues"

    def __init__(self, root: StateRoot, *, pause: float = LOOK_SECONDS) -> None:
        self.pause = pause
        self._root = root
        self._before: tuple[QueueCount, ...] | None = None

    def run(self, say: Callable[[str], None]) -> None:
        """Count, and tell what is different from the last time."""
        now = count_queues(self._root)
        if now == self._before:
            return
        self._before = now
        for each in now:
            say(f"{each.path}: {each.problem or f'{each.events} waiting'}; {NOTHING_IS_SENT}")
