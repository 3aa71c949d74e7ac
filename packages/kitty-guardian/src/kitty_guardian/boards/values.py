"""What there is to tell about work packages: frozen values, and the one error of asking for them."""

from __future__ import annotations

from pathlib import Path

import attrs

from kitty_guardian.errors import GuardianError
from kitty_guardian.model.events import Event
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase


class UnknownWorkPackageError(GuardianError):
    """A work package was named that its feature does not have."""

    code = "guardian.work-package.unknown"


@attrs.frozen
class Package:
    """One work package.

    Attributes:
        id: Such as "WP01".
        lane: Its lane; None where it has none yet (recorded) or it cannot be read (files).
        title: What its file calls it; empty without a file.
        path: Its file, relative to the work tree; empty without one.
        dependencies: The work packages that come first.
        problems: Why its file cannot be worked on; half sentences.
        actor: Who moved it last, or None; a claim.
        since: When it was moved last, ISO 8601; empty where that is not known.
        changes_requested: Whether its latest verdict asks for changes and it has not been handed in since.
        forced: How many of its moves were forced.
    """

    id: str
    lane: Lane | None
    title: str = ""
    path: str = ""
    dependencies: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    actor: str | None = None
    since: str = ""
    changes_requested: bool = False
    forced: int = 0


@attrs.frozen
class FeatureBoard:
    """The work packages of one feature.

    Attributes:
        feature: Folder name below `kitty-specs/`.
        phase: The enforced phase; of a feature that was not recorded the one its files show.
        finished: Whether it has work packages and every one is done, approved or canceled.
        recorded: Whether the store knows it; False: all of this is what its files say.
        packages: By id, in order.
    """

    feature: str
    phase: Phase
    finished: bool
    recorded: bool
    packages: tuple[Package, ...]

    def package(self, name: str) -> Package | None:
        """The work package of that id, or None."""
        return next((package for package in self.packages if package.id == name), None)

    def waits_for(self, package: Package) -> tuple[str, ...]:
        """Which work packages have to be finished before this one can begin."""
        if package.lane is not Lane.PLANNED:
            return ()
        lanes = {each.id: each.lane for each in self.packages}
        return tuple(name for name in package.dependencies if (lane := lanes.get(name)) is None or not lane.is_finished)


@attrs.frozen
class Boards:
    """The features that were asked for.

    Attributes:
        worktree: The work tree; absolute.
        features: In the order of their names.
        binding: Why these: half a sentence for people.
        is_bound: Whether they are what the work tree is bound to, or what was asked for; False: it is bound to none,
            and these are the unfinished ones.
    """

    worktree: Path
    features: tuple[FeatureBoard, ...]
    binding: str
    is_bound: bool = True


@attrs.frozen
class PackageReport:
    """One work package and what happened to it.

    Attributes:
        board: Its feature.
        package: The work package.
        history: Its moves as they were recorded, oldest first; empty where nothing was.
    """

    board: FeatureBoard
    package: Package
    history: tuple[Event, ...]
