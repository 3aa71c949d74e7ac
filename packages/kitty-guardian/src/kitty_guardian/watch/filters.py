"""How git changes a file's bytes between object and work tree: line endings, `$Id$`, filter programs such as Git LFS.

The filter programs are those that were configured when the work tree was adopted. `.git/config` and `~/.gitconfig` can
be written by anyone who writes here; a program named there later could make any bytes pass for any object.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from kitty_guardian.commits.workbench import borrow
from kitty_guardian.errors import GitError
from kitty_guardian.project.git import Git
from kitty_guardian.project.repository import Worktree

_KEYS = r"^(filter\..*|core\.(autocrlf|eol|ignorecase|attributesfile)|lfs\.(fetch|skip).*)$"


class Filters:
    """Converts for one work tree.

    Args:
        worktree: The work tree.
        scratch: A directory that this object may make and empty.
    """

    def __init__(self, worktree: Worktree, scratch: Path) -> None:
        self._worktree = worktree
        self._scratch = scratch
        self._config: tuple[tuple[str, str], ...] = ()
        self._git: Git | None = None

    def configured(self) -> str:
        """The filters that git is configured with now, as text to be kept."""
        status, output = self._worktree.git.attempt("config", "--null", "--get-regexp", _KEYS)
        rows = [] if status else os.fsdecode(output).split("\0")[:-1]
        # A key without a value (`[filter "x"] required`) is git's way to say true.
        return json.dumps(
            [[key, value if has_value else "true"] for key, has_value, value in (row.partition("\n") for row in rows)]
        )

    def use(self, configured: str) -> None:
        """Convert by what `configured` gave, then or before."""
        self._config = tuple((key, value) for key, value in json.loads(configured))
        self._git = None

    def clean(self, path: str, data: bytes) -> str | None:
        """The object id that git gives these bytes at that path; None if a filter fails."""
        try:
            return self._ready().run("hash-object", "--stdin", f"--path={path}", stdin=data).decode("ascii").strip()
        except GitError:
            return None

    def smudge(self, path: str, oid: str) -> bytes | None:
        """The bytes that git writes for an object at that path; None if there is none such or a filter fails."""
        try:
            return self._ready().run("cat-file", "--filters", f"--path={path}", oid)
        except GitError:
            return None

    def _ready(self) -> Git:
        # Somebody may have tidied up, and `git hash-object` needs no repository: it would apply no filter at all.
        if self._git is None or not (self._scratch / "config").is_file():
            shutil.rmtree(self._scratch, ignore_errors=True)
            # Git LFS keeps what pointers point to beside the objects; there it is found and not kept twice.
            own = ("lfs.storage", os.fspath(self._worktree.common_dir / "lfs"))
            try:
                self._git = borrow(
                    self._worktree.git, self._scratch, (*self._config, own), work_tree=self._worktree.root
                )
            except OSError as error:
                raise GitError(f"{self._scratch} cannot be written: {error.strerror}") from error
        return self._git
