"""Asking a running daemon: one request, one answer."""

from __future__ import annotations

from kitty_sync.daemon.address import HOST
from kitty_sync.errors import DaemonUnreachableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kitty_sync.daemon.address import Address

_ANSWER_SECONDS = 10.0
_LONGEST_ANSWER = 4 << 20


def ask(address: Address, method: str, path: str) -> dict[str, Any]:
    """Send one request and give the answer's fields.

    Goes straight to the loopback interface, whatever proxies the environment names.

    Args:
        address: Where the daemon answers. Its lock has to be held by somebody: the token goes to whoever listens there.
        method: `GET` or `POST`.
        path: Below the protocol's version, such as `/status`.

    Raises:
        ConnectionError: Nobody listens there, or not any more.
        DaemonUnreachableError: Whoever listens there gives no answer that a daemon of ours would give.
    """
    import http.client
    import json

    connection = http.client.HTTPConnection(HOST, address.port, timeout=_ANSWER_SECONDS)
    try:
        connection.request(method, f"/v1{path}", headers={"Authorization": f"Bearer {address.token.reveal()}"})
        answer = connection.getresponse()
        body = answer.read(_LONGEST_ANSWER)
        fields = json.loads(body)
    except ConnectionError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DaemonUnreachableError(
            f"what listens at {address.url} gives no answer: {type(error).__name__}", hint=None
        ) from None
    finally:
        connection.close()
    if answer.status != http.client.OK or not isinstance(fields, dict):
        said = fields.get("message") if isinstance(fields, dict) else None
        raise DaemonUnreachableError(
            f"the daemon at {address.url} refused: {said or answer.status}", hint="spec-kitty sync daemon status"
        )
    return fields
