"""How long `guardian phase --all` takes on a real project of 206 features, beside reading it plainly and not at all.

The tree is that of release 3.2.2, read from beside the project; without it there is nothing to measure, and that is
said. Everything is a whole process, start-up included, wall time; the programs take turns, the best of each counts.

- `plain Python`: the obvious script, `yaml.safe_load` and `json.loads` on the same files, no problems, no commits
- `git grep (floor)`: one process that reads every byte of the same files
- then, within one process as the guardian has it: all features again with nothing changed, and with one log changed
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from kitty_guardian.project.features import read_features
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.trees import DiskTree

TARGET_SECONDS = 1.0
ROUNDS = 9
ARCHIVE = Path(__file__).resolve().parents[2] / "shared" / "corpus" / "v3.2.2.tar.xz"
COMMAND = Path(sys.executable).parent / "spec-kitty"
PLAIN = """
import json, pathlib, yaml
lanes = {}
for feature in pathlib.Path("kitty-specs").iterdir():
    for path in sorted(feature.glob("tasks/WP*.md")):
        head = path.read_text(encoding="utf-8").split("\\n---", 1)[0].removeprefix("---")
        fields = yaml.load(head, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        lanes[feature.name, path.name[:4]] = fields.get("lane", "planned")
    log = feature / "status.events.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    for event in sorted(map(json.loads, lines), key=lambda e: (e.get("at", ""), e.get("event_id", ""))):
        if "to_lane" in event:
            lanes[feature.name, event["wp_id"]] = event["to_lane"]
"""


def seconds(command: list[str | Path], project: Path, environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def best(ask: object, rounds: int = ROUNDS) -> float:
    assert callable(ask)
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        ask()
        found.append(time.perf_counter() - started)
    return min(found)


def incremental(project: Path) -> dict[str, tuple[float, int]]:
    """Seconds and files parsed of a first look, of one with nothing changed, and of one with one log changed."""
    settled = time.time() - 3600
    for path in project.rglob("*"):
        os.utime(path, (settled, settled), follow_symlinks=False)
    time.sleep(2.1)  # changes younger than that are read again on purpose
    readings, found = Readings(), {}

    def look() -> None:
        read_features(DiskTree(project), readings)

    found["first look in a process"] = (best(look, 1), readings.parsed)
    parsed = readings.parsed
    found["again, nothing changed"] = (best(look), readings.parsed - parsed)
    parsed = readings.parsed
    log = next(project.glob("kitty-specs/*/status.events.jsonl"))
    log.write_bytes(log.read_bytes() + b"\n")
    found["again, one log changed"] = (best(look, 1), readings.parsed - parsed)
    return found


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
        programs: dict[str, list[str | Path]] = {
            "spec-kitty guardian phase --all": [COMMAND, "guardian", "phase", "--all"],
            "spec-kitty guardian phase --all --json": [COMMAND, "guardian", "phase", "--all", "--json"],
            "spec-kitty --version": [COMMAND, "--version"],
            "plain Python": [sys.executable, "-c", PLAIN],
            "git grep (floor)": [
                "git", "grep", "-c", "--no-index", "lane", "--", "kitty-specs/*.jsonl", "kitty-specs/*/tasks/WP*.md"
            ],
        }  # fmt: skip
        taken: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(ROUNDS):
            for name, command in programs.items():
                taken[name].append(seconds(command, project, environment))
        inside = incremental(project)
    ours = min(taken["spec-kitty guardian phase --all"])
    print(f"206 features, 1345 work packages, 8404 log lines; best of {ROUNDS} rounds, start-up included\n")
    print(f"{'':40} {'ms':>7} {'phase --all is':>15}")
    for name, times in taken.items():
        print(f"{name:40} {min(times) * 1000:7.0f} {ours / min(times):14.2f}x")
    print(f"\n{'in one process':40} {'ms':>7} {'files parsed':>15}")
    for name, (took, parsed) in inside.items():
        print(f"{name:40} {took * 1000:7.1f} {parsed:15}")
    verdict = "reached" if ours <= TARGET_SECONDS else "MISSED"
    print(f"\nphase --all takes {ours:.2f} s: target of {TARGET_SECONDS:.0f} s {verdict}")
    return 0 if ours <= TARGET_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
