"""How a daemon is spoken to: HTTP on the loopback interface, version 1, one JSON object for each answer.

`GET /v1/health` answers anybody and tells only that a sync daemon is here. Everything else asks for the token of the
state file (mode 0600, so: for the same user), sent as `Authorization: Bearer …` and compared in constant time.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from kitty_sync.daemon.address import HOST
from kitty_sync.errors import SyncError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kitty_sync.secret import Secret

PROTOCOL = 1
PORTS = range(9400, 9450)
"""Upstream's range: firewalls and people know it. When all are taken, the system chooses."""

_READ_SECONDS = 5.0
_FINISH_SECONDS = 1.0
_MOST_REQUESTS = 16
"""At once; more are hung up on, so that nobody can fill the process with threads."""


class ControlServer(ThreadingHTTPServer):
    """Answers requests until it is closed.

    Args:
        token: What requests must carry.
        verbs: What is answered to each method and path below `/v1`, as in `GET /status`.
        ports: Which ports to try before the system chooses one.

    Raises:
        OSError: No port can be had.
    """

    daemon_threads = True
    request_queue_size = 64
    # On Windows this option lets a second program take a port that is in use.
    allow_reuse_address = sys.platform != "win32"

    def __init__(
        self,
        token: Secret,
        verbs: Mapping[str, Callable[[], Mapping[str, Any]]],
        *,
        ports: Iterable[int] = PORTS,
    ) -> None:
        self.token = token
        self.verbs = verbs
        self._places = threading.BoundedSemaphore(_MOST_REQUESTS)
        self._serving = False
        super().__init__((HOST, 0), _Handler, bind_and_activate=False)
        try:
            self._bind_to_first_free(ports)
            self.server_activate()
        except OSError:
            self.server_close()
            raise

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def serve_in_background(self) -> None:
        """Begin to answer."""
        self._serving = True
        threading.Thread(target=self.serve_forever, name="control", daemon=True).start()

    def end(self) -> None:
        """Stop answering; requests that are being answered get a moment to finish."""
        if self._serving:
            ending = threading.Thread(target=self.shutdown, name="control-end")
            ending.start()
            with contextlib.suppress(OSError):
                # It looks up twice a second, or when somebody comes.
                socket.create_connection((HOST, self.port), timeout=_FINISH_SECONDS).close()
            ending.join()
        self.server_close()
        deadline = time.monotonic() + _FINISH_SECONDS
        for _ in range(_MOST_REQUESTS):
            self._places.acquire(timeout=max(0.0, deadline - time.monotonic()))

    def _bind_to_first_free(self, ports: Iterable[int]) -> None:
        for port in ports:
            self.server_address = (HOST, port)
            with contextlib.suppress(OSError):
                self._bind()
                return
        self.server_address = (HOST, 0)
        self._bind()

    def _bind(self) -> None:
        # Not `HTTPServer.server_bind`: that one asks the name service who we are, which may wait for the network.
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.port

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the parent's types
        """Answer in a thread of its own, while there are not too many."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the parent's types
        """Answer one request, in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:  # noqa: ANN401
        """Say nothing of a client that hung up or did not keep to HTTP: its words may hold anything."""
        del request, client_address


class _Handler(BaseHTTPRequestHandler):
    server: ControlServer
    server_version = "kitty-sync"
    sys_version = ""
    timeout = _READ_SECONDS

    def do_GET(self) -> None:
        """Answer a question."""
        self._answer()

    def do_POST(self) -> None:
        """Do as told."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Write no request line anywhere: whatever a client put into it would be kept."""

    def _answer(self) -> None:
        if not self._is_local():
            self._say(403, {"error": "forbidden", "message": "this is for programs on this machine"})
        elif (self.command, self.path) == ("GET", "/v1/health"):
            self._say(200, {"status": "ok", "daemon_family": "sync", "protocol_version": PROTOCOL})
        elif not self._is_authorised():
            self._say(401, {"error": "unauthorised", "message": "the token of the state file is missing or wrong"})
        elif (verb := self.server.verbs.get(f"{self.command} {self.path.removeprefix('/v1')}")) is None:
            self._say(404, {"error": "unknown", "message": f"version {PROTOCOL} of the protocol has no such request"})
        else:
            try:
                self._say(200, {"protocol_version": PROTOCOL, **verb()})
            except SyncError as error:
                self._say(500, {"error": error.code, "message": error.message, "hint": error.hint})

    def _is_local(self) -> bool:
        # A web page that was sent here by a name of its own carries that name, or where it came from.
        hosts = {f"{name}:{self.server.port}" for name in (HOST, "localhost")}
        return self.headers.get("Host") in hosts and "Origin" not in self.headers

    def _is_authorised(self) -> bool:
        given = self.headers.get("Authorization", "")
        wanted = f"Bearer {self.server.token.reveal()}"
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode("ascii"))

    def _say(self, code: int, answer: Mapping[str, Any]) -> None:
        body = json.dumps(answer).encode() + b"\n"
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)
