"""`make soak`: both parsers against a coverage-guided fuzzer, side by side, with a report at the end.

Exit code 0: nothing found, and every promise was asked of some input; or there is no fuzzer for this machine, which it
says. 1: something was found, with the command that replays it, or a process ended early, or a promise was never asked.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soak.targets import TARGETS, Target

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
_REAL = _ROOT.parent / "shared" / "corpus"
_REAL_SEEDS = 300
"""Of each kind; real files are much alike."""
_TOLD_EVERY = 60.0
"""Seconds."""
_HANGING = 60
"""Seconds after which one input counts as hanging."""
_MEMORY = 1024
"""MiB that one process may have."""
_STATUS = re.compile(r"^#(\d+)\s+(\w+)\s+cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)


@attrs.frozen
class Status:
    """One of libFuzzer's own status lines: inputs so far, edges and features seen, inputs kept for what they add."""

    runs: int
    edges: int
    features: int
    kept: int


class Soaking:
    """One parser in one fuzzing process."""

    def __init__(self, target: Target, place: Path) -> None:
        self.target = target
        self.place = place
        self.written, self.real = self._seeds()
        self.began = self.ended = time.monotonic()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float) -> None:
        """Starts fuzzing for so long, from the seeds."""
        (self.place / "corpus").mkdir()
        with (self.place / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, str(_HERE / "fuzz.py"), self.target.name, str(self.place)),
                    f"-max_total_time={max(round(seconds), 1)}",
                    f"-max_len={self.target.longest}",
                    f"-timeout={_HANGING}",
                    f"-rss_limit_mb={_MEMORY}",
                    f"-artifact_prefix={self.place}/died-",
                    str(self.place / "corpus"),
                    str(self.place / "seeds"),
                ],
                stdout=log,
                stderr=log,
                cwd=self.place,
            )
        self.began = time.monotonic()

    def is_over(self) -> bool:
        """Whether the process has ended."""
        if self.process is None or self.process.poll() is None:
            self.ended = time.monotonic()
        return self.process is not None and self.process.returncode is not None

    def statuses(self) -> list[Status]:
        """Status lines from the one after the seeds on."""
        lines = _STATUS.findall((self.place / "log").read_text(errors="replace"))
        first = next((number for number, line in enumerate(lines) if line[1] == "INITED"), len(lines))
        return [Status(*(int(line[part]) for part in (0, 2, 3, 4))) for line in lines[first:]]

    def stats(self) -> dict[str, Any]:
        """What the process says it has checked and found."""
        try:
            stats: dict[str, Any] = json.loads((self.place / "stats.json").read_text())
        except FileNotFoundError:
            return {"runs": 0, "held": {}, "found": {}}
        return stats

    def finds(self) -> list[tuple[str, str, Path]]:
        """What broke: a promise, what happened instead, and the shortest input that shows it."""
        found = [
            (
                promise,
                f"{find['complaint']}\n  {find['size']} bytes, the shortest of {find['times']}",
                Path(find["path"]),
            )
            for promise, find in self.stats()["found"].items()
        ]
        code = None if self.process is None else self.process.returncode
        if code != 0:
            log = self.place / "log"
            end = "\n  ".join(log.read_text(errors="replace").splitlines()[-12:])
            found += [
                ("no bytes end the process or keep it busy for a minute", f"it ended with {code}:\n  {end}", path)
                for path in [*self.place.glob("died-*")] or [log]
            ]
        return found

    def unasked(self) -> set[str]:
        """Promises of which nothing is known after this run."""
        stats = self.stats()
        return set(self.target.asked - stats["held"].keys() - stats["found"].keys())

    def speed(self) -> float:
        """Inputs per second, the seeds included."""
        return float(self.stats()["runs"]) / max(self.ended - self.began, 1.0)

    def end(self) -> None:
        """Ends the process if it has not ended itself."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _seeds(self) -> tuple[int, int]:
        folder = self.place / "seeds"
        folder.mkdir(parents=True)
        written = self.target.seeds()
        real = sorted({excerpt for data in _real_files(self.target) for excerpt in self.target.excerpts(data)})
        real = real[:: len(real) // _REAL_SEEDS + 1]
        for number, data in enumerate([*written, *real]):
            (folder / f"{number:05}").write_bytes(data)
        return len(written), len(real)


def _real_files(target: Target) -> Iterator[bytes]:
    """Files of real trees, read where they lie; none where there are no real trees."""
    for archive in sorted(_REAL.glob("*.tar.xz")):
        with tarfile.open(archive) as tree:
            for member in tree:
                file = tree.extractfile(member) if target.real.fullmatch(member.name) else None
                if file is not None:
                    yield file.read()


def main() -> int:
    """Soaks, and says what was done."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--found", type=Path, default=_ROOT / ".tools" / "found", help="where reproducers are put")
    arguments = options.parse_args()
    if importlib.util.find_spec("atheris") is None:
        python = f"{platform.python_implementation()} {platform.python_version()}"
        _say(f"nothing was soaked: no atheris in this environment ({python} on {sys.platform} {platform.machine()})")
        # A blind run instead would be what `make test` does already, under a name that says more.
        _say("`make soak` installs it for CPython 3.11 to 3.14 on Linux x86_64")
        return 0
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        soakings = [Soaking(target, Path(place) / target.name) for target in TARGETS.values()]
        try:
            _soak(soakings, 60 * arguments.minutes)
        finally:
            for soaking in soakings:
                soaking.end()
        _report(soakings)
        return _verdict(soakings, arguments.found)


