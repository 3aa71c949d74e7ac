"""How a path's state becomes its legal one, and how an unchanged file is recognised without reading it again."""

from __future__ import annotations

import os
import stat
import time

import attrs

from kitty_guardian.watch.record import Legal, LegalRecord
from kitty_guardian.watch.tree import (
    Kind,
    Metadata,
    Signature,
    WorkTree,
    digest,
    kind_of,
    metadata_of,
    signature_of,
    xattrs_of,
)

# A file touched this recently may change again without its times telling (coarse clocks): its signature is not trusted.
_RACY_NS = 100_000_000
_TRIES = 3
_SMALLEST_READ = 1 << 15  # what opening a file costs, in bytes read


class Baseline:
    """Reads what stands in the work tree into the legal record.

    Args:
        tree: The work tree.
        record: The legal record.
        unresolved: Told of paths whose bytes cannot be recorded.
    """

    def __init__(self, tree: WorkTree, record: LegalRecord, unresolved: dict[str, str]) -> None:
        self._unresolved = unresolved
        self._tree = tree
        self._record = record
        self._seen: dict[str, Signature] = {}
        self._turn: list[str] = []

    def capture(self, path: str, st: os.stat_result) -> bool:
        """Record what stands at `path` as legal; False for what cannot be recorded (a socket, an unreadable file)."""
        legal = self.read(path, st)
        if legal is None:
            return False
        self.set(path, legal)
        self.trust(path, st)
        return True

    def read(self, path: str, st: os.stat_result) -> Legal | None:
        """What stands at `path`, its bytes taken into the record's pack; None for what cannot be recorded."""
        kind = kind_of(st.st_mode)
        if kind is Kind.DIRECTORY:
            return Legal(kind, metadata_of(st))
        if kind is Kind.OTHER:
            return None
        try:
            if kind is Kind.SYMLINK:
                return Legal(kind, metadata_of(st), target=self._tree.readlink(path))
            with self._tree.open_file(path) as fd:
                for _ in range(_TRIES):
                    now, sha = os.fstat(fd), digest(fd)
                    if self._record.keep(fd, sha, now.st_size):
                        return Legal(kind, metadata_of(now, xattrs_of(fd)), now.st_size, sha)
        except OSError as error:
            self._unresolved[path] = f"cannot be read, so its bytes are not protected: {error.strerror}"
        else:
            self._unresolved[path] = "is written to all the time, so its bytes are not protected"
        return None

    def set(self, path: str, legal: Legal) -> None:
        """Make `legal` the legal state of `path`; the directories above it are then kept, too."""
        self._record.put(path, legal)
        for carrier in tuple(self._record.carriers_of(path)):
            st = self._tree.lstat(carrier)
            if st is not None and stat.S_ISDIR(st.st_mode):
                self._record.put(carrier, Legal(Kind.DIRECTORY, metadata_of(st), protected=False))

    def forget(self, path: str) -> None:
        """Make absence the legal state of `path`, if it is protected at all."""
        self._record.remove(path)
        self._seen.pop(path, None)

    def holds(self, path: str, entry: Legal, st: os.stat_result) -> bool:
        """Whether `path` has the recorded content, read afresh."""
        found = self.read(path, st)
        return found is not None and found.same_content(entry)

    # Signatures

    def trust(self, path: str, st: os.stat_result) -> None:
        """Remember a signature, so that an unchanged file need not be read again."""
        signature = signature_of(st)
        if stat.S_ISDIR(st.st_mode) or abs(time.time_ns() - st.st_ctime_ns) > _RACY_NS:
            self._seen[path] = signature
        else:
            # The inode still tells a chmod from a new file; the impossible size makes every comparison read the bytes.
            self._seen[path] = (signature[0], -1, *signature[2:])

    def distrust(self, path: str) -> None:
        """Have the next comparison read the bytes."""
        self._seen.pop(path, None)

    def doubt(self, size: int) -> None:
        """Have the next comparison read the next files again, in turn, up to `size` bytes or one file.

        A page that is mapped and dirty already can be written to without any of a file's times changing.
        """
        while size > 0:
            if not self._turn:
                self._turn = list(self._seen)
                if not self._turn:
                    return
            path = self._turn.pop()
            entry, seen = self._record.get(path), self._seen.get(path)
            if entry is not None and entry.kind is Kind.FILE and seen is not None:
                self._seen[path] = (seen[0], -1, *seen[2:])
                size -= max(entry.size, _SMALLEST_READ)
            if not self._turn:
                return

    def is_unchanged(self, path: str, st: os.stat_result) -> bool:
        """Whether nothing can have happened to `path` since it was found legal."""
        return self._seen.get(path) == signature_of(st)

    def is_made_anew(self, path: str, st: os.stat_result) -> bool:
        """Whether another inode than the one that was found legal stands at `path`: git makes files anew."""
        seen = self._seen.get(path)
        return seen is not None and seen[0] != st.st_ino

    def accept_mode(self, path: str, entry: Legal, st: os.stat_result) -> bool:
        """Whether a file's permission bits are as recorded, or as git would have made the file anew.

        Git records only the executable bit and takes the rest from the umask of whoever runs it; so a *new* inode with
        the same bytes may differ there, unless it became writable for everyone. The same inode may not change at all.
        """
        mode, legal = stat.S_IMODE(st.st_mode), entry.metadata.mode
        if mode == legal:
            return True
        if not self.is_made_anew(path, st):
            return False
        special = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | stat.S_IWOTH
        if bool(mode & 0o111) != bool(legal & 0o111) or (mode & special) & ~(legal & special):
            return False
        self._record.put(path, attrs.evolve(entry, metadata=metadata_of(st, entry.metadata.xattrs)))
        return True

    def metadata_for_new(self) -> Metadata:
        """What a file gets that has no history here: the work tree's owner, readable for all."""
        above = os.fstat(self._tree.fd)
        return Metadata(0o644, above.st_uid, above.st_gid, time.time_ns())
