"""Whether a server answers: one question without an identity, asked of that server and of no other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kitty_sync.reachability import why_unreachable


@contextmanager
def listening(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives one answer to whoever comes; its address without the scheme, and what it was told."""
    told: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    told.append(connection.recv(1 << 16))
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", told
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("status", [b"200 OK", b"401 Unauthorized", b"404 Not Found", b"503 Service Unavailable"])
def test_any_answer_counts(status: bytes) -> None:
    with listening(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n") as (address, told):
        assert why_unreachable(f"http://{address}") is None
    assert told[0].startswith(b"HEAD ")


def test_where_it_would_be_sent_on_to_is_not_asked() -> None:
    with listening(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (other, asked):
        moved = f"HTTP/1.1 302 Found\r\nLocation: http://{other}/\r\nContent-Length: 0\r\n\r\n".encode()
        with listening(moved) as (address, _):
            assert why_unreachable(f"http://{address}") is None
        assert asked == []


def test_no_proxy_stands_between_us_and_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with listening(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (address, _):
        assert why_unreachable(f"http://{address}") is None


@pytest.mark.parametrize("answer", [b"", b"no HTTP at all\r\n\r\n"])
def test_what_is_no_answer_is_told_as_a_reason(answer: bytes) -> None:
    with listening(answer) as (address, _):
        assert why_unreachable(f"http://{address}")


def test_a_server_that_does_not_speak_tls_is_told_as_a_reason() -> None:
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (address, told):
        assert why_unreachable(f"https://{address}")
    assert b"HEAD" not in told[0]


def test_a_port_nobody_listens_at_is_told_as_a_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert why_unreachable(f"http://127.0.0.1:{port}") == "connection refused"
