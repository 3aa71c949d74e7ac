"""Answers for people and tools: may these paths be written now, and why."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import attrs

from kitty_guardian.errors import InvalidValueError
from kitty_guardian.events.phases import as_recorded, board_of, states_on
from kitty_guardian.model.decisions import Decision
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.handles import Handles
from kitty_guardian.project.pins import Adoption, states_of
from kitty_guardian.project.policyfile import read_policy_file
from kitty_guardian.project.repository import Worktree, find_worktree, require_project
from kitty_guardian.project.survey import survey
from kitty_guardian.rules.policy import Policy, parse_policy
from kitty_guardian.rules.situation import FeatureState, Situation


@attrs.frozen
class Explanation:
    """Why a path may or may not be written.

    Attributes:
        decision: The decision.
        features: The features whose phase decides, with it.
        recorded: Whether the phase is a recorded one; False: as read from HEAD, since no guardian was ever started.
    """

    decision: Decision
    features: tuple[tuple[str, Phase], ...]
    recorded: bool


def check(
    where: Path, paths: Iterable[str], *, phase: Phase | None = None, feature: str | None = None
) -> tuple[Decision, ...]:
    """The decisions about `paths`, as typed at `where`; none given: about everything that differs from HEAD.

    Args:
        where: Any place in the work tree.
        paths: Files or directories; they need not exist.
        phase: Decide as if the bound features were in this phase.
        feature: Decide as if the work tree were bound to this feature.

    Raises:
        NotARepositoryError, NotAProjectError, PolicyError, UnknownFeatureError, UnboundFeatureError: As for `start`.
        InvalidValueError: A path lies outside the work tree.
    """
    worktree = find_worktree(where)
    require_project(worktree)
    situation, _ = situation_of(worktree, feature=feature, phase=phase)
    wanted = [_inside(worktree, where, path) for path in paths] or _changed(worktree)
    return tuple(situation.judge(path) for path in wanted)


def explain(where: Path, path: str) -> Explanation:
    """Why `path` may or may not be written now; arguments and errors as for `check`."""
    worktree = find_worktree(where)
    require_project(worktree)
    situation, recorded = situation_of(worktree)
    return Explanation(
        situation.judge(_inside(worktree, where, path)),
        tuple((name, situation.features[name].phase) for name in situation.bound if name in situation.features),
        recorded,
    )


def situation_of(
    worktree: Worktree, *, feature: str | None = None, phase: Phase | None = None
) -> tuple[Situation, bool]:
    """What is enforced in a work tree, and whether that was recorded; else as HEAD would be adopted now."""
    policy = read_policy(worktree)
    adoption = Adoption.read(worktree.state.guardian.adoption)
    asked = () if adoption is None or feature is None else Handles.of(worktree, adoption.features).match(feature)
    if adoption is not None and (feature is None or len(asked) == 1):
        features, bound, recorded = states_on(board_of(worktree), adoption), asked or adoption.bound, True
    else:
        board = board_of(worktree)
        found = survey(worktree, feature=feature, looking=True, recorded=lambda raw: as_recorded(raw.reports, board))
        features, bound = states_of(found.reports, adoption), found.binding.features
        recorded = False
    if phase is not None:
        features |= {name: FeatureState(phase) for name in bound}
    return Situation(policy, features, bound), recorded


def read_policy(worktree: Worktree) -> Policy:
    """The policy on disk, or the default one.

    Raises:
        PolicyError: It is invalid.
    """
    data = read_policy_file(worktree.root)
    return Policy.default() if data is None else parse_policy(data.decode("utf-8-sig", "surrogateescape"))


def _inside(worktree: Worktree, where: Path, path: str) -> str:
    place = Path(os.path.normpath(where.absolute() / path))
    for candidate in (place, place.parent.resolve() / place.name):
        try:
            inside = candidate.relative_to(worktree.root).as_posix()
        except ValueError:
            continue
        return inside + "/" if path.endswith("/") else inside
    raise InvalidValueError(f"`{path}` lies outside the work tree `{worktree.root}`")


def _changed(worktree: Worktree) -> list[str]:
    """What differs from HEAD in the work tree or the index, untracked files included."""
    rows = iter(worktree.git.lines_z("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"))
    return [os.fsdecode(row[3:]) for row in rows]
