"""Run a part of a test as an ordinary user, in a forked child: permissions mean nothing to root."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

UID = 65534
"""`nobody`, which owns nothing that matters."""


@contextmanager
def place_for_anyone() -> Iterator[Path]:
    """A directory that `UID` owns, outside pytest's private one; skips where one cannot become another user."""
    if os.geteuid() != 0:
        pytest.skip("not root: every test of this suite already runs as an ordinary user")
    directory = Path(tempfile.mkdtemp(prefix="unprivileged-"))
    os.chown(directory, UID, UID)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def as_anyone(work: Callable[[], None]) -> None:
    """Run `work` as `UID`, without any capability.

    Raises:
        AssertionError: It raised; the message is its traceback.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            os.setgroups([])
            os.setresgid(UID, UID, UID)
            os.setresuid(UID, UID, UID)
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it is, the parent shows it
            os.write(writing, traceback.format_exc().encode())
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise AssertionError(f"as uid {UID}:\n{said}")
