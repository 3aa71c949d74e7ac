"""What importing kitty_paths costs: CPU time of a whole process, against the bare interpreter and attrs alone.

Run it with the workspace's Python: `.venv/bin/python benchmarks/import_paths.py [RUNS]`. Budget: 45 ms over the bare
interpreter. Bytecode is written to a temporary directory and warmed up first, as an installed package has it; the cases
take turns, so that a busy moment hits all of them. The minimum is the figure to trust, the median shows the noise.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile

BUDGET_MS = 45.0
CASES = {
    "bare interpreter, -I -S": ("-I", "-S", "-c", "pass"),
    "bare interpreter": ("-c", "pass"),
    "import attrs": ("-c", "import attrs"),
    "import attrs, pathlib": ("-c", "import attrs, pathlib"),
    "import kitty_paths": ("-c", "import kitty_paths"),
    "resolve, touch all": ("-c", "from kitty_paths import StateRoot; StateRoot.resolve().surfaces()"),
}


def cpu_ms(arguments: tuple[str, ...], environ: dict[str, str]) -> float:
    """Give the user and system CPU time of one Python process, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, env=environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    with tempfile.TemporaryDirectory() as bytecode:
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environ["PYTHONPYCACHEPREFIX"] = bytecode
        samples: dict[str, list[float]] = {name: [] for name in CASES}
        for arguments in CASES.values():
            cpu_ms(arguments, environ)
        for _ in range(runs):
            for name, arguments in CASES.items():
                samples[name].append(cpu_ms(arguments, environ))
    bare_min, bare_median = min(samples["bare interpreter"]), statistics.median(samples["bare interpreter"])
    attrs_over = min(samples["import attrs"]) - bare_min
    print(f"CPU milliseconds of one process, {runs} runs each, Python {sys.version.split()[0]}\n")
    print(f"{'case':26} {'min':>7} {'median':>7} {'over bare':>10} {'median o.b.':>12} {'x attrs':>8}")
    for name, times in samples.items():
        over, median = min(times) - bare_min, statistics.median(times)
        ratio = over / attrs_over if attrs_over > 0 else float("nan")
        print(f"{name:26} {min(times):7.1f} {median:7.1f} {over:10.1f} {median - bare_median:12.1f} {ratio:8.2f}")
    cost = min(samples["import kitty_paths"]) - bare_min
    verdict = "within" if cost <= BUDGET_MS else "OVER"
    print(
        f"\nimport kitty_paths: {cost:.1f} ms over bare ({verdict} the budget of {BUDGET_MS:.0f} ms), "
        f"{cost - attrs_over:.1f} ms of it not attrs"
    )


if __name__ == "__main__":
    main()
