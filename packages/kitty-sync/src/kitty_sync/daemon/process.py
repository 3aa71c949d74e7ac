"""The daemon process: holds its root's lock, answers, does its steps, and ends when it is told to or cannot be found.

Run as `python -m kitty_sync.daemon.process BASE PLATFORM` by `lifecycle.start`; says one JSON line on its standard
output when it answers, or why it does not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from kitty_paths import StateRoot
from kitty_sync.config import SyncConfig
from kitty_sync.daemon.address import HOST, Address
from kitty_sync.daemon.control import ControlServer
from kitty_sync.daemon.log import DaemonLog
from kitty_sync.daemon.owner import read_owner, refuse_foreign, write_owner
from kitty_sync.daemon.work import NOTHING_IS_SENT, QueueWatch, Step, count_queues
from kitty_sync.errors import DaemonStartError, SyncError
from kitty_sync.queue.events import EventQueue
from kitty_sync.queue.record import active_scope
from kitty_sync.secret import Secret
from kitty_sync.storage.locking import HeldLock

_LOCK_SECONDS = 2.0  # others only look whether it is held, for a moment
_TICK_SECONDS = 1.0
_PRIVATE = 0o077

Say = Callable[[Mapping[str, Any]], None]


class Daemon:
    """One root's daemon.

    Args:
        root: The root.
        lock: The held lock that makes this the one daemon of the root.
        log: Where it tells what happens.
        steps: What it does.
        tick: Seconds between two looks at whether it can still be found.

    Raises:
        StateError: What others find it by cannot be written.
        DaemonStartError: It cannot listen.
    """

    def __init__(
        self, root: StateRoot, lock: HeldLock, log: DaemonLog, steps: Sequence[Step], *, tick: float = _TICK_SECONDS
    ) -> None:
        self._root = root
        self._lock = lock
        self._log = log
        self._steps = steps
        self._tick = tick
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._ending = threading.Event()
        self._reason = ""
        self._problems: dict[str, str] = {}
        token = Secret.random()
        try:
            self._server = ControlServer(token, {"GET /status": self.status, "POST /stop": self._stop})
        except OSError as error:
            raise DaemonStartError(f"the sync daemon cannot listen on {HOST}: {error.strerror}") from error
        try:
            # The record first and the state file last: who finds the second finds everything.
            write_owner(root, self._record())
            Address(self._server.port, token, os.getpid()).write(root)
            self._found_by = {
                path: _identity(path) for path in (root.base, root.daemon.state.path, root.daemon.owner.path)
            }
        except SyncError:
            self._server.server_close()
            self._remove_signs()
            raise

    def begin(self) -> None:
        """Answer from now on."""
        self._server.serve_in_background()
        self._log.say(f"answering at port {self._server.port} for {self._root.base}; {NOTHING_IS_SENT}")

    def run(self) -> None:
        """Work until the end is asked for, or nobody could find us any more."""
        due = dict.fromkeys(range(len(self._steps)), 0.0)
        while not self._ending.is_set():
            for number, step in enumerate(self._steps):
                if time.monotonic() >= due[number]:
                    self._do(step)
                    due[number] = time.monotonic() + step.pause
            self._ending.wait(self._tick)
            self._end_when_lost()
        self._log.say(f"ending: {self._reason}")

    def close(self) -> None:
        """Stop answering and remove what others find us by."""
        self._server.end()
        self._remove_signs()

    def end(self, reason: str) -> None:
        """Have `run` return soon."""
        self._reason = self._reason or reason
        self._ending.set()

    def status(self) -> dict[str, Any]:
        """What this daemon says of itself."""
        # A copy: the steps go on while this is answered in another thread.
        notes = [f"{name}: {problem}" for name, problem in tuple(self._problems.items())]
        try:
            queues = [attrs.asdict(each) for each in count_queues(self._root)]
        except SyncError as error:
            queues, notes = [], [*notes, error.message]
        return {
            "pid": os.getpid(),
            "root": str(self._root.base),
            "version": version(),
            "started_at": self._started_at,
            "sending": False,
            "queues": queues,
            "notes": [NOTHING_IS_SENT, *notes],
        }

    def _stop(self) -> dict[str, Any]:
        self.end("asked to stop")
        return {"pid": os.getpid()}

    def _do(self, step: Step) -> None:
        try:
            step.run(self._log.say)
        except SyncError as error:
            self._note(step.name, error.message)
        except Exception as error:  # noqa: BLE001 - one step's bug must not end the others
            self._note(step.name, f"{type(error).__name__}: {error}", traceback.format_exception(error))
        else:
            self._problems.pop(step.name, None)

    def _note(self, name: str, problem: str, details: Sequence[str] = ()) -> None:
        if self._problems.get(name) != problem:  # what goes on failing in one way is told once
            for line in (f"{name}: {problem}", *details):
                self._log.say(line)
        self._problems[name] = problem

    # What we are found by

    def _end_when_lost(self) -> None:
        """A daemon that cannot be found can be neither asked nor stopped, and another one may begin beside it."""
        changed = [str(path) for path, identity in self._found_by.items() if _identity(path) != identity]
        if not self._lock.is_in_place():
            changed.append(str(self._root.daemon.lock))
        if changed:
            self.end(f"nobody could find this daemon any more: {changed[0]} is gone or is another one")

    def _remove_signs(self) -> None:
        # Only our own: where the lock's file is another one, another daemon may have written them.
        if not self._lock.is_in_place() or read_owner(self._root).pid != os.getpid():
            return
        for surface in (self._root.daemon.state, self._root.daemon.owner):
            with contextlib.suppress(OSError):
                Path(surface).unlink()

    def _record(self) -> dict[str, str | int | None]:
        scope = active_scope(self._root)
        return {
            "pid": os.getpid(),
            "port": self._server.port,
            "package_version": version(),
            "executable_path": str(Path(sys.executable).resolve()),
            "source_checkout_path": None,
            "server_url": _server_url(self._root),
            "auth_principal": scope.user if scope else None,
            "auth_team": scope.team if scope else None,
            "auth_scope": scope.text if scope else None,
            "queue_db_path": str(EventQueue.active(self._root).surface),
            "started_at": self._started_at,
        }


def _server_url(root: StateRoot) -> str | None:
    return SyncConfig(root).read().server_url


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        st = path.lstat()
    except OSError:
        return None
    return (st.st_dev, st.st_ino)


def version() -> str:
    """This package's version."""
    from importlib.metadata import version as version_of

    return version_of("kitty-sync")


