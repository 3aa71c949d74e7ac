"""`meta.json`: what a feature says of itself (facts, section 6.3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kitty_guardian.errors import GitError
from kitty_guardian.project.trees import Tree


def read_meta(tree: Tree, feature: str) -> Mapping[str, Any]:
    """The document of the feature with this folder name; empty where there is none that can be read.

    Nothing that is enforced hangs on it: it only says by which names a feature may be called and where it is kept.
    """
    try:
        data = tree.read(f"kitty-specs/{feature}/meta.json")
        document = None if data is None else json.loads(data.decode("utf-8-sig"))
    except (OSError, GitError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
