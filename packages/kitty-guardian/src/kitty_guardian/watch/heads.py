"""HEAD as the guard trusts it: which commit counts, what it holds, what it ignores (enforcement model, section 3.2)."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable

import attrs

from kitty_guardian.commits.changes import Change, TreeEntry, changes_between, tree_entries
from kitty_guardian.commits.rule import Refusal, judge_head
from kitty_guardian.model.decisions import Decision
from kitty_guardian.project.repository import Worktree
from kitty_guardian.watch.gitwork import GitWork
from kitty_guardian.watch.ignored import IgnoreRules
from kitty_guardian.watch.record import Legal, LegalRecord
from kitty_guardian.watch.tree import Kind, Metadata, WorkTree, ancestors

_LINK = "120000"
_EXECUTABLE = "100755"
_GITLINK = "160000"
_HEAD_FACT = "head"


@attrs.frozen
class Moved:
    """A HEAD that moved.

    Attributes:
        head: Where to.
        changes: What differs from the last head that counted; empty if this one does not count.
        refusals: Why it does not count; empty if it does.
    """

    head: str
    changes: tuple[Change, ...] = ()
    refusals: tuple[Refusal, ...] = ()


class Heads:
    """Follows HEAD of one work tree.

    Args:
        worktree: The work tree.
        git: Looks at its git directory.
        record: Where attested commits are remembered.
        ignore: HEAD's ignore rules.
    """

    def __init__(self, worktree: Worktree, git: GitWork, record: LegalRecord, ignore: IgnoreRules) -> None:
        self._worktree = worktree
        self._git = git
        self._record = record
        self._ignore = ignore
        self._tree: dict[str, TreeEntry] = {}
        self._directories: frozenset[str] | None = None
        self._gitlinks: frozenset[str] = frozenset()
        # Paths that an attested move changed and whose new content does not stand in the work tree yet.
        self._unsettled: dict[str, TreeEntry | None] = {}
        self.unattested: str | None = None
        self.head = record.fact(_HEAD_FACT)
        self._looked = self.head

    def adopt(self) -> None:
        """Take HEAD and every local branch and tag as they are now: what exists before the guard is history."""
        self.head = self._worktree.head_commit()
        self._looked = self.head
        refs = self._worktree.git.run("for-each-ref", "--format=%(objectname)", "refs/heads", "refs/tags")
        self._record.attest([*refs.decode().split(), *([self.head] if self.head else [])])
        self._record.remember(_HEAD_FACT, self.head or "")
        self.load()

    def load(self) -> None:
        """Read what the head that counts holds and ignores."""
        self.head = self.head or None
        self._tree = tree_entries(self._worktree.git, self.head) if self.head else {}
        self._tree_changed()
        self._ignore.move_to(self.head)

    def follow(
        self,
        *,
        decide: Callable[[str], Decision],
        record: LegalRecord,
    ) -> Moved | None:
        """Judge HEAD if it moved since the last look; None if it did not."""
        head = self._worktree.head_commit()
        if head == self._looked:
            return None
        self._looked = head
        if head is None or head == self.head:
            self.unattested = None
            return None
        judgement = judge_head(
            self._worktree.git,
            head,
            record.attested(),
            decide=decide,
            is_legal_state=lambda path, entry: self._is_legal_state(path, entry, record),
        )
        if not judgement.attested:
            self.unattested = head
            return Moved(head, refusals=judgement.refusals)
        changes = changes_between(self._worktree.git, self.head, head)
        record.begin()
        record.attest([head])
        record.remember(_HEAD_FACT, head)
        record.commit()
        self.head, self.unattested = head, None
        for change in changes:
            if change.new is None:
                self._tree.pop(change.path, None)
            else:
                self._tree[change.path] = change.new
            if not decide(change.path).allowed:
                self._unsettled[change.path] = change.new
        self._tree_changed()
        if any(change.path.endswith(".gitignore") for change in changes):
            self._ignore.move_to(head)
        return Moved(head, changes)

    def _tree_changed(self) -> None:
        self._directories = None
        self._gitlinks = frozenset(path for path, entry in self._tree.items() if entry.mode == _GITLINK)

    # What the head that counts says of a path

    def tracks(self, path: str) -> bool:
        """Whether it holds `path`, as a file or as a directory."""
        if path in self._tree:
            return True
        if self._directories is None:
            self._directories = frozenset(above for tracked in self._tree for above in ancestors(tracked))
        return path in self._directories

    def is_gitlink(self, path: str) -> bool:
        """Whether it holds a submodule at `path`: another repository's business."""
        return path in self._gitlinks

    def ignores(self, path: str, *, directory: bool) -> bool:
        """Whether its ignore rules ignore an untracked `path`."""
        return self._ignore.ignores(path, directory=directory)

    def is_worktree(self, path: str) -> bool:
        """Whether `path` is a linked work tree of this repository."""
        wanted = self._worktree.root / path / ".git"
        try:
            pointers = list((self._worktree.common_dir / "worktrees").iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return False
        for pointer in pointers:
            try:
                text = (pointer / "gitdir").read_text(encoding="utf-8", errors="surrogateescape").strip()
            except OSError:
                continue
            if os.path.normpath(pointer / text) == os.fspath(wanted):
                return True
        return False

    # Content that counts but does not stand in the work tree yet

    def expects_below(self, directory: str) -> bool:
        """Whether content that counts is still to come below a directory."""
        prefix = directory + "/"
        return any(entry is not None and path.startswith(prefix) for path, entry in self._unsettled.items())

    def settled(self, path: str) -> None:
        """The path has been dealt with."""
        self._unsettled.pop(path, None)

    def holds(self, path: str, st: os.stat_result | None, tree: WorkTree) -> bool:
        """Whether an attested move changed `path` to exactly what stands there now."""
        if path not in self._unsettled:
            return False
        entry = self._unsettled[path]
        if entry is None or st is None:
            return entry is None and st is None
        if stat.S_ISLNK(st.st_mode):
            return entry.mode == _LINK and self._git.blob_id(os.fsencode(tree.readlink(path))) == entry.oid
        if not stat.S_ISREG(st.st_mode) or bool(st.st_mode & 0o100) != (entry.mode == _EXECUTABLE):
            return False
        try:
            with tree.open_file(path) as fd, os.fdopen(os.dup(fd), "rb") as file:
                data = file.read()
        except OSError:
            return False
        return entry.oid in {self._git.blob_id(data), self._git.clean_blob_id(path, data)}

    def legal_state(self, path: str, record: LegalRecord, like: Legal) -> Legal | None:
        """What an attested move made of `path`, as it would stand in the work tree; None means absent.

        Args:
            path: The path.
            record: Takes the bytes.
            like: The legal state until now, for owner and permissions.
        """
        entry = self._unsettled.get(path)
        if entry is None:
            return None
        if entry.mode == _LINK:
            target = os.fsdecode(self._worktree.git.run("cat-file", "blob", entry.oid))
            return Legal(Kind.SYMLINK, like.metadata, target=target)
        data = self._worktree.git.run("cat-file", "--filters", f"--path={path}", entry.oid)
        sha = hashlib.sha256(data).digest()
        record.keep_bytes(data, sha)
        mode = like.metadata.mode & ~0o111 | (0o111 if entry.mode == _EXECUTABLE else 0)
        old = like.metadata
        return Legal(Kind.FILE, Metadata(mode, old.uid, old.gid, old.mtime_ns), len(data), sha)

    def knows(self, path: str, legal: Legal, record: LegalRecord) -> bool:
        """Whether git itself keeps the bytes of a legal file, so that forgetting them loses nothing."""
        data = b"".join(record.content(legal.sha256))
        return self._git.has_object(self._git.blob_id(data)) or self._git.has_object(
            self._git.clean_blob_id(path, data)
        )

    def _is_legal_state(self, path: str, entry: TreeEntry | None, record: LegalRecord) -> bool:
        """Whether a commit holds at `path` what the legal record holds."""
        legal = record.get(path)
        if legal is None or entry is None:
            return legal is None and entry is None
        if entry.mode == _LINK or legal.kind is not Kind.FILE:
            same_kind = entry.mode == _LINK and legal.kind is Kind.SYMLINK
            return same_kind and self._git.blob_id(os.fsencode(legal.target)) == entry.oid
        if entry.mode == _GITLINK or bool(legal.metadata.mode & 0o100) != (entry.mode == _EXECUTABLE):
            return False
        data = b"".join(record.content(legal.sha256))
        return entry.oid in {self._git.blob_id(data), self._git.clean_blob_id(path, data)}
