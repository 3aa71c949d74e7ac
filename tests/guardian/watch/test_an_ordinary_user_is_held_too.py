"""Permissions mean nothing to root, so everything about them is tried as an ordinary user as well."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from guardian.watch.test_forbidden_writes_are_undone import ATTACKS
from kitty_guardian.watch import daemon, lifecycle
from kitty_guardian.watch.request import StartRequest
from support.guarded import FEATURE, legal_again, project, session, snapshot
from support.unprivileged import as_anyone, place_for_anyone

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def _read_only_folder(root: Path) -> None:
    (root / "src/locked").mkdir()
    (root / "src/locked/evil.py").write_text("evil\n")
    (root / "src/locked").chmod(0o555)


def _read_only_parent(root: Path) -> None:
    (root / "src/pkg/evil.py").write_text("evil\n")
    (root / "src/pkg").chmod(0o555)


def _nothing_allowed(root: Path) -> None:
    (root / "src/app.py").write_text("evil\n")
    (root / "src").chmod(0)


PERMISSION_ATTACKS = (_read_only_folder, _read_only_parent, _nothing_allowed)


def test_one_comparison_undoes_whatever_an_ordinary_user_did() -> None:
    with place_for_anyone() as place:

        def work() -> None:
            os.environ["HOME"] = str(place)
            for number, attack in enumerate((*ATTACKS, *PERMISSION_ATTACKS)):
                repository = project(place / f"work-{number}")
                before = snapshot(repository.path / "src")
                with session(repository) as opened:
                    attack(repository.path)
                    opened.guard.scan()
                    opened.guard.tick()
                    opened.guard.scan()
                    found = snapshot(repository.path / "src")
                    assert found == before, f"{attack.__name__}: {opened.status()['problems']}"
                shutil.rmtree(repository.path)

        with contextlib.ExitStack() as preloaded:  # what is imported lazily lies where only root may read
            preloaded.enter_context(session(project(place / "preload")))
        shutil.rmtree(place / "preload")
        shutil.rmtree(place / "preload.home")
        as_anyone(work)


def test_the_guardian_of_an_ordinary_user_undoes_what_that_user_does() -> None:
    with place_for_anyone() as place:

        def work() -> None:
            os.environ["HOME"] = str(place)
            repository = project(place / "work")
            before = snapshot(repository.path / "src")
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                os._exit(daemon.serve(repository.path, StartRequest(feature=FEATURE), lambda _: os.close(writing)))
            try:
                os.close(writing)
                os.read(reading, 1)  # ends when the guardian closes its end: it watches
                for attack in (*ATTACKS[:6], *PERMISSION_ATTACKS):
                    with contextlib.suppress(OSError):
                        attack(repository.path)
                    legal_again(repository.path / "src", before)
            finally:
                lifecycle.stop(repository.path)
                os.waitpid(pid, 0)

        with session(project(place / "preload")):
            pass
        shutil.rmtree(place / "preload")
        shutil.rmtree(place / "preload.home")
        as_anyone(work)
