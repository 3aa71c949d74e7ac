"""The work tree as the watcher touches it: relative paths, never through a symbolic link, never out of the root.

Paths are `str` relative to the root with `/` between names (undecodable bytes as surrogate escapes); `""` is the root.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import attrs

_CHUNK = 1 << 20
_NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC


class Kind(StrEnum):
    """What stands at a path."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    OTHER = "other"


def kind_of(mode: int) -> Kind:
    """The kind that a `st_mode` tells."""
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.DIRECTORY
    return Kind.SYMLINK if stat.S_ISLNK(mode) else Kind.OTHER


def parent_of(path: str) -> str:
    """The path of the directory that holds `path`; `""` for a top-level name."""
    return path.rpartition("/")[0]


def join(directory: str, name: str) -> str:
    """The path of `name` in `directory`."""
    return f"{directory}/{name}" if directory else name


def ancestors(path: str) -> Iterator[str]:
    """The directories above `path`, topmost first, without the root."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


@attrs.frozen
class Metadata:
    """What comes back with the bytes.

    Attributes:
        mode: Permission bits, `st_mode & 0o7777`.
        uid: Owner.
        gid: Group.
        mtime_ns: Modification time in nanoseconds.
        xattrs: Extended attributes by name.
    """

    mode: int
    uid: int
    gid: int
    mtime_ns: int
    xattrs: tuple[tuple[str, bytes], ...] = ()


Signature = tuple[int, int, int, int, int]


def signature_of(st: os.stat_result) -> Signature:
    """What changes whenever a file does: inode, size, both times and mode (facts on watching, section 3)."""
    return (st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_mode)


class WorkTree:
    """A directory held open: operations stay below it even if it, or anything above it, is renamed.

    Args:
        root: Absolute path of the work tree.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.device = os.fstat(self.fd).st_dev

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self.fd)

    def lstat(self, path: str) -> os.stat_result | None:
        """The status of `path` itself, or None where nothing stands (or a parent is no directory)."""
        try:
            return os.stat(path or ".", dir_fd=self.fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES}:
                return None
            raise

    @contextlib.contextmanager
    def parent(self, path: str) -> Iterator[tuple[int, str]]:
        """The directory that holds `path`, open, and the last name; each step refuses symbolic links.

        Raises:
            OSError: A component is missing (ENOENT), or is no directory or a symbolic link (ENOTDIR, ELOOP).
        """
        directory, _, name = path.rpartition("/")
        fd = os.dup(self.fd)
        try:
            for part in directory.split("/") if directory else ():
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | _NO_FOLLOW, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd, name
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def open_file(self, path: str) -> Iterator[int]:
        """A regular file open for reading, not through a link and without waiting for a FIFO's writer."""
        with self.parent(path) as (fd, name):
            file = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _NO_FOLLOW, dir_fd=fd)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            yield file
        finally:
            os.close(file)

    def readlink(self, path: str) -> str:
        """The target text of a symbolic link."""
        with self.parent(path) as (fd, name):
            return os.readlink(name, dir_fd=fd)

    def names(self, path: str, *, strict: bool = False) -> list[tuple[str, os.stat_result]]:
        """What stands in a directory, with each thing's own status; empty where there is no such directory.

        Raises:
            PermissionError: It may not be listed, if `strict`; else it counts as empty.
        """
        found: list[tuple[str, os.stat_result]] = []
        try:
            with self.parent(join(path, ".")) as (fd, _), os.scandir(fd) as entries:
                for entry in entries:
                    try:
                        found.append((entry.name, entry.stat(follow_symlinks=False)))
                    except FileNotFoundError:  # gone since the listing: its own event follows
                        continue
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENAMETOOLONG} or (error.errno == errno.EACCES and not strict):
                return []
            raise
        return found


def digest(fd: int) -> bytes:
    """The SHA-256 of what an open file holds now; what is appended meanwhile is not waited for."""
    sha = hashlib.sha256()
    offset, size = 0, os.fstat(fd).st_size
    while offset < size and (chunk := os.pread(fd, min(_CHUNK, size - offset), offset)):
        sha.update(chunk)
        offset += len(chunk)
    return sha.digest()


def xattrs_of(fd: int) -> tuple[tuple[str, bytes], ...]:
    """The extended attributes of an open file; empty where the file system has none."""
    if not hasattr(os, "listxattr"):
        return ()
    try:
        return tuple((name, os.getxattr(fd, name)) for name in sorted(os.listxattr(fd)))
    except OSError:
        return ()


def metadata_of(st: os.stat_result, xattrs: tuple[tuple[str, bytes], ...] = ()) -> Metadata:
    """The metadata that a status and extended attributes tell."""
    return Metadata(stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns, xattrs)


def dress(fd: int, metadata: Metadata) -> None:
    """Give an open file or directory its metadata back; what only root may give is given where possible."""
    st = os.fstat(fd)
    if (st.st_uid, st.st_gid) != (metadata.uid, metadata.gid):
        # Another owner's file: its bytes come back as ours, which the owner's directory allows.
        with contextlib.suppress(PermissionError):
            os.fchown(fd, metadata.uid, metadata.gid)
    os.fchmod(fd, metadata.mode)
    for name, value in metadata.xattrs:
        try:
            os.setxattr(fd, name, value)
        except OSError:  # security.* and trusted.* need privileges; the bytes matter more
            continue
    os.utime(fd, ns=(metadata.mtime_ns, metadata.mtime_ns))
