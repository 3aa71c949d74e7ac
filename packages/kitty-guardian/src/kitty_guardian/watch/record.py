"""The legal record: what every protected path must be, with the bytes to make it so (enforcement model, section 3).

The table lies in SQLite, the bytes in an append-only pack beside it (ADR 0003). One process writes: the guardian.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from kitty_guardian.errors import GuardianError
from kitty_guardian.watch.tree import Kind, Metadata, ancestors, parent_of

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    path BLOB PRIMARY KEY,            -- relative to the work tree, file system encoding
    kind TEXT NOT NULL CHECK (kind IN ('file', 'directory', 'symlink')),
    mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    xattrs TEXT NOT NULL,             -- JSON [[name, hex], …]
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,             -- of a file's bytes; empty for the other kinds
    target BLOB NOT NULL,             -- of a symbolic link; empty for the other kinds
    protected INTEGER NOT NULL        -- 0: a directory kept only because something protected lies below it
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS content (
    sha256 BLOB PRIMARY KEY, pack TEXT NOT NULL, offset INTEGER NOT NULL, size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attested (oid TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
_VERSION = 1
_CHUNK = 1 << 20


class RecordError(GuardianError):
    """The legal record on disk cannot be used."""

    code = "guardian.record.unusable"


@attrs.frozen
class Legal:
    """The legal state of one path that exists; a protected path without one must be absent.

    Attributes:
        kind: File, directory or symbolic link.
        metadata: What comes back with the bytes.
        size: Bytes in a file; 0 for the other kinds.
        sha256: Of a file's bytes; empty for the other kinds.
        target: Of a symbolic link; empty for the other kinds.
        protected: False for a directory that is kept only because something protected lies below it.
    """

    kind: Kind
    metadata: Metadata
    size: int = 0
    sha256: bytes = b""
    target: str = ""
    protected: bool = True

    def same_content(self, other: Legal) -> bool:
        """Whether both hold the same bytes; metadata does not count."""
        return (self.kind, self.sha256, self.target) == (other.kind, other.sha256, other.target)


class LegalRecord:
    """Path to legal state, in memory and on disk.

    Args:
        database: The SQLite file; its directory holds the packs and is created.

    Raises:
        RecordError: The database is damaged or of a newer schema.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._directory = database.parent
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._db = _connect(database)
            self._entries = dict(self._load())
            self._places = {
                sha: (pack, offset, size)
                for sha, pack, offset, size in self._db.execute("SELECT sha256, pack, offset, size FROM content")
            }
        except sqlite3.DatabaseError as error:
            raise RecordError(
                f"the legal record `{database}` cannot be read: {error}",
                hint=f"move `{self._directory}` aside and run `spec-kitty guardian start` to record the work tree anew",
            ) from error
        # Read once: whoever extends the table while the guardian runs attests nothing.
        self._attested = {row[0] for row in self._db.execute("SELECT oid FROM attested")}
        self._children: dict[str, dict[str, None]] = {}
        for path in self._entries:
            self._children.setdefault(parent_of(path), {})[path] = None
        self._pack_name = "content.pack"
        self._pack = self._open_pack()

    def close(self) -> None:
        """Let go of the files."""
        self._db.close()
        os.close(self._pack)

    def is_in_place(self) -> bool:
        """Whether the files on disk are still the ones that are held open."""
        try:
            standing = (self._directory / self._pack_name).stat()
        except OSError:
            return False
        return self._database.exists() and standing.st_ino == os.fstat(self._pack).st_ino

    def is_whole(self) -> bool:
        """Whether the pack is at least as long as what lies in it."""
        return os.fstat(self._pack).st_size >= max((at + size for _, at, size in self._places.values()), default=0)

    def forget_content(self) -> None:
        """The pack was cut: what it held is to be kept anew, from wherever it still stands."""
        self._places.clear()
        self._db.execute("DELETE FROM content")
        os.ftruncate(self._pack, 0)

    def write_anew(self) -> None:
        """Put the whole record back on disk from what is held open and in memory: somebody removed its files.

        Raises:
            OSError: It cannot be written.
        """
        facts = self._db.execute("SELECT key, value FROM facts").fetchall()
        self._db.close()
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in self._directory.glob(f"{self._database.name}*"):
            leftover.unlink()
        (self._directory / self._pack_name).unlink(missing_ok=True)
        pack = self._open_pack()
        offset = 0
        while chunk := os.pread(self._pack, _CHUNK, offset):
            _write_all(pack, chunk)
            offset += len(chunk)
        os.close(self._pack)
        self._pack = pack
        self._db = _connect(self._database)
        self.begin()
        for path, legal in tuple(self._entries.items()):
            self.put(path, legal)
        self._db.executemany("INSERT INTO content VALUES (?, ?, ?, ?)", [(s, *p) for s, p in self._places.items()])
        self._db.executemany("INSERT INTO facts VALUES (?, ?)", facts)
        self._db.executemany("INSERT INTO attested VALUES (?)", [(oid,) for oid in self._attested])
        self.commit()

    def _open_pack(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(self._directory / self._pack_name, flags, 0o600)

    # Reading

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def get(self, path: str) -> Legal | None:
        """The legal state of `path`, or None: absent if the path is protected."""
        return self._entries.get(path)

    def paths(self) -> tuple[str, ...]:
        """Every recorded path."""
        return tuple(self._entries)

    def children(self, directory: str) -> tuple[str, ...]:
        """The recorded paths directly in `directory`."""
        return tuple(self._children.get(directory, ()))

    def files(self) -> int:
        """How many protected files and symbolic links are recorded."""
        return sum(entry.kind is not Kind.DIRECTORY for entry in self._entries.values())

    def content(self, sha256: bytes) -> Iterator[bytes]:
        """The bytes with that digest, in pieces.

        Raises:
            RecordError: The pack does not hold them.
        """
        if not (place := self._places.get(sha256)):
            raise RecordError(f"the legal record holds no bytes for {sha256.hex()}")
        _, offset, size = place
        while size:
            piece = os.pread(self._pack, min(size, _CHUNK), offset)
            if not piece:
                raise RecordError(f"the pack of legal bytes in `{self._directory}` is cut short")
            offset += len(piece)
            size -= len(piece)
            yield piece

    # Writing

    def keep(self, fd: int, sha256: bytes, size: int) -> bool:
        """Take the first `size` bytes of an open file into the pack, unless they are there already.

        False if they no longer have that digest: somebody is writing.
        """
        if sha256 in self._places:
            return True
        start = os.lseek(self._pack, 0, os.SEEK_END)
        offset, sha = 0, hashlib.sha256()
        while offset < size and (chunk := os.pread(fd, min(_CHUNK, size - offset), offset)):
            _write_all(self._pack, chunk)
            sha.update(chunk)
            offset += len(chunk)
        if sha.digest() != sha256:
            os.ftruncate(self._pack, start)
            return False
        self._know(sha256, start, offset)
        return True

    def keep_bytes(self, data: bytes, sha256: bytes) -> None:
        """Take bytes into the pack, unless they are there already."""
        if sha256 in self._places:
            return
        start = os.lseek(self._pack, 0, os.SEEK_END)
        _write_all(self._pack, data)
        self._know(sha256, start, len(data))

    def _know(self, sha256: bytes, start: int, size: int) -> None:
        self._places[sha256] = (self._pack_name, start, size)
        self._db.execute("INSERT INTO content VALUES (?, ?, ?, ?)", (sha256, self._pack_name, start, size))

    def begin(self) -> None:
        """Start a batch: what follows becomes durable together at `commit`."""
        if not self._db.in_transaction:  # a batch that an error cut short goes on
            self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """End a batch; the pack is made durable before the table that points into it."""
        os.fsync(self._pack)
        if self._db.in_transaction:
            self._db.execute("COMMIT")

    def put(self, path: str, legal: Legal) -> None:
        """Record the legal state of a path."""
        self._entries[path] = legal
        self._children.setdefault(parent_of(path), {})[path] = None
        meta = legal.metadata
        xattrs = json.dumps([[name, value.hex()] for name, value in meta.xattrs])
        self._db.execute(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                os.fsencode(path), str(legal.kind), meta.mode, meta.uid, meta.gid, meta.mtime_ns, xattrs,
                legal.size, legal.sha256, os.fsencode(legal.target), int(legal.protected),
            ),
        )  # fmt: skip

    def remove(self, path: str) -> None:
        """Forget a path: if it is protected, absent is now its legal state."""
        if self._entries.pop(path, None) is not None:
            self._children.get(parent_of(path), {}).pop(path, None)
            self._db.execute("DELETE FROM entries WHERE path = ?", (os.fsencode(path),))

    def clear(self) -> None:
        """Forget every path and its bytes (a new adoption)."""
        self._entries.clear()
        self._children.clear()
        self._places.clear()
        self._db.execute("DELETE FROM entries")
        self._db.execute("DELETE FROM content")
        os.ftruncate(self._pack, 0)

    # What the record was made from

    def fact(self, key: str) -> str | None:
        """A remembered text, or None."""
        row = self._db.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def remember(self, key: str, value: str) -> None:
        """Remember a text beside the entries."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, value))

    def attested(self) -> frozenset[str]:
        """The commits whose ancestry was judged or adopted."""
        return frozenset(self._attested)

    def attest(self, oids: Iterable[str]) -> None:
        """Remember commits as judged."""
        fresh = set(oids) - self._attested
        self._attested |= fresh
        self._db.executemany("INSERT OR IGNORE INTO attested VALUES (?)", [(oid,) for oid in fresh])

    def _load(self) -> Iterator[tuple[str, Legal]]:
        rows = self._db.execute(
            "SELECT path, kind, mode, uid, gid, mtime_ns, xattrs, size, sha256, target, protected FROM entries"
        )
        for path, kind, mode, uid, gid, mtime_ns, xattrs, size, sha256, target, protected in rows:
            names = tuple((name, bytes.fromhex(value)) for name, value in json.loads(xattrs))
            metadata = Metadata(mode, uid, gid, mtime_ns, names)
            yield (
                os.fsdecode(path),
                Legal(Kind(kind), metadata, size, sha256, os.fsdecode(target), protected=bool(protected)),
            )

    def carriers_of(self, path: str) -> Iterator[str]:
        """The directories above `path` that are not recorded yet."""
        return (directory for directory in ancestors(path) if directory not in self._entries)


def _connect(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in {0, _VERSION}:
        raise RecordError(
            f"the legal record `{database}` has schema version {version}; this program knows {_VERSION}",
            hint="install the version of kitty-guardian that wrote it, or a newer one",
        )
    connection.executescript(_SCHEMA)
    connection.execute(f"PRAGMA user_version = {_VERSION}")
    return connection


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
