"""`meta.json`: what a feature says of itself (facts, section 6.3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kitty_guardian.errors import GitError
from kitty_guardian.project.trees import Tree

_COORDINATED = frozenset({"coord", "lanes_with_coord"})


def read_meta(tree: Tree, feature: str) -> Mapping[str, Any]:
    """The document of the feature with this folder name; empty where there is none that can be read.

    Nothing that is enforced hangs on it: it only says by which names a feature may be called and where it is kept.
    """
    try:
        return parse_meta(tree.read(f"kitty-specs/{feature}/meta.json"))
    except (OSError, GitError):
        return {}


def parse_meta(data: bytes | None) -> Mapping[str, Any]:
    """The document in these bytes; empty where they are none."""
    try:
        document = None if data is None else json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def coordination_branch(meta: Mapping[str, Any], feature: str) -> str | None:
    """The branch on which the status of a feature is kept, if it is kept on one of its own.

    The stored `topology` decides; before there was one, `coordination_branch` alone did. A feature that was merged is
    `flattened`.
    """
    topology, branch = meta.get("topology"), meta.get("coordination_branch")
    if meta.get("flattened") is True or (topology is not None and topology not in _COORDINATED):
        return None
    if isinstance(branch, str) and branch:
        return branch
    return f"kitty/mission-{feature}" if topology in _COORDINATED else None
