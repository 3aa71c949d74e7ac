"""Whose copy of a feature counts, where several work trees of one repository have one (facts, section 7).

Tools write a feature's status in one place and leave it stale in all others: in the main work tree, or for a feature
with a coordination branch on that branch. A work tree made for a work package branches off earlier and sees none of it.
So the other copy counts as soon as it has news about the feature that HEAD here does not have.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import attrs

from kitty_guardian.errors import GitError
from kitty_guardian.project.blobs import Blobs
from kitty_guardian.project.checkouts import Checkout, list_checkouts
from kitty_guardian.project.features import FEATURES
from kitty_guardian.project.gathering import STATUS_LOG
from kitty_guardian.project.meta import coordination_branch, parse_meta
from kitty_guardian.project.repository import Worktree
from kitty_guardian.project.statuslog import LOG_LIMIT

_BRANCHES = "refs/heads/"
_PLACES = ("refs/heads", "refs/remotes/*")
_NEWER = "has newer status of it"
_AHEAD = 24  # objects that git looks up while others are read


@attrs.frozen
class Copy:
    """Where a feature is read from.

    Attributes:
        commit: What is recorded of it.
        root: The work tree that has its branch checked out, absolute; None: none has.
        reason: Half a sentence for people; empty for a work tree's own copy.
    """

    commit: str
    root: Path | None
    reason: str


class Copies:
    """Answers for one work tree, as the repository is when it is first asked."""

    def __init__(self, worktree: Worktree, head: str) -> None:
        """Reads nothing yet.

        Args:
            worktree: The work tree that asks.
            head: Its HEAD's commit.
        """
        self._worktree = worktree
        self._git = worktree.git
        self._head = head
        self._objects = Blobs(worktree.git)

    @property
    def main(self) -> Copy | None:
        """What the main work tree holds, where this is a linked one and the main one is a work tree at all."""
        return self._main(_NEWER)

    def _main(self, why: str) -> Copy | None:
        first = self._checkouts[0] if self._worktree.is_linked and self._checkouts else None
        if first is None or first.commit is None:
            return None
        where = "" if first.root is None else f", {first.root},"
        return Copy(first.commit, first.root, f"the main work tree{where} {why}")

    def of(self, feature: str, *, in_part: bool) -> Copy | None:
        """The copy of `feature` that counts, or None where that is the work tree's own.

        Args:
            feature: Folder name below `kitty-specs/`.
            in_part: Whether the work tree was made for a part of the feature. Then no tool writes status in its own
                copy, and the main work tree's counts if it keeps any; else its own counts while it has news of its own.
        """
        coordination = self._coordination(feature)
        if coordination is not None and self._has_news(coordination.commit, self._head, feature):
            return coordination
        if (main := self.main) is None:
            return None
        if in_part:
            return self._main("keeps its status") if self._keeps_status(main.commit, feature) else None
        if not self._has_news(main.commit, self._head, feature) or self._has_news(self._head, main.commit, feature):
            return None
        return main

    def missing_branch(self, feature: str) -> str | None:
        """The coordination branch that the feature names and this repository does not have, if so."""
        branch = self._named_branches.get(feature)
        return branch if branch is not None and branch not in self._branches else None

    def that_count(self, features: Iterable[str], *, bound: Iterable[str], part: str) -> dict[str, Copy]:
        """The copies of `features` that count instead of the work tree's own, by folder name.

        Only a coordination branch, which names its feature, can stand in for a feature the work tree is not bound to:
        asking git for news of each of hundreds would take seconds.

        Args:
            features: Folder names below `kitty-specs/`.
            bound: The few features that the work tree is bound to.
            part: The part of its one feature that it was made for; empty for the whole.
        """
        known, asked = tuple(features), frozenset(bound)
        wanted = (name for name in known if name in asked or self._coordination(name) is not None)
        found = {name: self.of(name, in_part=bool(part) and name in asked) for name in wanted}
        return {name: copy for name, copy in found.items() if copy is not None}

    def _coordination(self, feature: str) -> Copy | None:
        """The branch that `meta.json` names, if it exists."""
        branch = self._named_branches.get(feature)
        if branch is None or (commit := self._branches.get(branch)) is None:
            return None
        root = next((each.root for each in self._checkouts if each.branch == branch), None)
        if root == self._worktree.root:
            return None
        return Copy(commit, root, f"its coordination branch, {branch}, {_NEWER}")

    @cached_property
    def _named_branches(self) -> dict[str, str]:
        """Coordination branch by feature, as `meta.json` of HEAD or of the main work tree names it."""
        found: dict[str, str] = {}
        commits = [self._head, *([self.main.commit] if self.main is not None else [])]
        for commit in commits:
            places = [(name, f"{commit}:{FEATURES}/{name}/meta.json") for name in self._folders(commit)]
            for number, (name, place) in enumerate(places):
                if number % _AHEAD == 0:
                    self._objects.expect([each for _, each in places[number : number + _AHEAD]])
                if (branch := coordination_branch(parse_meta(self._blob(place)), name)) is not None:
                    found.setdefault(name, branch)
        return found

    def _folders(self, commit: str) -> list[str]:
        rows = self._git.lines_z("ls-tree", "-d", "-z", "--name-only", commit, "--", f"{FEATURES}/")
        return [os.fsdecode(row).removeprefix(f"{FEATURES}/") for row in rows]

    @cached_property
    def _branches(self) -> dict[str, str]:
        """Commit by branch, of those that some `meta.json` names; a clone has them as remote-tracking ones."""
        patterns = [f"{place}/{name}" for name in set(self._named_branches.values()) for place in _PLACES]
        if not patterns:
            return {}
        output = self._git.run("for-each-ref", "--format=%(objectname) %(refname)", *patterns)
        found: dict[str, str] = {}
        # Later ones replace earlier ones: local branches all others, and of the remotes origin the rest.
        for row in sorted(output.splitlines(), key=lambda row: (b" refs/heads/" in row, b"/origin/" in row)):
            commit, _, name = os.fsdecode(row).partition(" ")
            found[name.split("/", 2 if name.startswith(_BRANCHES) else 3)[-1]] = commit
        return found

    @cached_property
    def _checkouts(self) -> tuple[Checkout, ...]:
        return list_checkouts(self._git)

    def _has_news(self, there: str, here: str, feature: str) -> bool:
        """Whether `there` has commits about the feature that `here` does not contain, and with them something new.

        What a squash merge brought is contained in nothing; but a log only ever grows, so one whose every line is here
        is older. A place where the feature was deleted has no copy of it.
        """
        place = f"{FEATURES}/{feature}"
        if there == here or (folder := self._object(f"{there}:{place}", "tree")) is None:
            return False
        if folder == self._object(f"{here}:{place}", "tree"):
            return False
        if not self._git.run("rev-list", "--max-count=1", there, f"^{here}", "--", f":(literal){place}").strip():
            return False
        known, other = (_lines(self._blob(f"{at}:{place}/{STATUS_LOG}")) for at in (here, there))
        return not known or not other <= known

    def _keeps_status(self, there: str, feature: str) -> bool:
        """Whether work packages of the feature are kept in a commit, and their log, if any, is not behind HEAD's."""
        place = f"{FEATURES}/{feature}"
        if self._object(f"{there}:{place}/tasks", "tree") is None:
            return False
        known, other = (_lines(self._blob(f"{at}:{place}/{STATUS_LOG}")) for at in (self._head, there))
        return not other < known

    def _blob(self, name: str) -> bytes | None:
        return self._object(name, "blob")

    def _object(self, name: str, kind: str) -> bytes | None:
        """Bytes of an object of this kind; one that cannot be read is none: reading the copy itself will tell."""
        try:
            found = self._objects.find(name, LOG_LIMIT)
        except GitError:
            return None
        return found[1] if found is not None and found[0] == kind else None


def _lines(data: bytes | None) -> frozenset[bytes]:
    return frozenset(line.strip() for line in (data or b"").split(b"\n")) - {b""}
