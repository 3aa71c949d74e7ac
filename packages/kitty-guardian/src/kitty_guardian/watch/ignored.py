"""Which untracked paths HEAD's own ignore rules ignore: git is asked, over a scratch tree of HEAD's ignore files alone.

The work tree's `.gitignore` files do not count, since whoever may write them could hide anything from the watcher.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from kitty_guardian.commits.changes import tree_entries
from kitty_guardian.errors import GitError
from kitty_guardian.project.git import Git

_FIELDS = 4  # of each answer: source, line, pattern, path
_PATIENCE_SECONDS = 2.0
_FILES = frozenset({"100644", "100755"})
_NOT_A_NAME = frozenset({"", ".", "..", ".git"})


class IgnoreRules:
    """Answers for one commit; `move_to` follows HEAD.

    Args:
        git: The repository.
        scratch: A directory that this object may fill and empty.
    """

    def __init__(self, git: Git, scratch: Path) -> None:
        self._git = git
        self._scratch = scratch
        self._process: subprocess.Popen[bytes] | None = None
        self._rules: dict[str, str] = {}
        self._ready = False

    def move_to(self, commit: str | None) -> None:
        """Take the ignore files of `commit`; None means there is no commit yet, so nothing is ignored.

        Raises:
            GitError: The commit cannot be read.
        """
        rules = {
            path: entry.oid
            for path, entry in (tree_entries(self._git, commit) if commit is not None else {}).items()
            if path.rpartition("/")[2] == ".gitignore" and entry.mode in _FILES and not _leads_out(path)
        }
        if rules != self._rules:
            self.close()
            self._rules, self._ready = rules, False
            if rules:  # now, while the repository answers: a later question must not depend on it
                with contextlib.suppress(OSError, GitError):  # then the first question tries again
                    self._prepare()

    def ignores(self, path: str, *, directory: bool) -> bool:
        """Whether an untracked thing at `path` is ignored; not, if git cannot tell."""
        if not self._rules or _leads_out(path):
            return False
        for _ in range(2):
            try:
                return self._ask(path, directory=directory)
            except (OSError, ValueError, GitError):  # the process or its scratch tree is gone: once more, made anew
                self.close()
                self._ready = False
        return False

    def _ask(self, path: str, *, directory: bool) -> bool:
        if not self._ready:
            self._prepare()
        process = self._running()
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process has no pipes")
        # Git looks at the disk for the kind of a path; `./` keeps it from reading magic into a leading colon.
        with self._directory(path) if directory else contextlib.nullcontext():
            process.stdin.write(b"./" + os.fsencode(path) + b"\0")
            process.stdin.flush()
            answer = b""
            while answer.count(b"\0") < _FIELDS:
                if not select.select([process.stdout], [], [], _PATIENCE_SECONDS)[0]:
                    raise ValueError("git check-ignore is silent")  # stopped by a signal, say
                chunk = os.read(process.stdout.fileno(), 1 << 16)
                if not chunk:
                    raise ValueError("git check-ignore ended")
                answer += chunk
        pattern = answer.split(b"\0")[2]
        return bool(pattern) and not pattern.startswith(b"!")

    def _prepare(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(mode=0o700)  # never its parents: a repository that was moved away is not ours to begin anew
        Git(self._scratch).run("init", "--quiet", "--template=", os.fspath(self._scratch))
        with self._git.cat_batch() as objects:
            for path, oid in self._rules.items():
                found = objects.read(oid)
                target = self._scratch / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(found[1] if found is not None else b"")
        self._ready = True

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            git = Git(self._scratch, git_dir=self._scratch / ".git")
            self._process = subprocess.Popen(
                git.command(
                    "-c", "core.excludesFile=/dev/null", "check-ignore", "--stdin", "-z", "--verbose",
                    "--non-matching", "--no-index",
                ),
                cwd=self._scratch, env=dict(git.environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
        return self._process

    @contextlib.contextmanager
    def _directory(self, path: str) -> Iterator[None]:
        """Let a directory stand in the scratch tree for as long as a question about it takes."""
        made: list[Path] = []
        place = self._scratch
        for name in path.split("/"):
            place /= name
            if not place.is_dir():
                place.mkdir()
                made.append(place)
        try:
            yield
        finally:
            for place in reversed(made):
                place.rmdir()

    def close(self) -> None:
        """End the helper process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _leads_out(path: str) -> bool:
    """Whether a path, as a tree may hold it, would name something beside or outside the scratch tree's own files."""
    return any(name.casefold() in _NOT_A_NAME for name in path.split("/"))
