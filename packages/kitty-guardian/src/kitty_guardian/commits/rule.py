"""The commit rule itself: which of a commit's changes may stand (enforcement model, section 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from kitty_guardian.commits.changes import Change, Commit, TreeEntry, changes_of, new_commits, patch_identity
from kitty_guardian.model.decisions import Decision
from kitty_guardian.project.git import Git


@attrs.frozen
class Refusal:
    """One change that may not stand.

    Attributes:
        commit: The commit's object id.
        change: What it did to which path.
        decision: Why not.
    """

    commit: str
    change: Change
    decision: Decision


def refused_changes(
    commit: Commit,
    changes: Iterable[Change],
    *,
    decide: Callable[[str], Decision],
    is_legal_state: Callable[[str, TreeEntry | None], bool],
) -> tuple[Refusal, ...]:
    """The changes of one commit that neither the phase allows nor the legal record holds already."""
    return tuple(
        Refusal(commit.oid, change, decision)
        for change in changes
        if not (decision := decide(change.path)).allowed and not is_legal_state(change.path, change.new)
    )


@attrs.frozen
class Judgement:
    """What the rule says of everything new up to a head.

    Attributes:
        head: The head's object id.
        judged: The commits that were new, oldest first.
        refusals: What may not stand; empty means that the head is attested.
    """

    head: str
    judged: tuple[str, ...]
    refusals: tuple[Refusal, ...]

    @property
    def attested(self) -> bool:
        """Whether what the head holds counts."""
        return not self.refusals


def judge_head(
    git: Git,
    head: str,
    attested: frozenset[str],
    *,
    decide: Callable[[str], Decision],
    is_legal_state: Callable[[str, TreeEntry | None], bool],
) -> Judgement:
    """Apply the rule to every commit that is new up to `head`."""
    commits = new_commits(git, head, attested)
    refusals: list[Refusal] = []
    for commit in commits:
        refused = refused_changes(commit, changes_of(git, commit), decide=decide, is_legal_state=is_legal_state)
        if refused and not _equals_attested(git, commit, attested):
            refusals.extend(refused)
    return Judgement(head, tuple(commit.oid for commit in commits), tuple(refusals))


def _equals_attested(git: Git, commit: Commit, attested: frozenset[str]) -> bool:
    """Whether the commit is a rebased, amended or cherry-picked copy of an attested one.

    Copies keep the author's name and date, so only attested commits with the same are compared.
    """
    wanted = patch_identity(git, commit)
    if wanted is None or not attested:
        return False
    author = "%at %ae"
    mine = git.run("show", "-s", f"--format={author}", commit.oid).decode(errors="replace").strip()
    revisions = "".join(f"{oid}\n" for oid in attested).encode()
    listed = git.run(
        "rev-list", "--ignore-missing", "--no-commit-header", "--parents", f"--format=%H %P%x00{author}", "--stdin",
        stdin=revisions,
    )  # fmt: skip
    for line in listed.decode(errors="replace").splitlines():
        ids, _, theirs = line.partition("\0")
        if theirs == mine:
            oid, *parents = ids.split()
            if oid != commit.oid and patch_identity(git, Commit(oid, tuple(parents))) == wanted:
                return True
    return False
