"""The six phases of a feature and their order (enforcement model, section 1)."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a feature stands: `research -> specify -> plan -> tasks -> implement <-> review`."""

    RESEARCH = "research"
    SPECIFY = "specify"
    PLAN = "plan"
    TASKS = "tasks"
    IMPLEMENT = "implement"
    REVIEW = "review"
