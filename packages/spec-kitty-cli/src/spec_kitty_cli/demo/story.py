"""The acts of the demonstration: every line with a sign is a claim, and each is checked against the bytes on disk."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from kitty_guardian import judgement, workflow
from kitty_guardian.errors import TransitionRefusedError
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.verification import verify
from kitty_guardian.model.events import EventType
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch import entries as quarantine
from kitty_guardian.watch import lifecycle
from spec_kitty_cli.console import bad, good, quiet, strong
from spec_kitty_cli.demo.stage import APP, CART, FEATURE, LOG, PLAN

if TYPE_CHECKING:
    from collections.abc import Callable

    from kitty_guardian.watch.entries import Entry
    from spec_kitty_cli.console import Console
    from spec_kitty_cli.demo.stage import Stage

_NEW = "src/evil/deep/new.py"
_NEW_TOP = "src/evil"
_FORBIDDEN = b"print('skipping the plan, shipping now')\n"
_ALSO_FORBIDDEN = b"print('nobody will look in here')\n"
_PLANNED = b"# Plan\n\n1. Prices are whole cents.\n2. The total is shown before paying.\n"
_NOTE = f"kitty-specs/{FEATURE}/tasks/notes.md"
_TASKED = b"# Notes\n\nPrices first, then the total.\n"
_FORGED = (
    b'{"actor": "agent", "at": "2026-01-01T10:00:00+00:00", "event_id": "01KDVDH3Z0000000000000000", '
    b'"evidence": null, "execution_mode": "worktree", "force": false, "from_lane": "claimed", "reason": null, '
    b'"review_ref": null, "to_lane": "in_progress", "wp_id": "WP01"}\n'
)
# What the guardian does after a revert (the record of it) may take a moment longer than the revert.
_PATIENCE_SECONDS = 3.0


class Story:
    """Tells what happens, does it, and counts which claims held.

    Args:
        console: Where it is told.
        stage: Where it happens.
    """

    def __init__(self, console: Console, stage: Stage) -> None:
        self._console = console
        self._stage = stage
        self._number = 0
        self.held: list[str] = []
        self.failed: list[str] = []

    def tell(self) -> None:
        """Play every act in order."""
        self._begins()
        self._what_is_allowed_stands()
        self._a_write_is_undone()
        self._a_new_file_is_gone()
        self._a_deleted_file_is_back()
        self._nothing_is_lost()
        self._it_says_why()
        self._a_forged_lane_moves_nothing()
        self._a_command_moves_the_phase()
        self._a_refused_one_moves_nothing()
        self._it_is_all_on_record()
        self._ends()

    def _begins(self) -> None:
        began = time.monotonic()
        report = lifecycle.start(self._stage.project, feature=FEATURE, every=False, accept_current=None)
        status = report.status
        self._act("spec-kitty guardian start", f"{FEATURE} is in plan phase")
        self._claim(
            status.running and status.phase == "plan" and status.protected_files > 0,
            f"a daemon now holds {status.protected_files} files",
            f"{(time.monotonic() - began) * 1000:.0f} ms",
        )

    def _what_is_allowed_stands(self) -> None:
        self._act(f"the agent edits {PLAN}", "open in plan phase")
        # Looked at again at the end: what follows is undone, so by then this one was judged, too.
        self._stage.agent("write", PLAN, _PLANNED, patience=0)
        self._claim(self._stage.bytes_of(PLAN) == _PLANNED, "stands")

    def _a_write_is_undone(self) -> None:
        before = self._stage.bytes_of(APP)
        self._act(f"the agent overwrites {APP}", "source is for implement phase")
        took = self._stage.agent("write", APP, _FORBIDDEN)
        self._claim(self._stage.bytes_of(APP) == before, f"undone {_after(took)}, byte for byte")

    def _a_new_file_is_gone(self) -> None:
        self._act(f"the agent creates {_NEW}", "in folders that did not exist")
        took = self._stage.agent("write", _NEW, _ALSO_FORBIDDEN, top=_NEW_TOP)
        self._claim(not self._stage.exists(_NEW_TOP), f"gone {_after(took)}, folders and all")

    def _a_deleted_file_is_back(self) -> None:
        before = self._stage.bytes_of(CART)
        self._act(f"the agent deletes {CART}", "not writing is a write, too")
        took = self._stage.agent("delete", CART)
        self._claim(self._stage.bytes_of(CART) == before, f"back {_after(took)}, byte for byte")

    def _nothing_is_lost(self) -> None:
        self._act("spec-kitty guardian quarantine list", "what was undone is kept")
        entries = _eventually(self._entries, lambda found: {APP, _NEW_TOP} <= {_top(entry) for entry in found})
        for entry in entries:
            self._console.show(f"     {quiet(entry.id)}  {entry.path}")
        for name, top, data in ((APP, APP, _FORBIDDEN), (_NEW, _NEW_TOP, _ALSO_FORBIDDEN)):
            place = self._stage.beside(f"rescued-{Path(name).name}")
            self._act(f"spec-kitty guardian quarantine restore ID --to ../{place.name}")
            self._bring_back([entry for entry in entries if _top(entry) == top], place)
            self._claim(_holds(place, data), f"all {len(data)} bytes the agent wrote are back", "outside the project")

    def _bring_back(self, entries: list[Entry], place: Path) -> None:
        for entry in entries[-1:]:
            quarantine.restore(self._stage.project, entry.id, to=place)

    def _it_says_why(self) -> None:
        self._act(f"spec-kitty guardian explain {APP}")
        explained = judgement.explain(self._stage.project, APP)
        self._console.show(f"     {explained.decision.reason}")
        self._claim(not explained.decision.allowed, f"denied by rule {explained.decision.rule}")
        self._claim(self._stage.bytes_of(PLAN) == _PLANNED, f"{PLAN} still holds the agent's edit")

    def _a_forged_lane_moves_nothing(self) -> None:
        self._act("the agent forges a line of the status log", "phases move by command")
        took = self._stage.agent("write", LOG, _FORGED)
        self._claim(not self._stage.exists(LOG) and self._phase() == "plan", f"gone {_after(took)}; still plan phase")

    def _a_command_moves_the_phase(self) -> None:
        self._act("spec-kitty tasks", "plan.md is written, so its gate is open")
        workflow.tasks(self._stage.project, feature=FEATURE)
        self._stage.agent("write", _NOTE, _TASKED, patience=0)
        self._claim(self._phase() == "tasks", "tasks phase, for every guardian of the repository")

    def _a_refused_one_moves_nothing(self) -> None:
        self._act("spec-kitty implement WP01", "nobody has said yet what WP01 is")
        gate = ""
        try:
            workflow.implement(self._stage.project, "WP01", feature=FEATURE)
        except TransitionRefusedError as refused:
            gate = refused.gate
        self._claim(gate != "" and self._phase() == "tasks", f"refused by {gate or 'nobody'}; still tasks phase")

    def _it_is_all_on_record(self) -> None:
        self._act("spec-kitty events verify")
        with SqliteEventStore(Path(find_worktree(self._stage.project).state.events), read_only=True) as store:
            report = verify(store)
            refused = sum(event.event_type == EventType.PHASE_BLOCKED for event in store.read_all())
        self._claim(report.ok, f"{report.events} events, every hash and every move", f"head {report.head[:12]}")
        self._claim(refused == 1, "the refusal is one of them")
        self._claim(self._stage.bytes_of(_NOTE) == _TASKED, f"{_NOTE} stands", "open in tasks phase")

    def _phase(self) -> str | None:
        return lifecycle.status(self._stage.project).phase

    def _ends(self) -> None:
        self._act("spec-kitty guardian stop")
        lifecycle.stop(self._stage.project, reason="the demonstration is over")
        self._claim(not lifecycle.status(self._stage.project).running, "nothing runs, nothing watches")
        self._stage.agent("write", APP, _FORBIDDEN, patience=0)
        self._claim(
            self._stage.bytes_of(APP) == _FORBIDDEN, "now the same write stands: it was the guardian that undid it"
        )

    def _entries(self) -> list[Entry]:
        return list(quarantine.list_entries(self._stage.project))

    def _act(self, what: str, why: str = "") -> None:
        self._number += 1
        self._console.show(f"\n{self._number:>2}  {strong(what)}" + (f"  {quiet(why)}" if why else ""))

    def _claim(self, holds: bool, text: str, detail: str = "") -> None:
        (self.held if holds else self.failed).append(text)
        sign = good("✓") if holds else bad("✗ not true:")
        self._console.show(f"    {sign} {text}" + (f"  {quiet(detail)}" if detail else ""))


def _after(took: float | None) -> str:
    return "some time" if took is None else f"after {strong(f'{took:.1f} ms')}"


def _top(entry: Entry) -> str:
    # What was made in a new folder is taken with the folder, or piece by piece: either is its top here.
    return _NEW_TOP if entry.path == _NEW_TOP or entry.path.startswith(f"{_NEW_TOP}/") else entry.path


def _holds(place: Path, data: bytes) -> bool:
    files = place.rglob("*") if place.is_dir() else [place]
    return any(file.is_file() and file.read_bytes() == data for file in files)


def _eventually(look: Callable[[], list[Entry]], is_enough: Callable[[list[Entry]], bool]) -> list[Entry]:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    found = look()
    while not is_enough(found) and time.monotonic() < deadline:
        time.sleep(0.02)
        found = look()
    return found
