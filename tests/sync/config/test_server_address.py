"""A server is reached by https, or by http where nothing leaves this machine."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitty_paths import QueueScope
from kitty_sync.config import server_url
from kitty_sync.errors import InvalidServerUrlError


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("https://kitty.example", "https://kitty.example"),
        ("  HTTPS://Kitty.Example///  ", "https://kitty.example"),
        ("https://kitty.example:8443/Team/api/", "https://kitty.example:8443/Team/api"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://[2001:DB8::1]:443", "https://[2001:db8::1]:443"),
        ("https://bücher.example", "https://bücher.example"),
        ("http://localhost", "http://localhost"),
        ("http://LOCALHOST:8000/", "http://localhost:8000"),
        ("http://localhost.", "http://localhost."),
        ("http://kitty.localhost:1", "http://kitty.localhost:1"),
        ("http://127.0.0.1:9400", "http://127.0.0.1:9400"),
        ("http://127.8.9.10", "http://127.8.9.10"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_address_has_one_spelling(text: str, stored: str) -> None:
    assert server_url(text) == stored
    assert server_url(stored) == stored


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "kitty.example",
        "//kitty.example",
        "http://kitty.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://evil-localhost",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://[::]",
        "http://[fe80::1]",
        "http://127.1",
        "http://2130706433",
        "http://0x7f000001",
        "http://localhost@evil.example",
        "http://evil.example#@localhost",
        "https://",
        "https://:443",
        "https:///path",
        "https://ada:secret@kitty.example",
        "ada:secret@kitty.example",
        "https:/ada:secret@kitty.example",
        "https://kitty.example:0",
        "https://kitty.example?token=secret",
        "https://kitty.example#x",
        "https://kitty example",
        "https://kitty.example\n",
        "https://kitty.example/\x00",
        "https://kitty.example:port",
        "https://kitty.example:99999",
        "https://[::1",
        "https://[nonsense]",
        "https://kitty..example",
        "https://-kitty.example",
        "https://kitty.example\\@evil.example",
        "ftp://kitty.example",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_safe_address_is_refused(text: str) -> None:
    if text.strip() != text and text.strip().startswith("https://kitty.example"):
        assert server_url(text) == "https://kitty.example"  # white space around it is no part of it
        return
    with pytest.raises(InvalidServerUrlError) as caught:
        server_url(text)

    assert caught.value.exit_code == 2
    assert caught.value.key == "sync.server_url"
    assert caught.value.hint
    assert "secret" not in caught.value.message
    assert "\n" not in caught.value.message


@settings(deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"https?://[a-zA-Z0-9.:\[\]@/\\?#-]{0,30}", fullmatch=True))
def test_every_text_has_an_answer_that_stays(text: str) -> None:
    try:
        stored = server_url(text)
    except InvalidServerUrlError:
        return
    assert server_url(stored) == stored
    assert stored.startswith(("https://", "http://"))
    assert QueueScope(stored, "u", "t").server.startswith(("https://", "http://"))
