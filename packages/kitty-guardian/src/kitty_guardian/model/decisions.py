"""The answer to "may this path be written in this phase?"."""

from __future__ import annotations

import attrs

from kitty_guardian.model.phases import Phase


@attrs.frozen
class Decision:
    """One decision, the same for every layer that asks.

    Attributes:
        allowed: Whether the write may stand.
        path: The path as it was judged: normalised, relative to the work tree, separators are `/`.
        phase: The phase it was judged in.
        rule: Stable identifier of the deciding rule, such as `plan.block:src/`.
        reason: One sentence for people.
        hint: What to do instead, or the command to run next; empty when allowed.
    """

    allowed: bool
    path: str
    phase: Phase
    rule: str
    reason: str
    hint: str
