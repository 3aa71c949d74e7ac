"""The five real trees of older releases, read from beside the project where they are present."""

from __future__ import annotations

import atexit
import functools
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Literal

import pytest

Release = Literal["v0.9.4", "v0.16.2", "v2.1.0", "v3.1.0", "v3.2.2"]

_DIRECTORY = Path(__file__).resolve().parents[3] / "shared" / "corpus"


def corpus(release: Release) -> Path:
    """A directory that holds `kitty-specs/` of this release; unpacked once per process, to be read only.

    Skips the test, with the reason, where the trees are absent.
    """
    archive = _DIRECTORY / f"{release}.tar.xz"
    if not archive.is_file():
        pytest.skip(f"the real tree {archive} is not on this machine")
    return _unpacked(archive)


@functools.cache
def _unpacked(archive: Path) -> Path:
    place = Path(tempfile.mkdtemp(prefix=f"corpus-{archive.name.removesuffix('.tar.xz')}-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    with tarfile.open(archive) as tar:
        tar.extractall(place, filter="data")
    return place
