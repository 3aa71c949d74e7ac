"""One whole life of a daemon: `python one_life.py PLACE`; it ends itself as soon as it answers."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kitty_paths import StateRoot
from kitty_sync.daemon.process import serve


def say(message: Mapping[str, Any]) -> None:
    """Tell how it went; once it answers, end it."""
    if "error" in message:
        with contextlib.suppress(OSError):  # a disk may be full for this, too
            os.write(2, f"{message['code']}: {message['error']}\n".encode())
    else:
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(serve(StateRoot.at(Path(sys.argv[1]) / "root"), say))
