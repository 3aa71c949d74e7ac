"""Break every row of the rule table, the path layout and the lane matrix, one at a time, and see a test fail each time.

No file of the checkout is touched: each mutant is a forked process that changes the table in memory before anything
else reads it, and then runs the focused tests. Prints a line for each table; exits 1 naming the mutants that survived.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import attrs
import pytest

import kitty_paths
from kitty_guardian.model import moves
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.rules import table
from kitty_paths import Kind, layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
RULE_TESTS = ("tests/guardian/rules/test_rule_table.py",)
PATH_TESTS = ("tests/paths/test_layout_contract.py",)
MATRIX_TESTS = ("tests/guardian/events/law/test_lane_matrix.py",)
HOME_TESTS = (*PATH_TESTS, "tests/paths/test_default_base.py", "tests/paths/test_state_root_variable.py")
QUICK = (
    *("-x", "-q", "-s", "--tb=no", "--assert=plain", "--import-mode=importlib"),
    *(
        f"-pno:{plugin}"
        for plugin in ("cacheprovider", "junitxml", "unraisableexception", "logging", "terminalreporter")
    ),
)
SLOWEST = 60.0  # seconds one mutant may take before it counts as killed


@attrs.frozen
class Mutant:
    """One change to one row: which table, what a survivor is called, how to make it, and what has to notice."""

    table: str
    name: str
    apply: Callable[[], None]
    tests: tuple[str, ...]


def main() -> int:
    os.chdir(ROOT)
    started = time.monotonic()
    sys.dont_write_bytecode = True
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the focused tests need no plugin
    pytest.main(["--version", "-c", os.devnull])  # loads what every child would load again
    gc.disable()  # children end before there is anything to collect
    mutants = [*rule_mutants(), *pattern_mutants(), *layout_mutants(), *constant_mutants(), *matrix_mutants()]
    nothing = [(lambda: None, tests) for tests in (RULE_TESTS, HOME_TESTS, MATRIX_TESTS)]
    nothing.append((patch_layout("VARIABLE", ""), HOME_TESTS))
    unchanged = [Mutant("unchanged", ", ".join(tests), change, tests) for change, tests in nothing]
    if broken := [mutant.name for mutant, killed in run(unchanged) if killed]:
        print(f"the focused tests fail without any mutation: {'; '.join(broken)}", file=sys.stderr)
        return 2
    results = run(mutants)
    for name in dict.fromkeys(mutant.table for mutant in mutants):
        verdicts = [killed for mutant, killed in results if mutant.table == name]
        total, dead = len(verdicts), sum(verdicts)
        print(f"{name:<20} {total:>4} mutants  {dead:>4} killed  {total - dead:>2} survived")
    survivors = [mutant for mutant, killed in results if not killed]
    for mutant in survivors:
        print(f"survived: {mutant.table}: {mutant.name}", file=sys.stderr)
    print(
        f"{len(mutants)} mutants, {len(mutants) - len(survivors)} killed, {len(survivors)} survived"
        f" ({time.monotonic() - started:.0f} s)"
    )
    return 1 if survivors else 0


def rule_mutants() -> Iterator[Mutant]:
    """Each row of the owner's table dropped, turned round, moved to the next phase and with other patterns."""
    phases = list(Phase)
    for index, rule in enumerate(table.RULES):
        allows = rule.effect is table.Effect.ALLOW
        changed: dict[str, table.Rule | None] = {
            "dropped": None,
            "turned round": attrs.evolve(rule, effect=table.Effect.BLOCK if allows else table.Effect.ALLOW),
            "in the next phase": attrs.evolve(rule, phase=phases[(phases.index(rule.phase) + 1) % len(phases)]),
            "renamed": attrs.evolve(rule, pattern=f"x{rule.pattern}"),
            "at any depth": attrs.evolve(rule, pattern=f"**/{rule.pattern}"),
        }
        if "**/" in rule.pattern:
            changed["at one depth only"] = attrs.evolve(rule, pattern=rule.pattern.replace("**/", ""))
            changed["for any name"] = attrs.evolve(rule, pattern=rule.pattern.rpartition("/")[0] + "/*.md")
        elif allows and rule.pattern.endswith("/") and rule.pattern not in {table.SOURCE, table.TESTS}:
            changed["without what lies below"] = attrs.evolve(rule, pattern=rule.pattern.removesuffix("/"))
        for how, new in changed.items():
            rules = (*table.RULES[:index], *([new] if new else []), *table.RULES[index + 1 :])
            yield Mutant("RULES", f"{rule.id} {how}", patch_rules(rules), RULE_TESTS)


