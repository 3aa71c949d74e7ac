"""File events: watchdog, set up so that it neither sleeps, nor livelocks, nor hides what it lost.

Events are hints (watching facts, sections 0 and 7). This module turns them into paths to be compared and into one flag
for "something was lost".
"""

from __future__ import annotations

import errno
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import attrs
from watchdog.events import (
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from kitty_guardian.errors import WatchError

_FILTER: list[type[FileSystemEvent]] = [
    FileClosedEvent, FileModifiedEvent, FileAttribEvent, FileCreatedEvent, FileDeletedEvent, FileMovedEvent,
    DirAttribEvent, DirCreatedEvent, DirDeletedEvent, DirMovedEvent,
]  # fmt: skip
"""Never `opened` and `closed_no_write`: our own scans would make them, without end in a large tree."""

CANARY_SECONDS = 0.1
_CANARY_TRIES = 5
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "afs", "ceph", "glusterfs", "lustre", "sshfs", "virtiofs"})
WATCH_LIMIT = "fs.inotify.max_user_watches"


class Inbox:
    """What the event threads hand to the one worker: paths, in order and once each, and flags."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paths: dict[str, None] = {}
        self._calls: list[Callable[[], None]] = []
        self.wake = threading.Event()
        self.lost = False
        self.git = False
        self.top = False

    def note(self, path: str) -> None:
        """A path below the root may have changed."""
        with self._lock:
            self._paths[path] = None
        self.wake.set()

    def note_git(self) -> None:
        """Something in the git directory changed."""
        self.git = True
        self.wake.set()

    def note_top(self) -> None:
        """A top-level directory came, went or was exchanged."""
        self.top = True
        self.wake.set()

    def note_loss(self) -> None:
        """Events were lost: only a comparison of everything will do."""
        self.lost = True
        self.wake.set()

    def call(self, work: Callable[[], None]) -> None:
        """Have the worker run something."""
        with self._lock:
            self._calls.append(work)
        self.wake.set()

    def take_paths(self) -> list[str]:
        """The paths noted since the last time; whoever waits still wakes for what else there is."""
        if not self._paths:
            return []
        with self._lock:
            paths, self._paths = list(self._paths), {}
        return paths

    def take(self) -> tuple[list[str], list[Callable[[], None]]]:
        """Everything noted since the last time."""
        self.wake.clear()
        with self._lock:
            paths, self._paths = list(self._paths), {}
            calls, self._calls = self._calls, []
        return paths, calls


class _TreeEvents(FileSystemEventHandler):
    """Notes the paths of events below the work tree; never raises, since that would end watchdog's thread."""

    def __init__(self, inbox: Inbox, root: str, *, top: bool) -> None:
        self._inbox = inbox
        self._prefix = root.rstrip(os.sep) + os.sep
        self._top = top

    def dispatch(self, event: FileSystemEvent) -> None:
        for path in (event.src_path, event.dest_path):
            text = os.fsdecode(path)
            if text.startswith(self._prefix):
                self._inbox.note(text[len(self._prefix) :].replace(os.sep, "/"))
        if self._top and event.is_directory:
            self._inbox.note_top()


