"""Which untracked paths HEAD's own ignore rules ignore: git is asked, over a scratch tree of HEAD's ignore files alone.

The work tree's `.gitignore` files do not count, since whoever may write them could hide anything from the watcher.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from kitty_guardian.project.git import Git

_PROBE = "\x01probe"
_FIELDS = 4  # of each answer: source, line, pattern, path


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
        self._has_rules = False
        self._rules: tuple[tuple[bytes, bytes], ...] | None = None

    def move_to(self, commit: str | None) -> None:
        """Take the ignore files of `commit`; None means there is no commit yet, so nothing is ignored."""
        found: list[tuple[bytes, bytes]] = []
        if commit is not None:
            for row in self._git.lines_z("ls-tree", "-r", "-z", commit):
                head, _, name = row.partition(b"\t")
                mode, _, oid = head.split(b" ")
                if name.rpartition(b"/")[2] == b".gitignore" and mode != b"120000":
                    found.append((name, oid))
        rules = tuple(found)
        if rules == self._rules:
            return
        self.close()
        self._rules = rules
        self._has_rules = bool(rules)
        if not rules:
            return
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(mode=0o700, parents=True)
        Git(self._scratch).run("init", "--quiet", "--template=", str(self._scratch))
        for name, oid in rules:
            target = self._scratch / os.fsdecode(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self._git.run("cat-file", "blob", oid.decode()))

    def ignores(self, path: str, *, directory: bool) -> bool:
        """Whether an untracked thing at `path` is ignored."""
        if not self._has_rules:
            return False
        # A directory is ignored exactly if whatever lies in it is; the name is asked as a child, since git looks at
        # the disk for the kind of a path and the scratch tree holds none of these.
        question = f"{path}/{_PROBE}" if directory else path
        try:
            return self._ask(os.fsencode(question))
        except (OSError, ValueError):  # the helper process is gone: once more with a fresh one
            self._stop()
            return self._ask(os.fsencode(question))

    def _ask(self, question: bytes) -> bool:
        if self._process is None:
            git = Git(self._scratch)
            self._process = subprocess.Popen(
                git.command(
                    "-c", "core.excludesFile=/dev/null", "check-ignore", "--stdin", "-z", "--verbose",
                    "--non-matching", "--no-index",
                ),
                cwd=self._scratch, env=dict(git.environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process has no pipes")
        process.stdin.write(question + b"\0")
        process.stdin.flush()
        answer = b""
        while answer.count(b"\0") < _FIELDS:
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                raise ValueError("git check-ignore ended")
            answer += chunk
        pattern = answer.split(b"\0")[2]
        return bool(pattern) and not pattern.startswith(b"!")

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def close(self) -> None:
        """End the helper process."""
        self._stop()
