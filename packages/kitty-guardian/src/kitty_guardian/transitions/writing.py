"""The files that a transition brings: sanctioned, made in one step, never over what somebody wrote.

They are written after the events are recorded. What a crash kept from being written is found missing by the next
command, because the status log, which is written last, has no line of the event yet.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from kitty_guardian.errors import GuardianError
from kitty_guardian.events.lines import known, unknown
from kitty_guardian.events.logfile import STATUS_FILE, append_pending
from kitty_guardian.events.statusfile import agrees
from kitty_guardian.model.events import Event, EventType, Source
from kitty_guardian.project.gathering import STATUS_LOG
from kitty_guardian.project.regular import read_regular
from kitty_guardian.project.statuslog import LOG_LIMIT
from kitty_guardian.transitions.choosing import title_of
from kitty_guardian.transitions.ground import Ground
from kitty_guardian.transitions.phases import meta_bytes
from kitty_guardian.transitions.scaffolds import ARTIFACTS, FIRST_WORK_PACKAGE, path_of, scaffold

_EVENT_ID: Final = re.compile(rb'"event_id": ?"([0-9A-HJKMNP-TV-Z]{26})"')
_WORK_PACKAGE: Final = re.compile(r"WP[0-9]+.*\.md\Z", re.IGNORECASE)
_LANE_FOLDERS: Final = ("", "planned", "doing", "for_review", "done")


class ArtifactError(GuardianError):
    """A transition is recorded, and a file that it brings cannot be written; the same command tries again."""

    code = "guardian.transition.file"


def complete(ground: Ground) -> tuple[str, ...]:
    """Write what an earlier command recorded and was kept from writing; nothing where nothing is missing.

    Returns:
        What was written, relative to the feature's home.

    Raises:
        ArtifactError, StatusLogError, GuardianBusyError: It cannot be written now either.
    """
    own = [event for event in ground.standing.own.values() if event.metadata.get("source") == Source.COMMAND]
    if not own:
        return ()
    log, status = _read(ground, STATUS_LOG), _read(ground, STATUS_FILE)
    known = set(_EVENT_ID.findall(log))
    pending = [event for event in own if event.event_id.encode() not in known]
    if not pending and agrees(status, _counting(ground, log)):
        return ()
    entered = any(_is_entry(event) for event in pending)
    return (*(_artifacts(ground) if entered else ()), *_lines(ground))


def deliver(ground: Ground, *, refill: bool) -> tuple[str, ...]:
    """Write what the events that were just recorded bring.

    Args:
        ground: As it is after they were.
        refill: Whether what the phase begins with is made where it is missing.

    Raises:
        ArtifactError, StatusLogError, GuardianBusyError: It cannot be written; the events stay recorded, and the next
            command writes it.
    """
    return (*(_artifacts(ground) if refill else ()), *_lines(ground))


def _read(ground: Ground, name: str) -> bytes:
    """A file of the feature; empty where there is none that can be read: writing it will tell why."""
    try:
        return read_regular(ground.folder / name, LOG_LIMIT + 1) or b""
    except OSError:
        return b""


def _is_entry(event: Event) -> bool:
    return event.event_type == EventType.PHASE_ENTERED


def _lines(ground: Ground) -> tuple[str, ...]:
    return append_pending(ground.home.root, ground.worktree.common_dir, ground.standing, only_known=ground.is_explicit)


def _counting(ground: Ground, log: bytes) -> bytes:
    """What of a log moves anything: where phases move by command only, what the store knows of it."""
    return known(log, ground.standing) if ground.is_explicit else log


def foreign_lines(ground: Ground, written: Collection[str]) -> tuple[str, ...]:
    """What is to be said of lines that nobody recorded, in a log that was written: a sentence, or nothing."""
    path = path_of(ground.feature, STATUS_LOG)
    count = len(unknown(_read(ground, STATUS_LOG), ground.standing)) if path in written else 0
    if not count:
        return ()
    said = "1 line" if count == 1 else f"{count} lines"
    verbs = "is in no event and moves" if count == 1 else "are in no event and move"
    return (f"{said} of {path} {verbs} nothing",)


def _artifacts(ground: Ground) -> Iterator[str]:
    """Make what the entered phase begins with, and the feature's `meta.json`, where they are missing."""
    if ground.entered is None:
        return
    document = _document(ground)
    if document is not None and _make(ground, "meta.json", meta_bytes(document)):
        yield path_of(ground.feature, "meta.json")
    title = str(ground.meta.get("friendly_name") or title_of(ground.feature))
    for artifact in ARTIFACTS.get(ground.entered, ()):
        if artifact == FIRST_WORK_PACKAGE and _has_work_packages(ground):
            continue
        if _make(ground, artifact, scaffold(artifact, title).encode()):
            yield path_of(ground.feature, artifact)


def _document(ground: Ground) -> dict[str, Any] | None:
    """The `meta.json` that the feature's first entry sanctions; None where it sanctions none."""
    for event in ground.standing.own.values():
        if _is_entry(event):
            found = (event.metadata.get("facts") or {}).get("meta")
            return dict(found) if isinstance(found, dict) else None
    return None


def _has_work_packages(ground: Ground) -> bool:
    for folder in _LANE_FOLDERS:
        with contextlib.suppress(OSError), os.scandir(ground.folder / "tasks" / folder) as entries:
            if any(_WORK_PACKAGE.match(entry.name) for entry in entries):
                return True
    return False


def _make(ground: Ground, name: str, data: bytes) -> bool:
    """Make a file of the feature with its folders, whole or not at all; whether it was missing.

    Raises:
        ArtifactError: It cannot be made.
    """
    target = ground.folder / name
    try:
        place = ground.home.root
        for part in target.parent.relative_to(place).parts:
            place /= part
            if place.is_symlink():
                raise ArtifactError(
                    f"{place} is a symbolic link, and nothing is written through one", hint=f"ls -l {place}"
                )
            place.mkdir(exist_ok=True)
        if os.path.lexists(target):
            return False
        return _put(target, data)
    except OSError as error:
        raise ArtifactError(
            f"{target} cannot be written: {error.strerror or error}; the transition itself is recorded",
            hint="give the same command again once it can be",
        ) from error


def _put(target: Path, data: bytes) -> bool:
    """Write a file that appears whole; False if somebody else made it meanwhile."""
    # A backup's name: the watcher leaves those alone.
    draft = target.with_name(f".{target.name}.{os.getpid()}~")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(draft, target)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if os.path.lexists(target):
                return False
            draft.rename(target)
    finally:
        draft.unlink(missing_ok=True)
    _sync(target.parent)
    return True


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
