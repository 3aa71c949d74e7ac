"""`transitions = "gated"`: upstream's tools write the next artifact or a line of the log, and that is judged."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.watch.session import Session
from support.guarded import FEATURE, Clock, eventually, guarded, project, quarantined, session
from support.repositories import Repository, transition

HERE = f"kitty-specs/{FEATURE}"
LOG = f"{HERE}/status.events.jsonl"
SPEC = "# Home guard\n\nThe house must never be left alone.\n"
PLAN = "# Plan\n\nTwo of us stay in, in turns.\n"


def upstreams(path: Path, phase: str, *, log: bool = False) -> Repository:
    """A project that upstream's own `init` made."""
    repository = project(path, "research")
    repository.feature(FEATURE, phase, log=log)  # type: ignore[arg-type]  # one of the phases
    repository.write(".kittify/metadata.yaml", "spec_kitty:\n  version: 3.2.5\n")
    repository.commit("made by upstream")
    return repository


@pytest.fixture(name="specified")
def _specified(tmp_path: Path) -> Repository:
    return upstreams(tmp_path / "work", "specify")


@pytest.fixture(name="logged")
def _logged(tmp_path: Path) -> Repository:
    repository = upstreams(tmp_path / "work", "tasks", log=True)
    repository.write("src/app.py", "print('legal')\n")
    return repository


def append(repository: Repository, *lines: str) -> None:
    with (repository.path / LOG).open("ab") as log:
        log.write("".join(f"{line}\n" for line in lines).encode())


def refusals(opened: Session) -> list[str]:
    events = opened.standings.store.read_all()
    return [event.payload["gate"] for event in events if event.event_type == "PhaseTransitionBlocked"]


CLAIM = transition("WP01", "claimed", number=7, from_lane="planned", actor="claude")
START = transition("WP01", "in_progress", number=8, from_lane="claimed", actor="claude")


def test_writing_the_plan_asks_for_plan_and_gets_it_if_the_specification_is_written(specified: Repository) -> None:
    specified.write(f"{HERE}/spec.md", SPEC)
    specified.commit("specified")
    with session(specified) as opened:
        specified.write(f"{HERE}/plan.md", PLAN)
        opened.guard.scan()

        assert opened.phase_of(FEATURE) is Phase.PLAN
        assert (specified.path / f"{HERE}/plan.md").read_text() == PLAN
        assert refusals(opened) == []


def test_writing_the_plan_before_the_specification_is_undone_and_the_refusal_is_recorded(tmp_path: Path) -> None:
    specified = upstreams(tmp_path / "work", "research")
    specified.write(f"{HERE}/spec.md", "# Specification\n")
    specified.commit("a heading is no specification")
    with session(specified) as opened:
        assert opened.phase_of(FEATURE) is Phase.SPECIFY
        specified.write(f"{HERE}/plan.md", PLAN)
        opened.guard.scan()

        assert opened.phase_of(FEATURE) is Phase.SPECIFY
        assert not (specified.path / f"{HERE}/plan.md").exists()
        assert len(quarantined(specified, f"{HERE}/plan.md")) == 1
        assert refusals(opened) == ["gate:spec.md"]


def test_no_phase_is_skipped(specified: Repository) -> None:
    with session(specified) as opened:
        specified.write(f"{HERE}/tasks/WP01-part.md", "# WP01\n")
        specified.write("src/app.py", "print('ahead')\n")
        opened.guard.scan()

        assert opened.phase_of(FEATURE) is Phase.SPECIFY
        assert not (specified.path / f"{HERE}/tasks").exists()


def test_a_storm_of_requests_is_no_storm_of_judgements(specified: Repository) -> None:
    specified.write(f"{HERE}/spec.md", "# Specification\n")
    with session(specified, clock=Clock()) as opened:
        for _ in range(5):
            specified.write(f"{HERE}/plan.md", PLAN)
            opened.guard.scan()

        assert refusals(opened) == ["gate:spec.md"]