def _soak(soakings: list[Soaking], seconds: float) -> None:
    for soaking in soakings:
        soaking.start(seconds)
    told = time.monotonic()
    while sum(soaking.is_over() for soaking in soakings) < len(soakings):
        time.sleep(0.2)
        if time.monotonic() - told >= _TOLD_EVERY:
            told = time.monotonic()
            for soaking in soakings:
                latest = soaking.statuses()[-1:] or [Status(0, 0, 0, 0)]
                _say(
                    f"{told - soaking.began:5.0f} s  {soaking.target.name:12} {soaking.stats()['runs']:>9} inputs "
                    f"{soaking.speed():>6.0f}/s {latest[0].edges:>6} edges {latest[0].kept:>6} kept "
                    f"{len(soaking.stats()['found'])} found"
                )


def _report(soakings: list[Soaking]) -> None:
    for soaking in soakings:
        stats, statuses = soaking.stats(), soaking.statuses() or [Status(0, 0, 0, 0)]
        seeded, last = statuses[0], statuses[-1]
        _say(f"\n{soaking.target.name}: {stats['runs']} inputs in {soaking.ended - soaking.began:.0f} s")
        _say(f"  {soaking.speed():.0f} a second, each held against every promise that speaks about it")
        _say(f"  from {soaking.written} seeds written by hand and {soaking.real} from real trees")
        _say(f"  edges     {seeded.edges:>7} from the seeds, {last.edges:>7} at the end")
        _say(f"  features  {seeded.features:>7}                 {last.features:>7}")
        _say(f"  corpus    {seeded.kept:>7} inputs          {last.kept:>7}")
        for promise, times in sorted(stats["held"].items(), key=lambda item: -item[1]):
            _say(f"  {times:>9} x  {promise}")


def _verdict(soakings: list[Soaking], kept: Path) -> int:
    """Tells what was found, keeps what shows it in `kept`, and returns the exit code."""
    code = 0
    for soaking in soakings:
        name = soaking.target.name
        for promise, details, path in soaking.finds():
            kept.mkdir(parents=True, exist_ok=True)
            copy = kept / (path.name if path.name.startswith(name) else f"{name}-{path.name}")
            shutil.copy(path, copy)
            again = [_named(Path(sys.executable)), _named(_HERE / "replay.py"), name, _named(copy)]
            _say(f"\nFOUND in {name}: {promise}\n  {details}")
            _say(f"  its log:  {_named(copy)}" if path.name == "log" else f"  again:  {shlex.join(again)}")
            code = 1
        for promise in sorted(soaking.unasked()):
            _say(f"\nNEVER ASKED of {name}: {promise}")
            code = 1
    if code == 0:
        _say("\nnothing was found")
    return code


def _named(path: Path) -> str:
    """`path` as one types it at the project's root."""
    return str(path.relative_to(_ROOT)) if path.is_relative_to(_ROOT) else str(path)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
