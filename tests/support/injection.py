"""Faults at every single write of a program, made by `strace`: killed just before it, or told that the disk is full."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import pytest

# Every call with which a program changes a file system. Opening is left out: what it created, the next call finds.
CALLS = (
    "write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "ftruncate", "fallocate", "rename", "renameat",
    "renameat2", "unlink", "unlinkat", "link", "linkat", "mkdir", "mkdirat", "chmod", "fchmod", "fchmodat",
)  # fmt: skip
# Those that a full disk can fail.
FILLING = {
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat",
    "renameat2",
    "mkdir",
}
_FAULTS = {"kill": "signal=KILL", "full": "error=ENOSPC", "broken": "error=EIO"}
_STRACE = shutil.which("strace")


@attrs.frozen
class Fault:
    """One run of a program with one fault.

    Attributes:
        where: The call and its number, such as `pwrite64 3`.
        place: The copy of what the program worked on.
        status: How it ended; negative for a signal.
        said: Its stdout.
        talked: Its stderr.
    """

    where: str
    place: Path
    status: int
    said: str
    talked: str


def with_faults(script: Path, arguments: Sequence[str], pristine: Path, how: str, scratch: Path) -> Iterator[Fault]:
    """Run `script PLACE *arguments` once for every write it does, each time on a fresh copy of `pristine`.

    Args:
        script: A Python script.
        arguments: What follows the place.
        pristine: A directory; what the script works on is a copy of it.
        how: `kill`, for SIGKILL just before the call; `full` or `broken`, for ENOSPC or EIO from that call of its kind
            on to the last.
        scratch: Where copies go.
    """
    if _STRACE is None:
        pytest.skip("strace is not installed")
    calls = _calls(script, arguments, _copy(pristine, scratch / "whole"), scratch / "calls")
    for name, count in sorted(calls.items()):
        if how == "full" and name not in FILLING:
            continue
        for number in range(1, count + 1):
            where = f"{name} {number}"
            place = _copy(pristine, scratch / "copy")
            fault = f"{_FAULTS[how]}:when={number}" + (f"..{count}" if how != "kill" else "")
            done = _run(script, arguments, place, ["-e", f"inject={name}:{fault}", "-o", "/dev/null"])
            yield Fault(where, place, done.returncode, done.stdout, done.stderr)


def _copy(pristine: Path, place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(pristine, place, symlinks=True)
    return place


def _calls(script: Path, arguments: Sequence[str], place: Path, log: Path) -> Counter[str]:
    done = _run(script, arguments, place, ["-o", str(log)])
    if "ptrace" in done.stderr or "PTRACE" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    # What goes to a terminal or pipe is no change of a file system: it can neither be full nor half written.
    lines = [line for line in log.read_text().splitlines() if not re.search(r" write\([12],", line)]
    return Counter(found[1] for line in lines if (found := re.match(r"\d+ +(\w+)\(", line)) and found[1] in CALLS)


def _run(script: Path, arguments: Sequence[str], place: Path, options: list[str]) -> subprocess.CompletedProcess[str]:
    # Without `site` no coverage starts: its own writes would be counted among the program's.
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ":".join(path for path in sys.path if path)}
    command = [str(_STRACE), "-f", "-e", f"trace={','.join(CALLS)}", *options]
    command += [sys.executable, "-S", str(script), str(place), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
