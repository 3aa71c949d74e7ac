"""Where a project's sources and tests lie, guessed from the files it holds; a person confirms by committing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

_SOURCES: Final = ("src", "lib", "app", "cmd", "internal", "pkg", "Sources", "backend", "frontend", "server", "client")
_TESTS: Final = ("tests", "test", "__tests__", "spec", "e2e", "Tests")
_GROUPS: Final = ("packages", "apps", "crates", "libs", "services", "modules", "plugins", "components", "projects")
"""Folders that hold one package each, with sources and tests of its own."""
_OTHERS: Final = frozenset(
    {"kitty-specs", "docs", "doc", "node_modules", "vendor", "third_party", "build", "dist", "scripts", "examples"}
)
_CODE: Final = re.compile(
    r"\.(?:py|pyi|rs|go|js|mjs|cjs|jsx|ts|tsx|rb|java|kt|scala|c|h|cc|cpp|hpp|cs|swift|php|ex|exs|clj|hs|ml|lua|dart|vue|"
    r"svelte|sh|pl|r|jl|zig)\Z",
    re.IGNORECASE,
)
_ONLY_AT_TOP: Final = frozenset({"setup.py", "conftest.py", "noxfile.py", "build.rs", "gulpfile.js"})


@attrs.frozen
class Root:
    """A source or test root and how many files it holds.

    Attributes:
        pattern: As in the policy.
        files: How many of the project's files lie there.
    """

    pattern: str
    files: int


def proposed(paths: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Patterns of source roots and of test roots, for the files of a project.

    Args:
        paths: Relative to its top, tracked or not ignored.

    Returns:
        Both not empty: `src/` and `tests/` where nothing suggests others.
    """
    files = [path for path in paths if not path.startswith(".") and path.partition("/")[0] not in _OTHERS]
    tops = Counter(path.partition("/")[0] for path in files if "/" in path)
    sources = [f"{name}/" for name in _SOURCES if _has_code(files, f"{name}/")]
    tests = [f"{name}/" for name in _TESTS if tops[name]]
    if "spec/" in tests and not any(path.endswith("_spec.rb") for path in files):
        tests.remove("spec/")
    for group in _GROUPS:
        members = [path.split("/", 3) for path in files if path.startswith(f"{group}/") and path.count("/") > 1]
        inside = {parts[2] for parts in members if len(parts) > 3}  # noqa: PLR2004 - group, package, folder, rest
        found = [f"{group}/*/{name}/" for name in _SOURCES if name in inside]
        if not found and any(_CODE.search(parts[-1]) for parts in members):
            found = [f"{group}/"]
        sources += found
        tests += [f"{group}/*/{name}/" for name in _TESTS if name in inside and f"{group}/" not in found]
    taken = {pattern.partition("/")[0] for pattern in (*sources, *tests)}
    packages = {path.split("/")[0] for path in files if path.count("/") == 1 and path.endswith("/__init__.py")}
    sources += [f"{name}/" for name in sorted(packages - taken - set(_TESTS))]
    if not sources:
        sources = _code_anywhere(files)
    return tuple(sources) or ("src/",), tuple(tests) or ("tests/",)


def counted(patterns: Iterable[str], paths: Sequence[str]) -> tuple[Root, ...]:
    """How many of the paths lie in each root."""
    found: list[Root] = []
    for pattern in patterns:
        matches = re.compile(_expression(pattern)).match
        found.append(Root(pattern, sum(matches(path) is not None for path in paths)))
    return tuple(found)


def _has_code(files: Sequence[str], folder: str) -> bool:
    return any(path.startswith(folder) for path in files)


def _code_anywhere(files: Sequence[str]) -> list[str]:
    """Folders with code in them, and code beside them: for projects that keep to no custom."""
    folders = {path.partition("/")[0] for path in files if "/" in path and _CODE.search(path)} - set(_TESTS)
    loose = {path for path in files if "/" not in path and _CODE.search(path)} - _ONLY_AT_TOP
    endings = {f"*.{path.rpartition('.')[2]}" for path in loose}
    return [*(f"{name}/" for name in sorted(folders)), *sorted(endings)]


def _expression(pattern: str) -> str:
    parts = [part for part in pattern.strip("/").split("/") if part]
    words = ["(?:[^/]+/)*[^/]+" if part == "**" else re.escape(part).replace(r"\*", "[^/]*") for part in parts]
    return "/".join(words) + r"(?:/|\Z)"
