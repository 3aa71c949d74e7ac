"""Each contract of .importlinter, broken on purpose in a copy, is reported: a gate that cannot fail is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.checkout import PACKAGES, ROOT

BREACHES = {
    "paths import the guardian": ("kitty_paths/breach.py", "import kitty_guardian"),
    "the guardian imports the command line": ("kitty_guardian/errors.py", "import spec_kitty_cli"),
    "rules read a project": ("kitty_guardian/rules/breach.py", "import kitty_guardian.project"),
    "the model knows the rules": ("kitty_guardian/model/breach.py", "import kitty_guardian.rules"),
    "the commit rule knows the watcher": ("kitty_guardian/commits/breach.py", "import kitty_guardian.watch"),
    "rules import os": ("kitty_guardian/rules/breach.py", "import os"),
    "detection runs a process": ("kitty_guardian/detection/breach.py", "import subprocess"),
    "the model opens a database": ("kitty_guardian/model/breach.py", "import sqlite3"),
    "the guardian speaks to a terminal": ("kitty_guardian/watch/breach.py", "import click"),
    "paths speak to a terminal": ("kitty_paths/breach.py", "import rich"),
    "the guardian knows state at work": ("kitty_guardian/errors.py", "import kitty_sync"),
    "sync knows the command line": ("kitty_sync/errors.py", "import spec_kitty_cli"),
    "sync speaks to a terminal": ("kitty_sync/breach.py", "import click"),
    "files know who uses them": ("kitty_sync/storage/breach.py", "import kitty_sync.queue"),
    "a part of sync has no layer": ("kitty_sync/breach.py", ""),
    "a part of the guardian has no layer": ("kitty_guardian/breach.py", ""),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages' sources side by side, with the contracts."""
    place = tmp_path_factory.mktemp("copy")
    for directory in PACKAGES.values():
        shutil.copytree(directory, place / directory.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", place)
    return place


def lint(place: Path) -> subprocess.CompletedProcess[str]:
    """import-linter's verdict on the copy; PYTHONPATH puts it before the installed packages."""
    environment = {**os.environ, "PYTHONPATH": str(place)}
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def test_the_contracts_hold(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("where", "line"), BREACHES.values(), ids=BREACHES)
def test_a_breach_is_reported(copy: Path, where: str, line: str) -> None:
    module = copy / where
    before = module.read_text(encoding="utf-8") if module.exists() else None
    module.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
    try:
        done = lint(copy)
    finally:
        if before is None:
            module.unlink()
        else:
            module.write_text(before, encoding="utf-8")
    assert done.returncode == 1
    assert where.removesuffix(".py").replace("/", ".") in " ".join(done.stdout.split())


def test_commands_that_know_each_other_are_reported(copy: Path) -> None:
    commands = copy / "spec_kitty_cli" / "commands"
    (commands / "breach_one.py").write_text("import spec_kitty_cli.commands.breach_two\n", encoding="utf-8")
    (commands / "breach_two.py").touch()
    try:
        done = lint(copy)
    finally:
        (commands / "breach_one.py").unlink()
        (commands / "breach_two.py").unlink()
    assert done.returncode == 1
    assert "breach_one" in done.stdout
