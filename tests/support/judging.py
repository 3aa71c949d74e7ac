"""The commit rule asked directly, in a phase, over a real repository."""

from __future__ import annotations

from collections.abc import Iterable

from kitty_guardian.commits.changes import TreeEntry
from kitty_guardian.commits.rule import Judgement, judge_head
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.git import Git
from kitty_guardian.rules.decision import decide
from support.repositories import Repository

LINES = "".join(f"line {number}\n" for number in range(40))


def git_of(repository: Repository) -> Git:
    """Git as the guardian runs it."""
    return Git(repository.path, git_dir=repository.path / ".git", env=repository.environment)


def judged(
    repository: Repository,
    attested: Iterable[str],
    *,
    head: str | None = None,
    phase: Phase = Phase.PLAN,
    legal: dict[str, TreeEntry | None] | None = None,
) -> Judgement:
    """What the rule says of a head (HEAD itself, unless another is given).

    Args:
        repository: Where.
        attested: The commits that count.
        head: The commit to judge.
        phase: The effective phase.
        legal: The legal record, by path; every other path has no legal state.
    """
    record = legal or {}
    return judge_head(
        git_of(repository),
        head or repository.head(),
        frozenset(attested),
        decide=lambda path: decide(path, phase),
        is_legal_state=lambda path, entry: path in record and record[path] == entry,
    )


def refused(judgement: Judgement) -> set[str]:
    """The paths that may not stand."""
    return {refusal.change.path for refusal in judgement.refusals}


def tampered(text: str, number: int, line: str) -> str:
    """A text with one line replaced."""
    lines = text.splitlines(keepends=True)
    lines[number] = line
    return "".join(lines)
