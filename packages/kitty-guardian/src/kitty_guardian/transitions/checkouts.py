"""The work trees of a repository, as git lists them, and the making of one for a work package."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from kitty_guardian.errors import GitError, TransitionRefusedError
from kitty_guardian.project.repository import Worktree, find_worktree

FOLDER = ".worktrees"
"""Where work trees are made, below the top of the main one (facts, section 7)."""

_BRANCHES = "refs/heads/"
_USAGE = 129
"""The status with which git ends when it does not know an option."""


@attrs.frozen
class Checkout:
    """One work tree.

    Attributes:
        root: Its top directory; absolute, without symbolic links.
        branch: The branch it is on, without `refs/heads/`; None: detached.
        is_main: Whether it is the main one.
    """

    root: Path
    branch: str | None
    is_main: bool


def checkouts(worktree: Worktree) -> tuple[Checkout, ...]:
    """Every work tree of the repository that is there, the main one first.

    Raises:
        GitError: Git could not list them.
    """
    status, output = worktree.git.attempt("worktree", "list", "--porcelain", "-z", accept=(0, _USAGE))
    end = b"\0"
    if status == _USAGE:  # git before 2.36
        output, end = worktree.git.run("worktree", "list", "--porcelain"), b"\n"
    found: list[Checkout] = []
    for number, record in enumerate(output.removesuffix(end).split(end + end)):
        facts = dict(os.fsdecode(line).partition(" ")[::2] for line in record.split(end) if line)
        if "worktree" not in facts:
            continue
        root = Path(os.path.realpath(facts["worktree"]))
        if "bare" in facts or not (root / ".git").exists():
            continue
        found.append(Checkout(root, facts.get("branch", "").removeprefix(_BRANCHES) or None, number == 0))
    return tuple(found)


@attrs.frozen
class WorkPlace:
    """The work tree of one work package.

    Attributes:
        root: Its top directory; absolute.
        branch: Its branch.
        created: Whether it was made now.
        made_branch: Whether its branch was, too.
    """

    root: Path
    branch: str
    created: bool
    made_branch: bool = False


def work_place(worktree: Worktree, home: Path, feature: str, work_package: str) -> WorkPlace:
    """The work tree of a work package: the one there is, else a new one from what HEAD of `home` holds.

    Args:
        worktree: Any work tree of the repository.
        home: Where the feature's files are kept.
        feature: Folder name below `kitty-specs/`.
        work_package: "WP01".

    Raises:
        TransitionRefusedError: Its branch is checked out elsewhere, or something else stands in its place.
        GitError: Git could not make it.
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
                hint=f"git -C {root} switch {name}",
            )
        return WorkPlace(root, name, created=False)
    elsewhere = next((each.root for each in known if each.branch == name), None)
    if elsewhere is not None:
        raise TransitionRefusedError(
            f"branch {name} is checked out in {elsewhere}, and {root} is where work on {work_package} goes on",
            gate="workspace",
            hint=f"git worktree move {elsewhere} {root}",
        )
    if os.path.lexists(root):
        raise TransitionRefusedError(
            f"{root} stands where the work tree of {work_package} is to be made, and is none",
            gate="workspace",
            hint=f"look at it, then move it away: mv {root} {root}.old",
        )
    return _make(worktree, home, root, name)


def _make(worktree: Worktree, home: Path, root: Path, branch: str) -> WorkPlace:
    git = worktree.git
    ignore(worktree)
    base = find_worktree(home).head_commit()
    if base is None:
        raise TransitionRefusedError(
            f"{home} has no commit yet, and a work tree begins with one",
            gate="committed",
            hint='git add --all && git commit -m "The plan"',
        )
    git.run("worktree", "prune")  # what a crash, or a person's rm, left of an earlier one
    missing, _ = git.attempt("show-ref", "--verify", "--quiet", f"{_BRANCHES}{branch}", accept=(0, 1))
    arguments = ("-b", branch, os.fspath(root), base) if missing else (os.fspath(root), branch)
    git.run("worktree", "add", "--quiet", *arguments, timeout=300.0)
    return WorkPlace(root, branch, created=True, made_branch=bool(missing))


def unmake(worktree: Worktree, place: WorkPlace) -> None:
    """Undo what `work_place` made; nothing of what was there before is touched.

    Raises:
        GitError: Git could not.
    """
    if not place.created:
        return
    worktree.git.run("worktree", "remove", "--force", os.fspath(place.root), timeout=300.0)
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
