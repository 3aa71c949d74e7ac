"""What a start was asked for."""

from __future__ import annotations

import attrs


@attrs.frozen
class StartRequest:
    """What `start` was asked for.

    Attributes:
        feature: The feature to bind to, or None.
        every: Whether every unfinished feature is guarded.
        accept_current: The reason for taking the tree as it is for legal, or None.
        fresh: Whether the phase is read anew even if the last guardian crashed (`restart`).
    """

    feature: str | None = None
    every: bool = False
    accept_current: str | None = None
    fresh: bool = False
