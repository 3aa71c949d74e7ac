"""A state root of its own for every test here."""

from __future__ import annotations

import pytest

from kitty_paths import QueueScope, StateRoot


@pytest.fixture(name="root")
def _root(state_root: StateRoot) -> StateRoot:
    """A root that does not exist yet, as for a new user."""
    return state_root


@pytest.fixture
def ada() -> QueueScope:
    """Somebody who is logged in."""
    return QueueScope("https://kitty.example", "ada@example.org", "t_01")
