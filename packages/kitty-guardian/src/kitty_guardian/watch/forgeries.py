"""Lanes that somebody wrote into a work package's own file: they move nothing, and the attempt is recorded.

Such a file is writable in some phases, and until release 2.x its lane was kept there. Now only recorded events move a
lane (enforcement model, section 1), so a file that says otherwise is either old or a forgery: old is what HEAD holds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from kitty_guardian.model.decisions import Decision
from kitty_guardian.model.events import EventType
from kitty_guardian.model.lanes import Lane
from kitty_guardian.project.frontmatter import read_frontmatter
from kitty_guardian.watch.audit import AuditTrail
from kitty_guardian.watch.heads import Heads
from kitty_guardian.watch.standings import Standings
from kitty_guardian.watch.tree import Signature, WorkTree, signature_of
from kitty_guardian.watch.violations import Action, Operation

_FILE = re.compile(
    r"kitty-specs/(?P<feature>[^/]+)/tasks/(?:(?P<folder>planned|doing|for_review|done)/(?:.*/)?)?"
    r"(?P<package>WP[0-9]+)(?:[^0-9A-Za-z/][^/]*)?\.md\Z",
    re.IGNORECASE | re.DOTALL,
)
_HEAD_BYTES = 1 << 16
_LANE = re.compile(rb"^lane[ \t]*:", re.MULTILINE)
RULE = "always:lanes"


class Forgeries:
    """Looks at work packages' files of one work tree.

    Args:
        tree: The work tree.
        standings: Where lanes are recorded.
        heads: What was there before.
        audit: Where attempts go.
    """

    def __init__(self, tree: WorkTree, standings: Standings, heads: Heads, audit: AuditTrail) -> None:
        self._tree = tree
        self._standings = standings
        self._heads = heads
        self._audit = audit
        self._seen: dict[str, Signature] = {}
        self._told: set[tuple[str, Lane | None]] = set()

    def look(self, features: Iterable[str]) -> None:
        """Look at every work package's file of some features, at those that changed since the last time."""
        for feature in features:
            self._look_below(f"kitty-specs/{feature}/tasks", depth=2)

    def _look_below(self, directory: str, depth: int) -> None:
        for name, _ in self._tree.names(directory):
            path = f"{directory}/{name}"
            if _FILE.match(path) is not None:
                self.notice(path)
            elif depth and name.lower() in {"planned", "doing", "for_review", "done"}:
                self._look_below(path, depth - 1)

    def notice(self, path: str, decision: Decision | None = None) -> None:
        """Look at one file, if it is a work package's."""
        named = _FILE.match(path)
        if named is None:
            return
        st = self._tree.lstat(path)
        if st is None or self._seen.get(path) == signature_of(st):
            return
        self._seen[path] = signature_of(st)
        standing = self._standings.board.features.get(named["feature"])
        package = None if standing is None else standing.work_packages.get(named["package"].upper())
        recorded = None if package is None else package.lane
        if standing is None or standing.entered is None:
            return  # nothing is recorded of it, so its files are all there is
        claimed = self._claimed(path, named["folder"])
        if claimed is None or claimed in {recorded, Lane.PLANNED} or (path, claimed) in self._told:
            return
        if self._is_old(path, claimed, named["folder"]):
            return
        self._told.add((path, claimed))
        self._audit.append(
            EventType.VIOLATION,
            {
                "path": path,
                "phase": None if decision is None else str(decision.phase),
                "rule": RULE,
                "operation": str(Operation.WRITE),
                "action": str(Action.OBSERVED),
                "layer": "watcher",
                "quarantine_id": None,
                "reason": f"it says that {named['package']} is {claimed}; recorded is {recorded or 'no lane'}, and only"
                " commands move it",
            },
        )

    def _claimed(self, path: str, folder: str | None) -> Lane | None:
        if folder is not None:
            return Lane.parse(folder)
        try:
            with self._tree.open_file(path) as fd:
                data = os.pread(fd, _HEAD_BYTES, 0)
        except OSError:
            return None
        return _lane_in(data, path)

    def _is_old(self, path: str, claimed: Lane, folder: str | None) -> bool:
        """Whether HEAD, which counts, holds the same claim there."""
        held = self._heads.held(path)
        return held is not None and (folder is not None or _lane_in(held, path) is claimed)


def _lane_in(data: bytes, path: str) -> Lane | None:
    if _LANE.search(data) is None:
        return None
    field = read_frontmatter(data, path).fields.get("lane")
    return None if field is None else Lane.parse(field.value or "")
