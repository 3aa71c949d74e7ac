"""A repository whose first commit counts; no test sees anybody's git configuration."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.judging import LINES
from support.repositories import Repository


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture(name="base")
def _base(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "work")
    repository.write("src/app.py", LINES)
    repository.write("src/data.bin", bytes(range(256)))
    repository.write("notes.md", "notes\n")
    repository.commit("base")
    return repository
