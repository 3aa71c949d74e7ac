"""The workflow's commands: start a project, move a feature and its work packages on, each by the rules."""

from kitty_guardian.transitions.initialising import InitReport
from kitty_guardian.transitions.requests import Outcome
from kitty_guardian.workflow.commands import (
    ImplementReport,
    implement,
    init,
    move,
    plan,
    reopen,
    research,
    review,
    specify,
    tasks,
)

__all__ = [
    "ImplementReport",
    "InitReport",
    "Outcome",
    "implement",
    "init",
    "move",
    "plan",
    "reopen",
    "research",
    "review",
    "specify",
    "tasks",
]
