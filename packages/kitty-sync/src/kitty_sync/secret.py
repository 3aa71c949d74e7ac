"""A text that opens an account: it can be handed on and stored, and does not show itself by accident (NFR-005)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

_SHOWN: Final = "Secret(***)"


class Secret:
    """A token or password that prints, formats and logs as `Secret(***)`.

    The text is held in a closure, so that neither a traceback that shows locals, nor `vars`, nor a debugger's listing
    of attributes has it at hand.

    Args:
        text: The secret itself.
    """

    __slots__ = ("reveal",)
    reveal: Callable[[], str]

    def __init__(self, text: str) -> None:
        def reveal() -> str:
            """Give the text, for the one place that stores or sends it."""
            return text

        object.__setattr__(self, "reveal", reveal)

    @classmethod
    def random(cls, hex_digits: int = 32) -> Secret:
        """Give a new token of so many hexadecimal digits (even), from the operating system's randomness."""
        import secrets

        return cls(secrets.token_hex(hex_digits // 2))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret does not change")

    def __repr__(self) -> str:
        return _SHOWN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(_SHOWN, spec)

    def __bool__(self) -> bool:
        return bool(self.reveal())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        from hmac import compare_digest

        return compare_digest(_encoded(self), _encoded(other))

    def __hash__(self) -> int:
        return hash((Secret, self.reveal()))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not copied into bytes")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self


def _encoded(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogatepass")
