"""`kitty_paths.testing` keeps a test away from the developer's own state."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kitty_paths import AssetHome, InvalidStateRootError, StateRoot
from kitty_paths.testing import isolated_state_root

VARIABLES = ("HOME", "USERPROFILE", "LOCALAPPDATA", "SPEC_KITTY_HOME")


def test_the_fixture_gives_the_root_that_the_code_resolves(state_root: StateRoot, tmp_path: Path) -> None:
    assert StateRoot.resolve() == state_root
    assert AssetHome.resolve().base == state_root.base
    assert tmp_path not in state_root.base.parents
    assert not state_root.base.exists()


def test_every_variable_that_leads_to_state_points_into_the_directory(tmp_path: Path) -> None:
    with isolated_state_root(tmp_path) as root:
        assert root.base == tmp_path / "state"
        assert root.default_base is not None
        assert tmp_path in root.default_base.parents
        assert all(Path(os.environ[name]).is_relative_to(tmp_path) for name in VARIABLES)
        assert Path.home().is_dir()


def test_the_environment_is_put_back_also_after_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPEC_KITTY_HOME", "/mine")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    before = dict(os.environ)
    with pytest.raises(RuntimeError, match="boom"), isolated_state_root(tmp_path):
        raise RuntimeError("boom")
    assert dict(os.environ) == before


def test_a_child_process_is_isolated_as_well(tmp_path: Path) -> None:
    program = "from kitty_paths import StateRoot; print(StateRoot.resolve().sync.config)"
    with isolated_state_root(tmp_path):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path / "state" / "config.toml")


def test_a_relative_directory_is_refused_before_anything_changes() -> None:
    before = dict(os.environ)
    with pytest.raises(InvalidStateRootError), isolated_state_root("rel"):
        pytest.fail("not reached")
    assert dict(os.environ) == before
    assert not Path("rel").exists()


def test_without_pytest_the_context_manager_still_works(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['pytest'] = None\n"
        "from kitty_paths import testing\n"
        f"with testing.isolated_state_root({str(tmp_path)!r}) as root: print(root)\n"
        "assert not hasattr(testing, 'state_root')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path / "state")


def test_naming_the_plugin_twice_is_no_conflict(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["kitty_paths.testing"]\n', encoding="utf-8")
    (tmp_path / "test_it.py").write_text("def test_it(state_root): assert state_root.base\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
