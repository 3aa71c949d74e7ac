"""Changing what is legal while no guardian runs, under its lock so that none starts meanwhile."""

from __future__ import annotations

from pathlib import Path

from kitty_guardian.model.events import EventType
from kitty_guardian.project.repository import Worktree
from kitty_guardian.rules.policy import POLICY_PATH
from kitty_guardian.watch.audit import AuditTrail
from kitty_guardian.watch.durable import write_atomically
from kitty_guardian.watch.locking import holding

_LOCK_SECONDS = 5.0


def write_policy(worktree: Worktree, text: str, *, reason: str, actor: str) -> None:
    """Write the policy file and, if there is a legal record, make it legal.

    Raises:
        GuardianBusyError: A guardian is just starting.
    """
    state = worktree.state.guardian
    target = worktree.root / POLICY_PATH
    with holding(Path(state.lock), timeout=_LOCK_SECONDS):
        trail = AuditTrail(Path(state.violations))
        trail.append(EventType.EXCEPTION, {"kind": "policy", "path": POLICY_PATH, "reason": reason, "actor": actor})
        trail.close()
        target.parent.mkdir(exist_ok=True)
        write_atomically(target, text.encode())
        target.chmod(0o644)
        if Path(state.record).exists():
            _record(worktree, text)


def _record(worktree: Worktree, text: str) -> None:
    import hashlib

    from kitty_guardian.watch.record import Legal, LegalRecord
    from kitty_guardian.watch.tree import Kind, metadata_of

    record = LegalRecord(Path(worktree.state.guardian.record))
    try:
        data = text.encode()
        sha = hashlib.sha256(data).digest()
        record.keep_bytes(data, sha)
        record.put(POLICY_PATH, Legal(Kind.FILE, metadata_of((worktree.root / POLICY_PATH).stat()), len(data), sha))
    finally:
        record.close()
