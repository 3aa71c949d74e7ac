"""Where a repository's own enforcement state lives: in its git directory, whatever `SPEC_KITTY_HOME` says.

Two state roots must not mean two daemons, so nothing here depends on one.
"""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from kitty_paths import layout
from kitty_paths.errors import InvalidRepositoryPathError
from kitty_paths.group import Group, surface_below
from kitty_paths.platforms import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kitty_paths.surface import Surface

LAYOUT = Platform.LINUX  # git directories are laid out alike everywhere


class GuardianState(Group):
    """What one worktree's guardian keeps, all of it below `directory` (mode 0700).

    Attributes:
        base: The worktree's own git directory, absolute.
        platform: Always `LAYOUT`.
    """

    __slots__ = ()

    @property
    def directory(self) -> Surface:
        """The directory of everything below."""
        return self._child(layout.WORKTREE["guardian.directory"])

    @property
    def lock(self) -> Surface:
        """The lock a running daemon holds as long as it lives."""
        return self._child(layout.WORKTREE["guardian.lock"])

    @property
    def start_lock(self) -> Surface:
        """The lock around starting one."""
        return self._child(layout.WORKTREE["guardian.start_lock"])

    @property
    def socket(self) -> Surface:
        """Where the daemon answers."""
        return self._child(layout.WORKTREE["guardian.socket"])

    @property
    def status(self) -> Surface:
        """What the daemon says about itself, JSON."""
        return self._child(layout.WORKTREE["guardian.status"])

    @property
    def log(self) -> Surface:
        """The daemon's output."""
        return self._child(layout.WORKTREE["guardian.log"])

    @property
    def violations(self) -> Surface:
        """The audit trail, JSON lines."""
        return self._child(layout.WORKTREE["guardian.violations"])

    @property
    def journal(self) -> Surface:
        """What is being undone right now, JSON lines, for the next start after a crash."""
        return self._child(layout.WORKTREE["guardian.journal"])

    @property
    def adoption(self) -> Surface:
        """What was taken as legal when guarding began, JSON."""
        return self._child(layout.WORKTREE["guardian.adoption"])

    @property
    def baseline(self) -> Surface:
        """The directory of the legal record."""
        return self._child(layout.WORKTREE["guardian.baseline"])

    @property
    def record(self) -> Surface:
        """The legal record, SQLite."""
        return self._child(layout.WORKTREE["guardian.record"])

    @property
    def stage(self) -> Surface:
        """The directory legal bytes are prepared in before they are exchanged."""
        return self._child(layout.WORKTREE["guardian.stage"])

    @property
    def quarantine(self) -> Surface:
        """The directory of what was taken away."""
        return self._child(layout.WORKTREE["guardian.quarantine"])


@attrs.frozen
class RepositoryState:
    """One worktree's enforcement state, and what it shares with the repository's other worktrees.

    Attributes:
        git_dir: The worktree's own git directory, absolute.
        common_dir: The git directory all worktrees share, absolute.
    """

    git_dir: Path
    common_dir: Path

    @classmethod
    def at(cls, git_dir: str | os.PathLike[str], common_dir: str | os.PathLike[str]) -> RepositoryState:
        """Give the state of the worktree with these git directories.

        Args:
            git_dir: `git rev-parse --path-format=absolute --git-dir`.
            common_dir: `git rev-parse --path-format=absolute --git-common-dir`.

        Raises:
            InvalidRepositoryPathError: One of them is relative.
        """
        return cls(_absolute("git_dir", git_dir), _absolute("common_dir", common_dir))

    @property
    def events(self) -> Surface:
        """The event store, SQLite."""
        return surface_below(self.common_dir, LAYOUT, layout.REPOSITORY["events"])

    @property
    def guardian(self) -> GuardianState:
        """What this worktree's guardian keeps."""
        return GuardianState(self.git_dir, LAYOUT)

    def surfaces(self) -> tuple[Surface, ...]:
        """Give every surface: the shared ones, then the worktree's, in the layout's order."""
        shared = (surface_below(self.common_dir, LAYOUT, row) for row in layout.REPOSITORY.values())
        own = (surface_below(self.git_dir, LAYOUT, row) for row in layout.WORKTREE.values())
        return (*shared, *own)


def _absolute(name: str, path: str | os.PathLike[str]) -> Path:
    absolute = Path(path)
    if not absolute.is_absolute():
        raise InvalidRepositoryPathError(
            f"`{name}` is {os.fspath(path)!r}, a relative path", hint="Ask git for it with --path-format=absolute"
        )
    return absolute
