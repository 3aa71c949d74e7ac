"""What commits changed, read as raw tree entries: mode, object id, path; no rename detection, no filters."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator

import attrs

from kitty_guardian.project.git import Git

_ABSENT = "000000"


@attrs.frozen
class TreeEntry:
    """What a tree holds at a path.

    Attributes:
        mode: Git's octal mode (`100644`, `100755`, `120000`, `160000`).
        oid: Object id in hex.
    """

    mode: str
    oid: str


@attrs.frozen
class Change:
    """One path that a commit changed.

    Attributes:
        path: Relative to the root, undecodable bytes as surrogate escapes.
        old: What the parent holds, or None.
        new: What the commit holds, or None.
    """

    path: str
    old: TreeEntry | None
    new: TreeEntry | None


@attrs.frozen
class Commit:
    """A commit and its parents, by object id."""

    oid: str
    parents: tuple[str, ...]


def new_commits(git: Git, head: str, attested: Iterable[str]) -> tuple[Commit, ...]:
    """The commits reachable from `head` that are new to every attested commit and every remote-tracking ref.

    Oldest first.
    """
    revisions = "".join(f"{line}\n" for line in (head, *(f"^{oid}" for oid in attested)))
    listed = git.run(
        "rev-list", "--parents", "--topo-order", "--reverse", "--ignore-missing", "--stdin", "--not", "--remotes",
        stdin=revisions.encode(),
    )  # fmt: skip
    rows = (line.split() for line in listed.decode().splitlines())
    return tuple(Commit(oid, tuple(parents)) for oid, *parents in rows)


def changes_between(git: Git, old: str | None, new: str) -> tuple[Change, ...]:
    """The paths whose raw tree entries differ between two commits or trees; `old` None is the empty tree."""
    if old is None:
        rows = git.lines_z("ls-tree", "-r", "-z", "--full-tree", new)
        return tuple(Change(path, None, entry) for path, entry in _tree_rows(rows))
    fields = iter(git.lines_z("diff-tree", "-r", "-z", "--no-renames", "--raw", "--full-index", old, new))
    return tuple(_raw_changes(fields))


def changes_of(git: Git, commit: Commit) -> tuple[Change, ...]:
    """The paths that `commit` decides itself: they differ from every parent and, in a merge, from the automatic merge."""
    if not commit.parents:
        return changes_between(git, None, commit.oid)
    first, *others = (changes_between(git, parent, commit.oid) for parent in commit.parents)
    for other in others:
        differing = {change.path for change in other}
        first = tuple(change for change in first if change.path in differing)
    if first and len(commit.parents) == 2 and (merged := _automatic_merge(git, *commit.parents)):  # noqa: PLR2004
        differing = {change.path for change in changes_between(git, merged, commit.oid)}
        first = tuple(change for change in first if change.path in differing)
    return first


def tree_entries(git: Git, tree: str) -> dict[str, TreeEntry]:
    """Every path of a commit or tree, with what it holds there."""
    return dict(_tree_rows(git.lines_z("ls-tree", "-r", "-z", "--full-tree", tree)))


def patch_identity(git: Git, commit: Commit) -> str | None:
    """What a commit does to its parent, independent of where: equal for a rebased, amended or cherry-picked copy.

    Unlike `git patch-id` white space counts: it is code in some languages. None for merges.
    """
    if len(commit.parents) > 1:
        return None
    base = list(commit.parents) or ["--root"]
    text = git.run(
        "diff-tree", "-p", "-r", "--no-renames", "--full-index", "--binary", "--no-ext-diff", "--no-textconv",
        "--no-commit-id", "--unified=3", *base, commit.oid,
    )  # fmt: skip
    sha = hashlib.sha256()
    for line in text.splitlines(keepends=True):
        if line.startswith(b"index "):  # whole blob ids: they differ when the context far away does
            continue
        sha.update(b"@@\n" if line.startswith(b"@@ ") else line)  # so do line numbers
    return sha.hexdigest() if text else None


def _automatic_merge(git: Git, ours: str, theirs: str) -> str | None:
    """The tree git itself makes of two commits, or None where it cannot (git before 2.38, no common history)."""
    status, output = git.attempt("merge-tree", "--write-tree", "--no-messages", ours, theirs, accept=range(256))
    return output.split(b"\n", 1)[0].decode() or None if status in {0, 1} else None


def _tree_rows(rows: Iterable[bytes]) -> Iterator[tuple[str, TreeEntry]]:
    for row in rows:
        head, _, name = row.partition(b"\t")
        mode, _, oid = head.decode().split(" ")
        yield os.fsdecode(name), TreeEntry(mode, oid)


def _raw_changes(fields: Iterator[bytes]) -> Iterator[Change]:
    for head in fields:
        old_mode, new_mode, old_oid, new_oid, _ = head.decode().removeprefix(":").split(" ")
        yield Change(
            os.fsdecode(next(fields)),
            None if old_mode == _ABSENT else TreeEntry(old_mode, old_oid),
            None if new_mode == _ABSENT else TreeEntry(new_mode, new_oid),
        )
