"""What is enforced for each feature, as the event store has it; the adoption speaks for what the store cannot know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from kitty_guardian.events.board import Board
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.pins import Adoption, scope_in
from kitty_guardian.project.repository import Worktree
from kitty_guardian.rules.situation import FeatureState


def board_of(worktree: Worktree) -> Board:
    """What the repository's events add up to; an empty board where there is no store yet.

    Raises:
        EventStoreError: There is one and it cannot be read.
    """
    path = Path(worktree.state.events)
    if not path.exists():
        return Board()
    from kitty_guardian.events.sqlite import SqliteEventStore

    store = SqliteEventStore(path, read_only=True)
    try:
        return Board(store.read_all())
    finally:
        store.close()


def states_on(board: Board, adoption: Adoption) -> dict[str, FeatureState]:
    """What is enforced for each feature in the work tree of an adoption, by folder name."""
    states = dict(adoption.features)
    for name, standing in board.features.items():
        if standing.entered is None:
            continue
        scope, known = scope_in(adoption, name), states.get(name)
        states[name] = FeatureState(
            standing.phase(scope),
            standing.finished,
            standing.changes_requested(scope),
            malformed=() if known is None else known.malformed,
        )
    return states


def as_recorded(reports: Mapping[str, PhaseReport], board: Board) -> dict[str, PhaseReport]:
    """Reports of what features' files look like, with phase and lanes as they were recorded where they were.

    A lane that somebody wrote into a file then finishes nothing and begins nothing.
    """
    found = dict(reports)
    for name, report in reports.items():
        standing = board.features.get(name)
        if standing is None or standing.entered is None:
            continue
        # A reopened feature has something to do, whatever its lanes say.
        reopened = not standing.finished and all(lane.is_finished for lane in standing.lanes().values())
        found[name] = attrs.evolve(
            report,
            phase=standing.phase(report.scope),
            work_packages={} if reopened else standing.lanes(report.scope),
            changes_requested=standing.changes_requested(report.scope),
            candidates=(),
            unreadable=(),
        )
    return found
