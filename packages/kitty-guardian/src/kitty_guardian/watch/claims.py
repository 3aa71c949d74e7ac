"""What else may make content legal that stands against the record: an event, or a transition it asks for."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from enum import Enum, auto

from kitty_guardian.rules.situation import Situation
from kitty_guardian.watch.heads import Heads
from kitty_guardian.watch.record import Legal, LegalRecord
from kitty_guardian.watch.requests import Requests
from kitty_guardian.watch.sanctions import LONGEST, Sanctions
from kitty_guardian.watch.tree import Kind, WorkTree


class Claim(Enum):
    """What came of asking about one path."""

    NONE = auto()  # nothing speaks for it
    LEGAL = auto()  # an event sanctions what stands there
    ANEW = auto()  # what is enforced has just changed: compare again
    LATER = auto()  # it is being written: ask again in a moment


class Claims:
    """Asks the event store, and where writing is asking (`transitions = "gated"`), the law.

    Args:
        tree: The work tree.
        record: What was legal before.
        sanctions: What events sanction.
        requests: Judges what is asked for by writing.
        follow: Takes up what was recorded since; gives whether that changes what is enforced.
        heads: HEAD, and what is being merged into it.
    """

    def __init__(
        self,
        tree: WorkTree,
        record: LegalRecord,
        sanctions: Sanctions,
        requests: Requests,
        follow: Callable[[], bool],
        heads: Heads,
    ) -> None:
        self._heads = heads
        self._tree = tree
        self._record = record
        self._sanctions = sanctions
        self._requests = requests
        self._follow = follow

    def claim(
        self,
        path: str,
        st: os.stat_result | None,
        entry: Legal | None,
        *,
        situation: Situation,
        gated: bool,
    ) -> Claim:
        """Whether a recorded event sanctions what stands at `path`, or it asks for a transition that is granted.

        Args:
            path: Relative to the work tree.
            st: What stands there; None: nothing does.
            entry: What was legal there; None: nothing was.
            situation: What is enforced.
            gated: Whether writing is asking.
        """
        if self._follow():
            return Claim.ANEW
        if gated and entry is None and st is not None and self._requests.grants(path, situation):
            return Claim.ANEW if self._follow() else Claim.NONE
        if st is None or not stat.S_ISREG(st.st_mode) or not self._sanctions.concerns(path):
            return Claim.NONE
        return self._of_content(path, entry, situation, gated=gated)

    def _of_content(self, path: str, entry: Legal | None, situation: Situation, *, gated: bool) -> Claim:
        data = self._read(path)
        if data is None:
            return Claim.NONE
        legal = b"" if entry is None or entry.kind is not Kind.FILE else b"".join(self._record.content(entry.sha256))
        if self._sanctions.allows(
            path, data, legal=legal, read=self._read, heads=lambda place: self._heads.lines_of(place, situation.judge)
        ):
            return Claim.LEGAL
        if gated and (taken := self._requests.takes_lines(path, data, legal)) is not None:
            self._follow()
            return Claim.ANEW if taken else Claim.LATER
        return Claim.NONE

    def _read(self, path: str) -> bytes | None:
        try:
            with self._tree.open_file(path) as fd:
                size = os.fstat(fd).st_size
                return os.pread(fd, size, 0) if size <= LONGEST else None
        except OSError:
            return None
