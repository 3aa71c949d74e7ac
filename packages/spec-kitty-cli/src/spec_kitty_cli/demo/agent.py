"""The agent of the demonstration: a process of its own that writes where it should not, and times the answer.

Run as a script: `agent.py SECONDS write|delete PATH TOP`, the bytes to write on stdin. It writes as any program would,
knowing nothing of the guardian, and prints the milliseconds until TOP was as before, or `never` after SECONDS.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

_PAUSE_SECONDS = 0.0001


def main(patience: float, action: str, path: Path, top: Path) -> str:
    """Do `action` to `path` and give the milliseconds until `top` is as it was before, or `never` after `patience`."""
    before = _state(top)
    if action == "delete":
        path.unlink()
    else:
        data = sys.stdin.buffer.read()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    began = time.perf_counter()
    while time.perf_counter() - began < patience:
        if _state(top) == before:
            return f"{(time.perf_counter() - began) * 1000:.1f}"
        time.sleep(_PAUSE_SECONDS)
    return "never"


def _state(path: Path) -> bytes | None:
    # A file's bytes, b"" for a directory, None for nothing.
    try:
        return path.read_bytes()
    except IsADirectoryError:
        return b""
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.stdout.write(main(float(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])))
