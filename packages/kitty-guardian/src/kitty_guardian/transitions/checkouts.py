"""The work trees that work packages are worked on in, and the making of one."""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path

import attrs

from kitty_guardian.errors import GitError, TransitionRefusedError
from kitty_guardian.project.checkouts import list_checkouts
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.transitions.branches import refuse_other_policy, refuse_protected_changes
from kitty_guardian.transitions.remains import clear

_LONG = 300.0
"""Seconds that git may take to write or remove all files of a project."""

FOLDER = ".worktrees"
"""Where work trees are made, below the top of the main one (facts, section 7)."""

_BRANCHES = "refs/heads/"


@attrs.frozen
class Place:
    """A work tree that is there and whole.

    Attributes:
        root: Its top directory; absolute, without symbolic links.
        branch: The branch it is on, without `refs/heads/`; None: detached.
        is_main: Whether it is the main one.
    """

    root: Path
    branch: str | None
    is_main: bool


def checkouts(worktree: Worktree) -> tuple[Place, ...]:
    """Every work tree of the repository that is there and whole, the main one first.

    Raises:
        GitError: Git could not list them.
    """
    return tuple(
        Place(each.root, each.branch, each.is_main)
        for each in list_checkouts(worktree.git)
        if each.root is not None and not each.unfinished
    )


@attrs.frozen
class WorkPlace:
    """The work tree of one work package.

    Attributes:
        root: Its top directory; absolute.
        branch: Its branch.
        created: Whether it is to be made, or was made now.
        made_branch: Whether its branch is, too.
        said: What was put aside to make it: sentences for people.
    """

    root: Path
    branch: str
    created: bool
    made_branch: bool = False
    said: tuple[str, ...] = ()


def find_place(worktree: Worktree, home: Path, feature: str, work_package: str) -> WorkPlace:
    """Where a work package is worked on, or is to be; makes nothing.

    Args:
        worktree: Any work tree of the repository.
        home: Where the feature's files are kept.
        feature: Folder name below `kitty-specs/`.
        work_package: "WP01".

    Raises:
        TransitionRefusedError: Its branch is checked out elsewhere, or something else stands in its place.
        GitError: Git could not be asked.
    """
    known = checkouts(worktree)
    name = f"{feature}-{work_package}"
    top = next((each.root for each in known if each.is_main), home)
    root = top / FOLDER / name
    there = next((each for each in known if each.root == root), None)
    if there is not None:
        if there.branch not in {name, None}:
            raise TransitionRefusedError(
                f"{root} is on branch {there.branch}, not on {name}",
                gate="workspace",
                hint=f"git -C {shlex.quote(os.fspath(root))} switch {name}",
            )
        return WorkPlace(root, name, created=False)
    elsewhere = next((each.root for each in known if each.branch == name and each.root != root), None)
    if elsewhere is not None:
        raise TransitionRefusedError(
            f"branch {name} is checked out in {elsewhere}, and {root} is where work on {work_package} goes on",
            gate="workspace",
            hint=f"git worktree move {shlex.quote(os.fspath(elsewhere))} {shlex.quote(os.fspath(root))}",
        )
    if os.path.lexists(root) and not _is_unfinished(worktree, root):
        raise TransitionRefusedError(
            f"{root} stands where the work tree of {work_package} is to be made, and is none",
            gate="workspace",
            hint=f"look at it, then move it away: mv {shlex.quote(os.fspath(root))} {shlex.quote(f'{root}.old')}",
        )
    missing, _ = worktree.git.attempt("show-ref", "--verify", "--quiet", f"{_BRANCHES}{name}", accept=(0, 1))
    return WorkPlace(root, name, created=True, made_branch=bool(missing))


def _is_unfinished(worktree: Worktree, root: Path) -> bool:
    """Whether git was ended while it made the work tree that stands there."""
    return any(each.named == root and each.unfinished for each in list_checkouts(worktree.git))


def work_place(worktree: Worktree, home: Path, feature: str, work_package: str) -> WorkPlace:
    """The work tree of a work package: the one there is, else a new one from what HEAD of `home` holds.

    Whoever calls it sees to it that no other process makes the same one meanwhile. Arguments as for `find_place`.

    Raises:
        TransitionRefusedError: As for `find_place`; or its branch changes what is always protected, or what is left of
            an earlier one cannot be put aside.
        GitError: Git could not make it; nothing is left of it.
    """
    place = find_place(worktree, home, feature, work_package)
    top = find_worktree(home)
    _check_branch(worktree, top, place)
    if not place.created:
        return place
    git = worktree.git
    ignore(worktree)
    base = top.head_commit()
    if base is None:
        raise TransitionRefusedError(
            f"{home} has no commit yet, and a work tree begins with one",
            gate="committed",
            hint='git add --all && git commit -m "The plan"',
        )
    place = attrs.evolve(
        place, said=clear(worktree, place.root)
    )  # what a person's rm or a crash left of an earlier one
    root = os.fspath(place.root)
    arguments = ("-b", place.branch, root, base) if place.made_branch else (root, place.branch)
    try:
        git.run("worktree", "add", "--quiet", *arguments, timeout=_LONG)
    except GitError as error:
        with contextlib.suppress(GitError):
            git.run("worktree", "remove", "--force", "--force", root, timeout=_LONG)
        error.message = "; ".join((error.message, *place.said))
        raise
    return place


def _check_branch(worktree: Worktree, home: Worktree, place: WorkPlace) -> None:
    """What is there already, a branch or a whole work tree, brings no policy and no status of its own.

    Raises:
        TransitionRefusedError: It does.
        GitError: Git could not tell.
    """
    root = shlex.quote(os.fspath(place.root))
    if not place.created:
        there = find_worktree(place.root)
        tip = there.head_commit()
        if tip is not None:
            refuse_other_policy(there, tip)
        remedy = f"or give the work tree up: git worktree remove {root}"
    else:
        status, found = worktree.git.attempt(
            "rev-parse", "--verify", "--quiet", f"{_BRANCHES}{place.branch}^{{commit}}", accept=(0, 1)
        )
        tip = None if status else found.decode("ascii").strip()
        remedy = f"or remove the branch: git branch -D {shlex.quote(place.branch)}"
    if tip is not None:
        refuse_protected_changes(home, tip, place.branch, remedy)


def unmake(worktree: Worktree, place: WorkPlace) -> None:
    """Undo what `work_place` made; nothing of what was there before is touched.

    Raises:
        GitError: Git could not.
    """
    if not place.created:
        return
    worktree.git.run("worktree", "remove", "--force", os.fspath(place.root), timeout=_LONG)
    if place.made_branch:
        worktree.git.run("branch", "--quiet", "-D", place.branch)


def ignore(worktree: Worktree) -> None:
    """Make git ignore the folder of work trees, in this repository only: `.git/info/exclude`.

    Raises:
        GitError: The file cannot be written.
    """
    place = worktree.common_dir / "info" / "exclude"
    line = f"/{FOLDER}/"
    try:
        place.parent.mkdir(exist_ok=True)
        text = place.read_bytes() if place.exists() else b""
        if line.encode() in {each.strip() for each in text.split(b"\n")}:
            return
        with place.open("ab") as file:
            file.write((b"" if not text or text.endswith(b"\n") else b"\n") + line.encode() + b"\n")
    except OSError as error:
        raise GitError(f"{place} cannot be written: {error.strerror}", hint=f"ls -l {place}") from error
