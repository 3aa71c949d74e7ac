"""Which git work tree a place belongs to, and whether it holds a Spec Kitty project."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import attrs

from kitty_guardian.errors import GitError, NotAProjectError, NotARepositoryError
from kitty_guardian.project.git import DEFAULT_TIMEOUT, Git, failure
from kitty_guardian.project.regular import read_regular
from kitty_paths import RepositoryState

PROJECT_DIRECTORIES = ("kitty-specs", ".kittify")
"""A work tree that holds one of these at its top is a Spec Kitty project (facts, section 6)."""

_NAME_LIMIT = 1 << 12
_WORKTREES = ".worktrees"
_SET_ASIDE = ("rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START")
"""Where git notes which branch it took HEAD off, as its own `status` reads it."""
_OBJECT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")

_ASKED = (
    "--is-bare-repository",
    "--is-inside-git-dir",  # these two are answered before git refuses the next one
    "--show-toplevel",
    "--absolute-git-dir",
    "--git-common-dir",
)
_HINT = "run it inside the work tree of a git repository, or make one with: git init"


@attrs.frozen
class Worktree:
    """One git work tree, the main one or a linked one.

    Attributes:
        root: Its top directory; absolute, without symbolic links.
        git_dir: Its own part of the repository (`.git`, or `.git/worktrees/<name>` of the main one); absolute.
        common_dir: What all work trees of the repository share; equals `git_dir` in the main one; absolute.
        environment: The environment git is run with, cleaned; None: the process's own.
        patience: Seconds one git call may take.
    """

    root: Path
    git_dir: Path
    common_dir: Path
    environment: Mapping[str, str] | None = attrs.field(default=None, repr=False, eq=False)
    patience: float = attrs.field(default=DEFAULT_TIMEOUT, repr=False, eq=False)

    @property
    def is_linked(self) -> bool:
        """Whether this is a further work tree, made by `git worktree add`."""
        return self.git_dir != self.common_dir

    @property
    def name(self) -> str:
        """What the repository calls this work tree: `main`, or the name of a linked one's own part of it."""
        return self.git_dir.name if self.is_linked else "main"

    @cached_property
    def git(self) -> Git:
        """Git, pinned to this work tree and its repository."""
        return Git(self.root, git_dir=self.git_dir, env=self.environment, patience=self.patience)

    @property
    def state(self) -> RepositoryState:
        """Where enforcement state of this work tree is kept."""
        return RepositoryState.at(self.git_dir, self.common_dir)

    def head_commit(self) -> str | None:
        """The object id HEAD resolves to, or None on a branch without a commit.

        Raises:
            GitError: HEAD is there but cannot be resolved; an unreadable HEAD is not a new repository.
        """
        status, output = self.git.attempt("rev-parse", "--verify", "--quiet", "HEAD", accept=(0, 1, 128))
        if status == 0:
            return output.decode("ascii").strip()
        # Only on a branch that is not there yet can git tell the name HEAD stands for and no commit.
        if self._symbolic_head(accept=(0, 1, 128)) is None:
            raise GitError(f"HEAD of {self.root} cannot be resolved", hint="look at it with: git fsck")
        return None

    def head_branch(self) -> str | None:
        """The branch HEAD is on, without `refs/heads/`, born or not; None when HEAD is detached.

        A rebase or a bisection detaches HEAD for a while: the branch is then the one they will return to.

        Raises:
            GitError: Git could not read HEAD.
        """
        branch = self._symbolic_head() or self._branch_set_aside()
        return None if branch is None else branch.removeprefix("refs/heads/")

    def _branch_set_aside(self) -> str | None:
        for name in _SET_ASIDE:
            try:
                data = read_regular(self.git_dir / name, _NAME_LIMIT)
            except OSError:
                continue
            if data is None:
                continue
            text = os.fsdecode(data).strip()
            return text if text and text != "detached HEAD" and not _OBJECT_ID.match(text) else None
        return None

    def _symbolic_head(self, *, accept: tuple[int, ...] = (0, 1)) -> str | None:
        status, output = self.git.attempt("symbolic-ref", "--quiet", "HEAD", accept=accept)
        return None if status else os.fsdecode(output.removesuffix(b"\n"))


