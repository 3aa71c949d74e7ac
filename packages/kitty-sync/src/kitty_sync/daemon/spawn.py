"""Starting the daemon's process: detached, with nothing of ours but its environment, and its one line waited for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any

from kitty_sync.daemon.log import open_log
from kitty_sync.errors import DaemonStartError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kitty_paths import StateRoot

_START_SECONDS = 30.0


def spawn(root: StateRoot) -> Mapping[str, Any]:
    """Start the process, detached from ours, and give what it says: that it answers, or that another has the lock.

    Raises:
        StateError: Its log cannot be opened.
        DaemonStartError: It ended before it said anything, or said why it cannot be; then with that error's code.
    """
    errors = open_log(root)
    try:
        process = _process(root, errors)
    finally:
        os.close(errors)
    with process:
        line = b"" if process.stdout is None else _first_line(process.stdout)
    if not line:
        raise DaemonStartError("the sync daemon ended before it answered", hint=f"read {root.daemon.log}")
    said: Mapping[str, Any] = json.loads(line)
    raise_refusal(said)
    return said


def _first_line(pipe: IO[bytes]) -> bytes:
    if sys.platform != "win32":  # where a pipe cannot be waited for with a limit
        import select

        waiting = select.poll()  # `select` itself knows no descriptor above 1023
        waiting.register(pipe)
        # Nothing within this time: whoever waits is told, and the lock tells the rest.
        if not waiting.poll(_START_SECONDS * 1000):
            return b""
    return pipe.readline()


def _process(root: StateRoot, errors: int) -> subprocess.Popen[bytes]:
    # -E -P: nothing from PYTHON… variables or the current directory gets into a process that outlives this one;
    # -B: it writes nothing outside its root, compiled modules included. The environment is handed on as it is.
    command = [sys.executable, "-E", "-P", "-B"]
    if sys.flags.utf8_mode:
        command += ["-X", "utf8"]  # or paths would be other texts over there
    command += ["-m", "kitty_sync.daemon.process", str(root.base), str(root.platform)]
    if sys.platform == "win32":
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=sys.base_prefix,
            creationflags=subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP,
        )  # fmt: skip
    # The shell ends at once, so that the daemon is nobody's child and leaves no zombie behind. It lives in `/`, which
    # nobody deletes, and has no descriptor of ours but these three.
    return subprocess.Popen(
        ["/bin/sh", "-c", '"$@" &', "sh", *command],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd="/", start_new_session=True,
    )  # fmt: skip


def raise_refusal(said: Mapping[str, Any]) -> None:
    """Raise the error a daemon process told of, if it did.

    Raises:
        DaemonStartError: It did; with the code and exit code of the error over there.
    """
    if "error" not in said:
        return
    error = DaemonStartError(said["error"], hint=said["hint"])
    error.code = said["code"]  # type: ignore[misc]  # the class attribute of the error that was raised over there
    error.exit_code = said["exit_code"]  # type: ignore[misc]
    raise error
