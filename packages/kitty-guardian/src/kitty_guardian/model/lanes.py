"""The lanes a work package moves through (spec-kitty facts, section 6.5)."""

from __future__ import annotations

from enum import StrEnum


class Lane(StrEnum):
    """The kanban lane of one work package, in the order boards show them."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    IN_PROGRESS = "in_progress"
    FOR_REVIEW = "for_review"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    DONE = "done"
    BLOCKED = "blocked"
    CANCELED = "canceled"

    @property
    def is_finished(self) -> bool:
        """Whether a work package in this lane leaves its feature nothing to do."""
        return self in _FINISHED

    @classmethod
    def parse(cls, text: str) -> Lane | None:
        """The lane that `text` names in any era, or None; `doing` is read as `in_progress`."""
        word = text.strip().lower()
        return cls.IN_PROGRESS if word == "doing" else _BY_WORD.get(word)


_BY_WORD = {str(lane): lane for lane in Lane}
_FINISHED = frozenset({Lane.DONE, Lane.APPROVED, Lane.CANCELED})