def patch_rules(rules: tuple[table.Rule, ...]) -> Callable[[], None]:
    def apply() -> None:
        patch_table("RULES", rules)()
        patch_table("PROTECTED_PATHS", table.protected_paths(rules))()

    return apply


def patch_table(name: str, value: object) -> Callable[[], None]:
    # Nothing but the table itself is loaded yet, so whatever derives from it will derive from the mutant.
    return lambda: setattr(table, name, value)


def pattern_mutants() -> Iterator[Mutant]:
    """Each entry of the lists of patterns dropped and changed."""
    for name, changes in {
        "ALWAYS_PROTECTED": (dropped, renamed, anchored_otherwise, wider),
        "TRANSIENTS": (dropped, renamed, anchored_otherwise, with_what_lies_below, longer),
        "ARTIFACTS": (dropped, renamed),
        "CHANGES_REQUESTED": (dropped, renamed),
    }.items():
        rows: tuple[str, ...] = getattr(table, name)
        for index, pattern in enumerate(rows):
            for change in changes:
                new = change(pattern)
                if new != (pattern,):
                    how = f"{pattern} {change.__name__.replace('_', ' ')}"
                    patch = patch_table(name, (*rows[:index], *new, *rows[index + 1 :]))
                    yield Mutant(name, how, patch, RULE_TESTS)


def dropped(_: str) -> tuple[str, ...]:
    return ()


def renamed(pattern: str) -> tuple[str, ...]:
    head, slash, last = pattern.removesuffix("/").rpartition("/")
    return (f"{head}{slash}x{last}",)


def anchored_otherwise(pattern: str) -> tuple[str, ...]:
    return (pattern.removeprefix("**/") if pattern.startswith("**/") else f"**/{pattern}",)


def wider(pattern: str) -> tuple[str, ...]:
    return (pattern.replace("/*/", "/**/") if "/*/" in pattern else f"{pattern.rpartition('/')[0]}/*",)


def with_what_lies_below(pattern: str) -> tuple[str, ...]:
    return (f"{pattern}/",)


def longer(pattern: str) -> tuple[str, ...]:
    return (pattern if pattern.endswith("*") else f"{pattern}*",)


def layout_mutants() -> Iterator[Mutant]:
    """Each row of the layout dropped, elsewhere (on each platform), of another kind and of the other secrecy."""
    for name in ("STATE", "REPOSITORY", "WORKTREE"):
        rows: dict[str, layout.Row] = getattr(layout, name)
        for key, row in rows.items():
            changed: dict[str, layout.Row | None] = {
                "dropped": None,
                "elsewhere": row._replace(posix=f"{row.posix}x", windows=row.windows or row.posix),
                "of another kind": row._replace(kind=Kind.LOCK if row.kind is Kind.FILE else Kind.FILE),
                "of the other secrecy": row._replace(secret=not row.secret),
            }
            if name == "STATE":
                changed["elsewhere on Windows"] = row._replace(windows=f"x/{row.windows or row.posix}")
                if row.windows:
                    changed["without its Windows path"] = row._replace(windows=None)
            for how, new in changed.items():
                yield Mutant(f"layout.{name}", f"{key} {how}", patch_row(rows, key, new), PATH_TESTS)


def patch_row(rows: dict[str, layout.Row], key: str, new: layout.Row | None) -> Callable[[], None]:
    def apply() -> None:
        if new is None:
            del rows[key]
        else:
            rows[key] = new

    return apply


