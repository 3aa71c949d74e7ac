"""Many processes in several work trees at once: no move is lost, doubled or done on what somebody had not seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from guardian.transitions.flow import FEATURE, Flow
from kitty_guardian.events.board import Board
from kitty_guardian.model.events import EventType
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.transitions.performing import perform
from kitty_guardian.transitions.requests import Command, TransitionRequest

_SCRIPT = Path(__file__).with_name("agent.py")
_PROCESSES = 8
_PLACES = 4
_PACKAGES = 200
_SHARED = 20
"""Work packages that every process tries to move; the others are one process's each."""


@pytest.mark.serial
@pytest.mark.timeout(600)
def test_eight_processes_in_four_work_trees_move_two_hundred_work_packages(flow: Flow, tmp_path: Path) -> None:
    names = [f"WP{number:02}" for number in range(1, _PACKAGES + 1)]
    flow.reach("tasks")
    flow.plan_packages(*names)
    request = TransitionRequest(Command.IMPLEMENT, work_package="WP01", actor="ada", workspace=str(flow.root))
    with flow.store() as store:
        perform(find_worktree(flow.root), store, request)
    assert len(flow.board().feature(FEATURE).lanes()) == _PACKAGES
    flow.repository.commit("begun")
    places = [flow.root]
    places += [flow.repository.worktree(tmp_path / f"place{number}", f"b{number}").path for number in range(1, _PLACES)]

    environment = {**os.environ, "PYTHONPATH": ":".join(path for path in sys.path if path)}
    processes = []
    for number in range(_PROCESSES):
        own = names[_SHARED + number :: _PROCESSES]
        command = [
            sys.executable,
            str(_SCRIPT),
            str(places[number % _PLACES]),
            f"agent{number}",
            *names[1:_SHARED],
            *own,
        ]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
    said = [json.loads(process.communicate(timeout=500)[0]) for process in processes]

    assert all(process.returncode == 0 for process in processes)
    assert sum(len(each["moved"]) for each in said) == _PACKAGES - 1
    assert len({name for each in said for name in each["moved"]}) == _PACKAGES - 1
    events = flow.events()
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    versions: dict[str, int] = {}
    for event in events:
        assert event.version == versions.get(event.stream, -1) + 1
        versions[event.stream] = event.version
    claimed = [
        (event.payload["wp_id"], event.payload["actor"])
        for event in events
        if event.event_type == EventType.WP_STATUS_CHANGED and event.payload["to_lane"] == "claimed"
    ]
    assert len(claimed) == len(set(claimed)) == _PACKAGES
    assert {(name, agent) for agent, each in enumerate(said) for name in each["moved"]} == {
        (name, int(actor.removeprefix("agent"))) for name, actor in claimed if actor != "ada"
    }
    # Who came too late was told so, each time: as a conflict, or as a refusal that is on record.
    assert sum(each["conflicts"] + each["refused"] for each in said) == (_SHARED - 1) * (_PROCESSES - 1)
    assert len(flow.blocked()) == sum(each["refused"] for each in said)
    assert set(Board(events).feature(FEATURE).lanes().values()) == {"claimed", "in_progress"}
    assert flow.is_whole()
