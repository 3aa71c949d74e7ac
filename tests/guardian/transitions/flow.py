"""A project that goes through the workflow, with real git and a real store."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from kitty_guardian import workflow
from kitty_guardian.errors import GuardianError
from kitty_guardian.events.board import Board
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.verification import verify
from kitty_guardian.model.events import Event, EventType
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.transitions.checkouts import checkouts
from kitty_guardian.transitions.performing import perform
from kitty_guardian.transitions.requests import Command, TransitionRequest
from kitty_guardian.watch import lifecycle
from kitty_guardian.workflow import Outcome
from support.repositories import Repository, work_package_text

FEATURE = "001-home-guard"


@attrs.frozen
class Flow:
    """What a person does in one repository."""

    repository: Repository

    @property
    def root(self) -> Path:
        return self.repository.path

    @property
    def folder(self) -> Path:
        return self.root / "kitty-specs" / FEATURE

    def begin(self, *, code: bool = True) -> None:
        """A repository that `init` made a project."""
        if code:
            self.repository.write("src/app.py", "print('legal')\n")
        self.repository.write("README.md", "# Home\n")
        self.repository.commit("code")
        workflow.init(self.root)
        self.repository.commit("a project")

    def reach(self, phase: str) -> None:
        """Go up to `phase` (specify, plan or tasks), each gate opened by content."""
        workflow.specify(self.root, "Home guard", actor="ada")
        if phase == "specify":
            return
        self.write("spec.md", "# Spec\n\nIt guards the home by night.\n")
        workflow.plan(self.root, actor="ada")
        if phase == "plan":
            return
        self.write("plan.md", "# Plan\n\nWith one dog and two cats.\n")
        workflow.tasks(self.root, actor="ada")

    def plan_packages(self, *names: str, depends: dict[str, str] | None = None, body: str = "") -> None:
        """Write work packages and commit everything."""
        (self.folder / "tasks" / "WP01.md").unlink(missing_ok=True)
        for name in names:
            text = work_package_text(name)
            on = (depends or {}).get(name, "")
            self.write(f"tasks/{name}-part.md", text.replace("dependencies: []", f"dependencies: [{on}]") + body)
        self.repository.commit("the plan")

    def work_in_main(self, *names: str, depends: dict[str, str] | None = None, body: str = "") -> None:
        """The first of some work packages in progress in the main work tree: no guardian, no further work tree."""
        self.reach("tasks")
        self.plan_packages(*names, depends=depends, body=body)
        request = TransitionRequest(Command.IMPLEMENT, work_package=names[0], actor="ada", workspace=str(self.root))
        with self.store() as store:
            perform(find_worktree(self.root), store, request)

    def write(self, name: str, text: str) -> Path:
        """A file of the feature."""
        return self.repository.write(f"kitty-specs/{FEATURE}/{name}", text)

    @contextlib.contextmanager
    def store(self) -> Iterator[SqliteEventStore]:
        """The repository's store."""
        with SqliteEventStore(Path(find_worktree(self.root).state.events)) as store:
            yield store

    def events(self) -> list[Event]:
        """Everything that was recorded, in order."""
        with self.store() as store:
            return list(store.read_all())

    def board(self) -> Board:
        """What that adds up to."""
        return Board(self.events())

    def blocked(self) -> list[dict[str, Any]]:
        """What was refused, in order."""
        return [dict(event.payload) for event in self.events() if event.event_type == EventType.PHASE_BLOCKED]

    def lane(self, name: str) -> str | None:
        """The lane of a work package."""
        package = self.board().feature(FEATURE).work_packages.get(name)
        return None if package is None or package.lane is None else str(package.lane)

    def log(self) -> list[dict[str, Any]]:
        """The lines of the status log."""
        place = self.folder / "status.events.jsonl"
        return [json.loads(line) for line in place.read_text().splitlines()] if place.exists() else []

    def is_whole(self) -> bool:
        """Whether the chain holds, and the log has a line for every event that asks for one, once."""
        with self.store() as store:
            assert verify(store).ok
        own = [event_id for standing in self.board().features.values() for event_id in standing.own]
        return sorted(line["event_id"] for line in self.log()) == sorted(own)

    def move(self, name: str, lane: str, **options: Any) -> Outcome:  # noqa: ANN401 - options of the command
        """`wp move` by ada."""
        return workflow.move(self.root, name, lane, **{"actor": "ada", **options})

    def stop_guardians(self) -> None:
        """Leave no process behind."""
        for each in checkouts(find_worktree(self.root)):
            with contextlib.suppress(GuardianError):
                lifecycle.stop(each.root)
