"""One run of the outbox in a process of its own: `PLACE` holds a work tree at `tree` and its git directory at `git`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from guardian.events.interchange.ours import STORY, standing_of
from kitty_guardian.errors import GuardianError
from kitty_guardian.events.logfile import append_pending


def main(place: Path) -> int:
    try:
        print(*append_pending(place / "tree", place / "git", standing_of(*STORY)))  # noqa: T201
    except GuardianError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
