"""One fuzzing process: `python tests/soak/fuzz.py TARGET FOLDER [libFuzzer's options and corpus folders]`.

Every input is held against the promises of its parser. One that breaks a promise does not end the run: the smallest for
each promise is kept in FOLDER, and `stats.json` there says each second what has been checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zlib
from collections import Counter
from pathlib import Path
from random import Random

import atheris  # type: ignore[import-untyped]  # in the group soak only, which `make soak` installs
import attrs

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# Branches of the parsers, and of PyYAML's own scanner, through which the same heads go a second time.
with atheris.instrument_imports(include=["kitty_guardian.project", "yaml"]):
    from soak import mutating, targets
    from soak.promises import IN_TIME, BrokenPromiseError, hold
    from soak.swelling import EVENLY

_SWELLING = 0.15
"""Of the time."""
_SHRINK_FOR = 2.0
"""Seconds."""


@attrs.define
class Find:
    """One broken promise: the shortest input that breaks it, and how many did."""

    path: str
    complaint: str
    size: int
    times: int = 0


class Session:
    """What one process has tried and found."""

    def __init__(self, target: targets.Target, folder: Path) -> None:
        self.target = target
        self.folder = folder
        self.runs = 0
        self.held: Counter[str] = Counter()
        self.found: dict[str, Find] = {}
        self.began = time.monotonic()
        self.swelling = 0.0
        self.due = 0.0

    def take(self, data: bytes) -> None:
        """Holds one input against every promise."""
        self.runs += 1
        try:
            self.held.update(set(hold(self.target.promises, data)))
            if self.swelling < _SWELLING * (time.monotonic() - self.began):
                self.swell(data)
        except BrokenPromiseError as broken:
            self.keep(data, broken)
        if time.monotonic() >= self.due:
            self.due = time.monotonic() + 1.0
            self.write()

    def swell(self, data: bytes) -> None:
        """Holds what one input becomes at length against the promise about time."""
        start = time.monotonic()
        try:
            self.held.update(hold(self.target.swelling, data)[1:])
        finally:
            self.swelling += time.monotonic() - start

    def keep(self, data: bytes, broken: BrokenPromiseError) -> None:
        """Keeps `data` if it is the shortest that breaks this promise, made shorter still."""
        known = self.found.get(broken.promise)
        if known is None or len(data) < known.size:
            path = self.folder / f"{self.target.name}-{zlib.crc32(broken.promise.encode()):08x}"
            draft = path.with_suffix(".draft")
            if broken.promise in {IN_TIME, EVENLY}:
                draft.write_bytes(data)
                # Coverage slows Python down: late counts only what is late without it.
                if not self.is_confirmed(draft):
                    return
            else:
                data, broken = self.shrunk(data, broken)
                draft.write_bytes(data)
            draft.replace(path)
            known = Find(str(path), broken.complaint, len(data), 0 if known is None else known.times)
            self.found[broken.promise] = known
        known.times += 1

    def is_confirmed(self, path: Path) -> bool:
        """Whether a process without coverage finds a promise broken, too."""
        replay = Path(__file__).with_name("replay.py")
        done = subprocess.run([sys.executable, replay, self.target.name, path], capture_output=True, check=False)
        return done.returncode != 0

    def shrunk(self, data: bytes, broken: BrokenPromiseError) -> tuple[bytes, BrokenPromiseError]:
        """A part of `data` that breaks the same promise: whole lines left out first, then runs of bytes."""
        until = time.monotonic() + _SHRINK_FOR
        for separator in (b"\n", b""):
            parts = data.split(separator) if separator else [bytes([byte]) for byte in data]
            step = max(len(parts) // 2, 1)
            while step:
                start = 0
                while start < len(parts) and time.monotonic() < until:
                    fewer = [*parts[:start], *parts[start + step :]]
                    try:
                        hold(self.target.promises, separator.join(fewer))
                    except BrokenPromiseError as still:
                        if still.promise == broken.promise:
                            parts, broken = fewer, still
                            continue
                    start += step
                step //= 2
            data = separator.join(parts)
        return data, broken

    def write(self) -> None:
        """Says so far what has been done."""
        found = {promise: attrs.asdict(find) for promise, find in self.found.items()}
        stats = {"runs": self.runs, "held": self.held, "found": found}
        draft = self.folder / "stats.draft"
        draft.write_text(json.dumps(stats))
        draft.replace(self.folder / "stats.json")


def main() -> None:
    """Fuzzes until libFuzzer's time is over; it ends the process itself."""
    target = targets.TARGETS[sys.argv[1]]
    session = Session(target, Path(sys.argv[2]))

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        return target.mutate(data, max_size, Random(seed), atheris.Mutate)  # noqa: S311 - libFuzzer's seed

    def crossed(one: bytes, other: bytes, max_size: int, seed: int) -> bytes:
        return mutating.cross(one, other, max_size, Random(seed))  # noqa: S311 - libFuzzer's seed

    options = [sys.argv[0], *sys.argv[3:]]
    atheris.Setup(options, session.take, custom_mutator=mutated, custom_crossover=crossed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
