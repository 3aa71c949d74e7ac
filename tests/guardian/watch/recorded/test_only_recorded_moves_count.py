"""Phases and lanes move by recorded events; what is written into files instead is undone or moves nothing, and told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.pins import effective_phase
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.transitions.performing import perform
from kitty_guardian.transitions.requests import Command, TransitionRequest
from kitty_guardian.watch.request import StartRequest
from kitty_guardian.watch.session import Session
from support.guarded import FEATURE, bytes_of, committed_beside, project, quarantined, session, snapshot
from support.repositories import Repository, transition, work_package_text

HERE = f"kitty-specs/{FEATURE}"
LOG = f"{HERE}/status.events.jsonl"
STATUS = f"{HERE}/status.json"
WORK_PACKAGE = f"{HERE}/tasks/WP01-part.md"


@pytest.fixture(name="logged")
def _logged(tmp_path: Path) -> Repository:
    """A project in tasks phase whose lanes are kept in a log."""
    repository = project(tmp_path / "work", "plan")
    repository.feature(FEATURE, "tasks", log=True)
    repository.commit("tasks are written")
    return repository


def do(repository: Repository, command: Command, **asked: str) -> None:
    """A transition, as a command does it."""
    worktree = find_worktree(repository.path)
    with SqliteEventStore(Path(worktree.state.events)) as store:
        perform(
            worktree,
            store,
            TransitionRequest.from_wire({"command": command.value, "feature": FEATURE, "actor": "ada", **asked}),
        )


def begin_work(repository: Repository) -> None:
    do(repository, Command.IMPLEMENT, work_package="WP01", workspace=str(repository.path))


def violations(opened: Session) -> list[Mapping[str, Any]]:
    opened.intake.take()
    events = opened.standings.store.read("audit-main")
    return [event.payload for event in events if event.event_type == "PolicyViolationAttempted"]


def blocked(opened: Session) -> list[Mapping[str, Any]]:
    opened.intake.take()
    events = opened.standings.store.read_all()
    return [event.payload for event in events if event.event_type == "PhaseTransitionBlocked"]


def test_a_line_that_was_appended_by_hand_is_undone_and_told(logged: Repository) -> None:
    with session(logged) as opened:
        before = (logged.path / LOG).read_bytes()
        forged = before + transition("WP01", "in_progress", number=7).encode() + b"\n"
        logged.write(LOG, forged)
        opened.guard.scan()

        assert (logged.path / LOG).read_bytes() == before
        assert bytes_of(logged, quarantined(logged, LOG)[0]) == forged
        assert opened.phase_of(FEATURE) is Phase.TASKS
        (told,) = violations(opened)
        assert (told["path"], told["action"]) == (LOG, "restored")


def test_a_log_that_nobody_recorded_a_line_of_is_taken_away_also_while_it_is_empty(tmp_path: Path) -> None:
    repository = project(tmp_path / "work", "plan")
    with session(repository) as opened:
        for content in ("", "\n", transition("WP01", "in_progress") + "\n"):
            repository.write(LOG, content)
            opened.guard.scan()

            assert not (repository.path / LOG).exists()


def test_a_line_that_was_appended_by_hand_opens_no_source_in_the_same_breath(logged: Repository) -> None:
    with session(logged) as opened:
        before = snapshot(logged.path / "src")
        with (logged.path / LOG).open("ab") as log:
            log.write(transition("WP01", "in_progress", number=7).encode() + b"\n")
        logged.write("src/app.py", "print('ahead')\n")
        opened.guard.scan()

        assert snapshot(logged.path / "src") == before


def test_what_a_command_writes_stands_and_what_it_opens_is_open(logged: Repository) -> None:
    with session(logged) as opened:
        begin_work(logged)
        written = (logged.path / LOG).read_bytes()
        status = (logged.path / STATUS).read_bytes()
        opened.tick()
        logged.write("src/app.py", "print('work')\n")
        logged.write(f"{HERE}/spec.md", "another one\n")
        opened.guard.scan()

        assert opened.phase_of(FEATURE) is Phase.IMPLEMENT
        assert (logged.path / "src/app.py").read_text() == "print('work')\n"
        assert (logged.path / LOG).read_bytes() == written
        assert (logged.path / STATUS).read_bytes() == status
        assert json.loads(status)["work_packages"]["WP01"]["lane"] == "in_progress"
        assert [told["path"] for told in violations(opened)] == [f"{HERE}/spec.md"]


def test_lines_of_ours_that_are_taken_out_come_back(logged: Repository) -> None:
    with session(logged) as opened:
        begin_work(logged)
        opened.guard.scan()
        whole = (logged.path / LOG).read_bytes()
        logged.write(LOG, whole.split(b"\n")[0] + b"\n")
        opened.guard.scan()

        assert (logged.path / LOG).read_bytes() == whole


@pytest.mark.parametrize(
    "forged",
    [b"{}\n", b"", b"not json", b'{"work_packages": {"WP01": {"lane": "done"}}}\n', b"[" * 5000],
    ids=["empty object", "empty", "not JSON", "another lane", "deep"],
)
def test_a_status_file_that_says_something_else_than_the_log_is_undone(logged: Repository, forged: bytes) -> None:
    with session(logged) as opened:
        begin_work(logged)
        opened.guard.scan()
        legal = (logged.path / STATUS).read_bytes()
        logged.write(STATUS, forged)
        opened.guard.scan()

        assert (logged.path / STATUS).read_bytes() == legal


def test_a_forged_lane_in_a_work_packages_file_moves_nothing_and_is_told_once(logged: Repository) -> None:
    with session(logged) as opened:
        logged.write(WORK_PACKAGE, work_package_text("WP01", lane="done"))
        for _ in range(3):
            opened.guard.scan()
            opened.forgeries.look([FEATURE])

        assert opened.standings.board.feature(FEATURE).lanes() == {"WP01": Lane.PLANNED}
        assert opened.phase_of(FEATURE) is Phase.TASKS
        (told,) = violations(opened)
        assert (told["path"], told["rule"], told["action"]) == (WORK_PACKAGE, "always:lanes", "observed")
        assert "WP01 is done; recorded is planned" in told["reason"]


def test_a_work_package_that_is_moved_into_a_lanes_folder_moves_nothing_and_is_told(logged: Repository) -> None:
    with session(logged) as opened:
        logged.write(f"{HERE}/tasks/doing/WP01-part.md", (logged.path / WORK_PACKAGE).read_bytes())
        (logged.path / WORK_PACKAGE).unlink()
        opened.guard.scan()
        opened.forgeries.look([FEATURE])

        assert opened.phase_of(FEATURE) is Phase.TASKS
        assert [told["rule"] for told in violations(opened)] == ["always:lanes"]


def test_an_old_mirror_of_a_lane_that_head_holds_is_no_forgery(tmp_path: Path) -> None:
    repository = project(tmp_path / "work", "implement")  # lanes in the frontmatter
    with session(repository) as opened:
        worktree = find_worktree(repository.path)
        with SqliteEventStore(Path(worktree.state.events)) as store:
            perform(
                worktree, store,
                TransitionRequest(
                    Command.MOVE, feature=FEATURE, work_package="WP01", to="blocked", actor="ada", reason="waits"
                ),
            )  # fmt: skip
        opened.guard.scan()
        opened.forgeries.look([FEATURE])

        assert opened.standings.board.feature(FEATURE).lanes() == {"WP01": Lane.BLOCKED}
        assert violations(opened) == []


def test_a_commit_of_what_commands_wrote_counts_also_when_more_was_written_since(logged: Repository) -> None:
    with session(logged) as opened:
        begin_work(logged)
        opened.guard.scan()
        logged.git("add", "--all")  # the log as it is now
        do(logged, Command.MOVE, work_package="WP01", to="blocked", reason="waits")
        opened.guard.scan()
        logged.commit("work has begun", add=False)
        opened.guard.follow_head()
        assert opened.heads.unattested is None
        logged.commit("and is blocked")
        opened.guard.follow_head()

        assert opened.heads.unattested is None
        opened.guard.scan()
        assert violations(opened) == []


def test_a_commit_of_a_forged_line_does_not_count(logged: Repository) -> None:
    with session(logged) as opened:
        forged = (logged.path / LOG).read_text() + transition("WP01", "in_progress", number=7) + "\n"
        logged.git("update-ref", "HEAD", committed_beside(logged, {LOG: forged}))
        opened.guard.follow_head()

        assert opened.heads.unattested is not None
        assert opened.phase_of(FEATURE) is Phase.TASKS


def test_a_commit_that_drops_recorded_lines_does_not_count(logged: Repository) -> None:
    with session(logged) as opened:
        begin_work(logged)
        opened.guard.scan()
        logged.commit("work has begun")
        opened.guard.follow_head()
        logged.git("update-ref", "HEAD", committed_beside(logged, {LOG: transition("WP01", "planned") + "\n"}))
        opened.guard.follow_head()

        assert opened.heads.unattested is not None


def theirs(repository: Repository, path: Path, *lines: str) -> None:
    """A teammate's clone pushes a commit that appends these lines; here it is fetched and merged."""
    bare = path / "origin.git"
    repository.git("clone", "--quiet", "--bare", str(repository.path), str(bare))
    repository.git("remote", "add", "origin", str(bare))
    repository.git("fetch", "--quiet", "origin")
    repository.git("clone", "--quiet", str(bare), str(path / "theirs"))
    clone = Repository(path / "theirs", init=False)
    with (clone.path / LOG).open("ab") as log:
        log.write("".join(f"{line}\n" for line in lines).encode())
    clone.commit("a teammate's work")
    clone.git("push", "--quiet", "origin", "main")


