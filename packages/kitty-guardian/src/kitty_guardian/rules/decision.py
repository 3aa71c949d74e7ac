"""May this path be written in this phase? One function for every layer; pure, total and the same everywhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kitty_guardian.model.decisions import Decision
from kitty_guardian.rules.matching import PATH, gravity, matcher_of
from kitty_guardian.rules.normalise import Flaw, Rejection, normalise
from kitty_guardian.rules.policy import Policy

if TYPE_CHECKING:
    from pathlib import Path, PurePath

    from kitty_guardian.model.phases import Phase
    from kitty_guardian.rules.matching import Verdict

DEFAULT_POLICY: Final = Policy.default()
_NEEDS_QUOTES: Final = re.compile(r"[^A-Za-z0-9_@%+=:,./-]").search
_REASONS: Final = {
    Flaw.EMPTY: "the path names no file inside the work tree",
    Flaw.NUL: "the path contains a NUL character",
    Flaw.ABSOLUTE: "the path is absolute",
    Flaw.ESCAPES: "the path leaves the work tree",
}


def is_write_allowed(path: Path, current_phase: Phase, *, changes_requested: bool = False) -> bool:
    """Whether the owner's table lets `path` (relative to the work tree) be written in `current_phase`.

    Same inputs, same answer: in every process, on every host, in any order. Artifacts may be named alone (`spec.md`) or
    with their folder (`kitty-specs/001-x/spec.md`).
    """
    return decide(path, current_phase, changes_requested=changes_requested).allowed


def decide(
    path: str | PurePath,
    phase: Phase,
    *,
    policy: Policy = DEFAULT_POLICY,
    changes_requested: bool = False,
) -> Decision:
    """The decision about `path` in `phase`; never raises, whatever the text.

    Args:
        path: Relative to the work tree. A bare artifact name counts as an artifact; callers that know whose path it is
            ask `Situation.judge`.
        phase: The effective phase.
        policy: The project's policy.
        changes_requested: Whether the latest verdict asks for changes; opens source and tests in review.
    """
    readings = normalise(path)
    if isinstance(readings, Rejection):
        return rejected(readings, phase)
    matcher = policy.matchers.get((phase, changes_requested, True)) or matcher_of(
        policy, phase, changes_requested=changes_requested, bare=True
    )
    if len(readings) == 1:
        return decision(matcher.verdict(readings[0]), readings[0].path, phase)
    judged = [(matcher.verdict(reading), reading.path) for reading in readings]
    verdict, place = min(judged, key=lambda found: gravity(found[0]))
    return decision(verdict, place, phase)


def decision(verdict: Verdict, path: str, phase: Phase, *, of: str = "") -> Decision:
    """`verdict` about `path`, `of` saying whose phase it is."""
    hint = verdict.hint
    if hint:
        hint = hint.replace(PATH, _quoted(path))
    return Decision(verdict.allowed, path, phase, verdict.rule, of + verdict.reason, hint)


def rejected(rejection: Rejection, phase: Phase) -> Decision:
    """The denial of a text that names nothing inside a work tree."""
    hint = "Name it relative to the root of the work tree"
    return Decision(
        allowed=False,
        path=rejection.text,
        phase=phase,
        rule=rejection.flaw.value,
        reason=_REASONS[rejection.flaw],
        hint=hint,
    )


def _quoted(path: str) -> str:
    # shlex.quote would do the same, but it lives in a module that imports os.
    return "'" + path.replace("'", "'\"'\"'") + "'" if _NEEDS_QUOTES(path) else path
