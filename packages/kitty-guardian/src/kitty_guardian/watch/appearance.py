"""What the guarded features look like now, told beside what is enforced; only what has changed is read again."""

from __future__ import annotations

import threading

from kitty_guardian.errors import GuardianError
from kitty_guardian.project.looking import look_at_recorded
from kitty_guardian.project.pins import Adoption
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.repository import Worktree


class Appearance:
    """Reads for whoever asks, in the asking thread: reverts never wait for it.

    Args:
        worktree: The guarded work tree.
    """

    def __init__(self, worktree: Worktree) -> None:
        self._worktree = worktree
        self._readings = Readings()
        self._turn = threading.Lock()

    def of(self, adoption: Adoption) -> dict[str, str]:
        """The detected phase of every bound feature, by folder name; those that cannot be looked at are left out."""
        with self._turn:
            try:
                looks = look_at_recorded(self._worktree, adoption, adoption.bound, self._readings)
            except (GuardianError, OSError):
                return {}
        return {name: str(seen.report.phase) for name, seen in looks.items()}
