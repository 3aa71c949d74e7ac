"""A program for each test, far from the real home directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli.program import Program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def spec_kitty(tmp_path: Path) -> Program:
    """The programs, run in an empty directory that is no repository."""
    home, where = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    where.mkdir()
    return Program(home, where)
