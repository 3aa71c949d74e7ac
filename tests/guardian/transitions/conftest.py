"""A repository of its own for every test here, and a home in which git sees nobody's configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from guardian.transitions.flow import Flow
from support.repositories import Repository


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture(name="flow")
def _flow(tmp_path: Path) -> Iterator[Flow]:
    flow = Flow(Repository(tmp_path / "work"))
    flow.begin()
    yield flow
    flow.stop_guardians()
