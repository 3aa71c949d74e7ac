"""What lies in quarantine, for people: list it, look at it, bring it back, drop it when asked."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from kitty_guardian.errors import QuarantineError, RestoreRefusedError
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.watch.lifecycle import ask_guardian
from kitty_guardian.watch.locking import is_held
from kitty_guardian.watch.quarantine import read_journal
from kitty_guardian.watch.tree import Kind, kind_of

_CHUNK = 1 << 20


@attrs.frozen
class Entry:
    """One thing in quarantine.

    Attributes:
        id: ULID; sorts by the time it was taken.
        path: Where it stood, relative to the work tree.
        at: When it was taken, ISO 8601 UTC.
        size: Bytes now: of a file, or of all files in a directory.
        sha256: Hex digest of a file's bytes as they are now (a writer may still hold it); empty for the other kinds.
        reason: `violation`, `downtime` or `superseded`.
        kind: `file`, `directory`, `symlink` or `other`.
        operation: What had been done to the path (`write`, `create`, …).
        mode: Permission bits it had.
    """

    id: str
    path: str
    at: str
    size: int
    sha256: str
    reason: str
    kind: str
    operation: str
    mode: int


def list_entries(where: Path) -> tuple[Entry, ...]:
    """Everything in quarantine, oldest first."""
    worktree = find_worktree(where)
    directory = Path(worktree.state.guardian.quarantine)
    found = []
    for entry_id, line in read_journal(Path(worktree.state.guardian.journal)).items():
        if line.get("state") == "taken" and os.path.lexists(directory / entry_id):
            found.append(_entry(directory, entry_id, line))
    return tuple(found)


def find_entry(where: Path, entry_id: str) -> tuple[Entry, Path]:
    """One entry, by its id or the unique end or beginning of it, and where its bytes are.

    Raises:
        QuarantineError: There is none, or more than one.
    """
    worktree = find_worktree(where)
    directory = Path(worktree.state.guardian.quarantine)
    wanted = entry_id.strip().upper()
    found = [
        (key, line)
        for key, line in read_journal(Path(worktree.state.guardian.journal)).items()
        if wanted and line.get("state") == "taken" and (key.startswith(wanted) or key.endswith(wanted))
        and os.path.lexists(directory / key)
    ]  # fmt: skip
    if len(found) != 1:
        what = "holds no entry" if not found else f"holds {len(found)} entries that match"
        raise QuarantineError(f"the quarantine {what} `{entry_id}`", hint="spec-kitty guardian quarantine list")
    key, line = found[0]
    return _entry(directory, key, line), directory / key


def read_entry(where: Path, entry_id: str) -> Iterator[bytes]:
    """A file's bytes, a link's target, or a directory's listing, in pieces.

    Raises:
        QuarantineError: There is no such entry.
    """
    entry, slot = find_entry(where, entry_id)
    return _content(entry, slot)


def restore(where: Path, entry_id: str, *, to: Path | None = None) -> Path:
    """Copy an entry back to where it stood, or to `to`; the entry stays.

    Raises:
        QuarantineError: There is no such entry, or something stands at the target.
        RestoreRefusedError: The running guardian would take it away again at once.
    """
    worktree = find_worktree(where)
    entry, slot = find_entry(where, entry_id)
    target = worktree.root / entry.path if to is None else where.absolute() / to
    if to is not None and target.is_dir() and not target.is_symlink():
        target = target / Path(entry.path).name
    _refuse_where_denied(worktree, target, entry)
    if os.path.lexists(target):
        raise QuarantineError(
            f"something stands at `{target}`, and nothing is overwritten",
            hint=f"spec-kitty guardian quarantine restore {entry.id} --to PATH",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    match kind_of(slot.lstat().st_mode):
        case Kind.DIRECTORY:
            shutil.copytree(slot, target, symlinks=True)
        case Kind.SYMLINK:
            target.symlink_to(slot.readlink())
        case _:
            # No draft beside it: only the target itself may be open for a while. It must not exist, so nothing is lost.
            try:
                with slot.open("rb") as source, target.open("xb") as file:
                    shutil.copyfileobj(source, file)
            except FileExistsError:
                raise QuarantineError(f"something appeared at `{target}`") from None
            shutil.copystat(slot, target)
    return target


def drop(where: Path, *, older_than: float) -> tuple[Entry, ...]:
    """Remove what was taken more than `older_than` seconds ago, and say what that was; only a person asks for this."""
    worktree = find_worktree(where)
    directory = Path(worktree.state.guardian.quarantine)
    limit = datetime.now(UTC) - timedelta(seconds=older_than)
    dropped = []
    for entry in list_entries(where):
        if datetime.fromisoformat(entry.at) < limit:
            slot = directory / entry.id
            if entry.kind == Kind.DIRECTORY:
                shutil.rmtree(slot)
            else:
                slot.unlink()
            _append(Path(worktree.state.guardian.journal), {"id": entry.id, "state": "dropped"})
            dropped.append(entry)
    return tuple(dropped)


def _refuse_where_denied(worktree: Worktree, target: Path, entry: Entry) -> None:
    try:
        inside = (target.parent.resolve() / target.name).relative_to(worktree.root).as_posix()
    except ValueError:
        return  # outside the work tree
    if not is_held(Path(worktree.state.guardian.lock)):
        return
    decision = ask_guardian(worktree, "judge", paths=[inside])["decisions"][0]
    if not decision["allowed"]:
        raise RestoreRefusedError(
            f"`{inside}` may not be written now: {decision['reason']}",
            hint=f"spec-kitty guardian quarantine restore {entry.id} --to PATH, "
            f"or first: spec-kitty guardian allow {inside} --for 15m --reason TEXT",
        )


def _entry(directory: Path, entry_id: str, line: dict[str, Any]) -> Entry:
    slot = directory / entry_id
    st = slot.lstat()
    kind = kind_of(st.st_mode)
    size = _size_below(slot) if kind is Kind.DIRECTORY else st.st_size
    return Entry(
        id=entry_id,
        path=line.get("path", "?"),
        at=line.get("at", "1970-01-01T00:00:00+00:00"),
        size=size,
        sha256=_sha256(slot) if kind is Kind.FILE else "",
        reason=line.get("reason", "?"),
        kind=str(kind),
        operation=line.get("operation", "?"),
        mode=line.get("mode", stat.S_IMODE(st.st_mode)),
    )


def _content(entry: Entry, slot: Path) -> Iterator[bytes]:
    if entry.kind == Kind.FILE:
        with slot.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    elif entry.kind == Kind.SYMLINK:
        yield os.fsencode(slot.readlink())
    elif entry.kind == Kind.DIRECTORY:
        for found in sorted(slot.rglob("*")):
            yield os.fsencode(f"{found.relative_to(slot)}{'/' if found.is_dir() else ''}\n")


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except PermissionError:
        return ""


def _size_below(directory: Path) -> int:
    return sum(found.lstat().st_size for found in directory.rglob("*") if not found.is_dir())


def _append(journal: Path, line: dict[str, str]) -> None:
    with journal.open("ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")
