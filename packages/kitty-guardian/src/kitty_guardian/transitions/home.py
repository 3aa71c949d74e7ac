"""Where a feature's files are kept: the one work tree whose copy of its status counts (facts, section 7)."""

from __future__ import annotations

import re
from pathlib import Path

from kitty_guardian.project.features import FEATURES
from kitty_guardian.project.meta import coordination_branch, parse_meta
from kitty_guardian.project.regular import read_regular
from kitty_guardian.project.repository import Worktree
from kitty_guardian.transitions.checkouts import Place, checkouts

_LIMIT = 1 << 20
_PART = re.compile(r"-(WP[0-9]+|lane-[a-z0-9]+)\Z")


def home_of(worktree: Worktree, feature: str) -> Path:
    """The top of the work tree whose copy of the feature's status log counts.

    That is where its coordination branch is checked out; else the main work tree if it holds the feature; else this
    one. A work tree made for a part of a feature holds only a copy of it, so others that hold it come first.

    Args:
        worktree: The work tree that asks.
        feature: Folder name below `kitty-specs/`; it need not exist.

    Raises:
        GitError: Git could not list the work trees.
    """
    known = checkouts(worktree)
    branch = _coordination_branch((*(each.root for each in known if each.is_main), worktree.root), feature)
    if branch is not None:
        for each in known:
            if each.branch == branch:
                return each.root
    if worktree.is_linked:
        own = [each for each in known if each.root == worktree.root]
        for each in (*(each for each in known if each.is_main), *own, *known):
            if (each.root / FEATURES / feature).is_dir() and not _is_part(each):
                return each.root
        main = next((each.root for each in known if each.is_main), None)
        if main is not None and any(_is_part(each) for each in own):
            return main
    return worktree.root


def _is_part(checkout: Place) -> bool:
    return not checkout.is_main and _PART.search(checkout.root.name) is not None


def _coordination_branch(places: tuple[Path, ...], feature: str) -> str | None:
    for place in dict.fromkeys(places):
        try:
            data = read_regular(place / FEATURES / feature / "meta.json", _LIMIT)
        except OSError:
            continue
        if data is not None:
            return coordination_branch(parse_meta(data), feature)
    return None
