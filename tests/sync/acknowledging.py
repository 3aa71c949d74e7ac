"""Queues events for ever and prints each id once it is on disk: `python acknowledging.py ROOT NAME`; ends by a kill."""

from __future__ import annotations

import itertools
import sys

from kitty_paths import StateRoot
from kitty_sync.queue.events import Event, EventQueue

root = StateRoot.at(sys.argv[1])
for number in itertools.count():
    name = f"{sys.argv[2]}-{number}"
    EventQueue(root, root.queues.unauthenticated).append([Event(name, "WPCreated", {"n": number})])
    sys.stdout.write(f"{name}\n")
    sys.stdout.flush()
