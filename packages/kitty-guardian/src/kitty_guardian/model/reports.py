"""What reading a feature found: its detected phase, why, and what could not be read."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase


@attrs.frozen
class Problem:
    """One thing that could not be read, with its place.

    Attributes:
        path: Relative to the work tree, separators are `/`.
        line: 1-based, or None where a whole file is meant.
        message: What is wrong with it.
    """

    path: str
    line: int | None
    message: str

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.message}"


@attrs.frozen
class PhaseReport:
    """The detected phase of one feature: what its files look like, never what is enforced (section 1).

    Attributes:
        feature: The feature's folder name below `kitty-specs/`.
        phase: The detected phase.
        evidence: Sentences, the deciding one first.
        work_packages: Work package id ("WP01") to lane; one whose lane cannot be read is left out.
        changes_requested: Whether a latest verdict asks for changes.
        problems: What could not be read.
        scope: The work packages whose lanes were asked for, those a work tree was made for; empty: all of them.
        candidates: Every phase the feature may be in, given what could not be read; in order. Only `phase`, or nothing,
            where there is no doubt.
        unreadable: Work packages whose lane cannot be read, or may be another than was read.
        malformed: Paths of the files that have to be mended before everything can be read.
    """

    feature: str
    phase: Phase
    evidence: tuple[str, ...] = ()
    work_packages: Mapping[str, Lane] = attrs.field(factory=dict)
    changes_requested: bool = False
    problems: tuple[Problem, ...] = ()
    scope: tuple[str, ...] = ()
    candidates: tuple[Phase, ...] = ()
    unreadable: tuple[str, ...] = ()
    malformed: tuple[str, ...] = ()

    @property
    def is_certain(self) -> bool:
        """Whether the phase does not depend on anything that could not be read."""
        return len(self.candidates) <= 1

    @property
    def finished(self) -> bool:
        """Whether the feature has work packages and every one of them is known to be done, approved or canceled."""
        return (
            bool(self.work_packages)
            and not self.unreadable
            and self.is_certain
            and all(lane.is_finished for lane in self.work_packages.values())
        )
