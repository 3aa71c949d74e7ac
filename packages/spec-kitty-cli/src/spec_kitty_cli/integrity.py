"""Whether what was recorded and what is on disk are still as they should be, and what is not: for `guardian verify`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kitty_guardian.boards import recorded
from kitty_guardian.errors import EventStoreError, NotRunningError
from kitty_guardian.watch import lifecycle
from spec_kitty_cli import words

if TYPE_CHECKING:
    from pathlib import Path


class Severity(StrEnum):
    """How much a finding matters: an error is something wrong, an info something that could not be looked at."""

    ERROR = "error"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or that nobody can say anything about.

    Attributes:
        code: Stable identifier.
        severity: How much it matters.
        message: What is the matter and where.
        hint: The command to run next, or None.
    """

    code: str
    severity: Severity
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Integrity:
    """What was verified; None stands for what could not be.

    Attributes:
        chain_ok: Whether the event store holds what was appended.
        hooks_ok: Whether the git hooks are in place.
        worktree_ok: Whether the work tree is what the guardian holds it to be.
        events: How many events the store has.
        findings: What is wrong, then what could not be verified.
    """

    chain_ok: bool | None
    hooks_ok: bool | None
    worktree_ok: bool | None
    events: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, as far as it could be verified."""
        return False not in {self.chain_ok, self.hooks_ok, self.worktree_ok}


def integrity(where: Path) -> Integrity:
    """Verify the chain of events and, through the running guardian, the work tree.

    Args:
        where: Any place in the work tree.

    Raises:
        NotARepositoryError: There is no work tree at `where`.
        GuardianBusyError: The guardian runs and does not answer.
    """
    chain_ok, events, chain = _chain(where)
    worktree_ok, worktree = _worktree(where)
    hooks = Finding("hooks.none", Severity.INFO, "git hooks are not verified: this version installs none yet")
    logs = [
        Finding("log.loose", Severity.INFO, f"{place} follows a line that was changed, or is not there any more")
        for place in recorded.loose_lines(where)
    ]
    findings = sorted((*chain, *worktree, *logs, hooks), key=lambda finding: finding.severity is Severity.INFO)
    return Integrity(chain_ok, None, worktree_ok, events, tuple(findings))


def _chain(where: Path) -> tuple[bool | None, int, list[Finding]]:
    try:
        report = recorded.verified(where)
    except EventStoreError as error:
        return False, 0, [Finding(error.code, Severity.ERROR, error.message, error.hint)]
    if report is None:
        nothing = "there is no event store: nothing was recorded in this repository yet"
        return None, 0, [Finding("chain.none", Severity.INFO, nothing)]
    broken = [
        Finding(
            "chain.broken",
            Severity.ERROR,
            f"the event at position {each.position} {each.reason}" if each.position else each.reason,
            "spec-kitty events verify",
        )
        for each in report.breaks
    ]
    return report.ok, report.events, broken


def _worktree(where: Path) -> tuple[bool | None, list[Finding]]:
    """Has the guardian compare everything with its legal record now; what is not legal is undone by that."""
    before = lifecycle.status(where)
    try:
        after = lifecycle.settle(where)
    except NotRunningError:
        off = "the work tree is not compared: no guardian runs here"
        return None, [Finding("worktree.not-guarded", Severity.INFO, off, "spec-kitty guardian start")]
    findings = [Finding("worktree.problem", Severity.ERROR, note) for note in after.notes]
    if undone := after.violations - before.violations:
        message = f"{words.count(undone, 'path')} differed from what the phase allows"
        findings.append(Finding("worktree.changed", Severity.ERROR, message, "spec-kitty guardian log"))
    if not after.healthy and not findings:
        findings.append(
            Finding("worktree.unhealthy", Severity.ERROR, "the guardian is not healthy", "spec-kitty guardian status")
        )
    return after.healthy and not undone, findings
