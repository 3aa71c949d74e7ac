"""Where HEAD is, asked often: git is asked only when a file that decides it has changed."""

from __future__ import annotations

import os
import re
import stat
import time
from pathlib import Path

from kitty_guardian.errors import GitError
from kitty_guardian.project.repository import Worktree

# A file changed this recently may change again without its times telling (coarse clocks).
_RACY_NS = 100_000_000
_BRANCH = re.compile(rb"ref: (refs/heads/[^\s\0]+)\n?")
_LONGEST = 4096
_DETACHED = re.compile(rb"[0-9a-f]{40,64}\n?")

_File = tuple[int, int, int, int] | None
_Mark = tuple[bytes, tuple[_File, ...]]


class HeadLook:
    """Looks at one work tree's HEAD.

    Args:
        worktree: The work tree.
    """

    def __init__(self, worktree: Worktree) -> None:
        self._worktree = worktree
        self._seen: tuple[_Mark, str | None] | None = None

    def commit(self) -> str | None:
        """The object id HEAD resolves to, or None on a branch without a commit.

        Raises:
            GitError: HEAD is there but cannot be resolved.
        """
        mark = self._mark()
        if mark is not None and self._seen is not None and self._seen[0] == mark:
            return self._seen[1]
        commit = self._worktree.head_commit()
        self._seen = (mark, commit) if mark is not None and _is_settled(mark) and mark == self._mark() else None
        return commit

    def _mark(self) -> _Mark | None:
        """What changes whenever HEAD resolves to something else; None where that cannot be told from files."""
        worktree = self._worktree
        if (worktree.common_dir / "reftable").exists():
            return None
        try:
            text = _read(worktree.git_dir / "HEAD")
        except OSError:
            return None
        files = [worktree.git_dir / "HEAD"]
        if branch := _BRANCH.fullmatch(text):
            ref = worktree.common_dir / os.fsdecode(branch[1])
            try:
                if not _DETACHED.fullmatch(_read(ref)):
                    return None  # a branch that stands for another one
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                pass  # packed, or not born yet
            except OSError:
                return None
            files += [ref, worktree.common_dir / "packed-refs"]
        elif not _DETACHED.fullmatch(text):
            return None
        return text, tuple(map(_status, files))


def _read(path: Path) -> bytes:
    """The content of a small file of git's; never waits for the writer of a FIFO that somebody put in its place.

    Raises:
        OSError: It cannot be read.
        GitError: It is no regular file.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise GitError(f"{path} is no regular file", hint="look at it with: git fsck")
        return os.read(fd, _LONGEST)
    finally:
        os.close(fd)


def _status(path: Path) -> _File:
    try:
        st = path.stat()
    except OSError:
        return None
    return (st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)


def _is_settled(mark: _Mark) -> bool:
    newest = max((file[3] for file in mark[1] if file is not None), default=0)
    return abs(time.time_ns() - newest) > _RACY_NS
