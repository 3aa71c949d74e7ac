"""The isolation runbook through the real entry point, seen by the kernel: SC-001, SC-002, NFR-005."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from isolation.conftest import World, everything_below
from isolation.tracing import Trace, traced
from kitty_paths import StateRoot

TOKEN = "tracker-token-6f1d0c9b8a7e"  # noqa: S105 - the secret that must not be seen
EVENTS = "".join(
    json.dumps({"event_id": f"01KW1JXX{number:018}", "event_type": "WPStatusChanged", "payload": {"to": "done"}}) + "\n"
    for number in range(3)
)
# What an operator types, in order. The token comes from a file that a secret store put there.
RUNBOOK = """
set -eu
trap "spec-kitty sync daemon stop >/dev/null 2>&1" EXIT
spec-kitty sync server https://kitty.example
spec-kitty sync server
spec-kitty sync enqueue "$OUTSIDE/events.jsonl"
spec-kitty sync daemon start
spec-kitty sync daemon start
spec-kitty sync daemon status
spec-kitty tracker connect linear --workspace acme --credential token=- < "$OUTSIDE/token"
spec-kitty tracker connect local --workspace acme
spec-kitty tracker map WP01 ACME-7 --provider linear
spec-kitty tracker status
spec-kitty sync status
spec-kitty sync status --json
spec-kitty state doctor
spec-kitty state doctor --json
spec-kitty sync daemon stop
spec-kitty sync status
spec-kitty tracker disconnect linear
"""


def run(world: World, script: str = RUNBOOK) -> Trace:
    (world.outside / "events.jsonl").write_text(EVENTS, encoding="utf-8")
    (world.outside / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    environment = {**world.environment, "OUTSIDE": str(world.outside)}
    return traced(["sh", "-c", script], log=world.outside / "trace", cwd=world.working, env=environment)


def daemon_token(trace: Trace, root: Path) -> str:
    """The control token, from the one write that publishes it."""
    state = str(StateRoot.at(root).daemon.state)
    written = [
        text
        for call in trace.calls
        if (filled := call.filled())
        for place, text in [filled]
        if place.startswith(state + ".new")
    ]
    (token,) = {match[1] for text in written if (match := re.search(r"\\n([0-9a-f]{32})\\n", text))}
    return token


@pytest.mark.timeout(300)
def test_the_runbook_touches_nothing_but_its_root(world: World) -> None:
    before = everything_below(world.home)
    trace = run(world)

    assert trace.code == 0, trace.out + trace.err
    secrets = (TOKEN, daemon_token(trace, world.root))
    assert world.promise(secrets).breaches(trace) == []
    assert everything_below(world.home) == before
    assert everything_below(world.working) == {}
    # And it was no empty run: what it was for is there.
    assert sorted(path.name for path in world.root.iterdir()) == [
        "config.toml", "config.toml.lock", "credentials", "credentials.lock", "queue.db", "sync", "sync-daemon.lock",
        "sync-daemon.log", "trackers",
    ]  # fmt: skip
