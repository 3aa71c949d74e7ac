"""What the guard leaves alone although the phase blocks it: other repositories, ignored and transient files."""

from __future__ import annotations

import stat

from kitty_guardian.model.decisions import Decision
from kitty_guardian.rules.situation import Situation
from kitty_guardian.watch.heads import Heads
from kitty_guardian.watch.tree import WorkTree, join


class Exemptions:
    """Asks HEAD, the policy and the disk (enforcement model, section 2).

    Args:
        tree: The work tree.
        heads: What HEAD tracks and ignores.

    Attributes:
        boundaries: Directories that were other repositories when they came.
    """

    def __init__(self, tree: WorkTree, heads: Heads) -> None:
        self.boundaries: frozenset[str] = frozenset()
        self._tree = tree
        self._heads = heads

    def is_elsewhere(self, path: str) -> bool:
        """Whether a path belongs to git itself or to another repository."""
        return path == ".git" or path in self.boundaries or self._heads.is_gitlink(path)

    def is_other_repository(self, path: str, decision: Decision) -> bool:
        """Whether an unrecorded directory is a repository or work tree of its own, where one may stand.

        Where the phase blocks writing, a `.git` inside a new folder changes nothing: the folder must not be there.
        """
        return decision.allowed and self.is_repository(path)

    def is_repository(self, directory: str) -> bool:
        """Whether a directory holds a `.git` of its own."""
        return self._tree.lstat(join(directory, ".git")) is not None

    def is_exempt(self, path: str, situation: Situation, *, directory: bool) -> bool:
        """Untracked, and transient or ignored by HEAD's rules; never what is always protected."""
        if self._heads.tracks(path) or situation.judge(path).rule.startswith("always:"):
            return False
        return situation.is_transient(path) or self._heads.ignores(path, directory=directory)

    def holds_only_exempt(self, directory: str, situation: Situation) -> bool:
        """Whether a new directory has content and all of it is exempt (a build's output folder)."""
        names = self._tree.names(directory)
        return bool(names) and all(
            self.is_exempt(path := join(directory, name), situation, directory=stat.S_ISDIR(st.st_mode))
            or (stat.S_ISDIR(st.st_mode) and self.holds_only_exempt(path, situation))
            for name, st in names
        )

    def holds_any_file(self, directory: str) -> bool:
        """Whether anything but directories lies below a directory."""
        return any(
            not stat.S_ISDIR(st.st_mode) or self.holds_any_file(join(directory, name))
            for name, st in self._tree.names(directory)
        )