def find_worktree(start: Path, *, env: Mapping[str, str] | None = None) -> Worktree:
    """The work tree that `start` lies in; one git call.

    Git itself is asked, so linked work trees, relative `gitdir` pointers and submodules (each its own repository) are
    found as git finds them; `GIT_DIR` and its kin are ignored.

    Args:
        start: A directory or a file in the work tree.
        env: The environment for git, cleaned; None: the process's own.

    Raises:
        NotARepositoryError: No repository, a bare one, or a place inside the repository's own directory.
        GitError: Git is missing, or refuses the repository (then with git's own remedy as the hint).
    """
    place = Path(os.path.realpath(start))
    if not place.is_dir():
        place = place.parent
    if not place.is_dir():
        raise NotARepositoryError(f"{start} does not exist", hint=_HINT)
    git = Git(place, env=env)
    status, output, stderr = git.inspect("rev-parse", *_ASKED)
    answers = os.fsdecode(output).removesuffix("\n").split("\n")
    if answers[:1] == ["true"]:
        raise NotARepositoryError(f"{start} is a bare git repository: it has no work tree to guard", hint=_HINT)
    if answers[1:2] == ["true"]:
        raise NotARepositoryError(f"{start} is inside a repository's .git directory, not in its work tree", hint=_HINT)
    if status != 0:
        error = failure(("rev-parse", *_ASKED), status, stderr)
        if b"not a git repository" in stderr:
            raise NotARepositoryError(f"{start} is not in a git repository", hint=_HINT) from error
        raise error
    if len(answers) != len(_ASKED):
        raise NotARepositoryError(f"{start}: a path of this repository contains a line break", hint="rename it")
    root, git_dir, common_dir = (Path(os.path.realpath(place / answer)) for answer in answers[2:])
    _refuse_husk(place, root)
    return Worktree(root, git_dir, common_dir, env)


def _refuse_husk(place: Path, root: Path) -> None:
    """A folder below `.worktrees/` that lost its `.git` is no work tree, and what is meant is not the one around it.

    Raises:
        NotARepositoryError: `place` is in such a folder.
    """
    inside = place.relative_to(root).parts if place.is_relative_to(root) else ()
    if len(inside) > 1 and inside[0] == _WORKTREES:
        husk = root / _WORKTREES / inside[1]
        raise NotARepositoryError(
            f"{husk} is no git work tree: it has no .git", hint=f"cd {root}, or make it one with: git worktree add"
        )


def is_project(worktree: Worktree) -> bool:
    """Whether the work tree, or what HEAD holds of it (a sparse checkout may leave it out), is a Spec Kitty project.

    Raises:
        GitError: Git could not read HEAD.
    """
    if any(_is_directory(worktree.root / name) for name in PROJECT_DIRECTORIES):
        return True
    head = worktree.head_commit()
    return head is not None and bool(worktree.git.run("ls-tree", "-d", "-z", head, "--", *PROJECT_DIRECTORIES))


def is_upstreams(worktree: Worktree, head: str | None) -> bool:
    """Whether a commit holds the metadata that upstream's own `init` and `upgrade` write (facts, section 8.2).

    Raises:
        GitError: The commit cannot be read.
    """
    return head is not None and bool(worktree.git.run("ls-tree", "-z", head, "--", ".kittify/metadata.yaml"))


def require_project(worktree: Worktree) -> None:
    """Does nothing in a Spec Kitty project.

    Raises:
        NotAProjectError: Neither `kitty-specs/` nor `.kittify/` exists.
        GitError: Git could not read HEAD.
    """
    specs = worktree.root / PROJECT_DIRECTORIES[0]
    if specs.is_symlink():
        raise NotAProjectError(
            f"{specs} is a symbolic link, and what lies elsewhere cannot be guarded",
            hint="put the folder itself in the link's place",
        )
    if not is_project(worktree):
        raise NotAProjectError(
            f"{worktree.root} is not a Spec Kitty project: it has neither kitty-specs/ nor .kittify/",
            hint="run it in a Spec Kitty project, or start one with: mkdir -p kitty-specs/001-my-feature",
        )


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
