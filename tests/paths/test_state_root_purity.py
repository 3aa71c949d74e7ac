"""Resolving is pure (NFR-002): watched from inside by an audit hook, and from outside by strace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOUCH_EVERYTHING = """
def touch(**given):
    for platform in ("linux", "darwin", "win32"):
        root = StateRoot.resolve(platform=platform, **given)
        AssetHome.resolve(platform=platform, **given)
        root.surfaces(), root.child("sync.config"), hash(root), str(root), repr(root), root.default_base
        root.queues.scoped(QueueScope("https://kitty.example", "ada", "t")), root.tracker.store(TrackerScope("a", "b"))
        for surface in root.surfaces():
            str(surface), surface.mode, surface.kind, surface.secret, hash(surface), surface.__fspath__()
        for group in (root.sync, root.queues, root.auth, root.daemon, root.tracker, root.guardian):
            [getattr(group, name) for name in dir(group) if not name.startswith("_")]
    StateRoot.at("/marker/at").surfaces()
    RepositoryState.at("/marker/git", "/marker/git").surfaces()
    try:
        StateRoot.resolve({"SPEC_KITTY_HOME": "rel"})
    except InvalidStateRootError:
        pass
"""
IMPORTS = (
    "import sys\n"
    "from kitty_paths import (AssetHome, InvalidStateRootError, QueueScope, RepositoryState, StateRoot, TrackerScope)\n"
)


def run(program: str, *prefix: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it unmeasured: coverage loads modules and looks around in the home directory."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")} | variables
    return subprocess.run(
        [*prefix, sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environ
    )


@pytest.mark.parametrize("set_variable", [True, False])
def test_touching_every_child_raises_no_audit_event(tmp_path: Path, *, set_variable: bool) -> None:
    program = (
        IMPORTS
        + TOUCH_EVERYTHING
        + """
events = []
armed = True
sys.addaudithook(lambda event, args: events.append((event, args)) if armed else None)
touch()
touch(environ={"HOME": "/marker/home", "USERPROFILE": "C:/marker/home"})
armed = False
# Asking an object's id (repr does) and reading an attribute by name touch nothing outside the process.
seen = [event for event in events if event[0] not in {"builtins.id", "object.__getattr__"}]
assert not seen, seen
print("pure")
"""
    )
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "LOCALAPPDATA": ""}
    done = run(program, SPEC_KITTY_HOME=str(tmp_path / "sk") if set_variable else "", **home)
    assert done.stdout == "pure\n", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_system_call_names_the_root(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed; the audit hook test covers what Python itself does")
    trace = tmp_path / "trace"
    marker = tmp_path / "watched-home"
    done = run(
        IMPORTS + TOUCH_EVERYTHING + "touch()\n",
        *(strace, "-f", "-qq", "-e", "trace=file", "-o", str(trace)),
        HOME=str(marker),
        USERPROFILE=str(marker),
        SPEC_KITTY_HOME=str(marker / "sk"),
        LOCALAPPDATA="",
        PYTHONNOUSERSITE="1",  # or Python itself looks for packages in the home directory
    )
    if done.returncode != 0 and "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    # The first line is execve itself, whose environment strace counts and does not print.
    calls = trace.read_text(encoding="utf-8", errors="replace")
    assert "execve" in calls
    assert "watched-home" not in calls
    assert "/marker" not in calls
    assert not marker.exists()


def test_the_package_is_importable_alone() -> None:
    program = (
        "import kitty_paths, sys\n"
        "others = {'click', 'platformdirs', 'kitty_guardian', 'spec_kitty_cli', 'pytest', 'hashlib', 'subprocess'}\n"
        "print(sorted(others & set(sys.modules)))"
    )
    assert run(program).stdout == "[]\n"


def test_a_posix_default_does_not_load_platformdirs() -> None:
    program = (
        "import sys; from kitty_paths import StateRoot\n"
        "StateRoot.resolve({}, platform='linux', home='/h'), StateRoot.resolve({}, platform='win32', home='C:/h')\n"
        "print('platformdirs' in sys.modules)"
    )
    assert run(program).stdout == "False\n"


def test_importing_resolves_nothing() -> None:
    # A value that would be refused shows it.
    assert run("import kitty_paths; print('ok')", SPEC_KITTY_HOME="relative", HOME="").stdout == "ok\n"
