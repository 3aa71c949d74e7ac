"""How many decisions one core makes a second, on paths never seen before, beside what others would use.

Run it with the workspace's Python: `.venv/bin/python benchmarks/decisions.py [PATHS]`. Target: 200 000 a second over
the mix, one path in five of it oddly spelled. The paths of a round are distinct and nothing keeps paths, so no memo
helps; the cases take turns over five rounds and the best round of each counts, in CPU time. The alternatives answer a
smaller question (blocked or not, in one phase), without normalising, folding, other systems' readings, a reason or a
hint.
"""

from __future__ import annotations

import fnmatch
import sys
import time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from kitty_guardian.model.phases import Phase
from kitty_guardian.rules.decision import decide
from kitty_guardian.rules.policy import Policy
from kitty_guardian.rules.situation import FeatureState, Situation
from kitty_guardian.rules.table import ALWAYS_PROTECTED, PROTECTED_PATHS

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = 200_000
ROUNDS = 5
PHASE = Phase.PLAN

# The same table for the alternatives: globs as their matchers want them, prefixes for the floor.
ROWS = [*ALWAYS_PROTECTED, *(p if p == "src/" else f"kitty-specs/*/{p}" for p in PROTECTED_PATHS[PHASE])]
GLOBS = [f"{row}*" if row.endswith("/") else row for row in ROWS]
PREFIXES = tuple(row.partition("*")[0] for row in ROWS)
PARTS = [row.rstrip("/") + ("/*" if row.endswith("/") else "") for row in ROWS]


def mixes(count: int) -> dict[str, list[str]]:
    """Distinct paths of each kind a watcher meets, `count` of each."""
    return {
        "source, blocked": [f"src/package{i % 97}/module{i}.py" for i in range(count)],
        "artifact, allowed": [f"kitty-specs/{i % 997:03}-home/contracts/api{i}.yaml" for i in range(count)],
        "artifact, blocked": [f"kitty-specs/{i % 997:03}-home/tasks/WP{i}.md" for i in range(count)],
        "neutral": [f"docs/how-to/page{i % 89}/step{i}.md" for i in range(count)],
        "oddly spelled": [f"SRC\\package{i % 97}\\.\\module{i}.py" for i in range(count)],
    }


def by_fnmatch(path: str) -> bool:
    return any(fnmatch.fnmatch(path, pattern) for pattern in GLOBS)


def by_path_match(path: str) -> bool:
    pure = PurePosixPath(path)
    return any(pure.match(pattern) for pattern in PARTS)


def by_full_match(path: str) -> bool:
    pure = PurePosixPath(path)
    return any(pure.full_match(pattern + "*" if pattern.endswith("/*") else pattern) for pattern in PARTS)  # type: ignore[attr-defined, unused-ignore]


def by_prefix(path: str) -> bool:
    return path.startswith(PREFIXES)


def cases() -> dict[str, Callable[[str], object]]:
    judge = Situation(Policy.default(), {"001-home": FeatureState(PHASE)}, ("001-home",)).judge
    found: dict[str, Callable[[str], object]] = {
        "kitty_guardian.decide": lambda path: decide(path, PHASE),
        "Situation.judge": judge,
        "fnmatch.fnmatch": by_fnmatch,
        "PurePath.match": by_path_match,
    }
    if hasattr(PurePosixPath, "full_match"):  # Python 3.13
        found["PurePath.full_match"] = by_full_match
    found["str.startswith (floor)"] = by_prefix
    return found


def rate(ask: Callable[[str], object], paths: list[str]) -> float:
    """Answers a second of one pass over `paths`."""
    started = time.process_time()
    for path in paths:
        ask(path)
    return len(paths) / (time.process_time() - started)


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    kinds = mixes(count)
    everything = [path for paths in zip(*kinds.values(), strict=True) for path in paths]
    best: dict[str, dict[str, float]] = {name: {} for name in cases()}
    for _ in range(ROUNDS):
        for name, ask in cases().items():
            for kind, paths in [*kinds.items(), ("mix", everything)]:
                best[name][kind] = max(best[name].get(kind, 0.0), rate(ask, paths))
    ours = best["kitty_guardian.decide"]["mix"]
    print(f"thousand answers a second, best of {ROUNDS} rounds, {count} distinct paths of each kind, {PHASE} phase")
    print(f"Python {sys.version.split()[0]}, one core\n")
    print(f"{'':24}" + "".join(f"{kind:>19}" for kind in [*kinds, "mix"]) + f"{'decide is':>12}")
    for name, rates in best.items():
        row = "".join(f"{value / 1000:19,.0f}" for value in rates.values())
        print(f"{name:24}{row}{ours / rates['mix']:11.2f}x")
    verdict = "reached" if ours >= TARGET else "MISSED"
    print(f"\n{ours:,.0f} decisions a second on the mix: target of {TARGET:,} {verdict}")
    return 0 if ours >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
