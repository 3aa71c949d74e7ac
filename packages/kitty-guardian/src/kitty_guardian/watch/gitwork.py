"""Git at work: whether a git process is in the middle of changing the tree, and what the index and HEAD hold."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

from kitty_guardian.commits.changes import TreeEntry
from kitty_guardian.errors import GitError
from kitty_guardian.project.repository import Worktree

AFTER_RELEASE_SECONDS = 2.0
LONGEST_SECONDS = 60.0
HALF_WRITTEN_SECONDS = 0.25
_HOLDER_CACHE_SECONDS = 0.02
_LOCKS = ("index.lock", "HEAD.lock")
_OPERATIONS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD")


class GitWork:
    """Looks at the git directory of one work tree; everything is read afresh, cached only by file status.

    Args:
        worktree: The work tree.
    """

    def __init__(self, worktree: Worktree) -> None:
        self._git = worktree.git
        self._format: str | None = None
        self._git_dir = worktree.git_dir
        self._index_seen: tuple[int, int, int] | None = self._index_status()
        self._quiet_since = float("-inf")
        self._holder: tuple[float, bool] = (-1.0, False)
        self._index_cache: tuple[tuple[int, int, int] | None, dict[str, TreeEntry], frozenset[str]] | None = None

    def at_work(self) -> bool:
        """Whether a living process holds a git lock now."""
        held = self._lock_is_held()
        if held:
            self._quiet_since = time.monotonic()
        return held

    def quiet_for(self) -> float:
        """Seconds since a lock was last seen held or the index was last seen changing."""
        status = self._index_status()
        now = time.monotonic()
        if status != self._index_seen:
            self._index_seen = status
            self._quiet_since = now
        return now - self._quiet_since

    def index_entry(self, path: str) -> TreeEntry | None:
        """What the index holds at `path` (stage 0)."""
        return self._index()[0].get(path)

    def index_holds_below(self, directory: str) -> bool:
        """Whether the index holds anything below a directory."""
        prefix = directory + "/"
        return any(path.startswith(prefix) for path in self._index()[0])

    def is_unmerged(self, path: str) -> bool:
        """Whether a merge, pick or rebase that is under way has left `path` to be resolved."""
        operations = [name for name in _OPERATIONS if (self._git_dir / name).exists()]
        if not operations or path not in self._index()[1]:
            return False
        # Index entries alone can be planted: what is to be merged must come from the commit that git names.
        stages = self._unmerged_stages(path)
        for name in operations:
            try:
                theirs = self._git.run("rev-parse", "--verify", "--quiet", f"{name}:{path}").decode().strip()
            except GitError:
                theirs = ""
            if name == "REVERT_HEAD" or stages.get("3", "") == theirs:
                return True
        return False

    def has_object(self, oid: str) -> bool:
        """Whether the repository holds an object with that id."""
        return self._git.attempt("cat-file", "-e", oid, accept=range(256))[0] == 0

    def blob_id(self, data: bytes) -> str:
        """The object id that git gives these bytes when no filter applies."""
        head = b"blob %d\0" % len(data)
        algorithm = hashlib.sha256 if self._object_format() == "sha256" else _sha1
        return algorithm(head + data).hexdigest()

    def clean_blob_id(self, path: str, data: bytes) -> str:
        """The object id that git gives these bytes at that path, filters and line endings applied."""
        return self._git.run("hash-object", "--stdin", f"--path={path}", stdin=data).decode().strip()

    def _object_format(self) -> str:
        if self._format is None:
            self._format = self._git.text("rev-parse", "--show-object-format")
        return self._format

    def _index_status(self) -> tuple[int, int, int] | None:
        try:
            st = os.stat(self._git_dir / "index")
        except FileNotFoundError:
            return None
        return (st.st_ino, st.st_size, st.st_mtime_ns)

    def _index(self) -> tuple[dict[str, TreeEntry], frozenset[str]]:
        status = self._index_status()
        if self._index_cache is None or self._index_cache[0] != status:
            entries: dict[str, TreeEntry] = {}
            unmerged: set[str] = set()
            for row in self._git.lines_z("ls-files", "--stage", "-z", "--full-name", ":/"):
                head, _, name = row.partition(b"\t")
                mode, oid, stage = head.decode().split(" ")
                if stage == "0":
                    entries[os.fsdecode(name)] = TreeEntry(mode, oid)
                else:
                    unmerged.add(os.fsdecode(name))
            self._index_cache = (status, entries, frozenset(unmerged))
        return self._index_cache[1], self._index_cache[2]

    def _unmerged_stages(self, path: str) -> dict[str, str]:
        rows = self._git.lines_z("ls-files", "--unmerged", "-z", "--full-name", "--", f":(top,literal){path}")
        stages = (row.partition(b"\t")[0].decode().split(" ") for row in rows)
        return {stage: oid for _, oid, stage in stages}

    def _lock_is_held(self) -> bool:
        locks = [path for name in _LOCKS if (path := self._git_dir / name).exists()]
        if not locks:
            return False
        looked, held = self._holder
        now = time.monotonic()
        if now - looked > _HOLDER_CACHE_SECONDS:
            held = _some_process_has_open(locks)
            self._holder = (now, held)
        return held


def _sha1(data: bytes) -> hashlib._Hash:
    return hashlib.sha1(data, usedforsecurity=False)


def _some_process_has_open(paths: list[Path]) -> bool:
    """Whether a living process has one of the files open: a lock file that somebody merely planted is nobody's.

    Without `/proc` it cannot be told; the lock is believed, for at most the 60 seconds of a pending state.
    """
    if not sys.platform.startswith("linux"):
        return True
    wanted = {os.path.realpath(path) for path in paths}
    own = str(os.getpid())
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or pid == own:
            continue
        try:
            with os.scandir(f"/proc/{pid}/fd") as descriptors:
                for descriptor in descriptors:
                    try:
                        if os.readlink(descriptor.path) in wanted:
                            return True
                    except OSError:
                        continue
        except OSError:  # ended meanwhile, or another user's
            continue
    return False
