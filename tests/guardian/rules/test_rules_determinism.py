"""Same inputs, same outputs: 1000 times, in any order, in other processes, under any hash seed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kitty_guardian.model.phases import Phase
from kitty_guardian.rules.decision import decide, is_write_allowed

PATHS = (
    "src/app.py", "SRC/app.py", "src\\app.py", "tests/test_app.py", "spec.md", "plan.md", "README.md",
    "kitty-specs/001-home/spec.md", "kitty-specs/001-home/tasks/WP01.md", "kitty-specs/001-home/meta.json",
    ".kittify/guardian.toml", "../outside", "/etc/passwd", "", "docs/a:b", "003-u\u0308ber/x",
)  # fmt: skip
QUESTIONS = [(path, phase, requested) for path in PATHS for phase in Phase for requested in (False, True)]

# What another process is asked: every question, in an order of its own, answered as one digest.
DIGEST = """
import hashlib, random, sys
from kitty_guardian.model.phases import Phase
from kitty_guardian.rules.decision import decide
questions = [(p, f, c) for p in eval(sys.argv[1]) for f in Phase for c in (False, True)]
random.Random(int(sys.argv[2])).shuffle(questions)
answers = sorted(repr((q, decide(q[0], q[1], changes_requested=q[2]))) for q in questions)
print(hashlib.sha256("\\n".join(answers).encode()).hexdigest())
"""


def digest(seed: str, order: int) -> str:
    command = [sys.executable, "-c", DIGEST, repr(PATHS), str(order)]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def test_a_thousand_runs_give_one_answer() -> None:
    for path, phase, requested in QUESTIONS[::7]:
        answers = {is_write_allowed(Path(path), phase, changes_requested=requested) for _ in range(1000)}
        assert len(answers) == 1


def test_a_thousand_runs_in_random_orders_give_one_decision_each() -> None:
    some = QUESTIONS[::5]
    expected = {question: decide(*question[:2], changes_requested=question[2]) for question in some}
    for run in range(1000):
        shuffled = random.Random(run).sample(some, len(some))  # noqa: S311 - an order, not a secret
        assert all(decide(*q[:2], changes_requested=q[2]) == expected[q] for q in shuffled)


def test_threads_that_ask_at_once_get_one_answer() -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = [
            list(run) for run in pool.map(lambda _: map(decide, *zip(*[q[:2] for q in QUESTIONS], strict=True)), "abcd")
        ]
    assert all(run == runs[0] for run in runs)


@pytest.mark.parametrize("seed", ["1", "4294967295", "random"])
def test_other_processes_hash_seeds_and_orders_give_the_same_answers(seed: str) -> None:
    assert digest(seed, order=len(seed)) == digest("0", order=0)
