"""Work trees under a real guardian, and how to compare them byte for byte."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from kitty_guardian.errors import GuardianError
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch import lifecycle
from kitty_guardian.watch.entries import Entry, find_entry, list_entries, read_entry
from kitty_guardian.watch.request import StartRequest
from kitty_guardian.watch.session import Session
from support.repositories import Phase, Repository

FEATURE = "001-home-guard"
PATIENCE = 20.0
"""Seconds after which something that should have happened has not: far beyond what is promised, no timing test."""

Snapshot = dict[str, tuple[int, bytes]]


def project(path: Path, phase: Phase = "plan", *, files: int = 4) -> Repository:
    """A committed project with a feature in `phase`, sources, tests, a binary, a script and a link."""
    repository = Repository(path)
    repository.feature(FEATURE, phase)
    repository.write("src/app.py", "print('legal')\n")
    repository.write("src/data.bin", bytes(range(256)) * 8)
    repository.write("src/run.sh", "#!/bin/sh\n", executable=True)
    for number in range(files):
        repository.write(f"src/pkg/deep/module_{number}.py", f"VALUE = {number}\n")
    (path / "src" / "link.py").symlink_to("app.py")
    repository.write("tests/test_app.py", "def test(): ...\n")
    repository.write(".gitignore", "*.log\nbuild/\n")
    repository.commit("a project")
    return repository


def committed_beside(repository: Repository, changes: dict[str, str]) -> str:
    """A commit on top of HEAD made of plumbing alone; no reference names it, nothing in the work tree changes."""
    index = {"GIT_INDEX_FILE": str(repository.home / "index")}
    repository.git("read-tree", "HEAD", env=index)
    for path, content in changes.items():
        blob = repository.git("hash-object", "-w", "--stdin", stdin=content.encode())
        repository.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=index)
    tree = repository.git("write-tree", env=index)
    return repository.git("commit-tree", tree, "-p", "HEAD", "-m", "evil")


def snapshot(directory: Path) -> Snapshot:
    """Every path below a directory: its mode with the kind, and its bytes or its target."""
    found: Snapshot = {}
    for place, names, files in os.walk(directory):
        for name in (*names, *files):
            path = Path(place) / name
            st = path.lstat()
            content = b""
            if stat.S_ISREG(st.st_mode):
                content = path.read_bytes()
            elif stat.S_ISLNK(st.st_mode):
                content = os.fsencode(path.readlink())
            found[path.relative_to(directory).as_posix()] = (st.st_mode, content)
    return found


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: It does not within `PATIENCE`.
    """
    deadline = time.monotonic() + PATIENCE
    while not _holds(holds):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE:g} s: {what}")
        time.sleep(0.002)


def _holds(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False  # looked in the middle of a change


def legal_again(directory: Path, before: Snapshot) -> None:
    """Wait until a directory is byte for byte as it was."""
    eventually(lambda: snapshot(directory) == before, f"{directory} is as it was")


@contextmanager
def guarded(repository: Repository, *, feature: str | None = FEATURE) -> Iterator[lifecycle.StartReport]:
    """A real guardian process for the time of a block."""
    report = lifecycle.start(repository.path, feature=feature)
    try:
        yield report
    finally:
        try:
            lifecycle.stop(repository.path)
        except GuardianError:  # a test that broke the repository must not leave a process behind
            if report.status.pid is not None:
                os.kill(report.status.pid, signal.SIGKILL)
            raise


@attrs.define
class Clock:
    """Seconds that pass only when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def session(
    repository: Repository, *, request: StartRequest | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Session]:
    """A guard without a process: the test calls `scan` and `tick` itself."""
    opened = Session(find_worktree(repository.path), request or StartRequest(feature=FEATURE), clock)
    try:
        opened.begin()
        yield opened
    finally:
        opened.close()


def quarantined(repository: Repository, path: str) -> list[Entry]:
    """What was taken away from a path, oldest first."""
    return [entry for entry in list_entries(repository.path) if entry.path == path]


def bytes_of(repository: Repository, entry: Entry) -> bytes:
    """What an entry holds."""
    return b"".join(read_entry(repository.path, entry.id))


def slot_of(repository: Repository, entry: Entry) -> Path:
    """Where an entry's inode is."""
    return find_entry(repository.path, entry.id)[1]
