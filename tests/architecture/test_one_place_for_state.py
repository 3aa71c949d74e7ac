"""FR-010: every location derives from one root, and one module per package looks at the environment."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.checkout import PACKAGES, ROOT, sources

STATE_NAMES = (".spec" + "-kitty", "SPEC_KITTY" + "_HOME")
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
HOME = {"home", "expanduser"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [p for name in PACKAGES if name != "kitty-paths" for p in sources(name)], ids=named)
def test_no_source_outside_kitty_paths_spells_where_state_lives(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    spelled = [
        f"{named(path)}:{number}: {line.strip()}"
        for number, line in enumerate(text.splitlines(), start=1)
        if any(name in line for name in STATE_NAMES)
    ]
    assert not spelled, "ask kitty_paths for the name or the path (FR-010)"


def looks_at_environment(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Uses of os.environ and its kin, and of Path.home and expanduser, however they were imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if node.attr in ENVIRONMENT and owner in {"os", "posix", "nt"}:
                yield node.lineno, f"{owner}.{node.attr}"
            if node.attr == "expanduser" or (node.attr == "home" and owner in {"Path", "pathlib.Path", "PosixPath"}):
                yield node.lineno, f"{owner}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module in {"os", "os.path", "posixpath", "ntpath"}:
            for alias in node.names:
                if alias.name in ENVIRONMENT | HOME:
                    yield node.lineno, f"from {node.module} import {alias.name}"


@pytest.mark.parametrize("path", [p for p in sources() if p.name != "environment.py"], ids=named)
def test_only_modules_named_environment_read_the_environment_or_ask_for_home(path: Path) -> None:
    found = list(looks_at_environment(ast.parse(path.read_text(encoding="utf-8"))))
    assert not found, f"{named(path)} must take it as a parameter, or ask its package's environment module"


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_has_at_most_one_environment_module(package: str) -> None:
    found = [named(path) for path in sources(package) if path.name == "environment.py"]
    assert found in ([], [named(PACKAGES[package] / "environment.py")])


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.environ['X']",
        "import os\nos.getenv('X')",
        "from os import environ",
        "from os.path import expanduser",
        "import pathlib\npathlib.Path.home()",
        "from pathlib import Path\nPath('~').expanduser()",
        "import os.path\nos.path.expanduser('~')",
    ],
)
def test_the_search_for_the_environment_finds_each_way_of_asking(code: str) -> None:
    assert list(looks_at_environment(ast.parse(code)))
