"""Scope hashes are part of file names other releases read: the examples were run there."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitty_paths import QueueScope, StateRoot, TrackerScope


def test_a_queue_is_named_by_the_hash_of_server_user_and_team() -> None:
    scope = QueueScope("https://kitty.example", "ada@example.org", "t_01")
    assert scope.text == "https://kitty.example|ada@example.org|t_01"
    assert StateRoot.at("/r", platform="linux").queues.scoped(scope).path.name == "queue-4efd3700aeb15214.db"


@pytest.mark.parametrize(
    ("server", "user", "team"),
    [
        (" https://kitty.example/ ", "ada@example.org", "t_01"),
        ("HTTPS://Kitty.Example//", "\tAda@Example.org", "T_01\n"),
    ],
)
def test_spellings_of_one_queue_scope_are_one_value(server: str, user: str, team: str) -> None:
    scope = QueueScope(server, user, team)
    assert scope == QueueScope("https://kitty.example", "ada@example.org", "t_01")
    assert scope.digest == "4efd3700aeb15214"


@pytest.mark.parametrize(
    ("scope", "text", "digest"),
    [
        (
            TrackerScope("Linear", " acme ", "https://kitty.example", "ada@example.org", "T_01"),
            "linear|acme|https://kitty.example|ada@example.org|t_01",
            "433b4dd278370a61",
        ),
        (TrackerScope("beads", "acme"), "beads|acme|local|anonymous|no-team", "b7619700bdce8a25"),
        (TrackerScope("beads", "acme", " ", "\t", ""), "beads|acme|local|anonymous|no-team", "b7619700bdce8a25"),
    ],
)
def test_a_tracker_store_is_named_by_the_hash_of_its_five_parts(scope: TrackerScope, text: str, digest: str) -> None:
    assert scope.text == text
    assert StateRoot.at("/r", platform="linux").tracker.store(scope).path.name == f"{digest}.db"


def test_a_tracker_scope_keeps_a_servers_trailing_slash_as_upstream_does() -> None:
    assert TrackerScope("jira", "w", "https://x/").server == "https://x/"


@given(st.text(), st.text(), st.text())
def test_any_text_makes_a_scope_with_the_contracts_hash(server: str, user: str, team: str) -> None:
    text = f"{server.strip().lower().rstrip('/')}|{user.strip().lower()}|{team.strip().lower()}"
    expected = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert QueueScope(server, user, team).digest == expected


def test_a_lone_surrogate_is_hashed_and_not_a_crash() -> None:
    assert len(QueueScope("\ud800", "\udcff", "t").digest) == 16


def test_an_interpreter_without_hashes_of_its_own_gives_the_same_name() -> None:
    program = (
        "import sys; sys.modules['_sha2'] = sys.modules['_sha256'] = None\n"
        "from kitty_paths import QueueScope\n"
        "print(QueueScope('https://kitty.example', 'ada@example.org', 't_01').digest)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "4efd3700aeb15214"
