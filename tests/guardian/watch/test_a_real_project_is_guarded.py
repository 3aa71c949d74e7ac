"""Promise 1: a forbidden write is undone in the real v3.2.2 tree, its bytes are kept and brought back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kitty_guardian.model.phases import Phase
from kitty_guardian.project.features import read_features
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.project.trees import GitTree
from kitty_guardian.watch import lifecycle
from kitty_guardian.watch.entries import restore
from support.corpus import corpus
from support.guarded import bytes_of, eventually, legal_again, quarantined, snapshot
from support.repositories import Repository


@pytest.fixture(name="real")
def _real(tmp_path: Path) -> Iterator[Repository]:
    """The real specification tree with sources beside it, committed."""
    shutil.copytree(corpus("v3.2.2"), tmp_path / "real", symlinks=True)
    repository = Repository(tmp_path / "real")
    repository.write("src/specify_cli/app.py", "print('real')\n")
    repository.write("src/specify_cli/deep/er/module.py", "VALUE = 1\n")
    repository.commit("v3.2.2")
    yield repository
    lifecycle.stop(repository.path)


def _feature_in(repository: Repository, *phases: Phase) -> str:
    reports = read_features(GitTree(find_worktree(repository.path).git, repository.head()))
    assert len(reports) == 206
    return next(name for name, report in reports.items() if report.phase in phases and not report.finished)


def test_a_forbidden_write_in_the_real_tree_is_undone_kept_and_brought_back(real: Repository, tmp_path: Path) -> None:
    feature = _feature_in(real, Phase.PLAN, Phase.TASKS)
    before = snapshot(real.path / "src")

    report = lifecycle.start(real.path, feature=feature)
    assert report.status.healthy
    (real.path / "src/specify_cli/app.py").write_text("print('ahead of its phase')\n")
    real.write("src/specify_cli/new/evil.py", "print('new')\n")
    legal_again(real.path / "src", before)
    eventually(lambda: bool(quarantined(real, "src/specify_cli/app.py")), "an entry")

    (entry,) = quarantined(real, "src/specify_cli/app.py")
    assert bytes_of(real, entry) == b"print('ahead of its phase')\n"
    assert restore(real.path, entry.id, to=tmp_path / "mine.py").read_text() == "print('ahead of its phase')\n"


def test_the_logs_of_every_real_feature_are_held(real: Repository) -> None:
    feature = _feature_in(real, Phase.PLAN, Phase.TASKS)
    specs = real.path / "kitty-specs"
    logs = sorted(specs.glob("*/status.events.jsonl"))
    before = {log: log.read_bytes() for log in logs}

    lifecycle.start(real.path, feature=feature)
    for log in logs[::20]:
        with log.open("a") as file:
            file.write('{"forged": true}\n')

    eventually(lambda: {log: log.read_bytes() for log in logs} == before, "every log is as it was")
