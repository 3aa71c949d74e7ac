"""Real git repositories for tests, made fast and always the same: pinned people, dates and configuration."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

Phase = Literal["research", "specify", "plan", "tasks", "implement", "review", "finished"]

_LANES: dict[Phase, str] = {
    "tasks": "planned",
    "implement": "in_progress",
    "review": "for_review",
    "finished": "done",
}
_EPOCH = 1_767_225_600
"""Seconds; the first commit is made at 2026-01-01T00:00:00Z, each further one a minute later."""


def git_environment(home: Path, *, at: int = _EPOCH) -> dict[str, str]:
    """An environment in which git sees no configuration but the repository's own.

    Args:
        home: The directory that stands for the home directory; never the real one.
        at: Author and committer date, seconds since 1970.
    """
    date = f"@{at} +0000"
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "GIT_COMMITTER_DATE": date,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "TZ": "UTC",
    }


class Repository:
    """One git repository with a work tree.

    Two repositories built by the same steps have the same commit ids.

    Attributes:
        path: Top directory of the work tree.
        home: What stands for the home directory: `<path>.home`, beside the work tree.
    """

    def __init__(self, path: Path, *, init: bool = True) -> None:
        """Makes the directory and, unless told not to, an empty repository on branch `main`.

        Args:
            path: Top directory; made where missing.
            init: False: the repository exists already (a linked work tree, a clone).
        """
        self.path = path
        self.home = path.with_name(f"{path.name}.home")
        self._commits = 0
        path.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(exist_ok=True)
        if init:
            self.git("init", "--quiet", "--initial-branch=main", "--template=")

    @property
    def environment(self) -> dict[str, str]:
        """What git runs with here; also right for programs under test that run git themselves."""
        return git_environment(self.home, at=_EPOCH + 60 * self._commits)

    def git(
        self, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> str:
        """Standard output of `git ARGUMENTS…`, run in the work tree, without its last line end.

        Args:
            arguments: Command and arguments.
            stdin: Bytes for standard input.
            env: Variables on top of `environment`.
            check: Whether failing is an error.

        Raises:
            AssertionError: Git failed; the message is what it said.
        """
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env={**self.environment, **(env or {})},
            input=b"" if stdin is None else stdin,
            capture_output=True,
            check=False,
            timeout=60,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
        return os.fsdecode(done.stdout).removesuffix("\n")

    def write(self, path: str, content: str | bytes = "", *, executable: bool = False) -> Path:
        """Writes one file with its parent directories, text exactly as given, and returns its absolute path."""
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        if executable:
            target.chmod(0o755)
        return target

    def commit(self, message: str = "work", *, add: bool = True) -> str:
        """Commits everything in the work tree (empty commits too) and returns the commit's id.

        Args:
            message: Its message.
            add: False: the index is committed as it is.
        """
        if add:
            self.git("add", "--all")
        self._commits += 1
        self.git("commit", "--quiet", "--no-verify", "--allow-empty", "--message", message)
        return self.head()

    def head(self) -> str:
        """The id of the commit HEAD is at."""
        return self.git("rev-parse", "HEAD")

    def worktree(self, path: Path, branch: str) -> Repository:
        """Adds a linked work tree at `path` on a new `branch`."""
        self.git("worktree", "add", "--quiet", "-b", branch, str(path))
        return Repository(path, init=False)

    def feature(
        self, name: str, phase: Phase = "plan", *, work_packages: Sequence[str] = ("WP01",), log: bool = False
    ) -> Path:
        """Writes (does not commit) a feature that is detected to be in `phase`, and returns its directory.

        Args:
            name: Folder name below `kitty-specs/`.
            phase: What its artifacts and lanes say; `finished`: all work packages done.
            work_packages: Their ids, from phase `tasks` on.
            log: Whether lanes are kept in `status.events.jsonl` (3.0 on) instead of frontmatter (0.9 to 2.1).
        """
        directory = f"kitty-specs/{name}"
        order = ("research", "specify", "plan")
        reached = order.index(phase) if phase in order else len(order)
        self.write(f"{directory}/meta.json", _document({"slug": name, "mission_type": "software-dev"}))
        self.write(f"{directory}/research.md", f"# Research for {name}\n\nWhat is known.\n")
        if reached >= 1:
            self.write(f"{directory}/spec.md", f"# {name}\n\nWhat it must do.\n")
        if reached >= 2:
            self.write(f"{directory}/plan.md", f"# Plan of {name}\n\nHow it will be done.\n")
        if phase in _LANES:
            self.write(f"{directory}/tasks.md", f"# Tasks of {name}\n")
            for work_package in work_packages:
                lane = None if log else _LANES[phase]
                self.write(f"{directory}/tasks/{work_package}-part.md", work_package_text(work_package, lane=lane))
            if log:
                moves = [transition(wp, _LANES[phase], number=number) for number, wp in enumerate(work_packages)]
                self.write(f"{directory}/status.events.jsonl", "".join(f"{line}\n" for line in moves))
        return self.path / directory


def work_package_text(work_package: str, *, lane: str | None = None, extra: str = "") -> str:
    """A work package prompt with valid frontmatter; `extra` is further frontmatter, whole lines."""
    lane_line = "" if lane is None else f'lane: "{lane}"\n'
    return (
        f"---\nwork_package_id: {work_package}\ntitle: Part {work_package}\n{lane_line}dependencies: []\n{extra}---\n"
        f"# {work_package}\n\nDo it.\n"
    )


def transition(work_package: str, to_lane: str, *, number: int = 0, **fields: Any) -> str:  # noqa: ANN401 - JSON
    """One line of `status.events.jsonl` without its line end: `work_package` moves to `to_lane`.

    Args:
        work_package: Its id.
        to_lane: Where it goes.
        number: Makes time and event id unique and later than those of smaller numbers.
        fields: Replace or add JSON fields.
    """
    event = {
        "actor": "ada",
        "at": f"2026-03-01T10:{number // 60:02}:{number % 60:02}.000001+00:00",
        "event_id": f"01KJM21FXF8MHPHQ48{number:08}",
        "evidence": None,
        "execution_mode": "worktree",
        "force": False,
        "from_lane": "planned",
        "policy_metadata": None,
        "reason": None,
        "review_ref": None,
        "to_lane": to_lane,
        "wp_id": work_package,
    }
    return json.dumps(event | fields, sort_keys=True)


def _document(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
