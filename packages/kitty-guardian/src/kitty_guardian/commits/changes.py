"""What commits changed, read as raw tree entries: mode, object id, path; no rename detection, no filters.

Everything is read from the objects themselves: a commit-graph file is a cache that anyone may write, so it is not
asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import attrs

from kitty_guardian.errors import GitError
from kitty_guardian.project.git import Git

FROM_OBJECTS = ("-c", "core.commitGraph=false")
"""Options before a git command that walks history."""

RAW_DIFF = (
    "-r",
    "-z",
    "--raw",
    "--no-renames",
    "--full-index",
    "--no-abbrev",
    "--no-relative",
    "--ignore-submodules=none",
)
"""Options of `diff-tree`; the last one keeps `.gitmodules` from hiding a changed submodule."""

_ABSENT = "000000"
_ANY_STATUS = range(256)


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

    Oldest first. Attested commits that are gone or damaged vouch for nothing; the others still do.

    Raises:
        GitError: `head` is no commit that can be read, or its history cannot be.
    """
    known = frozenset(attested)
    try:
        listed = _rev_list(git, head, known)
    except GitError:
        if (readable := readable_commits(git, known)) == known:
            raise
        listed = _rev_list(git, head, readable)
    rows = [line.split() for line in listed.decode("ascii").splitlines()]
    if not rows and head not in known:  # nothing new: or nothing there at all
        git.run("cat-file", "-e", f"{head}^{{commit}}")
    return tuple(Commit(oid, tuple(parents)) for oid, *parents in rows)


def count_new(git: Git, head: str, attested: Iterable[str]) -> int:
    """How many commits reachable from `head` are new to every attested one, remote-tracking references aside.

    Raises:
        GitError: The history cannot be read.
    """
    revisions = "".join(f"{line}\n" for line in (head, *(f"^{oid}" for oid in attested)))
    return int(git.run(*FROM_OBJECTS, "rev-list", "--count", "--ignore-missing", "--stdin", stdin=revisions.encode()))


def readable_commits(git: Git, oids: Iterable[str]) -> frozenset[str]:
    """Those of the commits and tags that the repository still holds undamaged."""
    question = "".join(f"{oid}\n" for oid in oids).encode()
    _, output = git.attempt("cat-file", "--batch-check", stdin=question, accept=_ANY_STATUS)
    rows = (line.split(b" ") for line in output.splitlines())
    return frozenset(row[0].decode("ascii") for row in rows if row[1:2] in ([b"commit"], [b"tag"]))


def changes_between(git: Git, old: str | None, new: str) -> tuple[Change, ...]:
    """The paths whose raw tree entries differ between two commits or trees; `old` None is the empty tree.

    Raises:
        GitError: One of them cannot be read.
    """
    if old is None:
        return tuple(Change(path, None, entry) for path, entry in _tree_rows(git, new))
    fields = iter(git.lines_z(*FROM_OBJECTS, "diff-tree", *RAW_DIFF, old, new))
    return tuple(_changes(fields))


def changes_by_commit(git: Git, commits: Iterable[Commit]) -> Iterator[tuple[Commit, tuple[Change, ...]]]:
    """Each commit with what it changed in its first parent, or in nothing; one git process for all of them.

    Args:
        git: The repository.
        commits: None of them a merge.

    Raises:
        GitError: One of them cannot be read.
    """
    asked = tuple(commits)
    if not asked:
        return
    question = "".join(f"{commit.oid}\n" for commit in asked).encode()
    output = git.lines_z(*FROM_OBJECTS, "diff-tree", "--stdin", "--root", "--always", *RAW_DIFF, stdin=question)
    fields = iter(output)
    by_oid: dict[str, list[Change]] = {commit.oid: [] for commit in asked}
    found: list[Change] = []
    for field in fields:
        if field.startswith(b":"):
            found.append(_change(field, next(fields)))
        else:
            found = by_oid[field.decode("ascii").strip()]
    yield from ((commit, tuple(by_oid[commit.oid])) for commit in asked)


def tree_entries(git: Git, tree: str) -> dict[str, TreeEntry]:
    """Every path of a commit or tree, with what it holds there.

    Raises:
        GitError: It cannot be read.
    """
    return dict(_tree_rows(git, tree))


def _rev_list(git: Git, head: str, attested: Iterable[str]) -> bytes:
    revisions = "".join(f"{line}\n" for line in (head, *(f"^{oid}" for oid in attested)))
    return git.run(
        *FROM_OBJECTS, "rev-list", "--parents", "--topo-order", "--reverse", "--ignore-missing", "--stdin",
        "--not", "--remotes", stdin=revisions.encode(),
    )  # fmt: skip


def _tree_rows(git: Git, tree: str) -> Iterator[tuple[str, TreeEntry]]:
    for row in git.lines_z(*FROM_OBJECTS, "ls-tree", "-r", "-z", "--full-tree", tree):
        head, _, name = row.partition(b"\t")
        mode, _, oid = head.decode("ascii").split(" ")
        yield os.fsdecode(name), TreeEntry(mode, oid)


def _changes(fields: Iterator[bytes]) -> Iterator[Change]:
    for head in fields:
        yield _change(head, next(fields))


def _change(head: bytes, name: bytes) -> Change:
    old_mode, new_mode, old_oid, new_oid, _ = head.decode("ascii").removeprefix(":").split(" ")
    return Change(
        os.fsdecode(name),
        None if old_mode == _ABSENT else TreeEntry(old_mode, old_oid),
        None if new_mode == _ABSENT else TreeEntry(new_mode, new_oid),
    )
