"""The decision core touches nothing: no clock, no disk, no environment, neither when imported nor when asked."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kitty_guardian

PACKAGE = Path(kitty_guardian.__file__).parent
PURE = sorted(path for part in ("model", "rules", "detection") for path in (PACKAGE / part).rglob("*.py"))
IMPURE = {
    "asyncio", "datetime", "fcntl", "glob", "io", "logging", "os", "pathlib", "platform", "random", "secrets", "select",
    "shutil", "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "uuid", "watchdog",
}  # fmt: skip


def imports(tree: ast.Module) -> set[str]:
    """Every module that `tree` imports when it runs; what only type checkers read does not run."""
    found: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
        pending += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("module", PURE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_pure_module_imports_nothing_that_reaches_the_world(module: Path) -> None:
    assert not imports(ast.parse(module.read_text(encoding="utf-8"))) & IMPURE


@pytest.mark.parametrize("module", PURE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_pure_module_neither_opens_nor_prints(module: Path) -> None:
    calls = {node.func.id for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}  # fmt: skip
    assert not calls & {"open", "print", "input", "exec", "eval", "exit", "breakpoint"}


AUDITED = """
import sys
from pathlib import Path
from kitty_guardian.model.phases import Phase
from kitty_guardian.rules.decision import decide, is_write_allowed
from kitty_guardian.rules.policy import parse_policy
from kitty_guardian.rules.situation import FeatureState, Situation
paths = ["src/app.py", "SRC\\\\\\\\app.py", "kitty-specs/001-home/plan.md", "../x", "003-u\u0308ber/x", Path("a/b")]
str(paths[-1])
seen = []
sys.addaudithook(lambda event, arguments: seen.append((event, arguments)))
for phase in Phase:
    for path in paths:
        decide(path, phase)
        is_write_allowed(path, phase)
policy = parse_policy('mode = "strict"')
asked = Situation(policy, {"001-home": FeatureState(Phase.PLAN)}, ("001-home",), ("docs",))
for path in map(str, paths):
    asked.judge(path), asked.may_hold(path), asked.is_transient(path)
quiet = {"object.__getattr__", "object.__setattr__", "compile", "exec", "import"}
print([event for event in seen if event[0] not in quiet])
"""


def test_deciding_does_nothing_an_audit_hook_could_see() -> None:
    run = subprocess.run([sys.executable, "-c", AUDITED], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"
