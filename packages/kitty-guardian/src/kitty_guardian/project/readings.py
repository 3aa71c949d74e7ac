"""What was read of each file, so that only what has changed is read and parsed again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from kitty_guardian.project.frontmatter import Frontmatter, read_frontmatter
from kitty_guardian.project.statuslog import LOG_LIMIT, StatusLog, read_status_log
from kitty_guardian.project.trees import READ_LIMIT, Tree

_T = TypeVar("_T", Frontmatter, StatusLog)
_MOST_VERSIONS = 16


class Readings:
    """Remembers parsed files by path and content, for any number of trees; belongs to one thread at a time.

    Whoever reads once makes a new one and gains nothing by it; whoever reads again keeps it. Content is known by the
    name git gives it (SHA-1), so that what was read from the disk need not be read from a commit again.

    Attributes:
        parsed: How many files were parsed so far.
    """

    def __init__(self) -> None:
        self.parsed = 0
        self._known: dict[str, dict[Hashable, Frontmatter | StatusLog]] = {}

    def expect(self, tree: Tree, paths: Iterable[str]) -> None:
        """Says which files will be asked for next, in this order."""
        tree.expect([path for path in paths if tree.stamp(path) not in self._known.get(path, {})])

    def frontmatter(self, tree: Tree, path: str) -> Frontmatter | None:
        """The head of the file at `path`, or None when there is no such file; errors as `Tree.read` has them."""
        return self._read(tree, path, READ_LIMIT, Frontmatter, read_frontmatter)

    def status_log(self, tree: Tree, path: str) -> StatusLog | None:
        """The log at `path`, or None when there is no such file; errors as `Tree.read` has them."""
        return self._read(tree, path, LOG_LIMIT, StatusLog, read_status_log)

    def _read(self, tree: Tree, path: str, limit: int, kind: type[_T], parse: Callable[[bytes, str], _T]) -> _T | None:
        # The stamp is taken first: a change in between makes what is read newer than its stamp, never older.
        stamp = tree.stamp(path)
        versions = self._known.setdefault(path, {})
        if stamp is not None and isinstance(known := versions.get(stamp), kind):
            return known
        if (data := tree.read(path, limit)) is None:
            return None
        name = _blob_name(data)
        found = versions.get(name)
        if not isinstance(found, kind):
            self.parsed += 1
            found = parse(data, path)
        if len(versions) >= _MOST_VERSIONS:
            versions.clear()
        versions[name] = found
        if stamp is not None:
            versions[stamp] = found
        return found


def _blob_name(data: bytes) -> str:
    """The name of a blob in a SHA-1 repository. Git itself refuses to hold either half of a known collision."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
