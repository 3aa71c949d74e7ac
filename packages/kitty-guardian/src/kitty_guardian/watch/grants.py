"""Exceptions that a person has been granted for a while: opened paths and pauses."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime

import attrs


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
