"""The package's one module that asks the host: who and where we are."""

from __future__ import annotations

import os


def host_name() -> str:
    """Give this machine's name."""
    import socket

    return socket.gethostname()


def login_name() -> str:
    """Give the user's login name as the environment or the user database has it, else the user id."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(user_id())


def user_id() -> int | None:
    """Give the effective user id, or None where files have no such owner (Windows)."""
    return os.geteuid() if hasattr(os, "geteuid") else None
