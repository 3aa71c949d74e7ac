"""What came from elsewhere: the history of a feature that is seen first, and lines that others wrote (section 5).

`adopt` takes over what commits hold, unjudged: old logs are history and held to no matrix. `judge` holds every line to
the rules, one by one, in the order in which every reader of the log folds them.
"""

from __future__ import annotations

from kitty_guardian.events.adopting import adopt
from kitty_guardian.events.linejudging import Judged, RefusedLine, judge

__all__ = ["Judged", "RefusedLine", "adopt", "judge"]