def constant_mutants() -> Iterator[Mutant]:
    """Each single name changed."""
    for name in ("SOURCE", "TESTS", "FEATURES"):
        yield Mutant("names", f"table.{name}", patch_table(name, f"x{getattr(table, name)}"), RULE_TESTS)
    for name in ("VARIABLE", "POSIX_STATE_HOME", "POSIX_ASSET_HOME", "WINDOWS_HOME"):
        yield Mutant("names", f"layout.{name}", patch_layout(name, "X"), HOME_TESTS)


def patch_layout(name: str, suffix: str) -> Callable[[], None]:
    def apply() -> None:
        # Other modules copy the name while they load, so the package is loaded anew around a changed layout.
        for loaded in [key for key in sys.modules if key.partition(".")[0] == "kitty_paths"]:
            del sys.modules[loaded]
        package = ModuleType("kitty_paths")
        package.__path__ = list(kitty_paths.__path__)
        sys.modules["kitty_paths"] = package
        fresh = import_module("kitty_paths.layout")
        setattr(fresh, name, f"{getattr(fresh, name)}{suffix}")
        del sys.modules["kitty_paths"]

    return apply


def matrix_mutants() -> Iterator[Mutant]:
    """Each edge dropped and each missing one added, each guard dropped and another one asked for, each row turned."""
    for here in (None, *Lane):
        row = moves.MATRIX[here]
        changed: dict[str, dict[Lane, frozenset[moves.Guard]]] = {}
        for there in Lane:
            edge = f"{here or moves.GENESIS} to {there}"
            guards = row.get(there)
            if guards is None:
                changed[f"{edge} added"] = {**row, there: frozenset()}
                continue
            changed[f"{edge} dropped"] = {lane: asked for lane, asked in row.items() if lane is not there}
            for guard in guards:
                changed[f"{edge} without {guard}"] = {**row, there: guards - {guard}}
            more = next(guard for guard in moves.Guard if guard not in guards)
            changed[f"{edge} also with {more}"] = {**row, there: guards | {more}}
        if len(row) > 1:
            changed[f"{here or moves.GENESIS} in another order"] = dict(reversed([*row.items()]))
        for how, new in changed.items():
            yield Mutant("MATRIX", how, patch_moves("MATRIX", {**moves.MATRIX, here: new}), MATRIX_TESTS)
    for guard, other in moves.SHARED.items():
        shared = {name: gate for name, gate in moves.SHARED.items() if name is not guard}
        yield Mutant("MATRIX", f"{guard} not named {other}", patch_moves("SHARED", shared), MATRIX_TESTS)
    yield Mutant("MATRIX", "another word for genesis", patch_moves("GENESIS", "none"), MATRIX_TESTS)


def patch_moves(name: str, value: object) -> Callable[[], None]:
    return lambda: setattr(moves, name, value)


def run(mutants: list[Mutant]) -> list[tuple[Mutant, bool]]:
    """Each mutant and whether a test failed on it, one process a mutant, as many at once as there are cores."""
    killed: dict[int, bool] = {}
    running: dict[int, int] = {}
    waiting = list(range(len(mutants)))
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            index = waiting.pop(0)
            running[start(mutants[index])] = index
        pid, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        # Tests that failed, could not be collected or ran into the limit have noticed; the rest is our own mistake.
        if code not in {0, 1, 2, -14}:
            raise SystemExit(f"{mutants[running[pid]].name}: pytest ended with {code}")
        killed[running.pop(pid)] = code != 0
    return [(mutant, killed[index]) for index, mutant in enumerate(mutants)]


def start(mutant: Mutant) -> int:
    """The process id of a child that runs the focused tests on `mutant`."""
    pid = os.fork()
    if pid:
        return pid
    signal.setitimer(signal.ITIMER_REAL, SLOWEST)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    code = 3
    try:
        mutant.apply()
        code = int(
            pytest.main([*QUICK, "-c", os.devnull, f"--rootdir={ROOT}", "-o", "pythonpath=tests", *mutant.tests])
        )
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
