"""Reads regular files and nothing else: a pipe or a device put in a file's place makes nobody wait."""

from __future__ import annotations

import os
import stat


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes | None:
    """The first `limit` bytes of a regular file, or None where there is none; links are not followed.

    Raises:
        OSError: It is there and cannot be read.
    """
    try:
        # O_NONBLOCK: opening a pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        if is_regular(path):
            raise
        return None  # a link (ELOOP here, other numbers elsewhere), a socket
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


def is_regular(path: str | os.PathLike[str]) -> bool:
    """Whether a regular file stands there, or something that cannot be looked at."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False
    except OSError:
        return True
