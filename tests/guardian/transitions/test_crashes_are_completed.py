"""Whatever ends a command between two of its steps: the next one completes it, and nothing is there twice."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guardian.transitions.flow import FEATURE, Flow
from kitty_guardian import workflow
from kitty_guardian.errors import TransitionRefusedError
from kitty_guardian.events.statusfile import agrees
from kitty_guardian.model.events import EventType
from support.repositories import Repository

_SCRIPT = Path(__file__).with_name("dying.py")
_ENOUGH = 60


def _dies(flow: Flow, at: int, *command: str) -> bool:
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, str(_SCRIPT), str(flow.root), str(at), *command],
        check=False, capture_output=True, text=True, timeout=100, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode in {0, 9}, done.stderr
    return done.returncode == 9


def _deaths(flow: Flow, scratch: Path, *command: str) -> Iterator[Flow]:
    """A copy of the repository for every step at which the command died."""
    for at in range(1, _ENOUGH):
        place = scratch / f"copy{at}"
        shutil.copytree(flow.root, place, symlinks=True)
        copy = Flow(Repository(place, init=False))
        try:
            if not _dies(copy, at, *command):
                assert at > 5
                return
            yield copy
        finally:
            copy.stop_guardians()
        shutil.rmtree(place)
    raise AssertionError("it never got to its end")


def _is_complete(flow: Flow) -> None:
    assert flow.is_whole()
    entries = Counter(
        (event.payload["phase"], event.payload.get("reopened", False))
        for event in flow.events()
        if event.event_type == EventType.PHASE_ENTERED and event.stream.startswith("feature-")
    )
    assert set(entries.values()) == {1}
    lines = [line["event_id"] for line in flow.log()]
    assert len(set(lines)) == len(lines)


def test_specify(flow: Flow, tmp_path: Path) -> None:
    for copy in _deaths(flow, tmp_path / "s", "specify", "Home guard"):
        with contextlib.suppress(TransitionRefusedError):  # "exists": only the very last step was missing, if any
            workflow.specify(copy.root, "Home guard", actor="ada")
        _is_complete(copy)
        assert (copy.folder / "spec.md").is_file()
        path = f"kitty-specs/{FEATURE}/meta.json"
        digest = hashlib.sha256((copy.root / path).read_bytes()).hexdigest()
        assert copy.board().feature(FEATURE).sanctions[path] == [digest]


@pytest.mark.parametrize(
    ("reached", "command", "made"),
    [("specify", "plan", ("plan.md",)), ("plan", "tasks", ("tasks.md", "tasks/WP01.md"))],
)
def test_a_phase(flow: Flow, tmp_path: Path, reached: str, command: str, made: tuple[str, ...]) -> None:
    flow.reach(reached)
    flow.write("spec.md", "# Spec\n\nIt guards the home by night.\n")
    flow.write("plan.md" if reached == "plan" else "notes.md", "# Plan\n\nWith one dog and two cats.\n")
    again: Callable[..., workflow.Outcome] = getattr(workflow, command)
    for copy in _deaths(flow, tmp_path / "s", command):
        assert again(copy.root, actor="ada").phase == command
        _is_complete(copy)
        assert all((copy.folder / name).is_file() for name in made)


def test_any_next_command_completes_it_too(flow: Flow, tmp_path: Path) -> None:
    flow.reach("specify")
    flow.write("spec.md", "# Spec\n\nIt guards the home by night.\n")
    for copy in _deaths(flow, tmp_path / "s", "plan"):
        with pytest.raises(TransitionRefusedError):
            workflow.tasks(copy.root, actor="ada")
        _is_complete(copy)
        entered = copy.board().feature(FEATURE).entered
        assert (copy.folder / "plan.md").is_file() == (entered == "plan")


def test_a_move(flow: Flow, tmp_path: Path) -> None:
    flow.work_in_main("WP01")
    flow.repository.write("src/new.py", "x = 1\n")
    flow.repository.commit("new")
    for copy in _deaths(flow, tmp_path / "s", "move", "WP01", "for_review"):
        assert copy.move("WP01", "for_review").lane == "for_review"
        _is_complete(copy)


def test_implement(flow: Flow, tmp_path: Path) -> None:
    flow.reach("tasks")
    flow.plan_packages("WP01", "WP02")
    for copy in _deaths(flow, tmp_path / "s", "implement", "WP01"):
        report = workflow.implement(copy.root, "WP01", actor="ada")
        assert report.outcome.lane == "in_progress"
        assert report.guardian.status.running
        assert report.guardian.status.phase == "implement"
        assert (Path(report.worktree) / "src/app.py").is_file()
        _is_complete(copy)
        log = (copy.folder / "status.events.jsonl").read_bytes()
        assert agrees((copy.folder / "status.json").read_bytes(), log)