CLAIM = transition("WP01", "claimed", number=7, from_lane="planned", actor="grace")
START = transition("WP01", "in_progress", number=8, from_lane="claimed", actor="grace")


def test_a_teammates_lines_that_are_pulled_are_validated_and_imported(logged: Repository, tmp_path: Path) -> None:
    with session(logged) as opened:
        theirs(logged, tmp_path, CLAIM, START)
        logged.git("pull", "--quiet", "--ff-only", "origin", "main")
        opened.guard.follow_head()
        opened.guard.scan()

        assert opened.heads.unattested is None
        assert opened.standings.board.feature(FEATURE).lanes() == {"WP01": Lane.IN_PROGRESS}
        assert opened.phase_of(FEATURE) is Phase.IMPLEMENT
        assert violations(opened) == []
        sources = {event.metadata["source"] for event in opened.standings.store.read(f"workPackage-{FEATURE}/WP01")}
        assert sources == {"adoption", "git"}


def test_a_teammates_line_that_no_rule_allows_moves_nothing_and_is_told(logged: Repository, tmp_path: Path) -> None:
    with session(logged) as opened:
        theirs(logged, tmp_path, transition("WP01", "done", number=7, from_lane="planned", actor="grace"))
        logged.git("pull", "--quiet", "--ff-only", "origin", "main")
        for _ in range(2):
            opened.guard.follow_head()
            opened.guard.scan()
            opened.tick()

        assert opened.standings.board.feature(FEATURE).lanes() == {"WP01": Lane.PLANNED}
        (told,) = blocked(opened)
        assert (told["gate"], told["layer"]) == ("matrix", "git")
        assert any("moves nothing" in note for note in opened.status()["problems"])


