"""The package's one module that asks the host: its environment, its platform, its home directory (FR-010).

Everything here is a function, so importing the package asks nothing.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def real_environment() -> Mapping[str, str]:
    """Give the process's environment, live."""
    return os.environ


def host_platform() -> str:
    """Give the running interpreter's `sys.platform`."""
    return sys.platform


def host_home() -> str | None:
    """Give the home directory Python finds for this user, or None when there is none.

    Only asked when the environment does not say: on POSIX this reads the user database.
    """
    try:
        return str(Path.home())
    except RuntimeError:
        return None


def windows_user_data(name: str) -> str:
    """Give the directory Windows keeps this user's data of `name` in, absolute (NFR-003).

    platformdirs is imported here and nowhere else: no other platform pays for it.
    """
    import platformdirs

    return platformdirs.user_data_dir(name, appauthor=False, roaming=False)


@contextlib.contextmanager
def overlaid(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables of this process while the context lasts, then put back what was there.

    Args:
        values: Variable to value. Other variables stay as they are.
    """
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
