"""The commit rule itself: which of a commit's changes may stand (enforcement model, section 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

import attrs

from kitty_guardian.commits.changes import Change, Commit, TreeEntry, changes_between, new_commits
from kitty_guardian.commits.copies import Originals
from kitty_guardian.commits.workbench import Workbench
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


@attrs.frozen
class Judgement:
    """What the rule says of everything new up to a head.

    Attributes:
        head: The head's object id.
        judged: The commits that were new, oldest first.
        refusals: What may not stand; empty means that the head is attested.
        base: The nearest commit on the head's first-parent line with nothing refused up to it, the head itself if it is
            attested; None if there is none.
    """

    head: str
    judged: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    base: str | None

    @property
    def attested(self) -> bool:
        """Whether what the head holds counts."""
        return not self.refusals


def _nothing(_commit: Commit, _change: Change) -> bool:
    """No event sanctions anything."""
    return False


def judge_head(
    git: Git,
    head: str,
    attested: frozenset[str],
    *,
    decide: Callable[[str], Decision],
    is_legal_state: Callable[[str, TreeEntry | None], bool],
    is_sanctioned: Callable[[Commit, Change], bool] = _nothing,
) -> Judgement:
    """Apply the rule to every commit that is new up to `head`.

    Args:
        git: The repository.
        head: A commit's object id.
        attested: The commits that count, each with its whole history.
        decide: The phase's answer for a path.
        is_legal_state: Whether the legal record has exactly this entry (None: nothing) at a path.
        is_sanctioned: Whether recorded events sanction what a commit holds at a path.

    Raises:
        GitError: The commits cannot be read; nothing is known about them then.
    """
    commits = new_commits(git, head, attested)
    refusals: list[Refusal] = []
    with Workbench(git) as bench:
        originals = Originals(git, attested, bench, lambda path: not decide(path).allowed)
        for commit in commits:
            changes = changes_of(git, commit, bench)
            refused = tuple(
                refusal
                for refusal in refused_changes(commit, changes, decide=decide, is_legal_state=is_legal_state)
                if not is_sanctioned(commit, refusal.change)
            )
            if refused and not originals.explain(commit, (refusal.change.path for refusal in refused)):
                refusals.extend(refused)
    base = _nearest_clean(head, commits, {refusal.commit for refusal in refusals})
    return Judgement(head, tuple(commit.oid for commit in commits), tuple(refusals), base)


def _nearest_clean(head: str, commits: tuple[Commit, ...], refused: AbstractSet[str]) -> str | None:
    """The first commit from `head` along first parents that neither is refused nor has a refused one behind it.

    Args:
        head: Where to begin.
        commits: The new ones, parents before children; every other commit counts.
        refused: The ids of those that may not stand.
    """
    tainted: set[str] = set()
    first_parent: dict[str, str | None] = {}
    for commit in commits:
        first_parent[commit.oid] = commit.parents[0] if commit.parents else None
        if commit.oid in refused or not tainted.isdisjoint(commit.parents):
            tainted.add(commit.oid)
    at: str | None = head
    while at is not None and at in tainted:
        at = first_parent[at]
    return at


def changes_of(git: Git, commit: Commit, bench: Workbench) -> tuple[Change, ...]:
    """The paths that `commit` decides itself: they differ from every parent and, in a merge, from the automatic merge.

    Raises:
        GitError: The commit or a parent cannot be read.
    """
    first, *others = commit.parents or (None,)
    changes = changes_between(git, first, commit.oid)
    for other in others:
        differing = {change.path for change in changes_between(git, other, commit.oid)}
        changes = tuple(change for change in changes if change.path in differing)
    if others and changes and (merge := bench.merge(commit.parents)) is not None:
        own = merge.conflicts | {change.path for change in bench.differences(merge, commit.oid)}
        changes = tuple(change for change in changes if change.path in own)
    return changes


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