class _GitEvents(FileSystemEventHandler):
    """Notes that git's own files changed."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def dispatch(self, event: FileSystemEvent) -> None:  # noqa: ARG002 - what it was does not matter
        self._inbox.note_git()


@attrs.define
class _Scheduled:
    watch: ObservedWatch
    inode: int


class Watching:
    """Watches the parts of a work tree where something may be protected, and git's own files.

    Args:
        root: The work tree; absolute.
        git_dirs: The git directory and the common directory.
        inbox: Where events go.
        wanted: Whether a top-level directory may hold something protected.
    """

    def __init__(self, root: Path, git_dirs: tuple[Path, Path], inbox: Inbox, wanted: Callable[[str], bool]) -> None:
        self.shortage = 0  # directories that could not be watched
        self.inbox = inbox
        self._root = os.fspath(root)
        self._git_dirs = git_dirs
        self._wanted = wanted
        self._scheduled: dict[str, _Scheduled] = {}
        self._observer: BaseObserver | None = None

    def start(self, canary: Path) -> float:
        """Begin to watch; gives the seconds that a canary event took.

        Args:
            canary: A directory for the canary, outside the work tree; created and removed.

        Raises:
            WatchError: Nothing can be watched (instance or watch limit reached).
        """
        if sys.platform.startswith("linux"):
            from kitty_guardian.watch import inotify

            inotify.tame(self)
        try:
            self._observer = Observer()
            self._observer.start()
            self._observer.schedule(
                _TreeEvents(self.inbox, self._root, top=True), self._root, recursive=False, event_filter=_FILTER
            )
            self._watch_git()
            seconds = self._canary(canary)
            self.refresh()
        except OSError as error:
            self.stop()
            raise WatchError(
                f"`{self._root}` cannot be watched: {error.strerror or error}",
                hint=f"raise the limit: sudo sysctl {_limit(error)}",
            ) from error
        return seconds

    def refresh(self) -> tuple[str, ...]:
        """Watch the top-level directories that are wanted now; gives those that are newly watched."""
        observer = self._observer
        if observer is None:
            return ()
        standing: dict[str, int] = {}
        with os.scandir(self._root) as entries:
            for entry in entries:
                if entry.name != ".git" and entry.is_dir(follow_symlinks=False) and self._wanted(entry.name):
                    standing[entry.name] = entry.inode()
        for name, scheduled in tuple(self._scheduled.items()):
            if standing.get(name) != scheduled.inode or not self._is_alive(scheduled.watch):
                observer.unschedule(scheduled.watch)
                del self._scheduled[name]
        return tuple(name for name, inode in standing.items() if self._watch_below(observer, name, inode))

    def _watch_below(self, observer: BaseObserver, name: str, inode: int) -> bool:
        """Watch one top-level directory with all below it; False if it is watched already or cannot be."""
        if name in self._scheduled:
            return False
        handler = _TreeEvents(self.inbox, self._root, top=False)
        try:
            watch = observer.schedule(handler, f"{self._root}/{name}", recursive=True, event_filter=_FILTER)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EMFILE, errno.EACCES}:
                raise
            self.shortage += 1
            return False
        self._scheduled[name] = _Scheduled(watch, inode)
        return True

    def is_alive(self) -> bool:
        """Whether every thread that brings events lives."""
        observer = self._observer
        return observer is not None and observer.is_alive()

    def _is_alive(self, watch: ObservedWatch) -> bool:
        observer = self._observer
        return observer is not None and any(
            emitter.watch == watch and emitter.is_alive() for emitter in observer.emitters
        )

    def stop(self) -> None:
        """End every thread."""
        observer, self._observer = self._observer, None
        if observer is not None and observer.is_alive():
            observer.stop()
            observer.join()
        self._scheduled.clear()

    def _watch_git(self) -> None:
        observer = self._observer
        if observer is None:
            return
        git_dir, common = self._git_dirs
        handler = _GitEvents(self.inbox)
        for path, recursive in {git_dir: False, common: False, common / "refs" / "heads": True}.items():
            if path.is_dir():
                observer.schedule(handler, os.fspath(path), recursive=recursive, event_filter=_FILTER)

    def _canary(self, directory: Path) -> float:
        """How long an event takes behind a file's leaving a watched directory: watchdog's own sleep would show."""
        observer = self._observer
        if observer is None:
            return float("inf")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        seen = threading.Event()

        class Seen(FileSystemEventHandler):
            def dispatch(self, event: FileSystemEvent) -> None:
                if os.fsdecode(event.src_path).endswith("canary-2"):
                    seen.set()

        watch = observer.schedule(Seen(), os.fspath(directory), recursive=False, event_filter=_FILTER)
        outside = directory.with_name(directory.name + "-out")
        best = float("inf")
        for _ in range(_CANARY_TRIES):
            seen.clear()
            (directory / "canary-1").write_bytes(b"")
            (directory / "canary-1").rename(outside)
            started = time.monotonic()
            (directory / "canary-2").write_bytes(b"")
            if seen.wait(1.0):
                best = min(best, time.monotonic() - started)
            outside.unlink()
            (directory / "canary-2").unlink()
            if best < CANARY_SECONDS:
                break
        observer.unschedule(watch)
        directory.rmdir()
        return best


def is_network(path: Path) -> bool:
    """Whether a path lies on a file system whose other writers make no events here."""
    try:
        table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    best, kind = "", ""
    for line in table.splitlines():
        left, _, right = line.partition(" - ")
        mount = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), left.split(" ")[4])
        if os.fspath(path).startswith(mount.rstrip("/") + "/") and len(mount) >= len(best):
            best, kind = mount, right.split(" ")[0]
    return kind in _NETWORK or kind.startswith("fuse.")


def _limit(error: OSError) -> str:
    return "fs.inotify.max_user_instances=512" if error.errno == errno.EMFILE else f"{WATCH_LIMIT}=1048576"
