"""How other processes talk to the guardian: one JSON line there, one back, over a Unix socket of the same user."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import queue
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kitty_guardian.errors import GuardianBusyError, GuardianError

VERSION = 1
_LONGEST_LINE = 4 << 20
_ANSWER_SECONDS = 30.0
_READ_SECONDS = 5.0
_BREATH_SECONDS = 0.05
_LONGEST_ADDRESS = 100  # sun_path holds 104 to 108 bytes

Argument = str | float | bool | list[str]
Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class RefusedError(GuardianError):
    """The guardian refused a request; carries its own code and exit code."""

    def __init__(self, message: str, *, hint: str | None, code: str, exit_code: int) -> None:
        super().__init__(message, hint=hint)
        self.code = code  # type: ignore[misc]  # the class attribute of the error that was raised over there
        self.exit_code = exit_code  # type: ignore[misc]


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """An address for a socket whose path may be longer than an address can be."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS or not sys.platform.startswith("linux"):
        yield os.fspath(path)
        return
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)


def _peer(connection: socket.socket) -> tuple[int, int] | None:
    """Process and user id at the other end, or None where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid


class ControlServer(threading.Thread):
    """Takes requests and has `submit` run each where it may touch the guard's state.

    Args:
        path: The socket; a stale one is replaced (the caller holds the guardian's lock).
        submit: Has a request answered, elsewhere, and calls back with the answer.
    """

    def __init__(
        self, path: Path, submit: Callable[[Mapping[str, Any], Callable[[Mapping[str, Any]], None]], None]
    ) -> None:
        super().__init__(name="control", daemon=True)
        self._path = path
        self._submit = submit
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _address(path) as address:
            self._socket.bind(address)
        path.chmod(0o600)
        self._inode = path.lstat().st_ino
        self._closed = False
        self._socket.listen(64)

    def is_in_place(self) -> bool:
        """Whether the socket's name still names the socket that is listened on."""
        try:
            return self._path.lstat().st_ino == self._inode
        except OSError:
            return False

    def run(self) -> None:
        """Serve until closed."""
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                if self._closed:
                    return
                time.sleep(_BREATH_SECONDS)  # no free descriptor, say: others are about to hang up
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(_READ_SECONDS)
            try:
                peer = _peer(connection)
                if peer is not None and peer[1] not in {0, os.getuid()}:
                    return
                request = json.loads(_read_line(connection))
                answers: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
                if not isinstance(request, dict) or request.get("v") != VERSION:
                    answer: Mapping[str, Any] = _error(
                        f"the running guardian speaks version {VERSION} of its protocol",
                        hint="spec-kitty guardian restart",
                    )
                else:
                    self._submit(request, answers.put)
                    answer = answers.get(timeout=_ANSWER_SECONDS)
                connection.sendall(json.dumps(answer).encode() + b"\n")
            except (OSError, ValueError, queue.Empty):
                return


def answer_with(handler: Handler, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """The handler's answer, or its error as data."""
    try:
        return {"ok": True, **handler(request)}
    except GuardianError as error:
        return _error(error.message, hint=error.hint, code=error.code, exit_code=error.exit_code)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        return _error(f"the request cannot be understood: {error!r}")


def ask(address: Path, verb: str, /, **arguments: Argument) -> dict[str, Any]:
    """Send one request and give the answer.

    Raises:
        FileNotFoundError: Nobody listens there.
        ConnectionError: Nobody listens there any more, or it ended before it answered.
        GuardianBusyError: No answer in time.
        RefusedError: The guardian said no.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        with _address(address) as name:
            connection.connect(name)
        try:
            connection.sendall(json.dumps({"v": VERSION, "verb": verb, **arguments}).encode() + b"\n")
            line = _read_line(connection)
            if not line:
                raise ConnectionResetError(errno.ECONNRESET, "it hung up without an answer")
            answer = json.loads(line)
        except (TimeoutError, ValueError) as error:
            raise GuardianBusyError(
                f"the guardian at `{address.parent}` does not answer", hint="spec-kitty guardian status"
            ) from error
    if not answer.get("ok"):
        raise RefusedError(
            answer.get("message", "refused"),
            hint=answer.get("hint"),
            code=answer.get("code", "guardian.refused"),
            exit_code=answer.get("exit_code", 2),
        )
    return dict(answer)


def _read_line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        chunk = connection.recv(1 << 16)
        if not chunk or len(data) > _LONGEST_LINE:
            break
        data += chunk
    return data


def _error(
    message: str, *, hint: str | None = None, code: str = "guardian.protocol", exit_code: int = 2
) -> dict[str, Any]:
    return {"ok": False, "message": message, "hint": hint, "code": code, "exit_code": exit_code}
