"""The paste-ready report of an internal error: versions, command and traceback, and nothing from the environment."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from spec_kitty_cli import environment

if TYPE_CHECKING:
    from collections.abc import Sequence

_PACKAGES = ("spec-kitty-cli", "kitty-guardian", "kitty-paths", "click", "attrs", "watchdog")


def write(error: BaseException, program: str, arguments: Sequence[str]) -> Path:
    """Write the report to a new file in the temporary directory, readable by its owner only, and give its path.

    Raises:
        OSError: The temporary directory cannot be written to.
    """
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", errors="backslashreplace", prefix="spec-kitty-report-", suffix=".md", delete=False
    ) as file:
        file.write(compose(error, program, arguments))
    return Path(file.name)


def print_to_stderr(error: BaseException, program: str, arguments: Sequence[str]) -> None:
    """Print the report where it can be copied from, for when no file can be written."""
    sys.stderr.write(compose(error, program, arguments))


def compose(error: BaseException, program: str, arguments: Sequence[str]) -> str:
    """The report's text, in Markdown; values of environment variables are replaced by their names."""
    lines = [
        f"### {program}: {type(error).__name__}",
        "",
        f"- command: `{program} {' '.join(arguments)}`",
        f"- python: {platform.python_version()} ({platform.python_implementation()}) on {platform.platform()}",
        *(f"- {name}: {_version(name)}" for name in _PACKAGES),
        "",
        "```",
        "".join(traceback.format_exception(error)).rstrip(),
        "```",
        "",
    ]
    return _without_environment("\n".join(lines))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _without_environment(text: str) -> str:
    # Secrets live in the environment and paths under it name people; the report goes to a public issue.
    for value, name in environment.telling_values().items():
        text = text.replace(value, f"${name}")
    return text
