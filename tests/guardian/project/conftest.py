from __future__ import annotations

from pathlib import Path

import pytest

from support.repositories import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """An empty repository in a directory of its own."""
    return Repository(tmp_path / "project")
