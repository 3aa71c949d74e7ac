"""Whether a commit is the copy of one that counts: rebased, amended or cherry-picked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import islice

from kitty_guardian.commits.changes import (
    FROM_OBJECTS,
    Change,
    Commit,
    changes_between,
    changes_by_commit,
    readable_commits,
)
from kitty_guardian.commits.workbench import Workbench
from kitty_guardian.errors import GitError
from kitty_guardian.project.git import Git

_AUTHOR = "%at %ae"
_MOST_PICKED = 16
_MOST_COMPARED = 4096


class Originals:
    """The commits that count, as possible originals of copies; read when the first copy is looked for.

    A copy keeps its author and the author's date, so those find the candidates. They prove nothing: the proof is that
    git, applying the original's change to the copy's parent, makes exactly what the copy holds in every path that the
    phase protects. So white space counts, the same lines somewhere else are another change, and a hand-resolved
    conflict is one, too.

    Args:
        git: The repository.
        attested: The commits that count.
        bench: Where changes are applied.
        is_protected: Whether the phase protects a path.
    """

    def __init__(
        self, git: Git, attested: Iterable[str], bench: Workbench, is_protected: Callable[[str], bool]
    ) -> None:
        self._git = git
        self._attested = attested
        self._bench = bench
        self._is_protected = is_protected

    def explain(self, commit: Commit, refused: Iterable[str]) -> bool:
        """Whether `commit` is the copy of an original, as far as the paths it was refused for are concerned."""
        if len(commit.parents) > 1:
            return False
        try:
            return self._explain(commit, frozenset(refused))
        except GitError:  # what cannot be read proves nothing
            return False

    def _explain(self, commit: Commit, refused: frozenset[str]) -> bool:
        parent = commit.parents[0] if commit.parents else None
        mine = self._protected(changes_between(self._git, parent, commit.oid))
        author = self._git.run(
            *FROM_OBJECTS, "rev-list", "--no-commit-header", "--max-count=1", f"--format={_AUTHOR}", commit.oid
        )
        found = (original for original in self._by_author.get(author.strip(), ()) if original.oid != commit.oid)
        originals = islice(found, _MOST_COMPARED)
        later: list[tuple[int, Commit]] = []
        for original, changes in changes_by_commit(self._git, originals):
            theirs = self._protected(changes)
            if theirs.keys() <= mine.keys() and all(theirs.get(path) == mine[path] for path in refused):
                return True
            if theirs:
                later.append((len(theirs.keys() & mine.keys()), original))
        later.sort(key=lambda candidate: candidate[0], reverse=True)
        passed = mine.keys() - refused
        return any(self._is_picked(commit, original, passed) for _, original in later[:_MOST_PICKED])

    def _is_picked(self, commit: Commit, original: Commit, passed: AbstractSet[str]) -> bool:
        """Whether applying the original makes the commit, but for protected paths that have `passed` for themselves."""
        before = original.parents[0] if original.parents else None
        picked = self._bench.pick(before, original.oid, commit.parents[0] if commit.parents else None)
        if picked is None:
            return False
        other = self._protected(self._bench.differences(picked, commit.oid)).keys() | set(
            filter(self._is_protected, picked.conflicts)
        )
        return other <= passed

    def _protected(self, changes: Iterable[Change]) -> Mapping[str, Change]:
        return {change.path: change for change in changes if self._is_protected(change.path)}

    @cached_property
    def _by_author(self) -> Mapping[bytes, tuple[Commit, ...]]:
        listed = self._git.run(
            *FROM_OBJECTS, "rev-list", "--ignore-missing", "--no-commit-header", "--max-parents=1",
            f"--format=%H %P%x00{_AUTHOR}", "--stdin", "--remotes",
            stdin="".join(f"{oid}\n" for oid in readable_commits(self._git, self._attested)).encode(),
        )  # fmt: skip
        found: dict[bytes, list[Commit]] = {}
        for line in listed.split(b"\n"):
            ids, _, author = line.partition(b"\0")
            if ids:
                oid, *parents = ids.decode("ascii").split()
                found.setdefault(author.strip(), []).append(Commit(oid, tuple(parents)))
        return {author: tuple(commits) for author, commits in found.items()}
