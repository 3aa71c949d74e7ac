"""A secret does not show itself: not printed, formatted, logged, copied into bytes, nor in a traceback."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest

from kitty_sync.secret import Secret

HUSH = "hush-hush-7f3a"


def test_it_shows_nothing_however_it_is_turned_into_text(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(HUSH)
    logging.getLogger("test").warning("token %s %r", secret, secret)

    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>20}", f"{secret:>20}", "%s" % secret, caplog.text]  # noqa: UP031
    shown += [repr({"token": secret}), repr([secret]), repr(copy.copy(secret)), repr(copy.deepcopy({"a": secret}))]

    assert all(HUSH not in text and "***" in text for text in shown)


def test_it_does_not_show_in_a_traceback_that_shows_locals() -> None:
    def use(secret: Secret) -> None:
        raise RuntimeError(f"no {secret}")

    try:
        use(Secret(HUSH))
    except RuntimeError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "Secret(***)" in shown
    assert HUSH not in shown


def test_it_is_not_serialised() -> None:
    for serialise in (pickle.dumps, json.dumps):
        with pytest.raises(TypeError) as caught:
            serialise(Secret(HUSH))
        assert HUSH not in str(caught.value)


def test_it_does_not_change() -> None:
    secret = Secret(HUSH)

    with pytest.raises(AttributeError):
        secret.reveal = str
    assert secret.reveal() == HUSH


def test_two_are_equal_when_their_texts_are() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("ü\ud800") == Secret("ü\ud800")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert not Secret("")
    assert Secret("a")


def test_a_random_one_is_new_each_time_and_as_long_as_asked() -> None:
    one, two = Secret.random(), Secret.random(64)

    assert (len(one.reveal()), len(two.reveal())) == (32, 64)
    assert one != two
    assert int(one.reveal(), 16) >= 0
