"""A home directory of its own for every test here: the guardian's git must see nobody's configuration."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.guarded import project
from support.repositories import Repository


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture(name="planned")
def _planned(tmp_path: Path) -> Repository:
    """A project whose feature is in plan phase, so that `src/` may not be written."""
    return project(tmp_path / "work")
