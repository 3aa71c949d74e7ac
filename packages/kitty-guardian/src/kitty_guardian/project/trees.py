"""One way to read a project's files, from the disk or from a commit, so that both are judged alike."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

import attrs

from kitty_guardian.errors import GitError
from kitty_guardian.project.blobs import Blobs
from kitty_guardian.project.git import Git
from kitty_guardian.project.regular import read_regular
from kitty_guardian.project.repository import PROJECT_DIRECTORIES, Worktree

EntryKind = Literal["file", "directory", "symlink", "gitlink"]
"""`gitlink` is another repository: a submodule, or on disk a directory with its own `.git`."""

READ_LIMIT = 1 << 20
"""Bytes; a work package or log that is longer than this is reported, not read."""

_SETTLED_NS = 60_000_000_000
"""Nanoseconds after which a file's times tell every further change: the coarsest file systems tick once in two seconds,
and what is written through a memory map changes no time before the kernel has written it back (30 s)."""

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

    def stamp(self, path: str) -> Hashable | None:
        """Something that is different once the file at `path` is; None: nothing is known that would be."""

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
        # Text instead of paths: a project's thousands of files are looked at in every reading.
        self._top = os.fspath(root).rstrip("/") + "/"
        self._checked = {""}

    def names(self, directory: str) -> tuple[Entry, ...]:
        """As in `Tree`; sockets, pipes and devices are left out, git knows no such thing either."""
        if not self._is_within(directory):
            return ()
        try:
            with os.scandir(self._top + directory) as found:
                entries = [Entry(item.name, kind) for item in found if (kind := _kind_on_disk(item)) is not None]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(sorted(entries, key=lambda entry: entry.name))

    def expect(self, paths: Iterable[str]) -> None:
        """As in `Tree`; the disk has nothing to gain from it."""

    def stamp(self, path: str) -> Hashable | None:
        """As in `Tree`; a file that has only just changed has none, since it may change again within one tick."""
        try:
            st = os.lstat(self._top + path)
        except OSError:
            return None
        if not stat.S_ISREG(st.st_mode) or time.time_ns() - max(st.st_mtime_ns, st.st_ctime_ns) < _SETTLED_NS:
            return None
        return (st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        """As in `Tree`."""
        if not self._is_within(path.rpartition("/")[0]):
            return None
        return read_regular(self._top + path, limit + 1)

    def _is_within(self, directory: str) -> bool:
        """Whether `directory` stays below the root: no `..`, not absolute, no symbolic link on the way.

        Looked up once for each directory: a tree is for one look at a project.
        """
        if directory in self._checked:
            return True
        place = ""
        for part in directory.split("/"):
            if part in {"", ".."}:
                return False
            place = f"{place}/{part}" if place else part
            if place not in self._checked:
                if os.path.islink(self._top + place):  # noqa: PTH114 - as in __init__
                    return False
                self._checked.add(place)
        return True


class CheckoutTree(DiskTree):
    """A work tree as the checkout it is: what a sparse checkout leaves out is read from the index.

    Without that, a file that was left out on purpose would look deleted, and its feature a phase younger.
    """

    def __init__(self, worktree: Worktree) -> None:
        """Reads nothing yet.

        Args:
            worktree: The work tree.
        """
        super().__init__(worktree.root)
        self._git = worktree.git
        self._blobs = Blobs(worktree.git)
        self._listing: _Listing | None = None

    @staticmethod
    def is_needed(git_dir: Path) -> bool:
        """Whether the work tree with this git directory may leave files out."""
        return os.path.exists(git_dir / "info" / "sparse-checkout")  # noqa: PTH110 - Path.exists raises where it may not look

    def names(self, directory: str) -> tuple[Entry, ...]:
        """As in `Tree`.

        Raises:
            GitError: The index cannot be read.
        """
        there = {entry.name: entry for entry in self._left_out().names(directory)}
        there |= {entry.name: entry for entry in super().names(directory)}
        return tuple(there[name] for name in sorted(there))

    def stamp(self, path: str) -> Hashable | None:
        """As in `Tree`."""
        if os.path.lexists(self.root / path):
            return super().stamp(path)
        return self._left_out().objects.get(path)

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        """As in `Tree`."""
        if (data := super().read(path, limit)) is not None or (name := self._left_out().objects.get(path)) is None:
            return data
        return _content(self._blobs, name, limit, path)

    def close(self) -> None:
        """Ends the reading process; the tree can still be used and would start another."""
        self._blobs.close()

    def _left_out(self) -> _Listing:
        if self._listing is None:
            self._listing = _Listing()
            for record in self._git.lines_z("ls-files", "-t", "--stage", "-z", "--", *PROJECT_DIRECTORIES):
                facts, _, raw = record.partition(b"\t")
                tag, mode, name, _ = facts.split(b" ")
                if tag in {b"S", b"s"}:  # skip-worktree; small: assumed unchanged, too
                    self._listing.add(os.fsdecode(raw), mode, name)
        return self._listing


def tree_on_disk(worktree: Worktree) -> DiskTree:
    """The files of a work tree as they are now, also of one that is checked out sparsely."""
    return CheckoutTree(worktree) if CheckoutTree.is_needed(worktree.git_dir) else DiskTree(worktree.root)


class GitTree:
    """The files of one commit below some directories; everything else reads as absent.

    One `ls-tree` at first use, then one `cat-file` process for all that is read; it ends with the `with` block, with
    `close`, or with the tree itself.
    """

    def __init__(self, git: Git, commit: str, *, below: Sequence[str] = PROJECT_DIRECTORIES) -> None:
        """Reads nothing yet.

        Args:
            git: Git in the repository.
            commit: Anything that names a commit or a tree; it is resolved when the tree is first used.
            below: The directories.
        """
        self.git = git
        self.commit = commit
        self.below = below
        self._listing: _Listing | None = None
        self._blobs = Blobs(git)

    def names(self, directory: str) -> tuple[Entry, ...]:
        """As in `Tree`.

        Raises:
            GitError: The commit cannot be read.
        """
        return self._listed().names(directory.strip("/"))

    def expect(self, paths: Iterable[str]) -> None:
        """As in `Tree`.

        Raises:
            GitError: The commit cannot be read.
        """
        objects = self._listed().objects
        self._blobs.expect([objects[path] for path in paths if path in objects])

    def stamp(self, path: str) -> Hashable | None:
        """As in `Tree`.

        Raises:
            GitError: The commit cannot be read.
        """
        return self._listed().objects.get(path)

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        """As in `Tree`."""
        name = self._listed().objects.get(path)
        return None if name is None else _content(self._blobs, name, limit, f"{self.commit}:{path}")

    def close(self) -> None:
        """Ends the reading process; the tree can still be used and would start another."""
        self._blobs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listed(self) -> _Listing:
        if self._listing is None:
            tree = self.git.text("rev-parse", "--verify", "--end-of-options", f"{self.commit}^{{tree}}")
            listing = _Listing()
            for record in self.git.lines_z("ls-tree", "-r", "-z", tree, "--", *self.below):
                facts, _, raw = record.partition(b"\t")
                mode, _, name = facts.split(b" ")
                listing.add(os.fsdecode(raw), mode, name)
            self._listing = listing
        return self._listing


def _content(blobs: Blobs, name: str, limit: int, where: str) -> bytes:
    if (found := blobs.find(name, limit)) is None:
        raise GitError(f"{where}: object {name} is missing from the repository", hint="git fsck")
    return found[1]


class _Listing:
    """What git lists: paths with their modes and object names; directories are those that hold one."""

    def __init__(self) -> None:
        self.objects: dict[str, str] = {}
        self._entries: dict[str, dict[str, Entry]] = {}

    def add(self, path: str, mode: bytes, name: bytes) -> None:
        kind = _KINDS.get(mode, "file")
        if kind == "file":
            self.objects[path] = name.decode("ascii")
        directory, _, last = path.rpartition("/")
        self._entries.setdefault(directory, {})[last] = Entry(last, kind)
        while directory:
            above, _, last = directory.rpartition("/")
            if last in self._entries.setdefault(above, {}):
                return
            self._entries[above][last] = Entry(last, "directory")
            directory = above

    def names(self, directory: str) -> tuple[Entry, ...]:
        return tuple(sorted(self._entries.get(directory, {}).values(), key=lambda entry: entry.name))


def _kind_on_disk(item: os.DirEntry[str]) -> EntryKind | None:
    if item.is_symlink():
        return "symlink"
    if item.is_dir(follow_symlinks=False):
        return "gitlink" if os.path.lexists(os.path.join(item.path, ".git")) else "directory"  # noqa: PTH118 - no Path per entry
    return "file" if item.is_file(follow_symlinks=False) else None
