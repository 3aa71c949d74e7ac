"""What is right and wrong with the local state on this disk; looks, and changes nothing (FR-009, NFR-002, NFR-005)."""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kitty_paths import StateRoot, Surface
from kitty_paths.errors import InvalidStateRootError
from kitty_paths.layout import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kitty_sync.daemon.lifecycle import DaemonStatus

UNSEEN = "state.root.unreadable"
_ANYONE = 0o077
_ANYONE_WRITES = 0o022
_CLOSED = frozenset({"state.surface.unreadable", "state.surface.kind", "state.surface.not-writable"})


class Severity(StrEnum):
    """How much a finding matters: only errors make the state unhealthy."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about the state.

    Attributes:
        code: Stable identifier for scripts.
        severity: Whether it must be mended.
        message: What is so and where, one sentence.
        hint: The command that mends it, or None.
    """

    code: str
    severity: Severity
    message: str
    hint: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """One surface as it is on disk.

    Attributes:
        surface: What it should be.
        exists: Whether anything is there; a link that leads nowhere counts.
        mode: Its permission bits, or None where nothing is or none can be read.
    """

    surface: Surface
    exists: bool
    mode: int | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The state root and everything in it, looked at once.

    Attributes:
        root: What the code of this program reads and writes (SC-004).
        default: Where it would be with the variable unset; None when there is no home directory.
        seen: Every fixed surface, in the layout's order; then every scoped database that is there.
        daemon: How the root's sync daemon stands, its root as it reports it itself; None where the root cannot be used.
        findings: What was noticed, root first.
    """

    root: StateRoot
    default: Path | None
    seen: tuple[Seen, ...]
    daemon: DaemonStatus | None
    findings: tuple[Finding, ...]

    @property
    def is_visible(self) -> bool:
        """Whether the root, there or not, could be looked at."""
        return all(finding.code != UNSEEN for finding in self.findings)

    @property
    def healthy(self) -> bool:
        """Whether nothing must be mended."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


def diagnose(root: StateRoot) -> Diagnosis:
    """Look at the root, at every surface below it, and at its daemon."""
    from kitty_sync.errors import ForeignRootError, SyncError

    default = _default_base(root)
    findings = [*_about_root(root.base), *_about_leftovers(root, default)]
    surfaces, daemon = root.surfaces(), None
    try:
        surfaces, daemon = (*surfaces, *_scoped(root)), _daemon(root)
    except ForeignRootError as error:
        # Whatever else is wrong with it, it is not this user's to mend.
        findings = [_error(error.code, error.message, error.hint)]
    except SyncError as error:
        # What is wrong with the root itself has been said already, in this module's own words.
        if not any(finding.severity is Severity.ERROR for finding in findings):
            findings.append(_error(error.code, error.message, error.hint))
    unseen = _why_unseen(root.base) is not None
    seen = tuple(Seen(surface, exists=False, mode=None) if unseen else _look(surface) for surface in surfaces)
    if _is_directory(root.base):
        for each in seen:
            about = tuple(_about_surface(each, root.base))
            findings.extend(about)
            # What cannot be opened has been told; another user's root is not looked into.
            if daemon is not None and not any(found.code in _CLOSED for found in about):
                findings.extend(_about_content(each.surface, root))
    if daemon is not None:
        findings.extend(_about_daemon(daemon))
    return Diagnosis(root, default, seen, daemon, tuple(findings))


