"""A root whose daemon never outlives its test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from kitty_paths import StateRoot
from kitty_sync.daemon import holder


@pytest.fixture(name="root")
def _root(state_root: StateRoot) -> Iterator[StateRoot]:
    """A root that does not exist yet; whatever a test does, nothing of it runs on."""
    yield state_root
    if pid := holder.holder_of(state_root.daemon.lock.path):
        os.kill(pid, signal.SIGKILL)
