"""One way to read a project's files, from the disk or from a commit, so that both are judged alike."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Literal, Protocol, Self

import attrs

from kitty_guardian.errors import GitError
from kitty_guardian.project.git import Git
from kitty_guardian.project.objects import ObjectReader

EntryKind = Literal["file", "directory", "symlink", "gitlink"]
"""`gitlink` is another repository: a submodule, or on disk a directory with its own `.git`."""

READ_LIMIT = 1 << 20
"""Bytes; a work package or log that is longer than this is reported, not read."""

_ROOTS = ("kitty-specs", ".kittify")
_KINDS: dict[bytes, EntryKind] = {b"040000": "directory", b"120000": "symlink", b"160000": "gitlink"}


@attrs.frozen
class Entry:
    """One name in a directory.

    Attributes:
        name: The last part of its path; bytes that are not UTF-8 are surrogates, as `os.fsdecode` gives them.
        kind: What it is; never what a symbolic link points to.
    """

    name: str
    kind: EntryKind


class Tree(Protocol):
    """A project's files at one moment. Paths are relative to its top, separators are `/`."""

    def names(self, directory: str) -> tuple[Entry, ...]:
        """Entries of `directory` in code point order; empty where there is none. Links are not followed."""

    def expect(self, paths: Iterable[str]) -> None:
        """Says which files will be read next, in which order; a hint that saves waiting and changes no answer."""

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        """Bytes of the regular file at `path`, or None when there is none.

        Of a file longer than `limit` exactly `limit + 1` bytes come back, so that a caller sees its length.

        Raises:
            OSError: It is there and cannot be read (disk).
            GitError: It is there and cannot be read (git).
        """


class DiskTree:
    """The files below one directory, as they are now."""

    def __init__(self, root: Path) -> None:
        """Reads nothing yet.

        Args:
            root: Absolute path of the top directory.
        """
        self.root = root

    def names(self, directory: str) -> tuple[Entry, ...]:
        """As in `Tree`; sockets, pipes and devices are left out, git knows no such thing either."""
        if not self._is_within(directory):
            return ()
        try:
            with os.scandir(self.root / directory) as found:
                entries = [Entry(item.name, kind) for item in found if (kind := _kind_on_disk(item)) is not None]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(sorted(entries, key=lambda entry: entry.name))

    def expect(self, paths: Iterable[str]) -> None:
        """As in `Tree`; the disk has nothing to gain from it."""

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        """As in `Tree`."""
        if not self._is_within(os.path.dirname(path)):  # noqa: PTH120 - `path` is a tree path, not a Path
            return None
        try:
            # O_NONBLOCK: opening a pipe would wait for its writer.
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(self.root / path, flags)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            if (self.root / path).is_symlink():  # ELOOP here, other numbers elsewhere
                return None
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read(limit + 1)

    def _is_within(self, directory: str) -> bool:
        """Whether `directory` stays below the root: no `..`, not absolute, no symbolic link on the way."""
        parts = PurePosixPath(directory).parts
        if ".." in parts or directory.startswith("/"):
            return False
        place = self.root
        for part in parts:
            place /= part
            if place.is_symlink():
                return False
        return True


class GitTree:
    """The files of one commit below `kitty-specs/` and `.kittify/`; everything else reads as absent.

    One `ls-tree` at first use, then one `cat-file` process for all that is read; it ends with the `with` block, with
    `close`, or with the tree itself.
    """

    def __init__(self, git: Git, commit: str) -> None:
        """Reads nothing yet.

        Args:
            git: Git in the repository.
            commit: Anything that names a commit or a tree; it is resolved when the tree is first used.
        """
        self.git = git
        self.commit = commit
        self._listing: dict[str, list[Entry]] | None = None
        self._objects: dict[str, str] = {}
        self._reader: ObjectReader | None = None

    def names(self, directory: str) -> tuple[Entry, ...]:
        """As in `Tree`.

        Raises:
            GitError: The commit cannot be read.
        """
        return tuple(self._listed().get(directory.strip("/"), ()))

    def expect(self, paths: Iterable[str]) -> None:
        """As in `Tree`.

        Raises:
            GitError: The commit cannot be read.
        """
        self._listed()
        names = [self._objects[path] for path in paths if path in self._objects]
        try:
            self._objects_reader().expect(names)
        except GitError:
            self.close()  # a hint may fail; reading will tell which object git stumbles over

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        """As in `Tree`."""
        self._listed()
        if (name := self._objects.get(path)) is None:
            return None
        try:
            found = self._objects_reader().read(name, limit)
        except GitError:
            self.close()  # one broken object must not take the others with it
            raise
        if found is None:
            raise GitError(f"{self.commit}:{path}: object {name} is missing from the repository", hint="git fsck")
        return found[1]

    def close(self) -> None:
        """Ends the reading process; the tree can still be used and would start another."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _objects_reader(self) -> ObjectReader:
        if self._reader is None:
            self._reader = self.git.cat_batch()
        return self._reader

    def _listed(self) -> dict[str, list[Entry]]:
        if self._listing is None:
            tree = self.git.text("rev-parse", "--verify", "--end-of-options", f"{self.commit}^{{tree}}")
            listing: dict[str, list[Entry]] = {}
            for record in self.git.lines_z("ls-tree", "-r", "-t", "-z", tree, "--", *_ROOTS):
                facts, _, raw = record.partition(b"\t")
                mode, _, name = facts.split(b" ")
                path = os.fsdecode(raw)
                kind = _KINDS.get(mode, "file")
                directory, _, last = path.rpartition("/")
                listing.setdefault(directory, []).append(Entry(last, kind))
                if kind == "file":
                    self._objects[path] = name.decode("ascii")
            for entries in listing.values():
                entries.sort(key=lambda entry: entry.name)
            self._listing = listing
        return self._listing


def _kind_on_disk(item: os.DirEntry[str]) -> EntryKind | None:
    if item.is_symlink():
        return "symlink"
    if item.is_dir(follow_symlinks=False):
        return "gitlink" if os.path.lexists(os.path.join(item.path, ".git")) else "directory"  # noqa: PTH118 - no Path per entry
    return "file" if item.is_file(follow_symlinks=False) else None