def _is_directory(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where it may not look


def _scoped(root: StateRoot) -> tuple[Surface, ...]:
    from kitty_sync.scoped import scoped_surfaces

    return scoped_surfaces(root)


def _daemon(root: StateRoot) -> DaemonStatus:
    from kitty_sync.daemon import lifecycle

    return lifecycle.status(root)


def _about_daemon(daemon: DaemonStatus) -> Iterator[Finding]:
    from kitty_sync.daemon import lifecycle

    if daemon.problem is None or daemon.problem_code is None:
        return
    # One that holds the lock and is not to be spoken with cannot be relied on; the others keep nobody from working.
    severity = Severity.ERROR if daemon.problem_code == lifecycle.UNREACHABLE else Severity.WARNING
    yield Finding(daemon.problem_code, severity, daemon.problem, daemon.hint)


def _default_base(root: StateRoot) -> Path | None:
    try:
        return root.default_base
    except InvalidStateRootError:
        return None


def _look(surface: Surface) -> Seen:
    try:
        mode = stat.S_IMODE(surface.path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return Seen(surface, exists=os.path.lexists(surface), mode=None)
    except OSError:
        return Seen(surface, exists=True, mode=None)  # there, but closed to us
    return Seen(surface, exists=True, mode=mode)


def _why_unseen(base: Path) -> str | None:
    """Why a root cannot even be looked at; None where it can, or is not there."""
    try:
        base.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
    return None


def _about_root(base: Path) -> Iterator[Finding]:
    if (reason := _why_unseen(base)) is not None:
        yield _error(UNSEEN, f"the root {base} cannot be looked at: {reason}", f"set {VARIABLE} to a place that can be")
    elif _is_directory(base):
        mode = stat.S_IMODE(base.stat().st_mode)
        if not os.access(base, os.R_OK | os.W_OK | os.X_OK):
            yield _error(
                "state.root.not-writable", f"the root {base} cannot be written to", f"chmod u+rwx {_quoted(base)}"
            )
        if os.name == "posix" and mode & _ANYONE_WRITES:
            yield _error(
                "state.root.open",
                f"the root {base} has mode {mode:04o}: others can put files into it",
                f"chmod go-w {_quoted(base)}",
            )
    elif os.path.lexists(base):
        what = "a link that leads nowhere" if base.is_symlink() else "not a directory"
        yield _error(
            "state.root.not-a-directory",
            f"the root {base} is {what}",
            f"mv {_quoted(base)} {_quoted(base)}.old, or set {VARIABLE} to another place",
        )
    else:
        above = next((parent for parent in base.parents if os.path.lexists(parent)), base)
        if not _is_directory(above) or not os.access(above, os.W_OK | os.X_OK):
            yield _error(
                "state.root.uncreatable",
                f"the root {base} does not exist and cannot be made, because {above} is {_obstacle(above)}",
                f"set {VARIABLE} to a place that can be written to",
            )


def _obstacle(above: Path) -> str:
    return "not writable" if _is_directory(above) else "not a directory"


def _about_leftovers(root: StateRoot, default: Path | None) -> Iterator[Finding]:
    if default is None or default == root.base or not _is_directory(default):
        return
    if _is_directory(root.base) and default.samefile(root.base):
        return
    left = [surface.name for surface in StateRoot.at(default).surfaces() if os.path.lexists(surface)]
    if left:
        yield Finding(
            "state.default-home.leftovers",
            Severity.INFO,
            f"{default} holds state as well ({', '.join(left)}); nothing there is read or written",
            None,
        )


def _about_surface(seen: Seen, base: Path) -> Iterator[Finding]:
    surface = seen.surface
    if not seen.exists:
        return
    name, path = surface.name, _quoted(surface.path)
    if seen.mode is None:
        yield _error("state.surface.unreadable", f"{name} cannot be looked at: {surface.path}", f"ls -ld {path}")
        return
    if _is_directory(surface.path) != (surface.kind.value == "directory"):
        is_now = "a directory" if _is_directory(surface.path) else "no directory"
        yield _error(
            "state.surface.kind", f"{name} is {is_now}, but is used as a {surface.kind}", f"mv {path} {path}.old"
        )
        return
    if surface.secret and surface.path.is_symlink() and not surface.path.resolve().is_relative_to(base.resolve()):
        yield _error(
            "state.secret.elsewhere",
            f"{name} is secret and a link out of the root, to {surface.path.resolve()}",
            f"rm {path}, then put the file itself there",
        )
    if not os.access(surface, os.R_OK | os.W_OK):
        yield _error("state.surface.not-writable", f"{name} cannot be read and written", f"chmod u+rw {path}")
    if os.name != "posix":
        return  # elsewhere these bits say nothing about who may read
    if surface.secret and seen.mode & _ANYONE:
        yield _error(
            "state.secret.open",
            f"{name} is secret and has mode {seen.mode:04o}: others can get at it",
            f"chmod {surface.mode:o} {path}",
        )
    elif seen.mode & _ANYONE_WRITES:
        yield Finding(
            "state.surface.open",
            Severity.WARNING,
            f"{name} has mode {seen.mode:04o}: others can write it",
            f"chmod go-w {path}",
        )


def _about_content(surface: Surface, root: StateRoot) -> Iterator[Finding]:
    """Ask the reader that commands ask, and say what it says."""
    from kitty_sync.errors import DamagedFileError, SyncError

    try:
        _read(surface, root)
    except SyncError as error:
        # A damaged clock keeps nobody from working: the next event recovers it.
        mends_itself = surface.name == "sync.clock" and isinstance(error, DamagedFileError)
        severity = Severity.WARNING if mends_itself else Severity.ERROR
        yield Finding(error.code, severity, error.message, error.hint)


def _read(surface: Surface, root: StateRoot) -> None:
    from kitty_sync.clock import LamportClock
    from kitty_sync.config import SyncConfig
    from kitty_sync.queue.events import EventQueue
    from kitty_sync.queue.record import active_scope
    from kitty_sync.tracker.credentials import TrackerCredentials
    from kitty_sync.tracker.store import TrackerStore

    match surface.name:
        case "sync.config":
            SyncConfig(root).read()
        case "sync.clock":
            LamportClock(root).peek()
        case "queues.active_scope":
            active_scope(root)
        case "queues.unauthenticated" | "queues.scoped":
            EventQueue(root, surface).batch(1)
            EventQueue(root, surface).count()
        case "tracker.credentials":
            TrackerCredentials(root).providers()
        case "tracker.store":
            TrackerStore(root, surface, system="", workspace="").mappings()
        case _:
            pass  # directories, locks and logs, and what other programs read


def _error(code: str, message: str, hint: str | None) -> Finding:
    return Finding(code, Severity.ERROR, message, hint)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
