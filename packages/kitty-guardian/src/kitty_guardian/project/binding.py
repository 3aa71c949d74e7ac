"""Which feature a work tree is bound to: taken from what was asked for, or from names git tools gave it, never guessed.

Names of every era (facts, section 7):

| era | folder below `.worktrees/` | branch |
|---|---|---|
| up to 0.10 | `034-home-guard` | `034-home-guard` |
| 0.11 to 3.0 | `034-home-guard-WP01` | `034-home-guard-WP01` |
| 3.1 | `034-home-guard-lane-a` | `kitty/mission-034-home-guard[-lane-a]` |
| 3.1.1 on | `home-guard-01KW1JXX-lane-a`, `home-guard-01KW1JXX-coord` | `kitty/mission-home-guard-01KW1JXX[-lane-a]` |
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

import attrs

from kitty_guardian.errors import InvalidValueError, UnboundFeatureError, UnknownFeatureError
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.handles import Handles
from kitty_guardian.project.repository import Worktree

_SUFFIX = re.compile(r"-(?:WP\d+|lane-[a-z0-9]+|coord)\Z")
_MISSION = "kitty/mission-"
_DISTINCTIVE = re.compile(r"\d{3}-|.*-[0-9A-HJKMNP-TV-Z]{8}\Z")
_SHOWN = 10


@attrs.frozen
class Binding:
    """What a work tree is bound to, and why.

    Attributes:
        features: Folder names below `kitty-specs/`; empty when no feature is active.
        reason: One sentence for people.
    """

    features: tuple[str, ...]
    reason: str


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
    if feature is not None:
        if every:
            raise InvalidValueError("--feature and --all exclude each other", hint="give one of them")
        return Binding((_asked_for(handles, feature),), f"{feature} was asked for")
    unfinished = tuple(sorted(name for name, report in reports.items() if not report.finished))
    if every:
        return Binding(unfinished, f"every unfinished feature was asked for ({len(unfinished)} of {len(reports)})")
    if worktree.root.parent.name == ".worktrees" and (name := _named_by(handles, worktree.root.name)) is not None:
        return Binding((name,), f"the work tree's folder is .worktrees/{worktree.root.name}")
    if branch is not None and (name := _named_by_branch(handles, branch)) is not None:
        return Binding((name,), f"the branch is {branch}")
    if not unfinished:
        why = f"each of its {len(reports)} features is finished" if reports else "kitty-specs/ holds no feature"
        return Binding((), f"no feature is active: {why}")
    raise UnboundFeatureError(
        f"{worktree.root} is bound to no feature; unfinished: {_listed(unfinished)}",
        hint=f"spec-kitty guardian start --feature {unfinished[0] if len(unfinished) == 1 else 'NAME'}, or --all",
    )


def _asked_for(handles: Handles, wanted: str) -> str:
    found = handles.match(wanted)
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownFeatureError(
            f"{wanted!r} names {len(found)} features: {_listed(found)}",
            hint="give the whole folder name of one of them",
        )
    close = difflib.get_close_matches(wanted, handles.names, n=1)
    raise UnknownFeatureError(
        f"there is no feature {wanted!r} in kitty-specs/ (it holds {_listed(handles.names) or 'none'})",
        hint=f"did you mean {close[0]}?" if close else "give the name of a folder below kitty-specs/",
    )


def _named_by(handles: Handles, name: str) -> str | None:
    """The one feature a folder or mission branch of this name was made for; the whole name is tried first."""
    for candidate in dict.fromkeys((name, _SUFFIX.sub("", name))):
        if (found := handles.match_worktree_name(candidate)) is not None:
            return found
    return None


def _named_by_branch(handles: Handles, branch: str) -> str | None:
    if branch.startswith(_MISSION):
        return _named_by(handles, branch.removeprefix(_MISSION))
    # A plain branch counts only when it spells a name that nothing else is called by: "main" binds nothing.
    plain = _SUFFIX.sub("", branch) if branch not in handles.names else branch
    return plain if plain in handles.names and _DISTINCTIVE.match(plain) else None


def _listed(names: Iterable[str]) -> str:
    everything = tuple(names)
    shown = ", ".join(everything[:_SHOWN])
    return f"{shown} and {len(everything) - _SHOWN} more" if len(everything) > _SHOWN else shown
