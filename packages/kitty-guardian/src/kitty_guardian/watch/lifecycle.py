"""Starting, stopping and asking the guardian of a work tree."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from kitty_guardian.errors import GuardianBusyError, GuardianError, NotRunningError, UnattestedHeadError
from kitty_guardian.project.repository import Worktree, find_worktree, require_project
from kitty_guardian.watch.control import Argument, RefusedError, ask
from kitty_guardian.watch.locking import holding, is_held
from kitty_guardian.watch.request import StartRequest

_START_SECONDS = 120.0
_STOP_SECONDS = 20.0
_GONE_SECONDS = 2.0
_POLL_SECONDS = 0.02


@attrs.frozen
class Status:
    """How the guardian of a work tree stands.

    Attributes:
        running: Whether one runs.
        pid: Its process id, or None.
        worktree: The work tree; absolute.
        feature: The bound feature if it is one, or None.
        features: The bound features, each with its effective phase.
        phase: Their effective phase if it is one, or None.
        mode: `enforce`, `strict` or `observe`; None when not running.
        healthy: Whether everything is held as promised.
        level: `watching`, `observing`, `paused`, `degraded` or `off`.
        violations: How many violations the trail holds.
        protected_files: How many files and links have a legal record.
        notes: Sentences about what is not as it should be.
        unattested: The commit HEAD is at, where that does not count; else None.
        detected: The bound features, each with the phase its files look like; empty where nobody looked.
    """

    running: bool
    pid: int | None
    worktree: str
    feature: str | None
    features: Mapping[str, str]
    phase: str | None
    mode: str | None
    healthy: bool
    level: str
    violations: int
    protected_files: int
    notes: tuple[str, ...] = ()
    unattested: str | None = None
    detected: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class RootCount:
    """A source root and how many files it holds."""

    root: str
    files: int


@attrs.frozen
class Change:
    """Something that had changed while nobody watched, and where it is now."""

    path: str
    operation: str
    action: str
    quarantine_id: str | None


@attrs.frozen
class StartReport:
    """What `start` did.

    Attributes:
        already_running: Whether a guardian ran already; then nothing else was done.
        status: How it stands.
        protected: The source roots.
        changed: What had changed while nobody watched.
        notes: Sentences about the binding and what could not be read.
    """

    already_running: bool
    status: Status
    protected: tuple[RootCount, ...] = ()
    changed: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


@attrs.frozen
class StopReport:
    """What `stop` found.

    Attributes:
        was_running: Whether a guardian ran.
        pid: Its process id, or None.
    """

    was_running: bool
    pid: int | None


def start(
    where: Path,
    *,
    feature: str | None = None,
    every: bool = False,
    accept_current: str | None = None,
    foreground: Callable[[StartReport], None] | None = None,
) -> StartReport:
    """Guard the work tree that `where` lies in; returns when it is watched.

    Args:
        where: Any place in the work tree.
        feature: The feature to bind the work tree to.
        every: Guard every unfinished feature instead.
        accept_current: Take the tree as it is for legal, for this reason.
        foreground: Stay in this process until stopped, and call this when it is watched.

    Raises:
        NotARepositoryError, NotAProjectError, PolicyError, UnknownFeatureError, UnboundFeatureError,
        NothingProtectedError, WatchError: It cannot be guarded; the message says why.
    """
    request = StartRequest(feature, every, accept_current)
    return _start(where, request, foreground)


def restart(
    where: Path,
    *,
    feature: str | None = None,
    every: bool = False,
    accept_current: str | None = None,
    foreground: Callable[[StartReport], None] | None = None,
) -> StartReport:
    """Stop, and start with the phase read anew from HEAD; arguments and errors as for `start`.

    What would keep it from starting is found before the running guardian is stopped.

    Raises:
        UnattestedHeadError: HEAD does not count, so no phase is taken from it either.
    """
    from kitty_guardian.watch.session import check_request

    request = StartRequest(feature, every, accept_current, fresh=True)
    worktree = find_worktree(where)
    require_project(worktree)
    check_request(worktree, request)
    if accept_current is None and is_held(Path(worktree.state.guardian.lock)):
        _refuse_unattested(settle(where))
    stop(where, reason="restart")
    return _start(where, request, foreground)


def _refuse_unattested(status: Status) -> None:
    if status.unattested is not None:
        problem = next((note for note in status.notes if "does not count" in note), f"HEAD {status.unattested}")
        raise UnattestedHeadError(
            f"the phase cannot be taken from a HEAD that does not count: {problem}",
            hint="to take it up all the same, as a person: spec-kitty guardian restart --accept-current --reason TEXT",
        )


def _start(where: Path, request: StartRequest, foreground: Callable[[StartReport], None] | None) -> StartReport:
    worktree = find_worktree(where)
    require_project(worktree)
    state = worktree.state.guardian
    try:
        Path(state.directory).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise GuardianError(
            f"the guardian's state cannot be kept: {state.directory}: {error.strerror}",
            hint=f"ls -ld {Path(state.directory).parent}",
        ) from error
    with holding(Path(state.start_lock), timeout=_START_SECONDS):
        if is_held(Path(state.lock)):
            return StartReport(already_running=True, status=status(where))
        if foreground is None:
            return _report(_spawn(worktree, request))
    from kitty_guardian.watch.daemon import serve

    said: list[Mapping[str, Any]] = []

    def tell(message: Mapping[str, Any]) -> None:
        said.append(message)
        if "status" in message:
            foreground(_report(message))

    serve(worktree.root, request, tell)
    if said[0].get("running"):  # somebody else was faster
        return StartReport(already_running=True, status=status(where))
    return _report(said[0])


def _spawn(worktree: Worktree, request: StartRequest) -> Mapping[str, Any]:
    """Start the process, detached from ours, and wait for its one line."""
    from kitty_guardian.watch.daemon import rotate

    log = Path(worktree.state.guardian.log)
    rotate(log)
    with log.open("ab") as errors:
        # The shell ends at once, so that the guardian is nobody's child and leaves no zombie behind; `-I` keeps what
        # lies in the current directory and in PYTHONPATH out of a process that enforces.
        command = [sys.executable, "-I", "-m", "kitty_guardian.watch.daemon", os.fspath(worktree.root)]
        with subprocess.Popen(
            ["/bin/sh", "-c", '"$@" &', "sh", *command, json.dumps(attrs.asdict(request))],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd="/", start_new_session=True,
        ) as process:  # fmt: skip
            line = process.stdout.readline() if process.stdout is not None else b""
    if not line:
        raise GuardianError("the guardian ended before it watched", hint=f"read {log}")
    said: Mapping[str, Any] = json.loads(line)
    if said.get("running"):
        return {"status": attrs.asdict(status(worktree.root)), "already_running": True}
    return said


def _report(said: Mapping[str, Any]) -> StartReport:
    if "error" in said:
        raise RefusedError(said["error"], hint=said["hint"], code=said["code"], exit_code=said["exit_code"])
    return StartReport(
        already_running=bool(said.get("already_running")),
        status=_status(said["status"]),
        protected=tuple(RootCount(**root) for root in said.get("protected", ())),
        changed=tuple(Change(**change) for change in said.get("changed", ())),
        notes=tuple(said.get("notes", ())),
    )


def stop(where: Path, *, reason: str | None = None) -> StopReport:
    """Stop the guardian; a person's word: it is recorded, and the next command does not undo it.

    Raises:
        GuardianBusyError: It does not end.
    """
    worktree = find_worktree(where)
    state = worktree.state.guardian
    if not is_held(Path(state.lock)):
        return StopReport(was_running=False, pid=None)
    pid = int(ask_guardian(worktree, "stop", reason=reason or "stop", person=True)["pid"])
    deadline = time.monotonic() + _STOP_SECONDS
    while is_held(Path(state.lock)):
        if time.monotonic() > deadline:
            raise GuardianBusyError(f"the guardian (process {pid}) does not end", hint=f"kill {pid}")
        time.sleep(_POLL_SECONDS)
    gone = time.monotonic() + _GONE_SECONDS
    while _is_alive(pid) and time.monotonic() < gone:  # it has let go of everything and only ends its interpreter
        time.sleep(_POLL_SECONDS)
    return StopReport(was_running=True, pid=pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def status(where: Path) -> Status:
    """How the guardian of the work tree that `where` lies in stands.

    Raises:
        NotARepositoryError: There is no work tree there.
        GuardianBusyError: It runs and does not answer.
    """
    worktree = find_worktree(where)
    if is_held(Path(worktree.state.guardian.lock)):
        with contextlib.suppress(NotRunningError):  # it ended between the two looks
            return _status(ask_guardian(worktree, "status")["status"])
    return _off(worktree)


def settle(where: Path) -> Status:
    """Have the guardian compare everything now, and tell how it stands afterwards.

    Raises:
        NotRunningError: None runs.
    """
    return _status(ask_guardian(find_worktree(where), "sync")["status"])


def _off(worktree: Worktree) -> Status:
    from kitty_guardian.events.phases import board_of, states_on
    from kitty_guardian.project.pins import Adoption
    from kitty_guardian.rules.situation import UNKNOWN
    from kitty_guardian.watch.trail import count_violations

    adoption = Adoption.read(worktree.state.guardian.adoption)
    states = {} if adoption is None else states_on(board_of(worktree), adoption)
    bound = () if adoption is None else adoption.bound
    features = {name: str(states.get(name, UNKNOWN).phase) for name in bound}
    return Status(
        running=False, pid=None, worktree=os.fspath(worktree.root),
        feature=next(iter(features)) if len(features) == 1 else None, features=features,
        phase=next(iter(features.values())) if len(set(features.values())) == 1 else None, mode=None, healthy=False,
        level="off", violations=count_violations(worktree),
        protected_files=0, notes=("no guardian runs here",),
    )  # fmt: skip


def _status(data: Mapping[str, Any]) -> Status:
    return Status(**{**data, "notes": tuple(data["notes"])})


def ask_guardian(worktree: Worktree, verb: str, /, **arguments: Argument) -> dict[str, Any]:
    """Ask the guardian, waiting a moment for one that is just starting.

    Raises:
        NotRunningError: None runs.
        GuardianBusyError: One runs and does not answer.
    """
    state = worktree.state.guardian
    deadline = time.monotonic() + _STOP_SECONDS
    while True:
        try:
            return ask(Path(state.socket), verb, **arguments)
        except (FileNotFoundError, ConnectionError, BlockingIOError):
            if not is_held(Path(state.lock)):
                raise NotRunningError(
                    f"no guardian runs for `{worktree.root}`", hint="spec-kitty guardian start"
                ) from None
            if time.monotonic() > deadline:
                raise GuardianBusyError(
                    f"the guardian of `{worktree.root}` holds its lock and does not listen", hint=f"read {state.log}"
                ) from None
            time.sleep(_POLL_SECONDS)
