"""What a tree entry of git looks like in the work tree, and back: modes, links, filters."""

from __future__ import annotations

import hashlib
import os
import stat

from kitty_guardian.commits.changes import TreeEntry
from kitty_guardian.errors import GitError
from kitty_guardian.project.repository import Worktree
from kitty_guardian.watch.gitwork import GitWork
from kitty_guardian.watch.record import Legal, LegalRecord, RecordError
from kitty_guardian.watch.tree import Kind, Metadata, WorkTree

LINK = "120000"
EXECUTABLE = "100755"
GITLINK = "160000"


class Checkouts:
    """Compares tree entries with what stands in one work tree.

    Args:
        worktree: The work tree.
        git: Knows object ids and filters.
    """

    def __init__(self, worktree: Worktree, git: GitWork) -> None:
        self._worktree = worktree
        self._git = git

    def stands(self, entry: TreeEntry | None, path: str, st: os.stat_result | None, tree: WorkTree) -> bool:
        """Whether an entry, or nothing, is exactly what stands at `path` now."""
        if entry is None or st is None:
            return entry is None and st is None
        try:
            if stat.S_ISLNK(st.st_mode):
                return entry.mode == LINK and self._git.blob_id(os.fsencode(tree.readlink(path))) == entry.oid
            if not stat.S_ISREG(st.st_mode) or not _same_mode(entry, st.st_mode):
                return False
            with tree.open_file(path) as fd, os.fdopen(os.dup(fd), "rb") as file:
                data = file.read()
        except OSError:
            return False
        return self._git.names_blob(entry.oid, path, data)

    def is_legal(self, entry: TreeEntry | None, path: str, legal: Legal | None, record: LegalRecord) -> bool:
        """Whether an entry, or nothing, is exactly what a legal state holds."""
        if entry is None or legal is None:
            return entry is None and legal is None
        if legal.kind is Kind.SYMLINK:
            return entry.mode == LINK and self._git.blob_id(os.fsencode(legal.target)) == entry.oid
        if legal.kind is not Kind.FILE or not _same_mode(entry, legal.metadata.mode):
            return False
        try:
            data = b"".join(record.content(legal.sha256))
        except RecordError:
            return False
        return self._git.names_blob(entry.oid, path, data)

    def legal_state(self, entry: TreeEntry, path: str, record: LegalRecord, like: Metadata) -> Legal | None:
        """An entry as it would stand in the work tree; None for a submodule, and where the object cannot be had.

        Args:
            entry: The entry.
            path: Where.
            record: Takes the bytes.
            like: Owner and permissions.
        """
        if entry.mode == GITLINK:
            return None
        try:
            raw = self._worktree.git.run("cat-file", "blob", entry.oid)
        except GitError:
            return None
        if self._git.blob_id(raw) != entry.oid:
            return None  # git does not look whether an object's bytes are those that its id names
        if entry.mode == LINK:
            return Legal(Kind.SYMLINK, like, target=os.fsdecode(raw))
        data = self._git.filters.smudge(path, entry.oid)
        if data is None or not self._git.names_blob(entry.oid, path, data):
            data = raw
        sha = hashlib.sha256(data).digest()
        record.keep_bytes(data, sha)
        mode = like.mode & ~0o111 | (0o111 & (like.mode >> 2) if entry.mode == EXECUTABLE else 0)
        return Legal(Kind.FILE, Metadata(mode, like.uid, like.gid, like.mtime_ns), len(data), sha)


def _same_mode(entry: TreeEntry, mode: int) -> bool:
    """Whether an entry is a file's whose owner may execute it exactly if the mode says so; git keeps no more."""
    return entry.mode not in {LINK, GITLINK} and bool(mode & stat.S_IXUSR) == (entry.mode == EXECUTABLE)
