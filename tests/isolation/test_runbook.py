"""The isolation runbook through the real entry point, seen by the kernel: SC-001, SC-002, NFR-005."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest

from isolation.conftest import World, everything_below
from isolation.tracing import LOOKING, Trace, traced
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


# What is there at the end: the daemon is gone, the first tracker was disconnected.
LEFT = [
    "config.toml", "config.toml.lock", "credentials", "credentials.lock", "queue.db", "sync", "sync-daemon.lock",
    "sync-daemon.log", "trackers",
]  # fmt: skip


@pytest.mark.timeout(300)
def test_the_runbook_touches_nothing_but_its_root(world: World) -> None:
    before = everything_below(world.home)
    trace = run(world)

    assert trace.code == 0, trace.out + trace.err
    secrets = (TOKEN, daemon_token(trace, world.root))
    assert world.promise(secrets).breaches(trace) == []
    assert everything_below(world.home) == before
    assert everything_below(world.working) == {}
    # And it was no empty run: what it was for is there, and the daemon was watched as well.
    assert sorted(path.name for path in world.root.iterdir()) == LEFT
    assert started(trace, '"kitty_sync.daemon.process"')
    assert "3 events wait" in trace.out
    # Only the doctor as much as looks whether a decoy is there, since it tells of leftovers; and it does no more.
    looks = [call for call in trace.calls if any(is_below_one_of(path, world.decoys) for path in call.paths())]
    assert {call.process for call in looks} == started(trace, '"state", "doctor"')
    assert {call.name for call in looks} <= LOOKING
    assert "state.default-home.leftovers" in trace.out


@pytest.mark.timeout(300)
def test_without_the_variable_it_touches_nothing_but_the_default_root(world: World) -> None:
    shutil.rmtree(world.home / ".spec-kitty")
    del world.environment["SPEC_KITTY_HOME"]
    default = attrs.evolve(world, root=world.home / ".spec-kitty")
    trace = run(default)

    assert trace.code == 0, trace.out + trace.err
    secrets = (TOKEN, daemon_token(trace, default.root))
    promise = attrs.evolve(default.promise(secrets), decoys=[each for each in default.decoys if each != default.root])
    assert promise.breaches(trace) == []
    assert sorted(path.name for path in default.root.iterdir()) == LEFT


def test_the_first_command_makes_the_root_a_lock_and_the_configuration(world: World) -> None:
    # Upstream 3.2.7's first `sync server URL` changes 1 006 paths in the home directory and 274 beside the root.
    trace = run(world, "spec-kitty sync server https://kitty.example")
    assert trace.code == 0, trace.err
    assert [(call.name, path) for call, path in trace.changed() if not path.startswith("/dev/")] == [
        ("mkdir", f"{world.root}"),
        ("openat", f"{world.root}/config.toml.lock"),
        ("openat", f"{world.root}/config.toml.new"),
        ("rename", f"{world.root}/config.toml.new"),
        ("rename", f"{world.root}/config.toml"),
    ]


# Each fails, and says why without the secret it had in its hands.
FAILURES = """
spec-kitty tracker connect linear --workspace acme --credential token=- < "$OUTSIDE/token"
spec-kitty tracker connect nowhere --workspace acme --credential token=- < "$OUTSIDE/token"
spec-kitty tracker connect linear --workspace "" --credential token=- < "$OUTSIDE/token"
printf '%s' "[tracker.providers.linear" >> "$SPEC_KITTY_HOME/credentials"
spec-kitty tracker connect linear --workspace acme --credential token=- < "$OUTSIDE/token"
spec-kitty tracker status
spec-kitty tracker map WP01 ACME-7
chmod 600 "$SPEC_KITTY_HOME/credentials"
mkdir "$SPEC_KITTY_HOME/sync-daemon"
spec-kitty sync daemon start
spec-kitty state doctor
rmdir "$SPEC_KITTY_HOME/sync-daemon"
spec-kitty sync daemon stop
true
"""


@pytest.mark.timeout(300)
def test_commands_that_fail_keep_the_promise_too(world: World) -> None:
    trace = run(world, FAILURES)
    assert trace.err.count("error: ") >= 5
    assert world.promise((TOKEN,)).breaches(trace) == []
    assert "Traceback" not in trace.err
    assert "internal error" not in trace.err


def started(trace: Trace, arguments: str) -> set[int]:
    """The processes that run a program with such arguments, as strace writes them."""
    return {call.process for call in trace.calls if arguments in (call.started() or "")}


def is_below_one_of(path: str, directories: Sequence[Path]) -> bool:
    return any(path == str(each) or path.startswith(f"{each}/") for each in directories)
