"""The guardian process: one worker that owns the session, threads that bring events and requests to it.

Run as `python -I -m kitty_guardian.watch.daemon` by `lifecycle.start`, with its request as one JSON argument; it says
one JSON line on its standard output when it watches, or why it does not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

import attrs

from kitty_guardian.errors import EventStoreError, GuardianError
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch.appearance import Appearance
from kitty_guardian.watch.control import ControlServer, answer_with
from kitty_guardian.watch.durable import GroupSync, write_atomically
from kitty_guardian.watch.intake import IntakeThread
from kitty_guardian.watch.locking import HeldLock
from kitty_guardian.watch.request import StartRequest
from kitty_guardian.watch.session import Session, actor
from kitty_guardian.watch.watching import CANARY_SECONDS, WATCH_LIMIT, Inbox, Watching, is_network

_LOCK_SECONDS = 2.0
_SCAN_AGAIN_SECONDS = 0.05
_SHORTEST_SCAN_INTERVAL = 2.0
_LONGEST_SCAN_INTERVAL = 30.0
_POLL_SECONDS = 0.25
_SCAN_SHARE = 60  # a scan may cost one sixtieth of a core
_LOG_BYTES = 1 << 20
_REREAD_BYTES = 1 << 23  # of each scan: some milliseconds, so that everything is read anew every few minutes
_DEEPEST_CALL = 10_000  # os.walk before 3.12 calls itself for each of the 2 000 folders that a path can be deep
_SUPERVISE_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_FAULT_SECONDS = 30.0
_LOOKS_GONE = 2  # seconds: git takes a work tree away file by file


class Daemon:
    """Holds one work tree until it is told to stop.

    Args:
        session: The opened session.
        lock: The held lock that makes this the one guardian of the work tree.
    """

    def __init__(self, session: Session, lock: HeldLock) -> None:
        self._session = session
        self._lock = lock
        self._inbox = Inbox()
        self._stopping: str | None = None
        worktree = session.worktree
        self._watching = Watching(
            worktree.root,
            (worktree.git_dir, worktree.common_dir),
            self._inbox,
            lambda name: session.guard.situation.may_hold(name) or name in session.record,
        )
        self._sync = GroupSync(session.tree, session.quarantine.fd, (session.quarantine.journal.fd, session.audit.fd))
        self._control = ControlServer(Path(session.state.socket), self._submit)
        self._appearance = Appearance(worktree)
        self._intake = IntakeThread(session.intake)
        self._network = is_network(worktree.root)
        self._canary = 0.0
        self._news: list[str] = []  # examined during a scan; what only whole batches get is still to come
        self._again: dict[str, float] = {}
        self._fault: tuple[float, str] | None = None
        self._next_scan = 0.0
        self._scan_seconds = 0.0
        self._looks_gone = 0
        self._watched_for = session.guard.situation

    def begin(self) -> dict[str, Any]:
        """Watch, then make the tree legal; gives the report for whoever started this process."""
        session = self._session
        # Events first: whatever happens from here on is seen, and what happened before is found by comparing.
        self._canary = self._watching.start(Path(session.state.stage) / "canary")
        changes = session.begin()
        self._watching.refresh()
        self._watched_for = session.guard.situation
        self._sync.start()
        self._session.intake.offered = self._intake.tell
        self._intake.start()
        self._hand_over()
        self._control.start()
        report = {
            "status": self.status(),
            "protected": [attrs.asdict(root) for root in session.roots],
            "changed": [attrs.asdict(change) for change in changes],
            "notes": session.notes,
        }
        write_atomically(Path(session.state.status), json.dumps(report["status"]).encode() + b"\n")
        return report

    def run(self) -> None:
        """Work until stopped."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda signum, _: self._stop_by(signal.Signals(signum).name))
        supervised = time.monotonic()
        while self._stopping is None:
            self._inbox.wake.wait(self._pause())
            self._work()
            if time.monotonic() - supervised > _SUPERVISE_SECONDS:
                supervised = time.monotonic()
                self._supervise()
        self._session.stop(reason=self._stopping, who=actor(), person=self._asked)

    _asked = False

    def close(self) -> None:
        """End every thread and leave nothing running."""
        self._control.close()
        self._watching.stop()
        self._hand_over()
        self._sync.finish()
        if self._intake.is_alive():
            self._intake.finish()
        Path(self._session.state.status).unlink(missing_ok=True)
        self._session.close()

    def status(self) -> dict[str, Any]:
        """The session's status with what this process knows of its own watching."""
        status = self._session.status()
        problems = status.pop("problems")
        degraded = list(self._degradations())
        level = "paused" if status.pop("paused") else "degraded" if degraded else "watching"
        if level == "watching" and status["mode"] == "observe":
            level = "observing"
        return {**status, "healthy": not problems and not degraded, "level": level, "notes": [*problems, *degraded]}

    def _degradations(self) -> list[str]:
        found = []
        if self._watching.shortage:
            found.append(
                f"{self._watching.shortage} directories could not be watched and are compared four times a second; "
                f"raise the limit: sudo sysctl {WATCH_LIMIT}=1048576"
            )
        if self._network:
            found.append("the work tree is on a network file system; it is compared four times a second")
        if self._fault is not None:
            found.append(f"something went wrong and is tried again: {self._fault[1]}")
        if self._canary > CANARY_SECONDS:
            found.append(f"file events take {self._canary * 1000:.0f} ms here; reverts are late")
        return found

    # The worker

    def _work(self) -> None:
        session, inbox = self._session, self._inbox
        guard = session.guard
        paths, calls = inbox.take()
        paths, self._news = [*self._news, *paths], []
        if inbox.top:
            inbox.top = False
            self._safely(self._watch_anew)
        guard.hear()
        for path in paths:
            self._safely(guard.follow_news, path)
        for path in paths:
            self._safely(session.notice, path)
        if inbox.git:  # after the paths: what is plainly illegal does not wait for git
            inbox.git = False
            self._safely(guard.follow_head)
        self._due_again()
        guard.hear()
        for path in self._new_directories(paths):
            self._look_again(path)
        if inbox.lost or time.monotonic() >= self._next_scan:
            self._scan()
        for call in calls:
            self._safely(call)
        self._safely(session.tick)
        self._watch_what_is_protected()
        self._hand_over()

    def _new_directories(self, paths: Iterable[str]) -> list[str]:
        """The topmost of the directories that news came of; what is below them is looked at with them."""
        found: list[str] = []
        for path in sorted(set(paths)):
            if found and path.startswith(f"{found[-1]}/"):
                continue
            st = self._session.tree.lstat(path) if "/" in path or path in self._session.record else None
            if st is not None and stat.S_ISDIR(st.st_mode):
                found.append(path)
        return found

    def _safely(self, work: Callable[..., object], *arguments: object) -> bool:
        """Run a part of the work; whatever goes wrong in it, the guardian goes on, says so and compares again."""
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - a guardian that dies of one path guards none
            where = f" ({', '.join(map(str, arguments))})" if arguments else ""
            self._fault = (time.monotonic(), f"{type(error).__name__}: {error}{where}")
            if not isinstance(error, (GuardianError, OSError)):
                with contextlib.suppress(OSError):  # no space for the log either
                    traceback.print_exc()
            self._next_scan = min(self._next_scan, time.monotonic() + _RETRY_SECONDS)
            return False
        return True

    def _watch_what_is_protected(self) -> None:
        """A step that closes a folder makes it one to be watched, at once: what was open may not have been."""
        if self._watched_for is not self._session.guard.situation:
            self._watched_for = self._session.guard.situation
            self._safely(self._watch_anew)

    def _watch_anew(self) -> None:
        for name in self._watching.refresh():
            self._look_again(name)

    def _look_again(self, path: str) -> None:
        """A new directory: what came into it before it was watched made no event."""
        self._safely(self._session.guard.follow_news, path)
        self._again[path] = time.monotonic() + _SCAN_AGAIN_SECONDS

    def _due_again(self) -> None:
        now = time.monotonic()
        self._session.guard.hear()
        for path in [path for path, due in self._again.items() if due <= now]:
            del self._again[path]
            self._safely(self._session.guard.follow_news, path)

    def _scan(self) -> None:
        """Compare everything, and once more while events are being lost."""
        self._inbox.lost = False
        started = time.monotonic()
        self._safely(self._watching.refresh)
        self._safely(self._session.guard.follow_head)
        self._session.guard.doubt(_REREAD_BYTES)
        self._safely(lambda: self._session.guard.scan(meanwhile=self._examine_news))
        self._safely(lambda: self._session.forgeries.look(self._session.adoption.bound))
        self._scan_seconds = time.monotonic() - started
        interval = min(max(_SHORTEST_SCAN_INTERVAL, _SCAN_SHARE * self._scan_seconds), _LONGEST_SCAN_INTERVAL)
        if self._watching.shortage or self._network:
            interval = max(_POLL_SECONDS, 4 * self._scan_seconds)
        self._next_scan = time.monotonic() + (interval if self._fault is None else min(interval, _RETRY_SECONDS))

    def _examine_news(self) -> None:
        """What has just changed does not wait for the end of a scan."""
        self._session.guard.hear()
        for path in self._inbox.take_paths():
            self._safely(self._session.guard.follow_news, path)
            self._news.append(path)

    def _pause(self) -> float:
        """Seconds until something is due."""
        now = time.monotonic()
        dues = [self._next_scan - now, _SUPERVISE_SECONDS, *(due - now for due in self._again.values())]
        if (due := self._session.next_due()) is not None:
            dues.append(due)
        return max(0.0, min(dues))

    def _hand_over(self) -> None:
        guard, quarantine = self._session.guard, self._session.quarantine
        if guard.touched or quarantine.fresh:
            self._sync.add(guard.touched, quarantine.fresh)

    def _supervise(self) -> None:
        """Threads that ended without being asked are started anew, and everything is compared."""
        if self._fault is not None and time.monotonic() - self._fault[0] > _FAULT_SECONDS:
            self._fault = None
        if self._session.upkeep.is_gone():
            self._looks_gone += 1
            if self._looks_gone >= _LOOKS_GONE:
                self._stopping = "its work tree was removed"
            return
        self._looks_gone = 0
        self._safely(self._session.upkeep.keep_in_place)
        self._safely(self._keep_reachable)
        if not self._watching.is_alive():
            self._safely(self._start_watching_anew)

    def _keep_reachable(self) -> None:
        """Our lock and our socket are what others know us by: put them back if somebody removed them."""
        if not self._session.upkeep.is_housed():
            return
        if not self._lock.is_in_place() and not self._lock.take_again():
            self._stopping = "another guardian holds the lock"
        if not self._control.is_in_place():
            self._control.close()
            self._control = ControlServer(Path(self._session.state.socket), self._submit)
            self._control.start()

    def _start_watching_anew(self) -> None:
        self._watching.stop()
        self._canary = self._watching.start(Path(self._session.state.stage) / "canary")
        self._inbox.note_loss()

    # Requests and signals

    def _submit(self, request: Mapping[str, Any], reply: Callable[[Mapping[str, Any]], None]) -> None:
        # In the asking thread: files are read and git is asked, and the worker has writes to undo.
        if request.get("verb") == "transition":
            answer = answer_with(self._perform, request)
            self._inbox.call(lambda: self._after(lambda: reply(answer)))
            return
        detected = self._appearance.of(self._session.adoption) if request.get("verb") == "status" else {}
        self._inbox.call(lambda: reply(answer_with(lambda asked: self._answer(asked, detected), request)))

    def _perform(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """A transition that somebody asks for who may not write the store, or need not."""
        from kitty_guardian.transitions.performing import answer

        worktree = self._session.worktree
        if (broken := self._session.standings.broken) is not None:
            raise EventStoreError(
                f"nothing is recorded while the event store is not believed: {broken}",
                hint="spec-kitty events verify, then: spec-kitty guardian restart --accept-current --reason TEXT",
            )
        with SqliteEventStore(Path(worktree.state.events)) as store:
            return answer(worktree, store, request)

    def _after(self, reply: Callable[[], None]) -> None:
        """What a transition changed is in force before whoever asked for it hears of it."""
        try:
            self._session.follow_store()
            self._watch_what_is_protected()
        finally:
            reply()

    def _answer(self, request: Mapping[str, Any], detected: Mapping[str, str]) -> Mapping[str, Any]:
        match request.get("verb"):
            case "stop":
                self._asked = bool(request.get("person", True))
                self._stopping = str(request.get("reason") or "stop")
                self._inbox.wake.set()
                return {"pid": os.getpid()}
            case "status":
                return {"status": {**self.status(), "detected": detected}}
            case "sync":
                self._session.answer(request)
                return {"status": self.status()}
            case _:
                return self._session.answer(request)

    def _stop_by(self, name: str) -> None:
        self._stopping = f"signal {name}"
        self._inbox.wake.set()


def serve(where: Path, request: StartRequest, say: Callable[[Mapping[str, Any]], None]) -> int:
    """Guard until stopped; `say` is told once: the report, or the error.

    Gives the exit code of the process.
    """
    lock: HeldLock | None = None
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _DEEPEST_CALL))
    try:
        worktree = find_worktree(where)
        lock = HeldLock(Path(worktree.state.guardian.lock))
        if not lock.acquire(timeout=_LOCK_SECONDS):
            say({"running": True})
            return 0
        daemon = Daemon(Session(worktree, request), lock)
        try:
            say(daemon.begin())
            daemon.run()
        finally:
            daemon.close()
    except GuardianError as error:
        say({"error": error.message, "hint": error.hint, "code": error.code, "exit_code": error.exit_code})
        return error.exit_code
    finally:
        if lock is not None:
            lock.close()
    return 0


def rotate(log: Path) -> None:
    """Keep one old log and start a new one when it has grown."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))


def _say_on(stream: TextIO) -> Callable[[Mapping[str, Any]], None]:
    def say(message: Mapping[str, Any]) -> None:
        """One line, then the pipe is closed: whoever waits goes on."""
        with contextlib.suppress(BrokenPipeError):
            stream.write(json.dumps(message) + "\n")
            stream.flush()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)

    return say


def main(arguments: list[str]) -> int:
    """The process's entry: `[work tree, request as JSON]`."""
    where, request = arguments
    return serve(Path(where), StartRequest(**json.loads(request)), _say_on(sys.stdout))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
