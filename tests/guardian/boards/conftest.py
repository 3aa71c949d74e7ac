"""A project whose features were recorded, as their commits hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.recorded import record
from support.repositories import Repository

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    """Two recorded features, `001-cart` at work and `002-pay` in plan, and `main` checked out."""
    repository = Repository(tmp_path / "shop")
    repository.feature("001-cart", "implement", work_packages=("WP01", "WP02"), log=True)
    repository.feature("002-pay", "plan")
    repository.commit()
    record(repository)
    return repository
