"""How long `wp list --all` takes on a real project of 206 features, beside a plain script and beside starting Python.

The tree is that of release 3.2.2, read from beside the project and taken over into an event store; without it there is
nothing to measure, and that is said. Everything is a whole process, start-up included, wall time; the programs take
turns, the best of each counts.

- `plain script`: the lanes of the same store by the obvious query, with the standard library's `sqlite3` and `json`
- `plain script on logs`: the lanes that the files show, the latest line of each work package
- `python -c pass`: what no program in Python can be faster than
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from kitty_guardian.events.importing import adopt
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.project.survey import survey

TARGET_SECONDS = 0.25
ROUNDS = 15
ARCHIVE = Path(__file__).resolve().parents[2] / "shared" / "corpus" / "v3.2.2.tar.xz"
COMMAND = Path(sys.executable).parent / "spec-kitty"
PLAIN_STORE = """
import collections, json, sqlite3
lanes = {}
rows = sqlite3.connect(".git/spec-kitty/events.db").execute(
    "SELECT stream, payload FROM events WHERE event_type = 'WPStatusChanged' ORDER BY position")
for stream, payload in rows:
    lanes[stream] = json.loads(payload)["to_lane"]
for feature in sorted({stream.rpartition("/")[0] for stream in lanes}):
    of = (lane for stream, lane in lanes.items() if stream.startswith(feature + "/"))
    print(feature, dict(collections.Counter(of)))
"""
PLAIN_LOGS = """
import collections, json, pathlib
for log in sorted(pathlib.Path("kitty-specs").glob("*/status.events.jsonl")):
    lanes = {}
    lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    for event in sorted(lines, key=lambda e: (e.get("at", ""), e.get("event_id", ""))):
        if "to_lane" in event:
            lanes[event["wp_id"]] = event["to_lane"]
    print(log.parent.name, dict(collections.Counter(lanes.values())))
"""


def seconds(command: list[str | Path], project: Path, environment: dict[str, str]) -> float:
    started = time.perf_counter()
    nowhere = subprocess.DEVNULL
    subprocess.run(command, cwd=project, env=environment, check=True, stdout=nowhere, stderr=nowhere)
    return time.perf_counter() - started


def taken_over(project: Path) -> tuple[int, int, int]:
    """Make the store of a committed project; how many features, work packages and events it then holds."""
    worktree = find_worktree(project)
    with SqliteEventStore(Path(worktree.state.events)) as store:
        adopt(store, worktree, survey(worktree, every=True))
        lanes = store.lanes()
        return len({feature for feature, _ in lanes}), len(lanes), store.head()[0]


def main() -> int:
    if not ARCHIVE.is_file():
        print(f"nothing measured: the real tree {ARCHIVE.name} is not beside the project")
        return 0
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "PYTHON", "GIT_"))}
    with tempfile.TemporaryDirectory() as place:
        project = Path(place) / "project"
        project.mkdir()
        with tarfile.open(ARCHIVE) as tar:
            tar.extractall(project, filter="data")
        environment["HOME"] = place
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
        for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "3.2.2"]):
            subprocess.run([*git, *arguments], cwd=project, env=environment, check=True)
        features, packages, events = taken_over(project)
        programs: dict[str, list[str | Path]] = {
            "spec-kitty wp list --all": [COMMAND, "wp", "list", "--all"],
            "spec-kitty wp list --all --json": [COMMAND, "wp", "list", "--all", "--json"],
            "spec-kitty wp list --feature 034": [COMMAND, "wp", "list", "--feature", "034"],
            "spec-kitty wp show WP01 --feature 034": [COMMAND, "wp", "show", "WP01", "--feature", "034"],
            "spec-kitty events list": [COMMAND, "events", "list"],
            "spec-kitty --version": [COMMAND, "--version"],
            "plain script": [sys.executable, "-c", PLAIN_STORE],
            "plain script on logs": [sys.executable, "-c", PLAIN_LOGS],
            "python -c pass": [sys.executable, "-c", "pass"],
        }
        for command in programs.values():
            seconds(command, project, environment)  # compiled once, as where packages were installed
        taken: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(ROUNDS):
            for name, command in programs.items():
                taken[name].append(seconds(command, project, environment))
    ours = min(taken["spec-kitty wp list --all"])
    print(
        f"{features} features, {packages} work packages, {events} events; best of {ROUNDS} rounds, start-up included\n"
    )
    print(f"{'':40} {'ms':>7} {'wp list --all is':>17}")
    for name, times in taken.items():
        print(f"{name:40} {min(times) * 1000:7.0f} {ours / min(times):16.2f}x")
    verdict = "reached" if ours <= TARGET_SECONDS else "MISSED"
    print(f"\nwp list --all takes {ours * 1000:.0f} ms: target of {TARGET_SECONDS * 1000:.0f} ms {verdict}")
    return 0 if ours <= TARGET_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
