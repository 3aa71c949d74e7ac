"""A step that closes paths takes what was found clean for legal; what is written or committed after it is too late."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.transitions.performing import perform
from kitty_guardian.transitions.requests import TransitionRequest
from kitty_guardian.watch.request import StartRequest
from kitty_guardian.watch.session import Session
from support.guarded import FEATURE, committed_beside, project, quarantined, session, snapshot
from support.repositories import Repository, transition, work_package_text

HERE = f"kitty-specs/{FEATURE}"
LOG = f"{HERE}/status.events.jsonl"
EVIL = "print('nobody reviewed this')\n"


@pytest.fixture(name="main")
def _main(tmp_path: Path) -> Repository:
    """A project with two planned work packages."""
    repository = project(tmp_path / "work", "plan")
    repository.feature(FEATURE, "tasks", work_packages=("WP01", "WP02"), log=True)
    repository.commit("tasks are written")
    return repository


@pytest.fixture(name="own")
def _own(main: Repository) -> Repository:
    """The work tree of WP01, which was implemented and committed there."""
    own = main.worktree(main.path / f".worktrees/{FEATURE}-WP01", f"{FEATURE}-WP01")
    with session(main), session(own, request=StartRequest()) as opened:
        do(main, "implement", work_package="WP01", workspace=str(own.path))
        opened.tick()
        own.write("src/new.py", "print('work')\n")
        own.commit("work")
        opened.guard.follow_head()
    return own


def do(repository: Repository, command: str, **asked: object) -> None:
    """A transition, as a command does it where no guardian runs."""
    worktree = find_worktree(repository.path)
    with SqliteEventStore(store_of(worktree)) as store:
        wire = {"command": command, "feature": FEATURE, "actor": "ada", **asked}
        perform(worktree, store, TransitionRequest.from_wire(wire))


def store_of(worktree: Worktree) -> Path:
    return Path(worktree.state.events)


def hand_in(own: Repository) -> None:
    do(own, "move", work_package="WP01", to="for_review")


@contextmanager
def late(own: Repository) -> Iterator[Session]:
    """A guardian that learns of what happens in the block only afterwards."""
    with session(own, request=StartRequest()) as opened:
        yield opened


def test_what_is_written_before_the_guardian_learns_of_it_is_undone(own: Repository) -> None:
    with late(own) as opened:
        before = snapshot(own.path / "src")
        hand_in(own)
        own.write("src/new.py", EVIL)
        own.write("src/evil.py", EVIL)
        (own.path / "src/app.py").unlink()
        opened.tick()

        assert opened.phase_of(FEATURE) is Phase.REVIEW
        assert snapshot(own.path / "src") == before
        assert len(quarantined(own, "src/new.py")) == len(quarantined(own, "src/evil.py")) == 1


def test_what_is_written_while_nobody_watches_is_undone_at_the_next_start(own: Repository) -> None:
    before = snapshot(own.path / "src")
    hand_in(own)
    own.write("src/new.py", EVIL)
    own.write("src/evil.py", EVIL)
    with session(own, request=StartRequest()) as opened:
        assert opened.phase_of(FEATURE) is Phase.REVIEW
        assert snapshot(own.path / "src") == before
        assert {entry.path for entry in quarantined(own, "src/evil.py")} == {"src/evil.py"}


def test_what_is_committed_before_the_guardian_learns_of_it_does_not_count(own: Repository) -> None:
    with late(own) as opened:
        before = snapshot(own.path / "src")
        hand_in(own)
        own.write("src/new.py", EVIL)
        own.commit("after the fact")
        opened.tick()
        opened.guard.follow_head()

        assert opened.heads.unattested == own.head()
        assert snapshot(own.path / "src") == before


def test_what_was_committed_a_moment_before_it_was_handed_in_counts(own: Repository) -> None:
    with late(own) as opened:
        own.write("src/more.py", "print('more work')\n")
        own.commit("a moment before")
        hand_in(own)
        opened.tick()
        opened.guard.scan()

        assert opened.heads.unattested is None
        assert (own.path / "src/more.py").read_text() == "print('more work')\n"


def test_a_work_tree_that_is_made_anew_begins_with_what_head_holds(main: Repository, own: Repository) -> None:
    hand_in(own)
    main.git("worktree", "remove", "--force", str(own.path))
    main.git("worktree", "add", "--quiet", str(own.path), f"{FEATURE}-WP01")
    own.write("src/evil.py", EVIL)
    with session(own, request=StartRequest()) as opened:
        assert opened.phase_of(FEATURE) is Phase.REVIEW
        assert not (own.path / "src/evil.py").exists()


def test_a_step_back_before_any_work_keeps_what_was_written_and_not_committed(main: Repository) -> None:
    with session(main) as opened:
        main.write(f"{HERE}/tasks/WP03-more.md", work_package_text("WP03"))
        opened.guard.scan()
        do(main, "reopen", to="plan", reason="think again")
        opened.tick()
        opened.guard.scan()

        assert opened.phase_of(FEATURE) is Phase.PLAN
        assert (main.path / f"{HERE}/tasks/WP03-more.md").read_text() == work_package_text("WP03")


def test_a_record_that_somebody_took_away_makes_nothing_legal(main: Repository) -> None:
    with session(main):
        pass
    before = snapshot(main.path / "src")
    shutil.rmtree(find_worktree(main.path).state.guardian.baseline)
    main.write("src/app.py", EVIL)
    with session(main):
        assert snapshot(main.path / "src") == before


def test_lines_in_a_head_that_nobody_judged_move_nothing(main: Repository) -> None:
    with session(main):
        forged = "".join(
            f"{line}\n"
            for line in (
                transition("WP01", "claimed", number=7, from_lane="planned"),
                transition("WP01", "in_progress", number=8, from_lane="claimed"),
            )
        )
        commit = committed_beside(main, {LOG: (main.path / LOG).read_text() + forged})
    main.git("worktree", "add", "--quiet", "-b", "elsewhere", str(main.path / "../elsewhere"), commit)
    other = Repository(main.path / "../elsewhere", init=False)
    with session(other) as opened:
        assert opened.standings.board.feature(FEATURE).lanes()["WP01"] is Lane.PLANNED
        assert opened.phase_of(FEATURE) is Phase.TASKS
        assert any("moves nothing" in problem for problem in opened.status()["problems"])
        other.write("notes.md", "a commit that counts\n")
        other.commit("notes")
        opened.guard.follow_head()
    with session(other, request=StartRequest(feature=FEATURE, fresh=True)) as opened:
        assert opened.standings.board.feature(FEATURE).lanes()["WP01"] is Lane.PLANNED, "nor after a restart"


def test_what_a_person_had_opened_stays_as_it_was_written(main: Repository) -> None:
    with session(main) as opened:
        opened.answer({"verb": "grant", "path": "src/app.py", "seconds": 0.3, "reason": "a hotfix", "actor": "ada"})
        main.write("src/app.py", "print('hotfix')\n")
        opened.guard.scan()
    time.sleep(0.4)
    with session(main) as opened:  # the last one crashed, and the exception has ended meanwhile
        opened.guard.scan()
        assert not opened.guard.situation.judge("src/app.py").allowed
        assert (main.path / "src/app.py").read_text() == "print('hotfix')\n"


def test_a_feature_with_a_work_package_that_nobody_planned_is_not_finished(main: Repository, own: Repository) -> None:
    main.write(f"{HERE}/tasks/WP03-late.md", work_package_text("WP03"))
    main.commit("one more")
    hand_in(own)
    do(main, "review", work_package="WP01", verdict="approved", reference="a", actor="ben")
    do(main, "move", work_package="WP02", to="canceled", reason="not needed")
    with session(main) as opened:
        assert opened.standings.board.feature(FEATURE).finished
        assert not opened.guard.situation.features[FEATURE].finished
        assert not opened.guard.situation.judge("src/app.py").allowed


def test_an_accepted_work_package_is_merged_while_others_are_only_planned(main: Repository, own: Repository) -> None:
    with session(main) as opened:
        hand_in(own)
        do(main, "review", work_package="WP01", verdict="approved", reference="a", actor="ben")
        opened.tick()
        main.commit("status")
        opened.guard.follow_head()
        assert opened.phase_of(FEATURE) is Phase.TASKS
        main.git("merge", "--quiet", "--no-edit", f"{FEATURE}-WP01")
        opened.guard.follow_head()
        opened.guard.scan()

        assert opened.heads.unattested is None
        assert (main.path / "src/new.py").read_text() == "print('work')\n"


def test_a_line_that_somebody_else_wrote_into_the_trail_reaches_neither_store_nor_log(main: Repository) -> None:
    with session(main) as opened:
        trail = Path(find_worktree(main.path).state.guardian.violations)
        forged = {
            "schema": "spec-kitty/log/1", "event_id": "01M9F0RGEDF0RGEDF0RGEDF0R2", "event_type": "ExceptionGranted",
            "at": "2026-11-22T09:00:00.000+00:00",
            "payload": {"kind": "allow", "path": "src/", "reason": "forged", "actor": "boss"},
        }  # fmt: skip
        with trail.open("a") as file:
            file.write(json.dumps(forged) + "\n")
        opened.upkeep.keep_in_place()
        main.write("src/app.py", EVIL)
        opened.guard.scan()
        opened.intake.take()

        ids = {event.event_id for event in opened.standings.store.read_all()}
        assert forged["event_id"] not in ids
        assert "F0RGED" not in trail.read_text()
        told = [event.payload["rule"] for event in opened.standings.store.read("audit-main") if "rule" in event.payload]
        assert "always:guardian-state" in told


@pytest.mark.parametrize("resolve", [True, False], ids=["merged", "still being merged"])
def test_two_who_move_different_work_packages_merge_their_logs(main: Repository, tmp_path: Path, resolve: bool) -> None:
    main.write(".gitattributes", "kitty-specs/**/status.events.jsonl merge=union\n")
    main.commit("logs are united")
    bare = tmp_path / "origin.git"
    main.git("clone", "--quiet", "--bare", str(main.path), str(bare))
    main.git("remote", "add", "origin", str(bare))
    with session(main) as opened:
        main.git("clone", "--quiet", str(bare), str(tmp_path / "theirs"))
        theirs = Repository(tmp_path / "theirs", init=False)
        with (theirs.path / LOG).open("a") as log:
            log.write(transition("WP02", "blocked", number=9, from_lane="planned", actor="bo") + "\n")
        theirs.write(f"{HERE}/status.json", "{}\n")
        theirs.commit("theirs")
        theirs.git("push", "--quiet", "origin", "main")
        do(main, "implement", work_package="WP01", workspace=str(main.path))
        opened.tick()
        main.commit("ours")
        opened.guard.follow_head()
        main.git("fetch", "--quiet", "origin")
        main.git("merge", "--quiet", "--no-edit", "origin/main", check=False)
        clock_passes(opened)
        united = (main.path / LOG).read_text()
        assert '"WP02"' in united
        assert united.count("\n") == len(united.splitlines())
        opened.guard.scan()
        assert (main.path / LOG).read_text() == united, "what is being merged stands"
        if resolve:
            main.git("checkout", "--quiet", "--ours", f"{HERE}/status.json")
            main.commit("merged")
            opened.guard.follow_head()
            opened.tick()
            opened.guard.scan()

            assert opened.heads.unattested is None
            assert (main.path / LOG).read_text() == united
            lanes = opened.standings.board.feature(FEATURE).lanes()
            assert lanes == {"WP01": Lane.IN_PROGRESS, "WP02": Lane.BLOCKED}


def clock_passes(opened: Session) -> None:
    """Long after git let go of its locks."""
    clock: Callable[[], float] = opened.guard._clock
    opened.guard._waiting._clock = lambda: clock() + 60.0
