"""Isolation for tests: a state root of a test's own, and no way back to the developer's.

With pytest installed this module is also a plugin (found by its entry point) that brings the fixture `state_root`.
"""

from __future__ import annotations

import contextlib
import os

from kitty_paths import environment
from kitty_paths.layout import VARIABLE
from kitty_paths.root import StateRoot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def isolated_state_root(path: str | os.PathLike[str]) -> Iterator[StateRoot]:
    """Give a state root below `path`, the one this process and its children resolve while the context lasts.

    Sets `HOME` and `USERPROFILE` to `<path>/home`, `LOCALAPPDATA` below it and `SPEC_KITTY_HOME` to `<path>/state`;
    puts them back after. Creates the home directory; the root itself does not exist, as for a new user.

    Args:
        path: Absolute; a directory of the test's own.

    Raises:
        InvalidStateRootError: `path` is relative or has two spellings; nothing was changed.
    """
    base = StateRoot.at(path).base
    home = base / "home"
    home.mkdir(parents=True, exist_ok=True)
    values = {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "LOCALAPPDATA": str(home / "AppData" / "Local"),
        VARIABLE: str(base / "state"),
    }
    with environment.overlaid(values):
        yield StateRoot.resolve()


try:
    import pytest
except ImportError:  # pytest is a test's dependency, never this package's
    pass
else:

    @pytest.fixture
    def state_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StateRoot]:
        """Give the test a state root of its own, outside `tmp_path`; see `isolated_state_root`."""
        with isolated_state_root(tmp_path_factory.mktemp("kitty")) as root:
            yield root
