"""One agent among many: claims every work package it is told to, and says what came of it as one JSON object."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kitty_guardian import workflow
from kitty_guardian.errors import TransitionRefusedError, VersionConflict


def main(place: str, name: str, work_packages: list[str]) -> None:
    """Claim them one by one."""
    moved: list[str] = []
    conflicts = refused = 0
    for work_package in work_packages:
        try:
            workflow.move(Path(place), work_package, "claimed", actor=name)
        except VersionConflict as conflict:
            conflicts += bool(conflict.missed)
        except TransitionRefusedError:
            refused += 1
        else:
            moved.append(work_package)
    print(json.dumps({"moved": moved, "conflicts": conflicts, "refused": refused}))  # noqa: T201 - the answer


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
