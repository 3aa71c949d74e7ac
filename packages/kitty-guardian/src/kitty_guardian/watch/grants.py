"""Exceptions that a person has been granted for a while: opened paths and pauses."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime

import attrs

from kitty_guardian.errors import InvalidValueError

LONGEST_SECONDS = 7 * 86_400.0


@attrs.frozen
class Grant:
    """One exception.

    Attributes:
        path: What is open, relative to the work tree; empty for a pause of everything.
        until: When it ends.
        reason: Why, in the person's words.
        actor: Who asked; a claim, not a proof.
    """

    path: str
    until: datetime
    reason: str
    actor: str

    def holds_at(self, now: datetime) -> bool:
        """Whether it is in force."""
        return now < self.until

    def payload(self) -> dict[str, str]:
        """The grant as an event's payload."""
        return {
            "kind": "allow" if self.path else "pause",
            "path": self.path,
            "until": self.until.isoformat(timespec="seconds"),
            "reason": self.reason,
            "actor": self.actor,
        }


def check_grant(seconds: float, reason: str) -> None:
    """Hold an exception to its limits.

    Raises:
        InvalidValueError: It lasts longer than a week or no time at all, or has no reason.
    """
    if not 0 < seconds <= LONGEST_SECONDS:
        raise InvalidValueError("an exception lasts at most 7d", hint="grant it again when it has ended")
    check_reason(reason)


def check_reason(reason: str) -> None:
    """Hold an exception to having a reason.

    Raises:
        InvalidValueError: It has none.
    """
    if not reason.strip():
        raise InvalidValueError("an exception needs a reason", hint='--reason "why"')


def dump_grants(grants: Iterable[Grant]) -> str:
    """Grants as text."""
    return json.dumps([grant.payload() for grant in grants])


def load_grants(text: str | None) -> tuple[Grant, ...]:
    """Grants from text."""
    return tuple(
        Grant(row["path"], datetime.fromisoformat(row["until"]), row["reason"], row["actor"])
        for row in json.loads(text or "[]")
    )


def still_holding(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """The grants that are in force now."""
    now = datetime.now(UTC)
    return tuple(grant for grant in grants if grant.holds_at(now))
