"""What a work tree's rules are right now: whose path it is, in which phase, and what a person has opened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from kitty_guardian.model.phases import Phase
from kitty_guardian.rules import patterns, table
from kitty_guardian.rules.decision import decision, rejected
from kitty_guardian.rules.matching import ALWAYS, ALWAYS_REACHES, Verdict, any_of, gravity, matcher_of
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
_MALFORMED: Final = Verdict(allowed=True, rule="malformed", reason="it could not be read, and may be mended")
_IDLE: Final = Verdict(allowed=True, rule="no-active-feature", reason="no feature is being worked on")
_FEATURE_OF: Final = re.compile(rf"{patterns.below(table.FEATURES, short_names=True)}([^/]+)", re.DOTALL).match


@attrs.frozen
class FeatureState:
    """Where one feature stands.

    Attributes:
        phase: Its effective phase.
        finished: Whether every work package is done; its rules are off then.
        changes_requested: Whether the latest verdict asks for changes.
        candidates: Every phase it may be in where that could not be read; a path is denied if any of them denies it.
            Empty: `phase` it is.
        malformed: Files that could not be read, relative to the work tree: open, so that they can be mended.
    """

    phase: Phase
    finished: bool = False
    changes_requested: bool = False
    candidates: tuple[Phase, ...] = ()
    malformed: tuple[str, ...] = ()


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
    _known: Mapping[str, tuple[_Decider, ...]] = attrs.field(init=False, eq=False, repr=False)
    _by_key: Mapping[str, tuple[_Decider, ...]] = attrs.field(init=False, eq=False, repr=False)
    _bound: tuple[_Decider, ...] = attrs.field(init=False, eq=False, repr=False)
    _opened: Mapping[str, _Opened] = attrs.field(init=False, eq=False, repr=False)
    _transient: Callable[[str], object] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        known = {name: self._deciders(name, state) for name, state in self.features.items()}
        by_key: dict[str, tuple[_Decider, ...]] = {}
        for name, deciders in known.items():
            by_key[fold(name)] = (*by_key.get(fold(name), ()), *deciders)
        bound = [decider for name in self.bound for decider in known.get(name) or self._deciders(name, UNKNOWN)]
        opened: dict[str, _Opened] = {}
        for state in self.features.values():
            for path in state.malformed:
                readings = normalise(path)
                if not isinstance(readings, Rejection):
                    opened[readings[0].path] = _Opened(_MALFORMED, protected=True, below=False)
        for path in self.open_paths:
            readings = normalise(path)
            if not isinstance(readings, Rejection):
                verdict = Verdict(allowed=True, rule=f"open:{path}", reason=f"a person has opened {path} for a while")
                opened[readings[0].path] = _Opened(verdict, protected=_holds_always_protected(readings), below=True)
        # A frozen value derives what it needs from its own fields once, here.
        derive = object.__setattr__
        derive(self, "_known", known)
        derive(self, "_by_key", by_key)
        derive(self, "_bound", tuple(decider for decider in bound if decider.matcher is not None))
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
        opened = self._opening(spelled) if self._opened else None
        if opened is not None and (opened.protected or not _holds_always_protected(readings)):
            return decision(opened.verdict, spelled, self._phase)
        judged = [found for reading in readings for found in self._verdicts(reading)]
        verdict, path, decider = judged[0] if len(judged) == 1 else min(judged, key=lambda found: gravity(found[0]))
        if decider is None:
            return decision(verdict, path, self._phase)
        return decision(verdict, path, decider.phase, of=decider.label)

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
        if isinstance(readings, Rejection) or _holds_always_protected(readings):
            return False
        return self._transient(readings[0].path) is not None

    @property
    def _phase(self) -> Phase:
        """What a decision carries where no feature decides."""
        return self.features.get(self.bound[0], UNKNOWN).phase if self.bound else UNKNOWN.phase

    def _deciders(self, name: str, state: FeatureState) -> tuple[_Decider, ...]:
        """One for the phase, or one for each phase it may be in."""
        if state.finished:
            return (_Decider(f"{name}: ", state.phase, None),)
        doubt = f"{name}, which may be in {{}}: " if state.candidates else f"{name}: "
        return tuple(
            _Decider(
                doubt.format(phase),
                phase,
                matcher_of(self.policy, phase, changes_requested=state.changes_requested, bare=False),
            )
            for phase in state.candidates or (state.phase,)
        )

    def _opening(self, path: str) -> _Opened | None:
        """The exception that covers `path`, the closest first."""
        if path in self._opened:
            return self._opened[path]
        while path := path.rpartition("/")[0]:
            if path in self._opened and self._opened[path].below:
                return self._opened[path]
        return None

    def _deciding(self, reading: Reading) -> tuple[_Decider, ...]:
        """Who decides about `reading`: the features it may belong to, or for the project's own files the bound ones."""
        inside = _FEATURE_OF(reading.key)
        if inside is None:
            return self._bound
        name = reading.path.split("/", 2)[1]
        found = self._known.get(name)
        if found is not None:
            return found
        return self._by_key.get(inside[1]) or self._deciders(name, UNKNOWN)

    def _verdicts(self, reading: Reading) -> list[tuple[Verdict, str, _Decider | None]]:
        """What each decider says about `reading`; without any, what holds always. Never empty."""
        path, deciding = reading.path, self._deciding(reading)
        found: list[tuple[Verdict, str, _Decider | None]] = [
            (decider.matcher.verdict(reading), path, decider) for decider in deciding if decider.matcher is not None
        ]
        if found:
            return found
        verdict = ALWAYS.find(reading.key) or (_FINISHED if deciding else _IDLE)
        return [(verdict, path, deciding[0] if deciding else None)]

    def _reaches(self, reading: Reading) -> bool:
        if ALWAYS_REACHES(reading.key):
            return True
        active = [decider.matcher for decider in self._deciding(reading) if decider.matcher is not None]
        return any(self.policy.mode is Mode.STRICT or matcher.reaches(reading.key) is not None for matcher in active)


@attrs.frozen
class _Decider:
    """A feature as one who decides: how it is called in a reason, and its rules, None once it is finished."""

    label: str
    phase: Phase
    matcher: Matcher | None


@attrs.frozen
class _Opened:
    """One exception in force; `protected`: whether it names something that is always protected.

    `below`: whether it opens what lies below it, too.
    """

    verdict: Verdict
    protected: bool
    below: bool


def _holds_always_protected(readings: tuple[Reading, ...]) -> bool:
    return any(ALWAYS.find(reading.key) is not None for reading in readings)


def _is_git(path: str) -> bool:
    return path.startswith(".git") and (len(path) == len(".git") or path[len(".git")] == "/")
