"""Which moves between lanes there are, and what each of them asks for: upstream's matrix since 3.2.2, as data.

Source: spec-kitty facts, section 6.5. Nothing here is code on purpose: every row is a thing a person can read beside
upstream's table and a mutation run can break. Older releases knew other edges; what they wrote is history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from kitty_guardian.model.lanes import Lane

GENESIS: Final = "genesis"
"""Upstream's word for "has no lane yet"; here None. Nothing ever goes there."""


class Guard(StrEnum):
    """What a move asks for beyond being in the matrix. Force does without all of them."""

    ACTOR = "actor"  # somebody says who does it
    WORKSPACE = "workspace"  # there is a work tree to do it in
    SUBTASKS = "subtasks"  # none is open
    EVIDENCE = "evidence"  # something was implemented
    REASON = "reason"  # a text says why
    REVIEW_REF = "review_ref"  # a text says where the reviewer's findings are
    REVIEW = "review"  # evidence of an approval: reviewer, verdict "approved", reference
    RESULT = "result"  # what the review came to: reviewer, verdict, reference; nothing else on the event contradicts it
    APPROVAL = "approval"  # and its verdict is "approved"

    @property
    def gate(self) -> str:
        """The name a refusal carries: the three about reviews share one."""
        return f"guard:{SHARED.get(self, self)}"


SHARED: Final[Mapping[Guard, Guard]] = {Guard.RESULT: Guard.REVIEW, Guard.APPROVAL: Guard.REVIEW}
"""Guards that refuse under another one's name."""


def _asks(*guards: Guard) -> frozenset[Guard]:
    return frozenset(guards)


# From each lane (None: has none yet) to each lane that can be reached from it, in the order work takes.
MATRIX: Final[Mapping[Lane | None, Mapping[Lane, frozenset[Guard]]]] = {
    None: {
        Lane.PLANNED: _asks(),
        Lane.CANCELED: _asks(),
    },
    Lane.PLANNED: {
        Lane.CLAIMED: _asks(Guard.ACTOR),
        Lane.BLOCKED: _asks(),
        Lane.CANCELED: _asks(),
    },
    Lane.CLAIMED: {
        Lane.IN_PROGRESS: _asks(Guard.WORKSPACE),
        Lane.BLOCKED: _asks(),
        Lane.CANCELED: _asks(),
    },
    Lane.IN_PROGRESS: {
        Lane.FOR_REVIEW: _asks(Guard.SUBTASKS, Guard.EVIDENCE),
        Lane.APPROVED: _asks(Guard.REVIEW),
        Lane.PLANNED: _asks(Guard.REASON),
        Lane.BLOCKED: _asks(),
        Lane.CANCELED: _asks(),
    },
    Lane.FOR_REVIEW: {
        Lane.IN_REVIEW: _asks(Guard.ACTOR),
        Lane.BLOCKED: _asks(),
        Lane.CANCELED: _asks(),
    },
    Lane.IN_REVIEW: {
        Lane.APPROVED: _asks(Guard.RESULT, Guard.APPROVAL),
        Lane.DONE: _asks(Guard.RESULT, Guard.APPROVAL),
        Lane.IN_PROGRESS: _asks(Guard.RESULT),
        Lane.PLANNED: _asks(Guard.RESULT),
        Lane.BLOCKED: _asks(Guard.RESULT),
        Lane.CANCELED: _asks(Guard.RESULT),
    },
    Lane.APPROVED: {
        Lane.DONE: _asks(Guard.REVIEW),
        Lane.IN_PROGRESS: _asks(Guard.REVIEW_REF),
        Lane.PLANNED: _asks(Guard.REVIEW_REF),
        Lane.BLOCKED: _asks(),
        Lane.CANCELED: _asks(),
    },
    Lane.BLOCKED: {
        Lane.IN_PROGRESS: _asks(),
        Lane.CANCELED: _asks(),
    },
    Lane.DONE: {},
    Lane.CANCELED: {},
}


def guards_of(from_lane: Lane | None, to_lane: Lane) -> frozenset[Guard] | None:
    """What the move asks for; None where there is no such move. `from_lane` None: the work package has no lane yet."""
    return MATRIX[from_lane].get(to_lane)


def lanes_after(from_lane: Lane | None) -> tuple[Lane, ...]:
    """Every lane that can be reached in one move, the usual one first; none after `done` and `canceled`."""
    return tuple(MATRIX[from_lane])


def next_lane(from_lane: Lane | None, to_lane: Lane) -> Lane | None:
    """The first move of the shortest way from one lane to another; None where no way leads there without force."""
    firsts: dict[Lane, Lane] = {}
    waiting: deque[tuple[Lane | None, Lane | None]] = deque([(from_lane, None)])
    while waiting:
        here, first = waiting.popleft()
        for lane in lanes_after(here):
            if lane not in firsts:
                firsts[lane] = first or lane
                waiting.append((lane, firsts[lane]))
    return firsts.get(to_lane)
