"""Where features stand: the phase their files show beside the phase that is enforced, for people and tools."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from kitty_guardian.errors import UnboundFeatureError
from kitty_guardian.events.phases import as_recorded, board_of, states_on
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.binding import asked_for
from kitty_guardian.project.features import feature_names, read_features, unread_folders
from kitty_guardian.project.handles import Handles
from kitty_guardian.project.looking import Look, look, look_at_recorded
from kitty_guardian.project.pins import Adoption, states_of
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.repository import Worktree, find_worktree, require_project
from kitty_guardian.project.survey import Survey, survey
from kitty_guardian.project.trees import tree_on_disk
from kitty_guardian.rules.situation import UNKNOWN, FeatureState


@attrs.frozen
class FeatureOverview:
    """One feature, seen both ways.

    Attributes:
        detected: What its files look like now.
        effective: The phase that is enforced, or would be if a guardian were started now.
        candidates: Every phase that is enforced at once, where what was to be recorded could not be read; else empty.
        is_off: Whether nothing is enforced because the feature was finished.
        recorded: Whether a guardian recorded it; False: as commits would be adopted now.
        bound: Whether the work tree is bound to it.
        read_from: Where its files were read: a directory, or a commit where no work tree has them.
    """

    detected: PhaseReport
    effective: Phase
    candidates: tuple[Phase, ...]
    is_off: bool
    recorded: bool
    bound: bool
    read_from: str


@attrs.frozen
class Overview:
    """The features that were asked for.

    Attributes:
        worktree: The work tree; absolute.
        features: In the order of their names.
        binding: Why the work tree is bound to what it is bound to, or why to nothing: a sentence for people.
        is_bound: Whether the features are those it is bound to, or asked for; False: it is bound to none, and these
            are the unfinished ones.
        notes: Sentences for people.
    """

    worktree: Path
    features: tuple[FeatureOverview, ...]
    binding: str
    is_bound: bool = True
    notes: tuple[str, ...] = ()


def overview(where: Path, *, feature: str | None = None, every: bool = False) -> Overview:
    """Where the features of the work tree stand that it is bound to, or the one or all that are asked for.

    Args:
        where: Any place in the work tree.
        feature: The one to tell of: folder name, number, ULID, its first eight characters, or the plain name.
        every: Tell of every feature, finished or not.

    Raises:
        NotARepositoryError, NotAProjectError: There is no project at `where`.
        UnknownFeatureError: `feature` names no feature, or more than one.
        InvalidValueError: Both `feature` and `every` are asked for.
        AdoptionError: What was recorded cannot be used.
        GitError: HEAD cannot be read.
    """
    worktree = find_worktree(where)
    require_project(worktree)
    readings = Readings()
    adoption = Adoption.read(worktree.state.guardian.adoption)
    if adoption is not None:
        return _recorded(worktree, adoption, feature, readings, every=every)
    board = board_of(worktree)

    def recorded(raw: Survey) -> Mapping[str, PhaseReport]:
        return as_recorded(raw.reports, board)

    on_disk = read_features(tree_on_disk(worktree), readings)  # most of it HEAD holds, too: then it is read once
    try:
        found = survey(worktree, feature=feature, every=every, looking=True, readings=readings, recorded=recorded)
        is_bound = True
    except UnboundFeatureError:
        found = survey(worktree, every=True, looking=True, readings=readings, recorded=recorded)
        is_bound = False
    names = sorted(found.reports if every else found.binding.features)
    asked = found.binding.features if is_bound and not every else ()
    bound = () if feature is not None else asked
    looks = {name: Look(report, os.fspath(worktree.root)) for name, report in on_disk.items()}
    others = [name for name in names if name in found.copies or name not in looks or found.reports[name].scope]
    binding = attrs.evolve(found.binding, features=asked)
    looks |= look(worktree, others, binding=binding, copies=found.copies, readings=readings)
    states = states_of(found.reports)
    return Overview(
        worktree.root,
        tuple(_overview(looks[name], states[name], recorded=False, bound=name in bound) for name in names),
        binding=found.binding.reason if is_bound else "this work tree is bound to no feature",
        is_bound=is_bound,
        notes=found.notes,
    )


def _recorded(
    worktree: Worktree, adoption: Adoption, feature: str | None, readings: Readings, *, every: bool
) -> Overview:
    """What a guardian recorded needs no look at commits, but for whose copy counts."""
    known = {*feature_names(tree_on_disk(worktree)), *adoption.features}
    names: Iterable[str] = known if every else adoption.bound
    if feature is not None:
        names = [asked_for(Handles.of(worktree, known), feature)]
    looks = look_at_recorded(worktree, adoption, sorted(names), readings)
    enforced = states_on(board_of(worktree), adoption)
    states = {name: enforced.get(name, UNKNOWN) for name in looks}
    return Overview(
        worktree.root,
        tuple(
            _overview(seen, states[name], recorded=True, bound=name in adoption.bound) for name, seen in looks.items()
        ),
        binding=f"recorded {adoption.at.astimezone():%Y-%m-%d %H:%M}",
        notes=tuple(str(problem) for problem in unread_folders(tree_on_disk(worktree))),
    )


def _overview(seen: Look, state: FeatureState, *, recorded: bool, bound: bool) -> FeatureOverview:
    return FeatureOverview(
        detected=seen.report,
        effective=state.phase,
        candidates=state.candidates,
        is_off=state.finished,
        recorded=recorded,
        bound=bound,
        read_from=seen.read_from,
    )
