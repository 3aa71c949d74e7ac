"""Appends to one store until it is killed or has done its share; prints the id of each event once it is on disk.

`python appending.py STORE STREAM COUNT TOGETHER`: COUNT appends (0: for ever) of TOGETHER events each. Conflicts are
looked at and tried again; their number is the last line.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from guardian.events.store.samples import opened, some_event
from kitty_guardian.errors import VersionConflict


def main(path: Path, stream: str, count: int, together: int) -> None:
    """Append."""
    conflicts = 0
    with opened(path) as store:
        version = store.version(stream)
        for _ in itertools.repeat(None) if count == 0 else range(count):
            events = [some_event(stream) for _ in range(together)]
            while True:
                try:
                    version = store.append(stream, events, expected_version=version)
                    break
                except VersionConflict as conflict:
                    conflicts += 1
                    version = conflict.actual
            sys.stdout.write("".join(f"{event.event_id}\n" for event in events))
            sys.stdout.flush()
    sys.stdout.write(f"{conflicts}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
