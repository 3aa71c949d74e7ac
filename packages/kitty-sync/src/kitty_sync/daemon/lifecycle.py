"""Starting, stopping and asking the sync daemon of a state root.

Who lives is who holds the lock `daemon.lock`; no process id of any file decides anything.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import attrs

from kitty_sync.daemon import holder
from kitty_sync.daemon.address import Address
from kitty_sync.daemon.asking import ask
from kitty_sync.daemon.owner import OwnerRecord, Whose, explain, read_owner, refuse_foreign
from kitty_sync.daemon.spawn import raise_refusal, spawn
from kitty_sync.daemon.work import QueueCount
from kitty_sync.errors import DaemonStartError, DaemonUnreachableError, SyncError
from kitty_sync.storage import directories
from kitty_sync.storage.faults import explained
from kitty_sync.storage.locking import HeldLock, is_held

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kitty_paths import StateRoot

FOREIGN = "sync.daemon.foreign"
UNREACHABLE = "sync.daemon.unreachable"
DIED = "sync.daemon.died"

_STOP_SECONDS = 20.0
_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.02


@attrs.frozen
class DaemonStatus:
    """How the daemon of a root stands.

    Attributes:
        running: Whether one of ours runs and answers for this root.
        pid: Its process id, or None.
        url: Where it answers, or None.
        root: The root as the running daemon reports it, or None.
        version: Its version, or None.
        started_at: When it began, ISO 8601, or None.
        queues: What waits, as it counts, or ().
        notes: Sentences about it that a person should know.
        problem: What is wrong with it, one sentence, or None.
        problem_code: `FOREIGN`, `UNREACHABLE` or `DIED`; None without a problem.
        hint: The command that mends `problem`, or None.
        owner: Whose owner record lies there.
    """

    running: bool
    pid: int | None = None
    url: str | None = None
    root: str | None = None
    version: str | None = None
    started_at: str | None = None
    queues: tuple[QueueCount, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str | None = None
    problem_code: str | None = None
    hint: str | None = None
    owner: Whose = Whose.NOBODY


@attrs.frozen
class Started:
    """What `start` did: whether a daemon ran already, and how it stands."""

    already_running: bool
    status: DaemonStatus


@attrs.frozen
class Stopped:
    """What `stop` found.

    Attributes:
        was_running: Whether a daemon ran.
        pid: Its process id, or None.
        by_signal: Whether it did not answer and was ended by a signal, after the kernel said that it holds the lock.
    """

    was_running: bool
    pid: int | None
    by_signal: bool = False


def status(root: StateRoot) -> DaemonStatus:
    """Say how the daemon of a root stands; creates and changes nothing.

    Raises:
        RootNotADirectoryError, ForeignRootError, AccessDeniedError: The root cannot be looked into.
    """
    directories.check_root(root)
    record = read_owner(root)
    if record.bars:
        message, hint = explain(record, root)
        return DaemonStatus(running=False, problem=message, problem_code=FOREIGN, hint=hint, owner=record.whose)
    if not is_held(root.daemon.lock):
        return _off(root, record)
    try:
        return _answering(root, time.monotonic() + _ANSWER_SECONDS)
    except SyncError as error:
        return DaemonStatus(
            running=False, problem=error.message, problem_code=UNREACHABLE, hint=error.hint, owner=record.whose
        )
    except _EndedError:
        return _off(root, read_owner(root))


def start(root: StateRoot) -> Started:
    """Start the daemon of a root, or find it running; returns when it answers for this very root.

    Raises:
        StateError: The root cannot be written to.
        ForeignDaemonError: Another program's daemon has its record there.
        DaemonStartError: It ended before it answered; the hint names its log.
        DaemonUnreachableError: One has the lock and does not answer.
        DamagedFileError: The configuration cannot be understood.
    """
    directories.check_root(root)
    refuse_foreign(root)
    already = is_held(root.daemon.lock)
    if not already:
        already = bool(spawn(root).get("held"))
    try:
        return Started(already, _answering(root, time.monotonic() + _ANSWER_SECONDS))
    except _EndedError:
        raise DaemonStartError("the sync daemon ended as soon as it had begun", hint=_read_log(root)) from None


def run(root: StateRoot, ready: Callable[[DaemonStatus], None], echo: Callable[[str], None]) -> Started:
    """Be the daemon of a root, in this process, until a signal or `stop` ends it.

    Args:
        root: The root.
        ready: Is told how it stands as soon as it answers.
        echo: Is given each line of the log as well.

    Raises:
        The errors of `start`.
    """
    from kitty_sync.daemon.process import serve

    directories.check_root(root)
    refuse_foreign(root)
    said: list[Mapping[str, Any]] = []

    def tell(message: Mapping[str, Any]) -> None:
        said.append(message)
        if message.get("held") is False:
            ready(DaemonStatus(running=True, pid=os.getpid(), url=_url(root), owner=Whose.OURS))

    serve(root, tell, echo=echo)
    raise_refusal(said[0])
    if said[0].get("held"):
        return Started(already_running=True, status=status(root))
    return Started(already_running=False, status=DaemonStatus(running=False))


def stop(root: StateRoot) -> Stopped:
    """Stop the daemon of a root, and see that it ended; stopping none is no error.

    It is asked to. One that does not answer gets SIGTERM, if the kernel says that it holds this root's lock; where the
    kernel does not tell, nobody is signalled.

    Raises:
        ForeignDaemonError: The daemon there is not ours to stop.
        DaemonUnreachableError: It does not end.
    """
    directories.check_root(root)
    refuse_foreign(root)
    if not is_held(root.daemon.lock):
        _tidy(root)
        return Stopped(was_running=False, pid=None)
    pid, by_signal = _ask_to_end(root)
    deadline = time.monotonic() + _STOP_SECONDS
    while _is_there(root, pid, by_signal=by_signal):
        if time.monotonic() > deadline:
            holding = holder.holder_of(root.daemon.lock.path)
            hint = _read_log(root) if holding is None else f"kill -KILL {holding}"
            raise DaemonUnreachableError(f"the sync daemon of {root.base} does not end", hint=hint)
        time.sleep(_POLL_SECONDS)
    _tidy(root)
    return Stopped(was_running=True, pid=pid, by_signal=by_signal)


def _ask_to_end(root: StateRoot) -> tuple[int | None, bool]:
    try:
        return int(_ask(root, "POST", "/stop", time.monotonic() + _ANSWER_SECONDS)["pid"]), False
    except _EndedError:
        return None, False
    except SyncError:
        pid = holder.signal_holder(root.daemon.lock.path, signal.SIGTERM)
        if pid is None:
            raise
        return pid, True


def _is_there(root: StateRoot, pid: int | None, *, by_signal: bool) -> bool:
    """Whether the daemon that was told to end is still there; another one may have begun at once after it."""
    if not is_held(root.daemon.lock):
        return False
    if by_signal:
        return holder.holder_of(root.daemon.lock.path) == pid
    address = Address.read(root)
    return pid is not None and (address is None or address.pid == pid)


def _off(root: StateRoot, record: OwnerRecord) -> DaemonStatus:
    if record.whose is not Whose.OURS:
        return DaemonStatus(running=False, owner=record.whose)
    since = f", which began {record.started_at}," if record.started_at else ""
    return DaemonStatus(
        running=False,
        problem=f"the last sync daemon{since} ended without a word",
        problem_code=DIED,
        hint=f"spec-kitty sync daemon start; what it did is in {root.daemon.log}",
        owner=record.whose,
    )


class _EndedError(Exception):
    """The daemon let go of its lock while it was being asked."""


def _answering(root: StateRoot, deadline: float) -> DaemonStatus:
    """Ask the daemon how it stands."""
    said = _ask(root, "GET", "/status", deadline)
    if said.get("root") != str(root.base):
        raise DaemonUnreachableError(
            f"the sync daemon found through {root.base} says that it works for {said.get('root')}",
            hint="spec-kitty sync daemon stop && spec-kitty sync daemon start",
        )
    return DaemonStatus(
        running=True,
        pid=said["pid"],
        url=_url(root),
        root=said["root"],
        version=said["version"],
        started_at=said["started_at"],
        queues=tuple(QueueCount(**each) for each in said["queues"]),
        notes=tuple(said["notes"]),
        owner=Whose.OURS,
    )


def _url(root: StateRoot) -> str | None:
    address = Address.read(root)
    return None if address is None else address.url


def _ask(root: StateRoot, method: str, path: str, deadline: float) -> dict[str, Any]:
    """Ask whoever holds the lock, waiting a while for one that is just beginning."""
    while True:
        trouble = f"its state file {root.daemon.state} is missing or cannot be understood"
        address = Address.read(root)
        if address is not None:
            try:
                return ask(address, method, path)
            except ConnectionRefusedError:
                trouble = f"nothing listens at {address.url}"
            except ConnectionError:
                trouble = f"what listens at {address.url} takes the connection and ends it without an answer"
            except DaemonUnreachableError as error:
                trouble = error.message
        if not is_held(root.daemon.lock):
            raise _EndedError
        if time.monotonic() > deadline:
            raise DaemonUnreachableError(
                f"the sync daemon of {root.base} holds its lock and does not answer: {trouble}", hint=_read_log(root)
            )
        time.sleep(_POLL_SECONDS)


def _tidy(root: StateRoot) -> None:
    """Remove what a daemon of ours left behind that was killed; under its lock, so that none is beginning."""
    if read_owner(root).whose is not Whose.OURS:
        return
    with HeldLock(root, root.daemon.lock) as lock:
        if lock.acquire(0.0) and read_owner(root).whose is Whose.OURS:
            for surface in (root.daemon.state, root.daemon.owner):
                with explained(surface.path, "remove"):
                    surface.path.unlink(missing_ok=True)


def _read_log(root: StateRoot) -> str:
    return f"read {root.daemon.log}"
