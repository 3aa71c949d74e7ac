"""The outbox: what was recorded goes into `status.events.jsonl`, and from there into `status.json`.

The store is the truth and is written first. Whatever ends a process in between, the next call writes what is missing:
an event is written when its line is in the file, and no sooner. Both files are replaced as a whole, so that a crash or
a full disk leaves the old content or the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from kitty_guardian.errors import GuardianError
from kitty_guardian.events.board import FeatureStanding
from kitty_guardian.events.lines import BOM, NO_LINE, known, numbered, own_event, render
from kitty_guardian.events.statusfile import materialise
from kitty_guardian.events.statuslock import PATIENCE, holding_status
from kitty_guardian.model.events import Event
from kitty_guardian.project.features import FEATURES
from kitty_guardian.project.gathering import STATUS_LOG
from kitty_guardian.project.meta import parse_meta
from kitty_guardian.project.statuslog import LOG_LIMIT

STATUS_FILE: Final = "status.json"

_META: Final = "meta.json"
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE: Final = 0o644


class StatusLogError(GuardianError):
    """A feature's status log cannot be written; nothing of it was."""

    code = "guardian.events.log"


@attrs.frozen
class _File:
    """A regular file as it was read.

    Attributes:
        data: All of it.
        state: Mode, owner and group.
    """

    data: bytes
    state: os.stat_result


def append_pending(
    root: Path, common_dir: Path, standing: FeatureStanding, *, patience: float = PATIENCE, only_known: bool = False
) -> tuple[str, ...]:
    """Write every line that the log of a feature lacks, then `status.json`; nothing where nothing is missing.

    Args:
        root: Top of the work tree whose copy of the feature counts.
        common_dir: What all work trees of the repository share; the lock is there.
        standing: The feature, as the store has it.
        patience: Seconds to wait for the lock.
        only_known: Whether `status.json` tells of what the store knows alone, and not of further lines of the log.

    Returns:
        The paths that were written, relative to `root`.

    Raises:
        StatusLogError: There is no such feature, or something else than a regular file stands in a file's place, or
            the disk is full. The events stay in the store and are written by the next call that can.
        GuardianBusyError: Another tool holds the feature's lock.
    """
    if not standing.own:
        return ()
    place = f"{FEATURES}/{standing.feature}"
    try:
        with (
            holding_status(common_dir, standing.feature, timeout=patience),
            _folder(root, standing.feature) as folder,
        ):
            return tuple(f"{place}/{name}" for name in _write_missing(folder, place, standing, only_known=only_known))
    except OSError as error:
        raise StatusLogError(f"{place}/{STATUS_LOG} cannot be written: {error.strerror or error}") from error


def with_pending(log: bytes, standing: FeatureStanding) -> bytes:
    """A log with the lines that it lacks; the same bytes where it lacks none.

    Args:
        log: The log as it is; a last line that was cut off is ended, so that it swallows none of ours.
        standing: The feature, as the store has it.
    """
    lines = list(numbered(log))
    there = {event.event_id for _, raw in lines if (event := own_event(raw, standing)) is not None}
    missing = [event for event in standing.own.values() if event.event_id not in there]
    return log + added(log, missing) if missing else log


def added(log: bytes, events: list[Event]) -> bytes:
    """What to put behind a log for these events: a line each, and before them the end of a line that has none."""
    last = next((raw for _, raw in reversed(list(numbered(log)))), None)
    previous = NO_LINE if last is None else hashlib.sha256(last).hexdigest()
    parts = [] if not log.removeprefix(BOM) or log.endswith(b"\n") else [b"\n"]
    for event in events:
        line = render(event, previous=previous)
        previous = hashlib.sha256(line).hexdigest()
        parts += [line, b"\n"]
    return b"".join(parts)


def _write_missing(folder: int, place: str, standing: FeatureStanding, *, only_known: bool) -> Iterator[str]:
    # All three are read before one is written: what is in the way of the second must not leave the first half done.
    log, status, meta = (_read(folder, name, place) for name in (STATUS_LOG, STATUS_FILE, _META))
    old = b"" if log is None else log.data
    new = with_pending(old, standing)
    board = materialise(
        known(new, standing) if only_known else new, meta=parse_meta(None if meta is None else meta.data)
    )
    if new != old:
        _replace(folder, STATUS_LOG, new, log)
        yield STATUS_LOG
    if status is None or status.data != board:
        _replace(folder, STATUS_FILE, board, status)
        yield STATUS_FILE


@contextlib.contextmanager
def _folder(root: Path, feature: str) -> Iterator[int]:
    """The feature's folder, open; no part of the way to it below `root` may be a link.

    Raises:
        StatusLogError: There is none.
    """
    if feature in {"", ".", ".."} or "/" in feature:
        raise StatusLogError(f"{feature!r} is no folder name of a feature")
    with contextlib.ExitStack() as opened:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, folder)
        for name in (FEATURES, feature):
            try:
                folder = os.open(name, _DIRECTORY, dir_fd=folder)
            except (FileNotFoundError, NotADirectoryError) as error:
                where = root / FEATURES / feature
                raise StatusLogError(f"{where} is no folder of a feature", hint=f"ls -ld {where}") from error
            opened.callback(os.close, folder)
        yield folder


def _read(folder: int, name: str, place: str) -> _File | None:
    """A file of the feature, or None where there is none.

    Raises:
        StatusLogError: It is no regular file, or too long.
        OSError: It cannot be read.
    """
    try:
        # O_NONBLOCK: opening a pipe would wait for its writer.
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        if stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise
        raise _not_regular(place, name) from error  # a link, a socket
    state = os.fstat(fd)
    if not stat.S_ISREG(state.st_mode):
        os.close(fd)
        raise _not_regular(place, name)
    with os.fdopen(fd, "rb") as file:
        data = file.read(LOG_LIMIT + 1)
    if len(data) > LOG_LIMIT:
        raise StatusLogError(f"{place}/{name} is longer than {LOG_LIMIT >> 20} MiB")
    return _File(data, state)


def _not_regular(place: str, name: str) -> StatusLogError:
    return StatusLogError(f"{place}/{name} is no regular file", hint=f"move it away: ls -ld {place}/{name}")


def _replace(folder: int, name: str, data: bytes, old: _File | None) -> None:
    """Put `data` in the file's place, with the mode, owner and group it had; a crash leaves the one or the other."""
    draft = f".{name}~"  # a backup's name: the watcher leaves those alone; whoever holds the lock is the only writer
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft, dir_fd=folder)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as file:
            if old is not None:
                _own_as(fd, old.state)
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise
    os.fsync(folder)


def _own_as(fd: int, state: os.stat_result) -> None:
    """Give a file the owner, the group and the mode of another, as far as this process may."""
    for owner, group in ((state.st_uid, -1), (-1, state.st_gid)):
        with contextlib.suppress(PermissionError):
            os.fchown(fd, owner, group)
    os.fchmod(fd, stat.S_IMODE(state.st_mode))
