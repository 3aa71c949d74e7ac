"""The chain: one canonical text for every event, and a hash over it that also covers every event before; pure.

Whoever has the exported lines can compute every hash again with nothing but JSON and SHA-256:
`hash = sha256(previous + canonical({at, event_id, event_type, metadata, payload, position, stream, version}))`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kitty_guardian.errors import InvalidEventError

START: Final = ""
"""What stands before the first event."""

MAX_BYTES: Final = 1 << 20
"""The largest event: payload and metadata together, as canonical text."""

MAX_DEPTH: Final = 64
"""How deep lists and objects may lie in each other; every reader's stack holds that."""

_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))
_text: Final = json.encoder.encode_basestring_ascii  # what the encoder does with a text, without its detours
_decode: Final = json.JSONDecoder().decode


def _encoder() -> Callable[[object], str]:
    """What `JSONEncoder.encode` does, without making its C part anew for each value."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # not CPython
        return _ENCODER.encode
    pieces = make(None, _ENCODER.default, json.encoder.encode_basestring_ascii, None, ":", ",", True, False, False)  # noqa: FBT003

    def encode(value: object) -> str:
        return "".join(pieces(value, 0))

    return encode


_encode: Final = _encoder()


def canonical(value: object) -> str:
    """The one text of a JSON value: ASCII, sorted keys, no spaces; surrogates (undecodable file names) are escapes.

    Raises:
        TypeError: It holds something that JSON has no words for.
        ValueError: It holds a number that JSON has no words for, or itself.
        RecursionError: It is nested too deeply.
    """
    return _encode(value)


def parsed(text: str) -> Any:  # noqa: ANN401 - a JSON value
    """The JSON value of a canonical text."""
    return _decode(text)


def link(previous: str, place: tuple[str, int, int], said: tuple[str, str, str, str, str]) -> str:
    """The hash of one event, lower-case hex.

    Args:
        previous: Hash of the event at the position before; `START` for the first.
        place: Its stream, its version there and its position.
        said: Its id, its type, when it happened (ISO 8601, as kept), and the canonical texts of payload and metadata.
    """
    stream, version, position = place
    event_id, event_type, at, payload, metadata = said
    text = (
        f'{previous}{{"at":{_text(at)},"event_id":{_text(event_id)},"event_type":{_text(event_type)},'
        f'"metadata":{metadata},"payload":{payload},"position":{position},"stream":{_text(stream)},'
        f'"version":{version}}}'
    )
    return hashlib.sha256(text.encode()).hexdigest()


def kept(values: Sequence[Mapping[str, Any]], names: Callable[[int], str]) -> tuple[list[str], list[Any]]:
    """The canonical texts of JSON objects, and what reading them back will give: nothing of it is the caller's.

    Args:
        values: The objects; tuples in them become lists.
        names: What the one with that index is called in an error.

    Raises:
        InvalidEventError: One is none, is too large or too deep, or would not come back as it is.
    """
    texts = [text_of(value, names, index) for index, value in enumerate(values)]
    back = _decode(f"[{','.join(texts)}]")  # at once: names of fields are read, and kept, once
    if back != values:
        for index, value in enumerate(values):
            _check_kept(value, names(index))
    return texts, back


def text_of(value: object, names: Callable[[int], str], index: int) -> str:
    """The canonical text of one JSON object that is neither too large nor too deep; errors as for `kept`."""
    try:
        text = _encode(value)
        if text.count("{") + text.count("[") > MAX_DEPTH:
            _check_depth(value, names(index))
    except RecursionError:
        raise InvalidEventError(
            f"{names(index)} is nested more than {MAX_DEPTH} levels deep, or holds itself"
        ) from None
    except (TypeError, ValueError) as error:
        raise InvalidEventError(f"{names(index)} is not JSON: {error}") from error
    if len(text) > MAX_BYTES:
        raise InvalidEventError(f"{names(index)} takes {len(text)} bytes; an event holds at most {MAX_BYTES}")
    return text


def _check_depth(value: object, what: str) -> None:
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list, tuple))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    if any(isinstance(inner, (dict, list, tuple)) for inner in level):
        raise InvalidEventError(f"{what} is nested more than {MAX_DEPTH} levels deep")


def _check_kept(value: object, what: str) -> None:
    """Raise for what JSON would change: keys that are no text, and two surrogates that would become one character."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InvalidEventError(f"{what} is not JSON: the key {key!r} is no text")
            _check_kept(key, what)
            _check_kept(inner, what)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check_kept(inner, what)
    elif isinstance(value, str) and _decode(_encode(value)) != value:
        raise InvalidEventError(f"{what} holds text that is not Unicode and would come back as another: {value!a:.80}")
