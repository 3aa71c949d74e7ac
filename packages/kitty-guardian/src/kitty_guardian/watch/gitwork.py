"""Git at work: whether a git process is in the middle of changing the tree, and what the index holds.

Nothing here raises because the repository is damaged: a damaged index holds nothing, so it excuses nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kitty_guardian.commits.changes import TreeEntry
from kitty_guardian.errors import GitError, GitUnresponsiveError
from kitty_guardian.project.repository import Worktree
from kitty_guardian.watch.filters import Filters
from kitty_guardian.watch.tree import ancestors

AFTER_RELEASE_SECONDS = 2.0
LONGEST_SECONDS = 60.0
HALF_WRITTEN_SECONDS = 0.25
_HOLDER_CACHE_SECONDS = 0.02
_FILES = ("HEAD", "index", "config", "packed-refs")
_LOCKS = ("index.lock", "HEAD.lock")
_OPERATIONS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD")

_Status = tuple[int, int, int, int]


class GitWork:
    """Looks at the git directory of one work tree; everything is read afresh, cached only by file status.

    Args:
        worktree: The work tree.
        clock: Seconds, monotonic.
    """

    def __init__(self, worktree: Worktree, clock: Callable[[], float] = time.monotonic) -> None:
        self.filters = Filters(worktree, Path(worktree.state.guardian.stage) / "filters")
        self._git = worktree.git
        self._clock = clock
        self._format: str | None = None
        self._git_dir = worktree.git_dir
        self._index_seen = self._index_status()
        self._quiet_since = float("-inf")
        self._holder: tuple[float, bool] = (float("-inf"), False)
        self._index_cache: tuple[_Status | None, _Index] | None = None

    def check(self) -> None:
        """Look, without waiting, whether git could be asked at all.

        Raises:
            GitUnresponsiveError: One of git's own files is no regular file; git would wait for a FIFO's writer.
        """
        for name in _FILES:
            try:
                st = (self._git_dir / name).stat()
            except OSError:
                continue
            if not stat.S_ISREG(st.st_mode):
                raise GitUnresponsiveError(
                    f"{self._git_dir / name} is no regular file", hint="look at it with: git fsck"
                )

    def at_work(self) -> bool:
        """Whether a living process holds a git lock now."""
        held = self._lock_is_held()
        if held:
            self._quiet_since = self._clock()
        return held

    def quiet_for(self) -> float:
        """Seconds since a lock was last seen held or the index was last seen changing."""
        status = self._index_status()
        now = self._clock()
        if status != self._index_seen:
            self._index_seen = status
            self._quiet_since = now
        return now - self._quiet_since

    def index_entry(self, path: str) -> TreeEntry | None:
        """What the index holds at `path` (stage 0)."""
        return self._index().entries.get(path)

    def index_holds_below(self, directory: str) -> bool:
        """Whether the index holds anything below a directory."""
        return directory in self._index().directories

    def is_unmerged(self, path: str) -> bool:
        """Whether the index says that `path` is to be resolved; anybody can make it say so."""
        return bool(self.operations()) and path in self._index().unmerged

    def left_unmerged(self, path: str) -> str | None:
        """The object id of what git's last merge wrote at an unmerged path, conflict markers and all; or None."""
        if path not in self._index().unmerged:
            return None
        try:
            oid = self._git.text("rev-parse", "--verify", "--quiet", f"AUTO_MERGE:{path}")
        except GitError:
            return None
        return oid if _is_object_id(oid) else None

    def operations(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The merge, pick, revert or rebase under way: name of git's file, and the object ids in it.

        Files that anybody can write: whoever asks has to look at the commits themselves.
        """
        found = []
        for name in _OPERATIONS:
            try:
                text = (self._git_dir / name).read_text(encoding="ascii")
            except (OSError, UnicodeDecodeError):
                continue
            found.append((name, tuple(line for line in text.split() if _is_object_id(line))))
        return tuple(found)

    def has_object(self, oid: str) -> bool:
        """Whether the repository holds an object with that id."""
        try:
            return self._git.attempt("cat-file", "-e", oid, accept=range(256))[0] == 0
        except GitError:
            return False

    def size_of(self, oid: str) -> int | None:
        """How many bytes an object has, or None if there is none with that id."""
        status, output = self._git.attempt("cat-file", "-s", oid, accept=range(256))
        return int(output) if status == 0 else None

    def blob_id(self, data: bytes) -> str:
        """The object id that git gives these bytes when no filter applies."""
        head = b"blob %d\0" % len(data)
        algorithm = hashlib.sha256 if self._object_format() == "sha256" else _sha1
        return algorithm(head + data).hexdigest()

    def clean_blob_id(self, path: str, data: bytes) -> str | None:
        """The object id that git gives these bytes at that path, filters and line ends applied; None if one fails."""
        return self.filters.clean(path, data)

    def names_blob(self, oid: str, path: str, data: bytes) -> bool:
        """Whether these bytes at that path are what git keeps under that object id."""
        return oid == self.blob_id(data) or oid == self.clean_blob_id(path, data)

    def _object_format(self) -> str:
        if self._format is None:
            self._format = self._git.text("rev-parse", "--show-object-format")
        return self._format

    def _index_status(self) -> _Status | None:
        try:
            st = (self._git_dir / "index").stat()
        except OSError:
            return None
        return (st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)

    def _index(self) -> _Index:
        status = self._index_status()
        if self._index_cache is None or self._index_cache[0] != status:
            try:
                rows = self._git.lines_z("ls-files", "--stage", "-z", "--full-name", ":/")
            except GitError:
                rows = []
            self._index_cache = (status, _Index(rows))
        return self._index_cache[1]

    def _lock_is_held(self) -> bool:
        locks = [path for name in _LOCKS if (path := self._git_dir / name).exists()]
        if not locks:
            return False
        looked, held = self._holder
        now = self._clock()
        if now - looked > _HOLDER_CACHE_SECONDS:
            held = _some_process_has_open(locks)
            self._holder = (now, held)
        return held


class _Index:
    """One reading of the index.

    Attributes:
        entries: What is at stage 0, by path.
        directories: Every directory above those.
        unmerged: The paths at other stages.
    """

    def __init__(self, rows: list[bytes]) -> None:
        self.entries: dict[str, TreeEntry] = {}
        self.unmerged: set[str] = set()
        for row in rows:
            head, _, name = row.partition(b"\t")
            mode, oid, stage = head.decode("ascii").split(" ")
            if stage == "0":
                self.entries[os.fsdecode(name)] = TreeEntry(mode, oid)
            else:
                self.unmerged.add(os.fsdecode(name))
        self.directories = frozenset(above for path in self.entries for above in ancestors(path))


def _is_object_id(text: str) -> bool:
    return len(text) in {40, 64} and not text.strip("0123456789abcdef")


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
    with os.scandir("/proc") as processes:
        return any(_has_open(wanted, entry.path) for entry in processes if entry.name.isdigit() and entry.name != own)


def _has_open(wanted: set[str], process: str) -> bool:
    try:
        place = os.open(f"{process}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # ended meanwhile, or another user's
        return False
    try:
        with os.scandir(place) as descriptors:
            for descriptor in descriptors:
                with contextlib.suppress(OSError):
                    if os.readlink(descriptor.name, dir_fd=place) in wanted:
                        return True
    except OSError:
        pass
    finally:
        os.close(place)
    return False
