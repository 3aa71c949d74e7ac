"""Who does a transition: this work tree's guardian, which owns the store, or where none runs, this process."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from kitty_guardian.environment import process_environment
from kitty_guardian.errors import EventStoreReadOnlyError, GuardianError, NotRunningError, TransitionRefusedError
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.model.lanes import Lane
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.transitions.checkouts import WorkPlace, checkouts, unmake, work_place
from kitty_guardian.transitions.facts import history_of
from kitty_guardian.transitions.performing import outcome_in, perform, record_refusal
from kitty_guardian.transitions.requests import Command, Outcome, TransitionRequest
from kitty_guardian.watch import lifecycle
from kitty_guardian.watch.lifecycle import StartReport
from kitty_guardian.watch.locking import holding, is_held

SANDBOX = "SPEC_KITTY_SANDBOX"
"""Set for every process inside the sandbox."""

_TELL_SECONDS = 1.0
_ALONE_SECONDS = 120.0


def transition(where: Path, request: TransitionRequest) -> Outcome:
    """Have a transition done, and tell the guardians that it concerns; errors as `perform` has them."""
    worktree = find_worktree(where)
    outcome = ask(worktree, attrs.evolve(request, sandboxed=is_sandboxed()))
    if outcome.changed:
        tell(worktree, outcome)
    return outcome


def ask(worktree: Worktree, request: TransitionRequest) -> Outcome:
    """Have this work tree's guardian do it; without one, do it here. Errors as `perform` has them."""
    with contextlib.suppress(NotRunningError):
        return outcome_in(lifecycle.ask_guardian(worktree, "transition", **request.to_wire()))
    with opened(worktree, _command_of(request)) as store:
        return perform(worktree, store, request)


@contextlib.contextmanager
def opened(worktree: Worktree, command: str) -> Iterator[SqliteEventStore]:
    """The repository's store, open.

    Raises:
        EventStoreReadOnlyError: It may only be read here; the hint is `command`, to be run outside.
    """
    try:
        with SqliteEventStore(Path(worktree.state.events)) as store:
            yield store
    except EventStoreReadOnlyError as error:
        raise EventStoreReadOnlyError(error.message, hint=_outside(worktree, command)) from error


def _outside(worktree: Worktree, command: str) -> str:
    return f"run it outside: cd {shlex.quote(os.fspath(worktree.root))} && {command}"


def _command_of(request: TransitionRequest) -> str:
    """What to type for a request."""
    words = {
        Command.MOVE: ("wp", "move", request.work_package, request.to),
        Command.IMPLEMENT: ("implement", request.work_package),
        Command.REVIEW: ("review", request.work_package),
        Command.REOPEN: ("reopen", request.to),
        Command.SPECIFY: ("specify", request.feature),
    }.get(request.command, (str(request.command),))
    feature = "" if request.command is Command.SPECIFY else request.feature
    options = {
        "--feature": feature,
        "--actor": request.actor,
        "--reason": request.reason,
        "--verdict": request.verdict,
        "--reference": request.reference,
    }
    given = [word for option, value in options.items() if value for word in (option, value)]
    return spelled(*words, *given, *(["--force"] if request.force else []))


def spelled(*words: str) -> str:
    """A command line of ours, as a shell takes it."""
    return " ".join(["spec-kitty", *(shlex.quote(word) for word in words if word)])


def each(option: str, values: Iterable[str]) -> list[str]:
    """An option that may be repeated, once for each value."""
    return [word for value in values for word in (option, value)]


def who(actor: str | None) -> str:
    """Who asks: a claim; without one, the login name."""
    if actor is not None:
        return actor
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def is_sandboxed() -> bool:
    """Whether this process is inside the sandbox, by its own word."""
    return bool(process_environment().get(SANDBOX))


def held(worktree: Worktree) -> tuple[bool, str]:
    """Whether a guardian holds the policy as it is, and the commit HEAD is at where it does not count."""
    state = worktree.state.guardian
    unattested = ""
    if is_held(Path(state.lock)):
        unattested = lifecycle.status(worktree.root).unattested or ""
    return Path(state.record).exists(), unattested


@contextlib.contextmanager
def alone(worktree: Worktree, name: str, request: TransitionRequest) -> Iterator[None]:
    """Hold the work tree called `name` for oneself: nobody else makes, begins or undoes it meanwhile.

    Raises:
        GuardianBusyError: Somebody else does.
        EventStoreReadOnlyError: The repository may only be read here.
    """
    path = Path(worktree.state.events).parent / f"implement-{name}.lock"
    try:
        with holding(path, timeout=_ALONE_SECONDS):
            yield
    except OSError as error:
        if error.filename is None or Path(error.filename) not in {path, path.parent}:
            raise
        raise EventStoreReadOnlyError(
            f"{path} cannot be made: {error.strerror}", hint=_outside(worktree, _command_of(request))
        ) from error


def made(worktree: Worktree, home: Path, request: TransitionRequest) -> WorkPlace:
    """The work tree of a work package, made where there is none; call it `alone`. Errors as `work_place` has them.

    Args:
        worktree: Where it was asked for.
        home: Where the feature's files are kept.
        request: With the feature's and the work package's own names.
    """
    try:
        return work_place(worktree, home, request.feature, request.work_package)
    except TransitionRefusedError as error:
        with contextlib.suppress(GuardianError), opened(worktree, _command_of(request)) as store:
            record_refusal(worktree, store, request, request.feature, error)
        raise


def is_recorded(worktree: Worktree, feature: str, work_package: str, root: Path) -> bool:
    """Whether the store has it that work goes on in that place; if that cannot be told, what was made stays."""
    try:
        with SqliteEventStore(Path(worktree.state.events), read_only=True) as store:
            package = store.board().feature(feature).work_packages.get(work_package)
            at_work = package is not None and package.lane is Lane.IN_PROGRESS
            return at_work and history_of(store, feature, work_package).workspace == os.fspath(root)
    except GuardianError:
        return True


def undo(worktree: Worktree, place: WorkPlace, begun: StartReport | None) -> None:
    """Take back what was made; the error that led here is what counts, so a further one is not raised."""
    with contextlib.suppress(GuardianError):
        if begun is not None and not begun.already_running:
            lifecycle.stop(place.root, reason="the work package could not be begun")
        unmake(worktree, place)


def tell(worktree: Worktree, outcome: Outcome) -> None:
    """Have the guardians that a transition concerns look now; they would find out by themselves a little later."""
    with contextlib.suppress(GuardianError):
        known = [each.root for each in checkouts(worktree)]
        name = f"{outcome.feature}-{outcome.work_package}"
        concerned = [
            root
            for root in known
            if root in {Path(outcome.home), worktree.root}
            or (root.name == name if outcome.work_package else root.name.startswith(outcome.feature))
        ]
        threads = [threading.Thread(target=_look, args=(root,), daemon=True) for root in concerned]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_TELL_SECONDS / max(1, len(threads)))


def _look(root: Path) -> None:
    with contextlib.suppress(GuardianError, OSError):
        other = find_worktree(root)
        if is_held(Path(other.state.guardian.lock)):
            lifecycle.ask_guardian(other, "sync")