def test_beside_a_line_of_theirs_that_moves_nothing_our_own_lines_stand(logged: Repository, tmp_path: Path) -> None:
    with session(logged) as opened:
        theirs(logged, tmp_path, transition("WP01", "done", number=7, from_lane="planned", actor="grace"))
        logged.git("pull", "--quiet", "--ff-only", "origin", "main")
        opened.guard.follow_head()
        begin_work(logged)
        written = (logged.path / LOG).read_bytes()
        opened.guard.scan()

        assert (logged.path / LOG).read_bytes() == written
        assert violations(opened) == []
        logged.commit("work has begun")
        opened.guard.follow_head()
        assert opened.heads.unattested is None


def test_lines_that_were_pulled_while_nobody_watched_are_imported_at_the_next_start(
    logged: Repository, tmp_path: Path
) -> None:
    with session(logged):
        pass
    theirs(logged, tmp_path, CLAIM, START)
    logged.git("pull", "--quiet", "--ff-only", "origin", "main")

    with session(logged) as opened:
        assert opened.phase_of(FEATURE) is Phase.IMPLEMENT


def test_a_feature_that_a_teammate_began_is_taken_over_with_its_history(logged: Repository, tmp_path: Path) -> None:
    bare = tmp_path / "origin.git"
    logged.git("clone", "--quiet", "--bare", str(logged.path), str(bare))
    logged.git("remote", "add", "origin", str(bare))
    with session(logged) as opened:
        logged.git("clone", "--quiet", str(bare), str(tmp_path / "theirs"))
        clone = Repository(tmp_path / "theirs", init=False)
        clone.feature("002-away", "implement", log=True)
        clone.commit("another feature")
        clone.git("push", "--quiet", "origin", "main")
        logged.git("pull", "--quiet", "--ff-only", "origin", "main")
        opened.guard.follow_head()
        opened.guard.scan()

        assert opened.standings.board.feature("002-away").lanes() == {"WP01": Lane.IN_PROGRESS}
        assert opened.phase_of("002-away") is Phase.IMPLEMENT
        assert opened.phase_of(FEATURE) is Phase.TASKS