def serve(
    root: StateRoot, say: Say, *, echo: Callable[[str], None] | None = None, streams: tuple[int, ...] = ()
) -> int:
    """Be the daemon of a root until the end; gives the exit code of the process.

    Args:
        root: The root.
        say: Is told once: that it answers, that another one has the lock, or why it cannot be.
        echo: Is given each line of the log as well.
        streams: Descriptors that go into the log.
    """
    try:
        refuse_foreign(root)
        with HeldLock(root, root.daemon.lock) as lock:
            if not lock.acquire(_LOCK_SECONDS):
                say({"held": True})
                return 0
            refuse_foreign(root)  # again: whoever had the lock before us may have left it
            log = DaemonLog(root, streams=streams, echo=echo)
            with contextlib.closing(Daemon(root, lock, log, (QueueWatch(root),))) as daemon, _signals_end(daemon):
                daemon.begin()
                say({"held": False, "pid": os.getpid()})
                daemon.run()
    except SyncError as error:
        say({"error": error.message, "hint": error.hint, "code": error.code, "exit_code": error.exit_code})
        return error.exit_code
    return 0


@contextlib.contextmanager
def _signals_end(daemon: Daemon) -> Iterator[None]:
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]
    before = {
        number: signal.signal(number, lambda received, _: daemon.end(f"signal {signal.Signals(received).name}"))
        for number in numbers
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_once(message: Mapping[str, Any]) -> None:
    """One line, then the pipe is closed: whoever waits goes on."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), json.dumps(message).encode() + b"\n")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def main(arguments: Sequence[str]) -> int:
    """The process's entry: `[base of the root, its platform]`."""
    base, platform = arguments
    os.umask(_PRIVATE)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # whoever started us may have been deaf to some
    return serve(StateRoot.at(base, platform=platform), _say_once, streams=(2,))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