def test_the_policy_may_say_that_only_commands_move_phases(specified: Repository) -> None:
    specified.write(".kittify/guardian.toml", 'transitions = "explicit"\n')
    specified.commit("by command")
    with session(specified) as opened:
        specified.write(f"{HERE}/plan.md", PLAN)
        opened.guard.scan()

        assert opened.phase_of(FEATURE) is Phase.SPECIFY
        assert not (specified.path / f"{HERE}/plan.md").exists()


def test_metadata_that_is_committed_later_changes_no_rule(tmp_path: Path) -> None:
    ours = project(tmp_path / "work", "specify")
    with session(ours) as opened:
        ours.write(".kittify/metadata.yaml", "spec_kitty:\n  version: 3.2.5\n")
        ours.commit("now it is upstream's")
        opened.guard.follow_head()
        ours.write(f"{HERE}/plan.md", PLAN)
        opened.guard.scan()

        assert opened.phase_of(FEATURE) is Phase.SPECIFY
        assert not (ours.path / f"{HERE}/plan.md").exists()


def test_legal_lines_of_another_tool_move_lanes_and_stand(logged: Repository) -> None:
    with session(logged) as opened:
        append(logged, CLAIM, START)
        written = (logged.path / LOG).read_bytes()
        opened.guard.scan()
        logged.write("src/app.py", "print('work')\n")
        opened.guard.scan()

        assert (logged.path / LOG).read_bytes() == written
        assert opened.standings.board.feature(FEATURE).lanes() == {"WP01": Lane.IN_PROGRESS}
        assert (logged.path / "src/app.py").read_text() == "print('work')\n"
        assert not quarantined(logged, LOG)


@pytest.mark.parametrize(
    "line",
    [
        transition("WP01", "done", number=7, from_lane="planned", actor="claude"),
        transition("WP01", "in_progress", number=7, from_lane="claimed", actor="claude"),
        transition("WP01", "claimed", number=7, from_lane="planned", actor=""),
        transition("WP01", "done", number=7, from_lane="planned", actor="claude", force=True, reason="I say so"),
        transition("WP01", "sideways", number=7, from_lane="planned", actor="claude"),
        "{}",
        "not json",
    ],
    ids=["no edge", "another lane", "nobody", "forced", "no lane", "nothing", "no JSON"],
)
def test_lines_that_no_rule_allows_are_undone_and_the_refusal_is_recorded(logged: Repository, line: str) -> None:
    with session(logged) as opened:
        before = (logged.path / LOG).read_bytes()
        append(logged, line)
        opened.guard.scan()

        assert (logged.path / LOG).read_bytes() == before
        assert opened.standings.board.feature(FEATURE).lanes() == {"WP01": Lane.PLANNED}
        assert len(refusals(opened)) == 1


def test_a_line_that_is_still_being_written_is_waited_for(logged: Repository) -> None:
    with guarded(logged):
        with (logged.path / LOG).open("ab", buffering=0) as log:
            log.write(CLAIM.encode()[:60])
            time.sleep(0.2)
            log.write(CLAIM.encode()[60:] + b"\n")

        def is_claimed() -> bool:
            status = logged.path / ".git/spec-kitty/events.db"
            from kitty_guardian.events.sqlite import SqliteEventStore

            with SqliteEventStore(status, read_only=True) as store:
                return store.board().feature(FEATURE).lanes() == {"WP01": Lane.CLAIMED}

        eventually(is_claimed, "the line was judged when it was whole")
        assert json.loads((logged.path / LOG).read_text().splitlines()[-1])["to_lane"] == "claimed"


def test_a_line_that_stays_cut_off_is_undone(logged: Repository) -> None:
    with guarded(logged):
        before = (logged.path / LOG).read_bytes()
        with (logged.path / LOG).open("ab") as log:
            log.write(CLAIM.encode()[:60])
        eventually(lambda: (logged.path / LOG).read_bytes() == before, "the log is as it was")