def test_reopening_closes_the_sources_again_and_keeps_what_was_committed(logged: Repository) -> None:
    with session(logged) as opened:
        begin_work(logged)
        logged.write("src/app.py", "print('work')\n")
        opened.guard.scan()
        logged.commit("work")
        opened.guard.follow_head()
        do(logged, Command.REOPEN, to="plan", reason="the plan was wrong")
        opened.tick()
        logged.write("src/app.py", "print('more work')\n")
        logged.write(f"{HERE}/plan.md", "# A better plan\n\nIt is better than the other one.\n")
        opened.guard.scan()

        assert opened.phase_of(FEATURE) is Phase.PLAN
        assert (logged.path / "src/app.py").read_text() == "print('work')\n"
        assert "better" in (logged.path / f"{HERE}/plan.md").read_text()


def test_two_work_trees_are_held_to_the_lanes_of_their_own_work_packages(tmp_path: Path) -> None:
    repository = project(tmp_path / "work", "plan")
    repository.feature(FEATURE, "tasks", work_packages=("WP01", "WP02"), log=True)
    repository.commit("tasks are written")
    first = repository.worktree(repository.path / f".worktrees/{FEATURE}-WP01", f"{FEATURE}-WP01")
    second = repository.worktree(repository.path / f".worktrees/{FEATURE}-WP02", f"{FEATURE}-WP02")
    with (
        session(repository),
        session(first, request=StartRequest()) as one,
        session(second, request=StartRequest()) as two,
    ):
        do(repository, Command.IMPLEMENT, work_package="WP01", workspace=str(first.path))
        for place, opened in ((first, one), (second, two)):
            place.write("src/app.py", "print('work')\n")
            opened.guard.scan()

        assert (one.phase_of(FEATURE), two.phase_of(FEATURE)) == (Phase.IMPLEMENT, Phase.TASKS)
        assert (first.path / "src/app.py").read_text() == "print('work')\n"
        assert (second.path / "src/app.py").read_text() == "print('legal')\n"


def test_the_store_answers_for_the_phase_that_is_enforced_in_each_work_tree(tmp_path: Path) -> None:
    repository = project(tmp_path / "work", "plan")
    repository.feature(FEATURE, "tasks", work_packages=("WP01", "WP02"), log=True)
    repository.commit("tasks are written")
    second = repository.worktree(repository.path / f".worktrees/{FEATURE}-WP02", f"{FEATURE}-WP02")
    with session(repository), session(second, request=StartRequest()):
        do(repository, Command.IMPLEMENT, work_package="WP01", workspace=str(repository.path))
    here, there = find_worktree(repository.path), find_worktree(second.path)
    with SqliteEventStore(Path(here.state.events), read_only=True) as store:
        assert effective_phase(store, FEATURE, here) is Phase.IMPLEMENT
        assert effective_phase(store, FEATURE, there) is Phase.TASKS
        assert effective_phase(store, "999-nothing", here) is Phase.RESEARCH


def test_an_exception_goes_into_the_log_with_the_next_command(logged: Repository) -> None:
    with session(logged) as opened:
        opened.answer({"verb": "grant", "path": "src/app.py", "seconds": 60, "reason": "a hotfix", "actor": "ada"})
        begin_work(logged)
        opened.guard.scan()

        lines = [json.loads(line) for line in (logged.path / LOG).read_text().splitlines()]
        (told,) = [line["payload"] for line in lines if line.get("event_type") == "ExceptionGranted"]
        assert (told["kind"], told["path"], told["reason"]) == ("allow", "src/app.py", "a hotfix")
        assert violations(opened) == []
