"""A guard without a process and with a clock of its own, over a repository that git changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch.audit import read_events
from kitty_guardian.watch.request import StartRequest
from kitty_guardian.watch.session import Session
from support.guarded import FEATURE, Clock, session
from support.repositories import Repository


@attrs.define
class Held:
    """A work tree under a guard.

    Attributes:
        repository: The work tree.
        session: The guard's session.
        clock: The guard's clock.
    """

    repository: Repository
    session: Session
    clock: Clock

    def look(self) -> None:
        """What the daemon does when files have changed."""
        self.session.guard.follow_head()
        self.session.guard.scan()
        self.session.tick()

    def later(self, seconds: float = 3.0) -> None:
        """Let time pass, then look."""
        self.clock.now += seconds
        self.look()

    def events(self) -> list[dict[str, Any]]:
        """The violations so far, without what is only pending."""
        events = read_events(Path(self.session.state.violations))
        found = [event["payload"] for event in events if event["event_type"] == "PolicyViolationAttempted"]
        return [payload for payload in found if payload["action"] != "pending"]

    def operations(self) -> list[tuple[str, str]]:
        """Path and operation of each violation."""
        return [(event["path"], event["operation"]) for event in self.events()]

    def problems(self) -> list[str]:
        """What the status says is wrong."""
        return list(self.session.status()["problems"])

    def legal_bytes(self, path: str) -> bytes | None:
        """What the legal record holds at a path."""
        legal = self.session.record.get(path)
        return None if legal is None else b"".join(self.session.record.content(legal.sha256))


@contextmanager
def held(repository: Repository, *, feature: str | None = FEATURE, reason: str | None = None) -> Iterator[Held]:
    """Guard a repository for the time of a block."""
    clock = Clock()
    with session(repository, request=StartRequest(feature=feature, accept_current=reason), clock=clock) as opened:
        holder = Held(repository, opened, clock)
        opened.git._quiet_since = float("-inf")
        yield holder


def mate_of(repository: Repository, path: Path) -> Repository:
    """A teammate's clone, which `repository` knows as the remote `origin` that `main` follows."""
    mate = Repository(path, init=False)
    repository.git("clone", "-q", str(repository.path), str(path))
    repository.git("remote", "add", "origin", str(path))
    repository.git("fetch", "-q", "origin")
    repository.git("branch", "-q", "--set-upstream-to=origin/main", "main")
    mate._commits = 100  # later dates
    return mate


def worktree_git_dir(repository: Repository) -> Path:
    """Where git keeps what belongs to this work tree."""
    return find_worktree(repository.path).git_dir
