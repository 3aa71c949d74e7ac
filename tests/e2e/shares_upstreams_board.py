"""`make e2e`: upstream's own command line, from the package index, and ours work on one board and agree about it.

Upstream's tool runs with a home and a state root of its own, and every address it could send to is a socket here that
counts who knocks. Where the package cannot be had, everything is skipped and says why.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from kitty_guardian.errors import GuardianBusyError
from kitty_guardian.events.board import Board
from kitty_guardian.events.lines import unknown
from kitty_guardian.events.logfile import append_pending
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.statusfile import materialise
from kitty_guardian.events.statuslock import holding_status
from kitty_guardian.project.repository import find_worktree
from support.corpus import Release, corpus
from support.repositories import Repository

VERSION = "3.2.5"
PACKAGES = (f"spec-kitty-cli=={VERSION}", "typer<0.27")  # newer typers lack a name that this release asks for
PLACE = Path(__file__).resolve().parents[2] / ".tools" / "e2e" / f"spec-kitty-cli-{VERSION}"
OURS = Path(sys.executable).with_name("spec-kitty")
FEATURE = "001-home-guard"
FOLDER = f"kitty-specs/{FEATURE}"
LOG, STATUS = f"{FOLDER}/status.events.jsonl", f"{FOLDER}/status.json"
GO_BETWEEN = "from specify_cli.status.locking import feature_status_lock as lock; from pathlib import Path; import sys"

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="session")
def upstream() -> Path:
    """The `bin` directory of an environment that holds upstream's release and nothing of ours."""
    tools = PLACE / "bin"
    if not _answers(tools / "spec-kitty"):
        PLACE.parent.mkdir(parents=True, exist_ok=True)
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(PLACE)],
            [str(tools / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"{' '.join(PACKAGES)} cannot be had: {done.stderr.strip()[-300:]}")
        if not _answers(tools / "spec-kitty"):
            pytest.skip(f"{tools / 'spec-kitty'} does not start")
    return tools


def _answers(tool: Path) -> bool:
    if not tool.is_file():
        return False
    environment = {"PATH": os.environ["PATH"], "HOME": str(PLACE), "SPEC_KITTY_HOME": str(PLACE / "state")}
    done = subprocess.run([tool, "--version"], env=environment, capture_output=True, text=True, check=False)
    return done.returncode == 0 and VERSION in done.stdout


class Door:
    """A server that answers nobody and counts who knocks."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0)
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def knocks(self) -> int:
        count = 0
        while True:
            try:
                self._socket.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def door() -> Iterator[Door]:
    """All that upstream can reach; whoever uses it finds out whether anything was sent."""
    found = Door()
    yield found
    knocks = found.knocks()
    found.close()
    assert knocks == 0, "upstream's tool tried to send something"


@attrs.frozen
class Shared:
    """A project that both tools work on.

    Attributes:
        repository: It.
        tools: Upstream's.
        door: All that upstream can reach.
    """

    repository: Repository
    tools: Path
    door: Door

    @property
    def root(self) -> Path:
        return self.repository.path

    def run(self, *command: str | Path, where: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {
            **self.repository.environment,
            "LC_ALL": "C.UTF-8",
            "SPEC_KITTY_HOME": str(self.repository.home / "state"),
            "SPEC_KITTY_SAAS_URL": self.door.address,
            **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), self.door.address),
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }
        return subprocess.run(
            command, cwd=where or self.root, env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    def ours(self, *arguments: str, where: Path | None = None) -> str:
        done = self.run(OURS, *arguments, where=where)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def asked(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Upstream's exit code and what it answers in JSON."""
        done = self.run(self.tools / "spec-kitty", *arguments, "--mission", FEATURE, "--json")
        found = re.search(r"^\{.*", done.stdout, re.MULTILINE | re.DOTALL)
        assert found is not None, (arguments, done.stdout, done.stderr)
        return done.returncode, json.JSONDecoder().raw_decode(found[0])[0]

    def theirs(self, *arguments: str) -> dict[str, Any]:
        status, answer = self.asked(*arguments)
        assert status == 0, answer
        return answer

    def emits(self, work_package: str, to_lane: str, *options: str) -> tuple[int, dict[str, Any]]:
        """Upstream moves a work package."""
        return self.asked("agent", "status", "emit", work_package, "--to", to_lane, "--actor", "uma", *options)

    def lanes_of_theirs(self) -> dict[str, str]:
        answer = self.theirs("agent", "tasks", "status")
        return {package["id"]: package["lane"] for package in answer["work_packages"]}

    def lanes_of_ours(self) -> dict[str, str]:
        answer = json.loads(self.ours("wp", "list", "--feature", FEATURE, "--json"))
        return {package["id"]: package["lane"] for package in answer["features"][0]["work_packages"]}

    def board(self) -> Board:
        with SqliteEventStore(Path(find_worktree(self.root).state.events), read_only=True) as store:
            return Board(store.read_all())

    def lanes(self) -> dict[str, str]:
        """What both say."""
        ours, theirs = self.lanes_of_ours(), self.lanes_of_theirs()
        assert ours == theirs
        log = (self.root / LOG).read_bytes()
        assert unknown(log, self.board().feature(FEATURE)) == ()
        return ours

    def lanes_within(self, seconds: float, expected: Mapping[str, str]) -> dict[str, str]:
        """What ours says, as soon as it is what is expected."""
        end = time.monotonic() + seconds
        while (found := self.lanes_of_ours()) != expected and time.monotonic() < end:
            time.sleep(0.1)
        return found

    def materialised(self) -> bytes:
        """`status.json` as upstream makes it of the log."""
        self.theirs("agent", "status", "materialize")
        return (self.root / STATUS).read_bytes()


@pytest.fixture
def shared(upstream: Path, door: Door, tmp_path: Path) -> Iterator[Shared]:
    """A project made by our commands, up to tasks with three work packages."""
    made = Shared(Repository(tmp_path / "project"), upstream, door)
    repository = made.repository
    repository.write("src/door.py", "locked = True\n")
    repository.commit()
    made.ours("init")
    made.ours("specify", "Home guard")
    repository.write(f"{FOLDER}/spec.md", "# Home guard\n\n- FR-001: nobody comes in unseen\n")
    made.ours("plan")
    repository.write(f"{FOLDER}/plan.md", "# Plan\n\nA dog, and a bell.\n")
    made.ours("tasks")
    for number in (1, 2, 3):
        text = (
            f"---\nwork_package_id: WP0{number}\ntitle: Part {number}\ndependencies: []\n"
            f'owned_files: ["src/part{number}/**"]\n---\n# WP0{number}\n\nDo it.\n'
        )
        repository.write(f"{FOLDER}/tasks/WP0{number}.md", text)
    repository.commit()
    yield made
    for line in repository.git("worktree", "list", "--porcelain").splitlines():
        if line.startswith("worktree "):
            made.run(OURS, "guardian", "stop", where=Path(line.removeprefix("worktree ")))


def commit(shared: Shared) -> None:
    shared.repository.git("add", "--all", "--", "kitty-specs")
    shared.repository.commit(add=False)


# Upstream reads what we write


def test_upstream_finds_nothing_wrong_before_anybody_works(shared: Shared) -> None:
    assert shared.theirs("agent", "status", "validate")["passed"] is True
    ours = (shared.root / STATUS).read_bytes()
    assert shared.materialised() == ours


def test_upstream_reads_the_board_that_our_commands_made(shared: Shared) -> None:
    shared.ours("implement", "WP01", "--actor", "Zoë")
    shared.ours("wp", "move", "WP02", "blocked", "--actor", "ada", "--reason", "no key yet: Schlüssel fehlt")

    assert shared.lanes() == {"WP01": "in_progress", "WP02": "blocked", "WP03": "planned"}
    assert shared.theirs("agent", "status", "validate")["passed"] is True
    ours = (shared.root / STATUS).read_bytes()
    assert shared.materialised() == ours


def test_upstream_goes_on_where_we_stopped_and_we_where_it_did(shared: Shared) -> None:
    shared.ours("implement", "WP01", "--actor", "ada")
    shared.ours("guardian", "stop", where=shared.root / f".worktrees/{FEATURE}-WP01")
    assert shared.emits("WP02", "claimed")[0] == 0
    assert shared.emits("WP02", "in_progress", "--workspace-context", "here")[0] == 0
    commit(shared)
    shared.ours("guardian", "start", "--feature", FEATURE)
    assert shared.lanes_of_ours()["WP02"] == "planned", "nobody judged that commit"
    shared.ours("guardian", "restart", "--accept-current", "--reason", "moved with upstream's tool")

    expected = {"WP01": "in_progress", "WP02": "in_progress", "WP03": "planned"}
    assert shared.lanes_within(10, expected) == expected
    shared.ours("guardian", "stop")
    shared.ours("wp", "move", "WP02", "blocked", "--actor", "ada", "--reason", "it rains")
    assert shared.lanes() == expected | {"WP02": "blocked"}
    assert shared.emits("WP02", "canceled", "--reason", "it never stops")[0] == 0
    assert shared.lanes_of_theirs()["WP02"] == "canceled"


# Under a running guardian


def test_a_move_of_upstreams_is_judged_where_the_policy_is_gated(shared: Shared) -> None:
    policy = shared.root / ".kittify/guardian.toml"
    policy.write_text(re.sub(r"(?m)^#? ?transitions = .*$", 'transitions = "gated"', policy.read_text()))
    assert 'transitions = "gated"' in policy.read_text()
    shared.repository.commit()
    shared.ours("guardian", "start", "--feature", FEATURE)
    planned = dict.fromkeys(("WP01", "WP02", "WP03"), "planned")
    for work_package in planned:
        assert shared.emits(work_package, "planned")[0] == 0 or work_package in shared.lanes_of_ours()

    status, answer = shared.emits("WP01", "claimed")
    assert status == 0, answer
    assert shared.lanes_within(10, planned | {"WP01": "claimed"})["WP01"] == "claimed"

    before = shared.lanes_of_ours()
    shared.emits("WP02", "done", "--force", "--reason", "nobody looks")
    time.sleep(1)
    assert shared.lanes_of_ours() == before
    assert shared.lanes_of_theirs()["WP02"] == "planned"


def test_a_move_of_upstreams_is_undone_where_transitions_are_commands(shared: Shared) -> None:
    shared.ours("implement", "WP01", "--actor", "ada")
    commit(shared)
    shared.ours("guardian", "start", "--feature", FEATURE)
    before = (shared.root / LOG).read_bytes()
    shared.emits("WP02", "claimed")
    time.sleep(1)

    assert (shared.root / LOG).read_bytes() == before
    assert shared.lanes()["WP02"] == "planned"


# The lock


def test_upstream_waits_for_our_lock(shared: Shared) -> None:
    shared.ours("implement", "WP01", "--actor", "ada")
    before = (shared.root / LOG).read_bytes()
    code = f"{GO_BETWEEN}\nwith lock(Path.cwd(), {FEATURE!r}, timeout=1): print('held')"
    with holding_status(find_worktree(shared.root).common_dir, FEATURE):
        done = shared.run(shared.tools / "python", "-c", code)
        assert "FeatureStatusLockTimeoutError" in done.stderr, done
    assert shared.run(shared.tools / "python", "-c", code).stdout == "held\n"
    assert (shared.root / LOG).read_bytes() == before


def test_we_wait_for_upstreams_lock(shared: Shared) -> None:
    shared.ours("implement", "WP01", "--actor", "ada")
    (shared.root / LOG).unlink()
    code = f"{GO_BETWEEN}\nwith lock(Path.cwd(), {FEATURE!r}): print('held', flush=True); sys.stdin.read()"
    worktree, standing = find_worktree(shared.root), shared.board().feature(FEATURE)
    holder = subprocess.Popen(
        [shared.tools / "python", "-c", code], cwd=shared.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(GuardianBusyError):
            append_pending(worktree.root, worktree.common_dir, standing, patience=0.3)
        assert not (shared.root / LOG).exists()
        holder.communicate("")
    assert append_pending(worktree.root, worktree.common_dir, standing)[0] == LOG


# Real logs


@pytest.mark.parametrize("release", ["v2.1.0", "v3.1.0", "v3.2.2"])
def test_real_logs_make_the_same_status_file_here_and_there(
    upstream: Path, door: Door, tmp_path: Path, release: Release
) -> None:
    repository = Repository(tmp_path / "project")
    repository.write(".kittify/config.yaml", "")
    logs = sorted(corpus(release).glob("kitty-specs/*/status.events.jsonl"))
    for log in sorted(logs, key=lambda log: log.stat().st_size)[-4:]:
        meta = json.loads(log.with_name("meta.json").read_bytes())
        for key in ("topology", "coordination_branch"):  # their branch is not here
            meta.pop(key, None)
        repository.write(LOG, log.read_bytes())
        repository.write(f"{FOLDER}/meta.json", json.dumps(meta))
        status, said = Shared(repository, upstream, door).asked("agent", "status", "materialize")
        assert status == 0, said
        assert (repository.path / STATUS).read_bytes() == materialise(log.read_bytes(), meta=meta), log
