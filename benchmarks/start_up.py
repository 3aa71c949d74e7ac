"""CPU time of starting `spec-kitty`, beside bare Python and beside click alone (budget: 70 ms over bare Python).

User plus system time of the process, so that a busy machine disturbs it little; each program in turn, so that what
disturbs one disturbs all. Bytecode is compiled once beforehand, as it is where packages were installed.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 25
BUDGET_MS = 70.0
BIN = Path(sys.executable).parent
PROGRAMS: dict[str, list[str | Path]] = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import click'": [sys.executable, "-c", "import click"],
    "python -c 'import importlib.metadata'": [sys.executable, "-c", "import importlib.metadata"],
    "spec-kitty --version": [BIN / "spec-kitty", "--version"],
    "spec-kitty --help": [BIN / "spec-kitty", "--help"],
    "spec-kitty state paths sync.config": [BIN / "spec-kitty", "state", "paths", "sync.config"],
}


def cpu_ms(command: list[str | Path], environment: dict[str, str]) -> float:
    """The CPU time of one run, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def main() -> int:
    with tempfile.TemporaryDirectory() as place:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "PYTHON", "SPEC_KITTY"))}
        environment |= {"HOME": place, "PYTHONPYCACHEPREFIX": place}
        for command in PROGRAMS.values():
            cpu_ms(command, environment)
        taken: dict[str, list[float]] = {name: [] for name in PROGRAMS}
        for _ in range(ROUNDS):
            for name, command in PROGRAMS.items():
                taken[name].append(cpu_ms(command, environment))
    bare, click = (min(times) for times in list(taken.values())[:2])
    title = f"CPU ms, {ROUNDS} rounds"
    print(f"{title:38} {'min':>6} {'median':>7} {'over bare':>10} {'x bare':>7} {'x click':>8}")
    for name, times in taken.items():
        least = min(times)
        middle = statistics.median(times)
        print(f"{name:38} {least:6.1f} {middle:7.1f} {least - bare:+10.1f} {least / bare:7.2f} {least / click:8.2f}")
    over = min(taken["spec-kitty --version"]) - bare
    print(f"\nspec-kitty --version costs {over:.1f} ms over bare Python; the budget is {BUDGET_MS:.0f} ms")
    return 0 if over <= BUDGET_MS else 1


if __name__ == "__main__":
    sys.exit(main())
