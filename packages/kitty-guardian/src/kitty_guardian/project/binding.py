"""Which feature a work tree is bound to: the one asked for, or the one that folder or branch names; never guessed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

import attrs

from kitty_guardian.errors import InvalidValueError, UnboundFeatureError, UnknownFeatureError
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.assignments import assignment
from kitty_guardian.project.handles import Handles
from kitty_guardian.project.repository import Worktree

_SHOWN = 10


@attrs.frozen
class Binding:
    """What a work tree is bound to, and why.

    Attributes:
        features: Folder names below `kitty-specs/`; empty when no feature is active.
        reason: One sentence for people.
        part: The part of its one feature that it was made for, as in `Assignment`; empty for the whole.
        every: Whether every unfinished feature was asked for.
        scope: The work packages that this part was when it was recorded (empty: all of them); None: to be read.
    """

    features: tuple[str, ...]
    reason: str
    part: str = ""
    every: bool = False
    scope: tuple[str, ...] | None = None


def bind(
    worktree: Worktree,
    reports: Mapping[str, PhaseReport],
    *,
    feature: str | None = None,
    every: bool = False,
    branch: str | None = None,
) -> Binding:
    """The features that `worktree` is bound to (enforcement model, section 1).

    In this order: the feature asked for; every unfinished one if asked for; the folder name below `.worktrees/`; the
    branch name. The folder precedes the branch, since switching branches never rebinds a work tree.

    Args:
        worktree: The work tree.
        reports: Every feature of the project, by folder name.
        feature: What a person asked for: folder name, number, ULID, its first eight characters, or the plain name.
        every: Whether every unfinished feature is asked for.
        branch: The branch HEAD is on, or None.

    Raises:
        InvalidValueError: Both `feature` and `every` are asked for.
        UnknownFeatureError: `feature` names no feature, or more than one.
        UnboundFeatureError: Nothing names a feature and unfinished ones exist.
    """
    handles = Handles.of(worktree, reports)
    if feature is not None and every:
        raise InvalidValueError("--feature and --all exclude each other", hint="give one of them")
    unfinished = tuple(sorted(name for name, report in reports.items() if not report.finished))
    if every:
        counted = f"{len(unfinished)} of {len(reports)}"
        return Binding(unfinished, f"every unfinished feature was asked for ({counted})", every=True)
    made = assignment(worktree, handles, branch)
    if feature is not None:
        asked = asked_for(handles, feature)
        part = made.part if made is not None and made.feature == asked else ""
        return Binding((asked,), f"{feature} was asked for", part)
    if made is not None:
        return Binding((made.feature,), made.reason, made.part)
    if not unfinished:
        return Binding((), no_active_feature(reports))
    raise UnboundFeatureError(
        f"{worktree.root} is bound to no feature; unfinished: {listed(unfinished)}",
        hint=f"spec-kitty guardian start --feature {unfinished[0] if len(unfinished) == 1 else 'NAME'}, or --all",
    )


def no_active_feature(reports: Mapping[str, PhaseReport]) -> str:
    """Why a work tree is bound to nothing where nothing is unfinished."""
    why = f"each of its {len(reports)} features is finished" if reports else "kitty-specs/ holds no feature"
    return f"no feature is active: {why}"


def asked_for(handles: Handles, wanted: str) -> str:
    """The one feature that a person calls `wanted`.

    Raises:
        UnknownFeatureError: It names no feature, or more than one.
    """
    found = handles.match(wanted)
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownFeatureError(
            f"{wanted!r} names {len(found)} features: {listed(found)}",
            hint="give the whole folder name of one of them",
        )
    close = difflib.get_close_matches(wanted, handles.names, n=1)
    raise UnknownFeatureError(
        f"there is no feature {wanted!r} in kitty-specs/ (it holds {listed(handles.names) or 'none'})",
        hint=f"did you mean {close[0]}?" if close else "give the name of a folder below kitty-specs/",
    )


def listed(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    everything = tuple(names)
    shown = ", ".join(everything[:_SHOWN])
    return f"{shown} and {len(everything) - _SHOWN} more" if len(everything) > _SHOWN else shown
