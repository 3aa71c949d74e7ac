"""A program for each test, far from the real home directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli.program import Program
from support.repositories import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def spec_kitty(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The programs, run in an empty directory that is no repository."""
    home, where = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    where.mkdir()
    return Program(home, where, tmp_path_factory.getbasetemp() / "bytecode")


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    """A committed project whose one feature, `001-cart`, is in plan phase; its branch binds the worktree to it."""
    repository = Repository(tmp_path / "shop")
    repository.git("checkout", "--quiet", "-b", "001-cart")
    repository.feature("001-cart", "plan")
    repository.write("src/app.py", "print('legal')\n")
    repository.write("src/cart.py", "TOTAL = 0\n")
    repository.commit()
    return repository


@pytest.fixture
def in_shop(spec_kitty: Program, shop: Repository) -> Iterator[Program]:
    """The programs, run in the shop; whatever a test does, its guardian is stopped afterwards."""
    spec_kitty.where = shop.path
    yield spec_kitty
    spec_kitty.where = shop.path
    spec_kitty("guardian", "stop")
