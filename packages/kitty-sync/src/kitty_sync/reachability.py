"""Whether a server answers at all: one request without any identity, and any answer counts."""

from __future__ import annotations

_PATIENCE_SECONDS = 5.0


def why_unreachable(url: str) -> str | None:
    """Ask a server for its headers; gives why there was no answer, or None when there was one, whatever its status.

    Args:
        url: The server's base URL: https, or http on this machine (as `kitty_sync.config` normalises it). Proxies of
            the environment are used for https alone: http never leaves this machine.
    """
    import http.client
    import urllib.error
    import urllib.request

    class Nowhere(urllib.request.HTTPRedirectHandler):
        # Where it would send us is another server, and not the question.
        def redirect_request(self, *_: object) -> None:
            return None

    handlers: list[urllib.request.BaseHandler] = [Nowhere()]
    if url.startswith("http:"):
        handlers.append(urllib.request.ProxyHandler({}))
    question = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "spec-kitty"})  # noqa: S310 - see Args
    try:
        urllib.request.build_opener(*handlers).open(question, timeout=_PATIENCE_SECONDS).close()
    except urllib.error.HTTPError as answer:
        answer.close()
    except urllib.error.URLError as error:
        return _plain(error.reason)
    except (OSError, http.client.HTTPException) as error:
        return _plain(error)
    return None


def _plain(reason: object) -> str:
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return str(reason) or type(reason).__name__
