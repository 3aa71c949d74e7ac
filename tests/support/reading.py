"""Features read from the disk and from a commit at once, which must be the same, and logs in a few words."""

from __future__ import annotations

from datetime import UTC, datetime

from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.features import read_features
from kitty_guardian.project.git import Git
from kitty_guardian.project.pins import Adoption, states_of
from kitty_guardian.project.survey import Survey
from kitty_guardian.project.trees import DiskTree, GitTree
from support.repositories import Repository, transition


def from_both(repository: Repository) -> dict[str, PhaseReport]:
    """What the work tree is read as and, committed here, the commit.

    Raises:
        AssertionError: They differ.
    """
    repository.commit()
    on_disk = read_features(DiskTree(repository.path))
    assert from_commit(repository) == on_disk
    return on_disk


def from_commit(repository: Repository, commit: str = "HEAD") -> dict[str, PhaseReport]:
    """What one commit is read as."""
    with GitTree(Git(repository.path, env=repository.environment), commit) as tree:
        return read_features(tree)


def log_of(*moves: str, first: int = 0) -> str:
    """A log of moves such as "WP01 done", each later than the one before.

    Args:
        moves: Work package and lane.
        first: The number the first one has, as `transition` takes it.
    """
    lines = [transition(*move.split(" "), number=number) for number, move in enumerate(moves, start=first)]
    return "".join(f"{line}\n" for line in lines)


def problems(report: PhaseReport) -> list[str]:
    """What could not be read, as people are told."""
    return [str(problem) for problem in report.problems]


def adopted(found: Survey, prior: Adoption | None = None) -> Adoption:
    """The record a guardian would make of what was surveyed."""
    return Adoption(
        at=datetime(2026, 3, 1, 10, tzinfo=UTC),
        head=found.head,
        bound=found.binding.features,
        every=found.binding.every,
        features=states_of(found.reports, prior),
        part=found.binding.part,
        scope=found.reports[found.binding.features[0]].scope if found.binding.part else (),
    )
