"""What the guard leaves alone although the phase blocks it: other repositories, ignored and transient files."""

from __future__ import annotations

import stat
from enum import Enum, auto

from kitty_guardian.model.decisions import Decision
from kitty_guardian.project.repository import PROJECT_DIRECTORIES
from kitty_guardian.rules.situation import Situation
from kitty_guardian.watch.heads import Heads
from kitty_guardian.watch.tree import WorkTree, join

_MOST_LOOKED_AT = 20_000
_DEEPEST_LOOKED_INTO = 64


class Content(Enum):
    """What a new directory holds."""

    NOTHING = auto()  # no byte: at most further directories
    EXEMPT = auto()  # only what is exempt, as a build's output folder does
    SOMETHING = auto()


class Exemptions:
    """Asks HEAD, the policy and the disk (enforcement model, section 2).

    Args:
        tree: The work tree.
        heads: What HEAD tracks and ignores.

    Attributes:
        boundaries: Directories that were other repositories when they came.
        known: New directories in blocked places that held only what is exempt when they were last looked through.
    """

    def __init__(self, tree: WorkTree, heads: Heads) -> None:
        self.boundaries: frozenset[str] = frozenset()
        self.known: set[str] = set()
        self._tree = tree
        self._heads = heads

    def is_elsewhere(self, path: str) -> bool:
        """Whether a path belongs to git itself or to another repository."""
        if path == ".git" or path in self.boundaries:
            return True
        # A link in a commit is not enough: what is no repository is this one's, unless it is still empty.
        return self._heads.is_gitlink(path) and (self.is_repository(path) or self._tree.names(path) == [])

    def is_other_repository(self, path: str, decision: Decision) -> bool:
        """Whether an unrecorded directory is a repository or work tree of its own, where one may stand.

        Where the phase blocks writing, a `.git` inside a new folder changes nothing: the folder must not be there.
        """
        return decision.allowed and self.is_repository(path)

    def is_repository(self, directory: str) -> bool:
        """Whether git takes a directory for another repository, and this one has nothing in it.

        An empty `.git` makes none; and a folder that HEAD tracks files in, or that holds what decides about phases,
        stays this repository's whatever is put there.
        """
        if directory.partition("/")[0] in PROJECT_DIRECTORIES or self._heads.tracks_below(directory):
            return False
        git = join(directory, ".git")
        st = self._tree.lstat(git)
        if st is None:
            return False
        if stat.S_ISREG(st.st_mode):
            return True  # a linked work tree's or a submodule's pointer
        return all(self._tree.lstat(join(git, name)) is not None for name in ("HEAD", "objects", "refs"))

    def is_exempt(self, path: str, situation: Situation, *, directory: bool) -> bool:
        """Untracked, and transient or ignored by HEAD's rules; never what is always protected."""
        if self._heads.tracks(path) or situation.judge(path).rule.startswith("always:"):
            return False
        return situation.is_transient(path) or self._heads.ignores(path, directory=directory)

    def content_of(self, directory: str, situation: Situation) -> Content:
        """What a new directory holds; the look ends at the first thing that counts."""
        found = Content.NOTHING
        places = [(directory, 0)]
        looked = 0
        while places:
            place, depth = places.pop()
            for name, st in self._tree.names(place):
                path, is_directory = join(place, name), stat.S_ISDIR(st.st_mode)
                looked += 1
                if looked > _MOST_LOOKED_AT or depth > _DEEPEST_LOOKED_INTO:
                    return Content.SOMETHING
                if self.is_exempt(path, situation, directory=is_directory):
                    found = Content.EXEMPT
                elif is_directory:
                    places.append((path, depth + 1))
                else:
                    return Content.SOMETHING
        if found is Content.EXEMPT:
            self.known.add(directory)
        return found
