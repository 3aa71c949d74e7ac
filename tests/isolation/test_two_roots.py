"""Two roots at once: configurations, queues, daemons and trackers of one are nothing to the other (SC-002)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from isolation.conftest import BIN, clean_environment, everything_below
from kitty_paths import StateRoot
from kitty_sync.daemon import holder
from kitty_sync.daemon.address import Address
from kitty_sync.daemon.asking import ask
from kitty_sync.errors import DaemonUnreachableError


class Side:
    """One operator's session: a root, and the installed program run with it."""

    def __init__(self, name: str, root: Path, environment: dict[str, str], working: Path) -> None:
        self.name = name
        self.root = StateRoot.at(root)
        self.environment = {**environment, "SPEC_KITTY_HOME": str(root)}
        self.working = working

    def run(self, *arguments: str, stdin: bytes = b"", code: int = 0) -> str:
        done = subprocess.run(
            [BIN / "spec-kitty", *arguments], cwd=self.working, env=self.environment, input=stdin, capture_output=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout.decode() + done.stderr.decode()
        return done.stdout.decode()

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        found = json.loads(self.run(*arguments, "--json", code=code))
        assert isinstance(found, dict)
        return found

    def enqueue(self, number: int) -> None:
        event = {"event_id": f"{self.name}-{number}", "event_type": "WPCreated"}
        self.run("sync", "enqueue", "-", stdin=json.dumps(event).encode())

    def work(self) -> None:
        """A whole session, from the first command to a running daemon."""
        self.run("sync", "server", f"https://{self.name}.example")
        self.run("sync", "daemon", "start")
        for number in range(3):
            self.enqueue(number)
        secret = f"secret-of-{self.name}".encode()
        self.run("tracker", "connect", "linear", "--workspace", self.name, "--credential", "token=-", stdin=secret)
        self.run("tracker", "map", "WP01", f"{self.name}-7")


@pytest.fixture(params=["siblings", "one inside the other"])
def sides(request: pytest.FixtureRequest, tmp_path: Path, installed: None) -> Iterator[tuple[Side, Side]]:
    """Two sessions of one user, as in two terminals; the second root may even lie below the first."""
    del installed
    home, working, temporary = tmp_path / "home", tmp_path / "work", tmp_path / "tmp"
    for directory in (home, working, temporary):
        directory.mkdir()
    environment = clean_environment(home, temporary)
    one = home / "sk-a"
    two = one / "sk-b" if request.param == "one inside the other" else home / "sk-b"
    both = Side("ada", one, environment, working), Side("bob", two, environment, working)
    yield both
    for side in both:
        if pid := holder.holder_of(side.root.daemon.lock.path):
            os.kill(pid, 9)


def kept(side: Side, other: Side) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything below a root but what lies below the other one, and but the directories that lead there."""
    found = everything_below(side.root.base)
    if not other.root.base.is_relative_to(side.root.base):
        return found
    inside = str(other.root.base.relative_to(side.root.base))
    return {name: each for name, each in found.items() if not name.startswith(inside)}


def test_two_sessions_at_once_do_not_meet(sides: tuple[Side, Side]) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Side.work, sides))
    for side, other in (sides, sides[::-1]):
        said = side.json("sync", "status")
        assert said["root"] == said["daemon"]["root"] == str(side.root.base)
        assert said["server_url"] == f"https://{side.name}.example"
        assert said["queue"] == {"path": str(side.root.queues.unauthenticated), "events": 3}
        assert [each["path"] for each in said["queues"]] == [said["queue"]["path"]]
        assert said["daemon"]["pid"] == holder.holder_of(side.root.daemon.lock.path)
        assert [each["workspace"] for each in side.json("tracker", "status")["connections"]] == [side.name]
        assert [each["external_id"] for each in side.json("tracker", "map")["mappings"]] == [f"{side.name}-7"]
        # Nothing of the other side is in any file of this one.
        theirs = [f"{other.name}.example", f"secret-of-{other.name}", f"{other.name}-7", f"{other.name}-0"]
        for name, (*_, content) in kept(side, other).items():
            assert not [text for text in theirs if text.encode() in content], name
    assert sides[0].json("sync", "daemon", "status")["pid"] != sides[1].json("sync", "daemon", "status")["pid"]


def test_a_daemon_of_another_root_is_no_finding_of_this_one(sides: tuple[Side, Side]) -> None:
    # B2: upstream counts every daemon on the machine as an orphan, so two isolated homes make each other fail.
    one, two = sides
    one.run("sync", "daemon", "start")
    two.run("sync", "daemon", "start")
    for side in sides:
        codes = [each["code"] for each in side.json("sync", "status", "--check", code=1)["findings"]]
        assert codes == ["sync.server.missing", "sync.auth.missing"]  # and nothing about any daemon
        assert side.json("state", "doctor")["findings"] == []


def test_stopping_one_daemon_leaves_the_other(sides: tuple[Side, Side]) -> None:
    one, two = sides
    one.run("sync", "daemon", "start")
    pid = two.json("sync", "daemon", "start")["pid"]
    one.run("sync", "daemon", "stop")
    assert one.json("sync", "daemon", "status", code=1)["running"] is False
    assert two.json("sync", "daemon", "status")["pid"] == pid
    # And stopping where none runs stops nobody else's.
    assert one.json("sync", "daemon", "stop")["was_running"] is False
    assert two.json("sync", "daemon", "status")["pid"] == pid


def test_one_daemons_token_opens_nothing_of_the_other(sides: tuple[Side, Side]) -> None:
    for side in sides:
        side.run("sync", "daemon", "start")
    one, two = (Address.read(side.root) for side in sides)
    assert one is not None
    assert two is not None
    with pytest.raises(DaemonUnreachableError, match="token"):
        ask(Address(two.port, one.token, two.pid), "POST", "/stop")
    assert ask(two, "GET", "/status")["root"] == str(sides[1].root.base)


def test_starting_and_working_in_one_touches_no_file_of_the_other(sides: tuple[Side, Side]) -> None:
    # B3: upstream stages files in the directory above the home, and clears that of its neighbours'.
    one, two = sides
    two.root.base.mkdir(parents=True)  # where one lies inside the other, the way there is made beforehand
    one.work()
    one.run("sync", "daemon", "stop")
    before, around = kept(one, two), set(one.root.base.parent.iterdir())
    two.work()
    two.run("state", "doctor")
    two.run("sync", "daemon", "stop")
    assert kept(one, two) == before
    assert set(one.root.base.parent.iterdir()) == around
