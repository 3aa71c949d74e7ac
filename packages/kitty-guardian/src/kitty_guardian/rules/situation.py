"""What a work tree's rules are right now: whose path it is, in which phase, and what a person has opened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from kitty_guardian.model.phases import Phase
from kitty_guardian.rules import patterns, table
from kitty_guardian.rules.decision import decision, gravest, rejected
from kitty_guardian.rules.matching import ALWAYS, ALWAYS_REACHES, Verdict, any_of, matcher_of
from kitty_guardian.rules.normalise import Rejection, fold, normalise
from kitty_guardian.rules.policy import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kitty_guardian.model.decisions import Decision
    from kitty_guardian.rules.matching import Matcher
    from kitty_guardian.rules.normalise import Reading
    from kitty_guardian.rules.policy import Policy

_GIT: Final = Verdict(allowed=True, rule="git", reason="git's own files are git's")
_PAUSED: Final = Verdict(allowed=True, rule="paused", reason="a person has paused the guardian")
_FINISHED: Final = Verdict(allowed=True, rule="finished", reason="the feature is finished")
_IDLE: Final = Verdict(allowed=True, rule="no-active-feature", reason="no feature is being worked on")
_FEATURE_OF: Final = re.compile(rf"{patterns.below(table.FEATURES, short_names=True)}([^/]+)", re.DOTALL).match


@attrs.frozen
class FeatureState:
    """Where one feature stands.

    Attributes:
        phase: Its effective phase.
        finished: Whether every work package is done; its rules are off then.
        changes_requested: Whether the latest verdict asks for changes.
    """

    phase: Phase
    finished: bool = False
    changes_requested: bool = False


UNKNOWN: Final = FeatureState(Phase.RESEARCH)
"""A feature folder without history is in research (model section 1)."""


@attrs.frozen
class Situation:
    """Everything a decision about a work tree depends on; compiled once, asked for every file.

    Attributes:
        policy: The project's policy.
        features: Every feature known, by the name of its folder below `kitty-specs/`.
        bound: The features whose phase binds the project's own files; empty when none is worked on.
        open_paths: Exceptions in force, relative to the work tree; a directory opens everything below it, except what
            is always protected, which has to be named itself.
        paused: Whether a person has paused the guardian; everything inside the work tree is open then.
    """

    policy: Policy
    features: Mapping[str, FeatureState]
    bound: tuple[str, ...]
    open_paths: tuple[str, ...] = ()
    paused: bool = False
    _by_key: Mapping[str, tuple[str, ...]] = attrs.field(init=False, eq=False, repr=False)
    _opened: Mapping[str, _Opened] = attrs.field(init=False, eq=False, repr=False)
    _transient: Callable[[str], object] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        by_key: dict[str, tuple[str, ...]] = {}
        for name in self.features:
            by_key[fold(name)] = (*by_key.get(fold(name), ()), name)
        opened: dict[str, _Opened] = {}
        for path in self.open_paths:
            readings = normalise(path)
            if not isinstance(readings, Rejection):
                verdict = Verdict(allowed=True, rule=f"open:{path}", reason=f"a person has opened {path} for a while")
                opened[readings[0].path] = _Opened(verdict, protected=_always(readings) is not None)
        # A frozen value derives what it needs from its own fields once, here.
        derive = object.__setattr__
        derive(self, "_by_key", by_key)
        derive(self, "_opened", opened)
        derive(self, "_transient", any_of(patterns.exact(pattern) for pattern in self.policy.transients))

    def judge(self, path: str) -> Decision:
        """The decision about `path`, relative to the work tree with `/` separators; a file's or a directory's.

        A trailing `/` says that it is a directory, which strict mode never holds back for being neutral. Where no
        feature decides (git's files, nothing bound), the phase given is the first bound feature's, else research.
        """
        readings = normalise(path)
        if isinstance(readings, Rejection):
            return rejected(readings, self._phase)
        spelled = readings[0].path
        if _is_git(spelled):
            return decision(_GIT, spelled, self._phase)
        if self.paused:
            return decision(_PAUSED, spelled, self._phase)
        opened = self._opening(spelled)
        always = _always(readings)
        if always is not None and not (opened and opened.protected):
            return decision(always[1], always[0].path, self._phase)
        if opened is not None:
            return decision(opened.verdict, spelled, self._phase)
        return gravest([judged for reading in readings for judged in self._placed(reading)])

    def may_hold(self, directory: str) -> bool:
        r"""Whether anything at or below `directory` ("" is the root) could be denied; False only if nothing can.

        Not counted are names that mean a place outside `directory` on other systems (`x\..\..\src`): `judge` denies
        those, but a tree that holds them only there holds nothing a rule protects.
        """
        if self.paused:
            return False
        readings = normalise(directory)
        if isinstance(readings, Rejection):
            return True
        return not _is_git(readings[0].path) and any(self._reaches(reading) for reading in readings)

    def is_transient(self, path: str) -> bool:
        """Whether `path` is an editor's or an interpreter's passing file, which the watcher leaves alone."""
        readings = normalise(path)
        if isinstance(readings, Rejection) or _always(readings) is not None:
            return False
        return self._transient(readings[0].path) is not None

    @property
    def _phase(self) -> Phase:
        return self.features.get(self.bound[0], UNKNOWN).phase if self.bound else Phase.RESEARCH

    def _opening(self, path: str) -> _Opened | None:
        """The exception that covers `path`, the closest first."""
        while self._opened and path:
            if path in self._opened:
                return self._opened[path]
            path = path.rpartition("/")[0]
        return None

    def _deciding(self, reading: Reading) -> tuple[tuple[str, FeatureState], ...]:
        """The features whose rules decide about `reading`, finished ones too."""
        inside = _FEATURE_OF(reading.key)
        if inside is None:
            return tuple((name, self.features.get(name, UNKNOWN)) for name in self.bound)
        name = reading.path.split("/", 2)[1]
        names = (name,) if name in self.features else self._by_key.get(inside[1], (name,))
        return tuple((name, self.features.get(name, UNKNOWN)) for name in names)

    def _placed(self, reading: Reading) -> list[Decision]:
        """What each feature says that decides about `reading`; never empty."""
        path, deciding = reading.path, self._deciding(reading)
        active = [(name, state) for name, state in deciding if not state.finished]
        if active:
            return [
                decision(self._matcher(state).verdict(reading), path, state.phase, of=f"{name}: ")
                for name, state in active
            ]
        if _FEATURE_OF(reading.key) is None:
            return [decision(_IDLE, path, self._phase)]
        return [decision(_FINISHED, path, state.phase, of=f"{name}: ") for name, state in deciding]

    def _reaches(self, reading: Reading) -> bool:
        if ALWAYS_REACHES(reading.key):
            return True
        active = [self._matcher(state) for _, state in self._deciding(reading) if not state.finished]
        strict = self.policy.mode is Mode.STRICT
        return any(strict or matcher.reaches(reading.key) is not None for matcher in active)

    def _matcher(self, state: FeatureState) -> Matcher:
        return matcher_of(self.policy, state.phase, changes_requested=state.changes_requested, bare=False)


@attrs.frozen
class _Opened:
    """One exception in force; `protected`: whether it names something that is always protected."""

    verdict: Verdict
    protected: bool


def _always(readings: tuple[Reading, ...]) -> tuple[Reading, Verdict] | None:
    return next(((reading, found) for reading in readings if (found := ALWAYS.find(reading.key)) is not None), None)


def _is_git(path: str) -> bool:
    return path == ".git" or path.startswith(".git/")
