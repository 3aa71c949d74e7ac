"""What was taken away: slots that hold the very inodes, and the journal that makes every move crash-safe.

A slot is a name in the quarantine directory. A revert stages the legal bytes *in the slot* and exchanges it with the
violating path, so that the slot then is the written inode (ADR 0008). The journal has a line before each move and one
after it; what lies between two lines at start-up is completed or undone.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import attrs

from kitty_guardian.events.identifiers import next_ulid
from kitty_guardian.watch.appending import AppendFile
from kitty_guardian.watch.record import Legal, LegalRecord, RecordError
from kitty_guardian.watch.swap import exchange, place
from kitty_guardian.watch.tree import Kind, Signature, WorkTree, dress, kind_of, signature_of

_CHUNK = 1 << 20
_LATE_SECONDS = 60.0
_MOST_LATE_WRITERS = 256
_IS_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}").fullmatch


class Reason(StrEnum):
    """Why something is in quarantine."""

    VIOLATION = "violation"  # written against the phase
    SUPERSEDED = "superseded"  # a dirty baseline that an attested HEAD or a sanctioned write replaced
    DOWNTIME = "downtime"  # written against the phase while no guardian ran


class Move(StrEnum):
    """The three moves a revert is made of."""

    EXCHANGE = "exchange"  # legal bytes in, written inode out
    TAKE = "take"  # a thing that must be absent goes out
    PUT = "put"  # a thing that must exist comes back


def read_journal(path: Path) -> dict[str, dict[str, Any]]:
    """Id to the merged lines about it, oldest first; lines that are not JSON (a cut one) are passed over."""
    merged: dict[str, dict[str, Any]] = {}
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return merged
    for text in raw.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("id"), str) and _IS_ID(line["id"]):
            merged.setdefault(line["id"], {}).update(line)
    return merged


@attrs.define
class _LateWriter:
    """A taken file on another file system that somebody may still write to."""

    entry_id: str
    fd: int
    seen: Signature
    until: float


class Quarantine:
    """The slots and the journal of one work tree; used by the guardian alone.

    Args:
        directory: Where the slots are; created.
        journal: The journal's file.
        tree: The work tree that is held.
        record: Where legal bytes come from.
    """

    def __init__(self, directory: Path, journal: Path, tree: WorkTree, record: LegalRecord) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory = directory
        self.fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.journal = AppendFile(journal)
        self.fresh: set[str] = set()  # slots filled since somebody made them durable
        self._tree = tree
        self._record = record
        self._late: list[_LateWriter] = []
        # inotify on other file systems, bind mounts below the root: a rename out of there is impossible.
        self.same_device = os.fstat(self.fd).st_dev == tree.device

    def close(self) -> None:
        """Let go of the files, with what was written to taken ones until now."""
        self.follow_late_writers()
        for late in self._late:
            os.close(late.fd)
        self.journal.close()
        os.close(self.fd)

    def is_in_place(self) -> bool:
        """Whether the directory and the journal on disk are still the ones that are held open."""
        try:
            standing = self.directory.lstat().st_ino
        except OSError:
            return False
        return standing == os.fstat(self.fd).st_ino and self.journal.is_in_place()

    def write_anew(self) -> None:
        """Make the directory again: somebody removed or exchanged it; what it held is gone with it."""
        git_dir = self.directory.parents[2]
        if not git_dir.exists():  # that is git's to make: the work tree is being removed
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(git_dir))
        if self.directory.is_symlink() or self.directory.is_file():
            self.directory.unlink()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        os.dup2(fresh, self.fd, inheritable=False)  # the number stays, since others hold it
        os.close(fresh)
        if not self.journal.is_in_place():
            self.journal.write_anew()

    # Moves

    def restore(self, path: str, legal: Legal, victim: os.stat_result, operation: str, reason: Reason) -> str | None:
        """Put the legal thing at `path` and give the id of the entry that what stood there has become.

        None if, by the time of the exchange, the legal bytes stood there already.

        Raises:
            OSError: It cannot be done now (ENOSPC, EACCES, a parent gone); nothing has changed.
        """
        entry_id = self._begin(Move.EXCHANGE, path, legal, victim, operation, reason)
        try:
            self._stage(self.fd, entry_id, legal)
            with self._tree.parent(path) as (parent, name):
                self._swap(entry_id, parent, name)
        except OSError:
            self._undo(entry_id)
            raise
        return self._taken(entry_id, legal, victim)

    def take(self, path: str, victim: os.stat_result, operation: str, reason: Reason) -> str | None:
        """Move what stands at `path` away and give the entry's id; None if it is gone already.

        Raises:
            OSError: It cannot be done now; nothing has changed.
        """
        entry_id = self._begin(Move.TAKE, path, None, victim, operation, reason)
        try:
            with self._tree.parent(path) as (parent, name):
                self._move_out(entry_id, parent, name)
        except FileNotFoundError:
            self._undo(entry_id)
            return None
        except OSError:
            self._undo(entry_id)
            raise
        return self._taken(entry_id, None, victim)

    def put(self, path: str, legal: Legal) -> bool:
        """Bring back what is missing at `path`; False if something appeared there meanwhile.

        Raises:
            OSError: It cannot be done now; nothing has changed.
        """
        entry_id = self._begin(Move.PUT, path, legal, None, "delete", Reason.VIOLATION)
        try:
            self._stage(self.fd, entry_id, legal)
            with self._tree.parent(path) as (parent, name):
                self._place(entry_id, parent, name, legal)
        except FileExistsError:
            self._undo(entry_id)
            return False
        except OSError:
            self._undo(entry_id)
            raise
        self.journal.write({"id": entry_id, "state": "put"})
        return True

    def preserve(self, path: str, legal: Legal, reason: Reason) -> str:
        """Copy legal bytes that are about to be superseded into a slot of their own and give its id."""
        entry_id = self._begin(Move.TAKE, path, None, None, "supersede", reason)
        self._stage(self.fd, entry_id, legal)
        self._done(entry_id)
        return entry_id

    def _swap(self, entry_id: str, parent: int, name: str) -> None:
        if self.same_device:
            try:
                exchange(self.fd, entry_id, parent, name)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            else:
                return
        # Another file system: exchange beside the target, then carry the written bytes over.
        beside = f".{entry_id}.restoring"
        _copy_across(self.fd, entry_id, parent, beside)
        exchange(parent, beside, parent, name)
        _remove(self.fd, entry_id)
        self._expect_late_writer(entry_id, parent, beside)
        _copy_across(parent, beside, self.fd, entry_id)
        with contextlib.suppress(OSError):
            _remove(parent, beside)

    def _move_out(self, entry_id: str, parent: int, name: str) -> None:
        if self.same_device:
            try:
                os.rename(name, entry_id, src_dir_fd=parent, dst_dir_fd=self.fd)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            else:
                return
        self._expect_late_writer(entry_id, parent, name)
        _copy_across(parent, name, self.fd, entry_id)
        # What somebody writes there meanwhile stays and is taken next time; the copy is never given up for it.
        with contextlib.suppress(OSError):
            _remove(parent, name)

    def _expect_late_writer(self, entry_id: str, parent: int, name: str) -> None:
        """Keep a taken file open: on another file system its slot is a copy, and whoever holds it writes on."""
        st = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISREG(st.st_mode) and len(self._late) < _MOST_LATE_WRITERS:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
            self._late.append(_LateWriter(entry_id, fd, signature_of(st), time.monotonic() + _LATE_SECONDS))

    def follow_late_writers(self) -> bool:
        """Copy what was written to taken files since; False when there is nobody left to wait for."""
        now = time.monotonic()
        for late in tuple(self._late):
            signature = signature_of(os.fstat(late.fd))
            if signature != late.seen:
                late.seen, late.until = signature, now + _LATE_SECONDS
                _copy_bytes(late.fd, self.directory / late.entry_id)
                self.fresh.add(late.entry_id)
            elif now > late.until:
                os.close(late.fd)
                self._late.remove(late)
        return bool(self._late)

    def _place(self, entry_id: str, parent: int, name: str, legal: Legal) -> None:
        if self.same_device:
            try:
                place(self.fd, entry_id, parent, name)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            else:
                return
        beside = f".{entry_id}.restoring"
        self._stage(parent, beside, legal)
        try:
            place(parent, beside, parent, name)
        except OSError:
            _remove(parent, beside)
            raise
        _remove(self.fd, entry_id)

    def _stage(self, directory: int, name: str, legal: Legal) -> None:
        """Make the legal thing, complete with its metadata, under a free name."""
        if legal.kind is Kind.SYMLINK:
            os.symlink(legal.target, name, dir_fd=directory)
            return
        if legal.kind is Kind.DIRECTORY:
            os.mkdir(name, 0o700, dir_fd=directory)
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
        else:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
        try:
            if legal.kind is Kind.FILE:
                sha = hashlib.sha256()
                for piece in self._record.content(legal.sha256):
                    sha.update(piece)
                    view = memoryview(piece)
                    while view:
                        view = view[os.write(fd, view) :]
                _check_digest(sha.digest(), legal)
            dress(fd, legal.metadata)
        except BaseException:
            _remove(directory, name)
            raise
        finally:
            os.close(fd)

    # The journal around a move

    def _begin(
        self, move: Move, path: str, legal: Legal | None, victim: os.stat_result | None, operation: str, reason: Reason
    ) -> str:
        entry_id = next_ulid()
        self.journal.write(
            {
                "id": entry_id,
                "state": "begun",
                "move": str(move),
                "path": path,
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "operation": operation,
                "reason": str(reason),
                "victim": None if victim is None else victim.st_ino,
                "legal": None if legal is None else legal.sha256.hex(),
            }
        )
        return entry_id

    def _undo(self, entry_id: str) -> None:
        _remove(self.fd, entry_id)
        self.journal.write({"id": entry_id, "state": "undone"})

    def _done(self, entry_id: str) -> None:
        self._note_taken(entry_id, os.stat(entry_id, dir_fd=self.fd, follow_symlinks=False))

    def _note_taken(self, entry_id: str, st: os.stat_result) -> None:
        self.fresh.add(entry_id)
        self.journal.write(
            {"id": entry_id, "state": "taken", "kind": str(kind_of(st.st_mode)), "mode": stat.S_IMODE(st.st_mode)}
        )

    def _taken(self, entry_id: str, legal: Legal | None, victim: os.stat_result) -> str | None:
        st = os.stat(entry_id, dir_fd=self.fd, follow_symlinks=False)
        judged = (victim.st_ino, victim.st_size, victim.st_mtime_ns)
        if legal is not None and (st.st_ino, st.st_size, st.st_mtime_ns) != judged and self._is(entry_id, st, legal):
            # Between the look and the exchange somebody else had made it legal: nothing was taken from anyone.
            self._undo(entry_id)
            return None
        self._note_taken(entry_id, st)
        return entry_id

    def _is(self, entry_id: str, st: os.stat_result, legal: Legal) -> bool:
        """Whether a slot holds exactly the legal thing."""
        if kind_of(st.st_mode) is not legal.kind or stat.S_IMODE(st.st_mode) != legal.metadata.mode:
            return False
        if legal.kind is Kind.FILE:
            return st.st_size == legal.size and _digest(self.directory / entry_id) == legal.sha256.hex()
        if legal.kind is Kind.SYMLINK:
            return os.readlink(entry_id, dir_fd=self.fd) == legal.target
        return not any((self.directory / entry_id).iterdir())

    # Start-up

    def recover(self) -> tuple[str, ...]:
        """Complete or undo every move that a crash cut short; gives the ids that were completed."""
        completed = []
        for entry_id, line in read_journal(self.journal.path).items():
            if line.get("state") != "begun" or line.get("move") not in set(Move):
                continue
            if os.path.lexists(self.directory / f"{entry_id}.taken"):  # the two-rename stand-in for an exchange
                _remove(self.fd, entry_id)
                os.rename(f"{entry_id}.taken", entry_id, src_dir_fd=self.fd, dst_dir_fd=self.fd)
                self._done(entry_id)
                completed.append(entry_id)
                continue
            try:
                st = os.stat(entry_id, dir_fd=self.fd, follow_symlinks=False)
            except FileNotFoundError:  # never staged, or put in place: the next comparison tells
                self.journal.write({"id": entry_id, "state": "undone"})
                continue
            legal = line.get("legal")
            is_ours = st.st_ino != line.get("victim") and self._staged(entry_id, st, legal)
            staged = is_ours and line["move"] != Move.TAKE
            if staged:
                self._undo(entry_id)
            else:
                self._done(entry_id)
                completed.append(entry_id)
        return tuple(completed)

    def _staged(self, entry_id: str, st: os.stat_result, legal: str | None) -> bool:
        """Whether a slot holds nothing that the record does not hold (a half-written copy of legal bytes, say).

        Before the exchange the slot was made by us; its inode is not the victim's. A victim that was replaced in the
        last moment is recognised by its bytes: they are kept unless the record has them all.
        """
        if not stat.S_ISREG(st.st_mode):
            return not stat.S_ISDIR(st.st_mode) or not any((self.directory / entry_id).iterdir())
        if not legal:
            return st.st_size == 0
        try:
            whole = b"".join(self._record.content(bytes.fromhex(legal)))
        except (ValueError, RecordError):
            return False  # not known to be ours: kept
        return whole.startswith((self.directory / entry_id).read_bytes())


def _check_digest(found: bytes, legal: Legal) -> None:
    if found != legal.sha256:
        raise RecordError("the pack of legal bytes is damaged", hint="spec-kitty guardian restart")


def _copy_across(from_fd: int, from_name: str, to_fd: int, to_name: str) -> None:
    """Copy a file, link or tree to another file system and make it durable there."""
    source = f"/proc/self/fd/{from_fd}/{from_name}"
    target = f"/proc/self/fd/{to_fd}/{to_name}"
    st = os.stat(from_name, dir_fd=from_fd, follow_symlinks=False)
    if stat.S_ISDIR(st.st_mode):
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
    fd = os.open(to_name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=to_fd) if not stat.S_ISLNK(st.st_mode) else -1
    if fd >= 0:
        os.fsync(fd)
        os.close(fd)


def _copy_bytes(source: int, target: Path) -> None:
    """Make a slot hold what an open file holds now."""
    with target.open("wb") as file:
        offset = 0
        while chunk := os.pread(source, _CHUNK, offset):
            file.write(chunk)
            offset += len(chunk)


def _remove(directory: int, name: str) -> None:
    """Remove a staged or copied thing, whatever it is; nothing there is fine."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):  # EPERM is what macOS says of a directory
        shutil.rmtree(name, dir_fd=directory)


def _digest(path: Path) -> str:
    sha = hashlib.sha256()
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest()
