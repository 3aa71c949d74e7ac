"""Paths that are not judged yet, since git may be in the middle of making them legal (enforcement model, section 3)."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from kitty_guardian.errors import GitError, GitUnresponsiveError
from kitty_guardian.model.decisions import Decision
from kitty_guardian.watch.gitwork import AFTER_RELEASE_SECONDS, HALF_WRITTEN_SECONDS, LONGEST_SECONDS, GitWork
from kitty_guardian.watch.heads import Heads
from kitty_guardian.watch.record import LegalRecord
from kitty_guardian.watch.tree import Kind, WorkTree, join

_GIT_RETRY_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 60.0
_LARGEST_READ = 32 << 20  # bytes; a larger file is read only if git holds something of exactly its size


class Waiting:
    """Knows since when each path waits, and whether git can be asked at all.

    Args:
        tree: The work tree.
        record: The legal record.
        git: Looks at the git directory.
        heads: HEAD.
        clock: Seconds, monotonic.

    Attributes:
        since: Path to the time it began to wait.
        git_trouble: Why git cannot be asked, or None; enforcement goes on without it.
    """

    def __init__(
        self, tree: WorkTree, record: LegalRecord, git: GitWork, heads: Heads, clock: Callable[[], float]
    ) -> None:
        self.since: dict[str, float] = {}
        self.git_trouble: str | None = None
        self._told: set[str] = set()
        self._git_after = float("-inf")
        self._pause = _GIT_RETRY_SECONDS / 2
        self._tree = tree
        self._record = record
        self._git = git
        self._heads = heads
        self._clock = clock

    def end(self, path: str) -> None:
        """The path has been dealt with, or is legal."""
        if self.since.pop(path, None) is not None:
            self._told.discard(path)

    def ask_git(self, work: Callable[[], None]) -> None:
        """Run what asks git, unless git failed or hung just before.

        Whatever goes wrong is remembered as `git_trouble`; after a while git is asked again.
        """
        if self._clock() < self._git_after:
            return
        try:
            self._git.check()
            work()
        except GitUnresponsiveError as error:
            self._give_up(error)
        except GitError as error:
            self.git_trouble = error.message
        else:
            self.git_trouble, self._pause = None, _GIT_RETRY_SECONDS / 2

    def holds_back(self, path: str, st: os.stat_result | None, decide: Callable[[str], Decision]) -> bool:
        """Whether what stands at `path`, which is not legal, is not to be judged yet."""
        if self.git_trouble is not None:
            return False  # nothing can be asked, so nothing speaks for waiting
        try:
            self._git.check()
            at_work = self._git.at_work()
            quiet = not at_work and self._git.quiet_for() >= AFTER_RELEASE_SECONDS
            if quiet and path not in self.since and not self._heads.is_being_merged(path, decide):
                return False
            now = self._clock()
            if self._why(path, st, decide, at_work=at_work, age=now - self.since.get(path, now)) is None:
                return False
        except GitUnresponsiveError as error:
            self._give_up(error)
            return False
        except GitError:
            return False  # what cannot be asked speaks for no waiting
        self.since.setdefault(path, now)
        return True

    def is_long(self, path: str) -> bool:
        """Whether a path has waited so long that it is to be told; True once."""
        if path in self._told or self._clock() - self.since[path] <= AFTER_RELEASE_SECONDS:
            return False
        self._told.add(path)
        return True

    def _give_up(self, error: GitError) -> None:
        self.git_trouble = error.message
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
        self._git_after = self._clock() + self._pause

    def _why(
        self, path: str, st: os.stat_result | None, decide: Callable[[str], Decision], *, at_work: bool, age: float
    ) -> str | None:
        """Why a path that is not legal is not judged yet, or None if it is to be judged now."""
        if self._heads.is_being_merged(path, decide):
            return "unmerged: judged by the commit rule when the operation ends"
        if age > LONGEST_SECONDS:
            return None
        if st is not None and stat.S_ISDIR(st.st_mode):
            children = [(join(path, name), below) for name, below in self._tree.names(path)]
            reasons = [self._why(child, below, decide, at_work=at_work, age=age) for child, below in children]
            if not reasons:
                return "git holds its lock" if at_work else None  # a submodule's place is an empty folder at first
            return None if None in reasons else reasons[0]
        return self._why_at_work(path, st, age) if at_work else self._why_just_released(path, st)

    def _why_at_work(self, path: str, st: os.stat_result | None, age: float) -> str | None:
        """As above, while the holder of a git lock lives."""
        if st is None or age < HALF_WRITTEN_SECONDS:
            return "git holds its lock"
        blob = self._blob_at(path, st)
        return "a git object while git holds its lock" if blob and self._git.has_object(blob) else None

    def _why_just_released(self, path: str, st: os.stat_result | None) -> str | None:
        """As above, while git's reference may still be about to move."""
        if self._git.quiet_for() >= AFTER_RELEASE_SECONDS or self._heads.refuses(path):
            return None
        indexed = self._git.index_entry(path)
        if st is None:
            entry = self._record.get(path)
            if entry is not None and entry.kind is Kind.DIRECTORY:
                removed = not self._git.index_holds_below(path)
            else:
                removed = indexed is None and self._heads.tracks(path)
            return "removed from the index" if removed else None
        if indexed is None:
            # A merge that meets a conflict lets go of the index before it says what it merges.
            left = self._git.left_unmerged(path)
            return "just left unmerged" if left is not None and left == self._blob_at(path, st, left) else None
        if indexed.oid != self._blob_at(path, st, indexed.oid):
            return None
        executable = stat.S_ISREG(st.st_mode) and bool(st.st_mode & stat.S_IXUSR)
        return "equals its index entry" if executable == (indexed.mode == "100755") else None

    def _blob_at(self, path: str, st: os.stat_result, expected: str | None = None) -> str | None:
        try:
            if stat.S_ISLNK(st.st_mode):
                return self._git.blob_id(os.fsencode(self._tree.readlink(path)))
            with self._tree.open_file(path) as fd, os.fdopen(os.dup(fd), "rb") as file:
                size = os.fstat(fd).st_size  # now; it may have grown since it was looked at, and grow on
                if size > _LARGEST_READ and (expected is None or self._git.size_of(expected) != size):
                    return None
                data = file.read(size)
        except OSError:
            return None
        plain = self._git.blob_id(data)
        return plain if expected in {None, plain} else self._git.clean_blob_id(path, data)
