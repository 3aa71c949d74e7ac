"""What a daemon answers, and to whom: the token's bearer, on this machine, and nobody else."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from kitty_sync.daemon.address import Address
from kitty_sync.daemon.asking import ask
from kitty_sync.daemon.control import PORTS, ControlServer
from kitty_sync.errors import DaemonUnreachableError, SyncError
from kitty_sync.secret import Secret

TOKEN = "5f0c3a1e9b7d44c2a6e8f1b20d9c7e35"  # noqa: S105 - an example


def broken() -> Mapping[str, Any]:
    raise SyncError("it went wrong", hint="do this")


@pytest.fixture(name="server")
def _server() -> Iterator[ControlServer]:
    server = ControlServer(Secret(TOKEN), {"GET /status": lambda: {"root": "/r"}, "GET /broken": broken}, ports=())
    server.serve_in_background()
    yield server
    server.end()


def request(
    server: ControlServer, method: str = "GET", path: str = "/v1/status", **headers: str
) -> tuple[int, dict[str, Any], str]:
    """Status, fields and everything as text."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        body = answer.read().decode()
        return answer.status, json.loads(body), f"{answer.headers}{body}"
    finally:
        connection.close()


def test_health_answers_anybody_and_tells_nothing_of_value(server: ControlServer) -> None:
    status, fields, text = request(server, path="/v1/health")
    assert status == 200
    assert fields == {"status": "ok", "daemon_family": "sync", "protocol_version": 1}
    assert TOKEN not in text
    assert "Python" not in text


def test_the_bearer_of_the_token_is_answered(server: ControlServer) -> None:
    status, fields, _ = request(server, Authorization=f"Bearer {TOKEN}")
    assert (status, fields) == (200, {"protocol_version": 1, "root": "/r"})


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}0", f"bearer {TOKEN}", TOKEN, "Bearer \xe9"],
)
def test_anybody_else_is_not(server: ControlServer, authorization: str) -> None:
    status, fields, text = request(server, Authorization=authorization)
    assert status == 401
    assert set(fields) == {"error", "message"}
    assert "/r" not in text
    assert TOKEN not in text


def test_a_token_in_the_address_opens_nothing(server: ControlServer) -> None:
    # Addresses are written into logs and histories; upstream takes it from there.
    assert request(server, path=f"/v1/status?token={TOKEN}")[0] == 401


def test_who_may_not_ask_does_not_learn_what_there_is_to_ask(server: ControlServer) -> None:
    assert request(server, path="/v1/nothing")[0] == request(server, path="/v1/status")[0] == 401
    assert request(server, path="/v1/nothing", Authorization=f"Bearer {TOKEN}")[0] == 404
    assert request(server, "POST", "/v1/status", Authorization=f"Bearer {TOKEN}")[0] == 404


@pytest.mark.parametrize("headers", [{"Host": "evil.example:9400"}, {"Origin": "https://evil.example"}])
def test_a_web_page_that_was_sent_here_is_refused_with_the_token_too(
    server: ControlServer, headers: dict[str, str]
) -> None:
    for path in ("/v1/status", "/v1/health"):
        assert request(server, path=path, Authorization=f"Bearer {TOKEN}", **headers)[0] == 403


def test_our_own_errors_come_back_with_their_hint(server: ControlServer) -> None:
    status, fields, _ = request(server, path="/v1/broken", Authorization=f"Bearer {TOKEN}")
    assert (status, fields) == (500, {"error": "sync.error", "message": "it went wrong", "hint": "do this"})


def test_it_listens_on_the_loopback_interface_alone(server: ControlServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"


def test_the_first_free_port_is_taken_and_any_when_there_is_none() -> None:
    assert (PORTS.start, PORTS.stop) == (9400, 9450)  # upstream's
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other:
        busy, free = taken.getsockname()[1], other.getsockname()[1]
        beyond = ControlServer(Secret(TOKEN), {}, ports=(busy, free))
        assert beyond.port not in {busy, free}
        beyond.end()
        other.close()
        within = ControlServer(Secret(TOKEN), {}, ports=(busy, free))
        assert within.port == free
        within.end()


def test_slow_and_senseless_clients_keep_nobody_waiting(server: ControlServer) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(8)]
    idle[0].sendall(b"\x16\x03\x01\x00\xff\r\n\r\n")
    idle[1].sendall(b"GET /v1/status HTTP/1.1\r\nX: " + b"x" * 100_000)
    assert request(server, Authorization=f"Bearer {TOKEN}")[0] == 200
    for each in idle:
        each.close()


def test_a_crowd_is_hung_up_on_and_leaves_no_crowd_of_threads(server: ControlServer) -> None:
    before = threading.active_count()
    crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    assert threading.active_count() <= before + 17
    for each in crowd:
        each.close()


def test_a_server_that_never_began_can_end() -> None:
    ControlServer(Secret(TOKEN), {}, ports=()).end()


def test_asking_gives_the_fields(server: ControlServer) -> None:
    assert ask(Address(server.port, Secret(TOKEN), 1), "GET", "/status")["root"] == "/r"


def test_asking_with_a_wrong_token_says_so_without_it(server: ControlServer) -> None:
    with pytest.raises(DaemonUnreachableError, match="token of the state file") as refused:
        ask(Address(server.port, Secret("wrong-" + TOKEN), 1), "GET", "/status")
    assert TOKEN not in f"{refused.value.message}{refused.value.hint}"


def test_asking_goes_past_any_proxy(server: ControlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert ask(Address(server.port, Secret(TOKEN), 1), "GET", "/status")["root"] == "/r"


@pytest.mark.parametrize("answer", [b"", b"no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"])
def test_whoever_else_listens_there_is_not_believed(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises((DaemonUnreachableError, ConnectionError)):
            ask(Address(listener.getsockname()[1], Secret(TOKEN), 1), "GET", "/status")
        thread.join()
