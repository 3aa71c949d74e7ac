"""This checkout as the architecture tests see it: its tracked files, packages and documents."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    directory.name: directory / "src" / directory.name.replace("-", "_")
    for directory in sorted((ROOT / "packages").iterdir())
    if (directory / "pyproject.toml").is_file()
}
"""Distribution name to the directory of its import package."""


def tracked() -> list[Path]:
    """Every file that git tracks or would track, absolute; works in an export without git too."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        hidden = (".venv", ".tools", ".git")
        return [path for path in ROOT.rglob("*") if path.is_file() and path.relative_to(ROOT).parts[0] not in hidden]
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def sources(package: str | None = None) -> list[Path]:
    """The Python sources of one package, or of all."""
    chosen = PACKAGES.values() if package is None else [PACKAGES[package]]
    return sorted(path for directory in chosen for path in directory.rglob("*.py"))


def documents() -> list[Path]:
    """Every tracked Markdown file."""
    return [path for path in tracked() if path.suffix == ".md"]


def metadata(package: str) -> dict[str, object]:
    """The `[project]` table of one package."""
    project: dict[str, object] = tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text())["project"]
    return project
