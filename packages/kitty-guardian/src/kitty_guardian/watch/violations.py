"""The words for a violation: what was done to a path, and what was done about it."""

from __future__ import annotations

from enum import StrEnum

import attrs


class Operation(StrEnum):
    """What was done to a protected path."""

    CREATE = "create"
    WRITE = "write"
    DELETE = "delete"
    CHMOD = "chmod"
    REPLACE = "replace"  # a link where a file was, a file where a folder was
    COMMIT = "commit"


class Action(StrEnum):
    """What the guard did about it."""

    RESTORED = "restored"
    REMOVED = "removed"
    OBSERVED = "observed"
    UNRESOLVED = "unresolved"
    PENDING = "pending"
    STORM = "storm"
    UNATTESTED = "unattested"


@attrs.frozen
class Change:
    """One violation that was dealt with.

    Attributes:
        path: Relative to the work tree.
        operation: What was done to it.
        action: What was done about it.
        quarantine_id: Where the bytes are, or None where there were none.
    """

    path: str
    operation: Operation
    action: Action
    quarantine_id: str | None
