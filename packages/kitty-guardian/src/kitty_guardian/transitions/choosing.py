"""Which feature a command is about, and what a new one is called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Final

from kitty_guardian.errors import GitError, InvalidValueError, UnboundFeatureError
from kitty_guardian.events.board import Board
from kitty_guardian.model.lanes import Lane
from kitty_guardian.project.assignments import assignment
from kitty_guardian.project.binding import asked_for, listed
from kitty_guardian.project.features import FEATURES, feature_names
from kitty_guardian.project.handles import Handles
from kitty_guardian.project.pins import Adoption
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.project.trees import tree_on_disk
from kitty_guardian.transitions.checkouts import checkouts

_LONGEST: Final = 60
_FOLDER: Final = re.compile(r"(?:[0-9]{3,4}-)?[a-z0-9]+(?:-[a-z0-9]+)*(?:-[0-9A-HJKMNP-TV-Z]{8})?\Z")
_NUMBER: Final = re.compile(r"([0-9]{3,4})-")
_NUMBERED: Final = re.compile(r"[0-9]{3,4}-.")


def known_features(worktree: Worktree, board: Board) -> tuple[str, ...]:
    """Every feature that the store knows or that this work tree or the main one has a folder of, sorted.

    Raises:
        UnreadableProjectError: `kitty-specs/` cannot be read.
        GitError: Git could not be asked.
    """
    names = {*board.features, *feature_names(tree_on_disk(worktree))}
    if worktree.is_linked:
        for main in checkouts(worktree)[:1]:
            if main.is_main:
                names.update(feature_names(tree_on_disk(find_worktree(main.root))))
    return tuple(sorted(names))


def choose(worktree: Worktree, board: Board, wanted: str = "") -> str:
    """The feature that is meant: the one asked for, the one the work tree is bound to, or the only unfinished one.

    Args:
        worktree: Where the command was given.
        board: What was recorded.
        wanted: A handle; empty: none was given.

    Raises:
        UnknownFeatureError: `wanted` names no feature, or more than one.
        UnboundFeatureError: Nothing says which one is meant.
        AdoptionError: What the work tree is bound to cannot be read.
    """
    names = known_features(worktree, board)
    handles = Handles.of(worktree, names)
    if wanted:
        return asked_for(handles, wanted)
    unfinished = [name for name in names if not board.feature(name).finished]
    adoption = Adoption.read(worktree.state.guardian.adoption)
    bound = [] if adoption is None or adoption.every else [name for name in adoption.bound if name in names]
    made = assignment(worktree, handles, worktree.head_branch())
    # What was approved is finished, and yet there is a last move to be made.
    approved = [name for name in names if Lane.APPROVED in board.feature(name).lanes().values()]
    ways: tuple[list[str], ...] = (
        [name for name in bound if name in unfinished],
        [made.feature] if made is not None and (worktree.is_linked or made.feature in unfinished) else [],
        unfinished,
        *(() if unfinished else (bound, approved, list(names))),
    )
    for several in ways:
        if len(several) == 1:
            return several[0]
    if not names:
        raise UnboundFeatureError(
            f"there is no feature in {worktree.root / FEATURES} yet", hint="begin one with: spec-kitty specify NAME"
        )
    if not unfinished:
        raise UnboundFeatureError(
            f"every feature is finished ({listed(names)})",
            hint="say which one with --feature, or begin one with: spec-kitty specify NAME",
        )
    raise UnboundFeatureError(
        f"{worktree.root} is bound to no feature; unfinished: {listed(unfinished)}",
        hint=f"say which one with --feature, such as --feature {unfinished[0]}",
    )


def existing(worktree: Worktree, board: Board, name: str) -> str | None:
    """The feature that is called `name` already, in any spelling; None: there is none.

    Raises:
        UnknownFeatureError: More than one is called that.
    """
    names = known_features(worktree, board)
    handles = Handles.of(worktree, names)
    for spelling in dict.fromkeys((name.strip(), slug_of(name))):
        if spelling and handles.match(spelling):
            return asked_for(handles, spelling)
    return None


def folder_for(worktree: Worktree, board: Board, name: str) -> str:
    """The folder name of a new feature: the next free number and what it is called, such as `004-home-guard`.

    A name that is in the form of a folder's is taken as it is.

    Raises:
        InvalidValueError: No folder name can be made of `name`.
    """
    typed = name.strip()
    if len(typed) <= _LONGEST and _FOLDER.match(typed) and (_NUMBERED.match(typed) or typed.lower() != typed):
        return typed
    slug = slug_of(typed)
    if not slug:
        raise InvalidValueError(
            f"no folder name can be made of {name!r}: it has no Latin letter and no digit",
            hint='give it a name such as: spec-kitty specify "home guard"',
        )
    taken = [int(found[1]) for each in _everywhere(worktree, board) if (found := _NUMBER.match(each)) is not None]
    return f"{max(taken, default=0) + 1:03}-{slug}"


def slug_of(name: str) -> str:
    """`name` in lower case Latin letters, digits and hyphens; empty where nothing is left of it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return slug if len(slug) <= _LONGEST else slug[:_LONGEST].rpartition("-")[0] or slug[:_LONGEST]


def title_of(name: str) -> str:
    """What people call a feature: as it was typed, or a folder name as words."""
    typed = " ".join(name.split())
    if _FOLDER.match(typed):
        words = re.sub(r"\A[0-9]{3,4}-|-[0-9A-HJKMNP-TV-Z]{8}\Z", "", typed).replace("-", " ")
        typed = words[:1].upper() + words[1:]
    return typed


def _everywhere(worktree: Worktree, board: Board) -> Collection[str]:
    """Names of features here, recorded, and on any branch: a number that a teammate gave is taken."""
    names = set(known_features(worktree, board))
    try:
        refs = worktree.git.text("for-each-ref", "--format=%(objectname)", "refs/heads", "refs/remotes").split()
        for commit in list(dict.fromkeys(refs))[:50]:
            status, output = worktree.git.attempt(
                "ls-tree", "-d", "-z", "--name-only", commit, "--", f"{FEATURES}/", accept=(0, 128)
            )
            if status == 0:
                names.update(row.rpartition("/")[2] for row in output.decode("utf-8", "replace").split("\0") if row)
    except GitError:
        return names
    return names
