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
        work_packages: Work package id ("WP01") to lane.
        changes_requested: Whether a latest verdict asks for changes.
        problems: What could not be read.
    """

    feature: str
    phase: Phase
    evidence: tuple[str, ...] = ()
    work_packages: Mapping[str, Lane] = attrs.field(factory=dict)
    changes_requested: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether the feature has work packages and every one of them is done, approved or canceled."""
        return bool(self.work_packages) and all(lane.is_finished for lane in self.work_packages.values())
