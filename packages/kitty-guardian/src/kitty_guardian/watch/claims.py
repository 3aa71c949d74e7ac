"""What else may make content legal that stands against the record: an event, or a transition it asks for."""

from __future__ import annotations

from enum import Enum, auto


class Claim(Enum):
    """What came of asking about one path."""

    NONE = auto()  # nothing speaks for it
    LEGAL = auto()  # an event sanctions what stands there
    ANEW = auto()  # what is enforced has just changed: compare again
    LATER = auto()  # it is being written: ask again in a moment
