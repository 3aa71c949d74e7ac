"""Which addresses a server may have: https, or http where nothing leaves this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitty_sync.errors import InvalidServerUrlError

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

KEY = "sync.server_url"


def server_url(text: str, *, key: str = KEY) -> str:
    """Give the one spelling of a server's address: no white space or trailing slashes, scheme and host in lower case.

    Args:
        text: The address as a person or a file spells it.
        key: The setting it is for, named in the error.

    Raises:
        InvalidServerUrlError: It is not https, nor http to this machine itself; or it carries a password, a query or a
            fragment, which would end up in logs and scopes.
    """
    from urllib.parse import urlsplit

    stripped = text.strip()
    if any(character.isspace() or not character.isprintable() for character in stripped):
        raise _invalid("contains white space or control characters", key)
    try:
        parts = urlsplit(stripped)
        port = parts.port
    except ValueError:
        raise _invalid("is no URL", key) from None
    host = parts.hostname
    # What is wrong is said without the text where the text may hold a password.
    if "@" in stripped or "?" in stripped or "#" in stripped:
        raise _invalid("carries a user, a query or a fragment", key)
    if parts.scheme not in {"http", "https"} or not host:
        raise _invalid(f"is {stripped!r}, no http or https address of a server", key)
    if port == 0:
        raise _invalid(f"is {stripped!r}, and no server has port 0", key)
    if "\\" in stripped or not _is_host(host):
        raise _invalid(f"is {stripped!r}, which names no host", key)
    if parts.scheme == "http" and not _is_this_machine(host):
        raise _invalid(f"is {stripped!r}: what is sent there could be read on the way", key)
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def _invalid(what: str, key: str) -> InvalidServerUrlError:
    return InvalidServerUrlError(
        f"`{key}` {what}", key=key, hint="give https://HOST, or http://localhost:PORT for a server on this machine"
    )


def _is_host(host: str) -> bool:
    if ":" in host:
        return _address(host) is not None
    labels = host.removesuffix(".").split(".")
    return all(label and not label.startswith("-") and label.replace("-", "").isalnum() for label in labels)


def _is_this_machine(host: str) -> bool:
    # As browsers have it (WHATWG, RFC 6761): the name, what lies below it, and the loopback addresses.
    name = host.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def _address(host: str) -> IPv4Address | IPv6Address | None:
    from ipaddress import ip_address

    try:
        return ip_address(host)
    except ValueError:
        return None
