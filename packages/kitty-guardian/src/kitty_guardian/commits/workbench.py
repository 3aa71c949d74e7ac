"""A throw-away repository that borrows another one's objects: what git itself would merge is found out there.

Merges must be judged by what git makes of two commits, not by what a merge driver makes of them that somebody has named
in `.git/config` and `.gitattributes`: a driver may write anything. Here are no attributes, and no configuration but
ours. What merging writes stays here, too.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

from kitty_guardian.commits.changes import Change, changes_between
from kitty_guardian.errors import GitError
from kitty_guardian.project.git import Git

_ANY_STATUS = range(256)
_CLEAN, _CONFLICTING = 0, 1
_PERSON = ("-c", "user.name=guardian", "-c", "user.email=guardian@localhost")


def borrow(git: Git, directory: Path, config: Iterable[tuple[str, str]] = (), *, work_tree: Path | None = None) -> Git:
    """Make an empty repository whose objects are those of another, and git that runs in it.

    Args:
        git: The repository that lends its objects.
        directory: Where to make it; its parent exists, itself does not.
        config: Configuration it gets, full keys with values; neither the person's nor the system's applies.
        work_tree: What git takes for its work tree (attributes are read there); None: the directory itself.

    Raises:
        GitError: The lender cannot be read.
        OSError: It cannot be written.
    """
    answers = git.text("rev-parse", "--show-object-format", "--git-path", "objects", "--git-path", "shallow")
    algorithm, objects, shallow = answers.split("\n")
    lenders = [os.fspath((git.root / objects).absolute())]
    # Inside a hook git hands over where the objects are that are to be accepted (`git receive-pack`'s quarantine).
    lenders += filter(None, git.environment.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "").split(os.pathsep))
    directory.mkdir(mode=0o700)  # never its parents: a repository that was moved away is not ours to begin anew
    for name in ("objects/info", "refs"):
        (directory / name).mkdir(parents=True)
    (directory / "objects/info/alternates").write_bytes(b"".join(os.fsencode(f"{lender}\n") for lender in lenders))
    (directory / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
    sections = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n\tattributesFile = /dev/null\n"
    (directory / "config").write_text(f"{sections}[extensions]\n\tobjectFormat = {algorithm}\n", encoding="ascii")
    if (git.root / shallow).is_file():
        shutil.copyfile(git.root / shallow, directory / "shallow")
    environment = {
        **git.environment,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
    }
    made = Git(work_tree or directory, git_dir=directory, env=environment, keep=["GIT_ATTR_NOSYSTEM"])
    for key, value in config:
        made.run("config", "--file", os.fspath(directory / "config"), "--add", key, value)
    return made


@attrs.frozen
class Merge:
    """What git makes of several commits by itself.

    Attributes:
        tree: The tree's object id; it exists on the workbench alone.
        conflicts: The paths that git could not decide; what the tree holds there is nobody's.
    """

    tree: str
    conflicts: frozenset[str]


class Workbench:
    """Merges commits of one repository; a context manager that makes nothing until it is first used.

    Args:
        git: The repository.
    """

    def __init__(self, git: Git) -> None:
        self._lender = git
        self._place: tempfile.TemporaryDirectory[str] | None = None
        self._borrower: Git | None = None
        self._merges: dict[tuple[str, ...], Merge | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._place is not None:
            self._place.cleanup()
            self._place = self._borrower = None

    def merge(self, parents: tuple[str, ...]) -> Merge | None:
        """What git makes of two or more commits; None where it cannot tell (git before 2.38, a damaged history)."""
        if parents not in self._merges:
            try:
                self._merges[parents] = self._merge(parents)
            except GitError:
                self._merges[parents] = None
        return self._merges[parents]

    def pick(self, base: str | None, theirs: str | None, onto: str | None) -> Merge | None:
        """What `onto` becomes when the change from `base` to `theirs` is applied to it, as `git cherry-pick` does.

        Args:
            base: Commit or tree before the change; None, here and below, is the empty tree.
            theirs: Commit or tree after it.
            onto: Commit or tree that it is applied to.
        """
        try:
            root = self._invent(base)
            return self._two(self._invent(onto, root), self._invent(theirs, root))
        except GitError:
            return None

    def differences(self, merge: Merge, commit: str) -> tuple[Change, ...]:
        """Where a commit holds something else than a merge.

        Raises:
            GitError: The commit cannot be read.
        """
        return changes_between(self._git, merge.tree, commit)

    @property
    def _git(self) -> Git:
        if self._borrower is None:
            self._place = tempfile.TemporaryDirectory(prefix="kitty-guardian-", ignore_cleanup_errors=True)
            self._borrower = borrow(self._lender, Path(self._place.name) / "bench.git")
        return self._borrower

    def _merge(self, parents: tuple[str, ...]) -> Merge | None:
        """An octopus is merged one parent after the other, as git does."""
        ours, conflicts = parents[0], frozenset[str]()
        merge = None
        for number, theirs in enumerate(parents[1:], start=2):
            if (merge := self._two(ours, theirs)) is None:
                return None
            conflicts |= merge.conflicts
            if number < len(parents):
                ours = self._commit(merge.tree, ours, theirs)
        return merge and Merge(merge.tree, conflicts)

    def _two(self, ours: str, theirs: str) -> Merge | None:
        status, output = self._git.attempt(
            "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", "--allow-unrelated-histories",
            ours, theirs, accept=_ANY_STATUS,
        )  # fmt: skip
        if status not in {_CLEAN, _CONFLICTING} or not output:
            return None
        tree, *conflicts = output.removesuffix(b"\0").split(b"\0")
        return Merge(tree.decode("ascii"), frozenset(os.fsdecode(path) for path in conflicts))

    def _invent(self, content: str | None, *parents: str) -> str:
        tree = self._git.text("mktree") if content is None else f"{content}^{{tree}}"
        return self._commit(tree, *parents)

    def _commit(self, tree: str, *parents: str) -> str:
        options = [option for parent in parents for option in ("-p", parent)]
        return self._git.text(*_PERSON, "commit-tree", "-m", "merge", *options, tree)
