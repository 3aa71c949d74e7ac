"""What is enforced is what was recorded: files, folders and branches move nothing, and a broken log loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitty_guardian.errors import UnknownFeatureError
from kitty_guardian.judgement import check
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.detecting import detect_phase
from kitty_guardian.project.pins import Adoption
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch import lifecycle
from kitty_guardian.watch.request import StartRequest
from kitty_guardian.watch.session import Session
from support.guarded import FEATURE, bytes_of, eventually, guarded, project, quarantined, session, snapshot
from support.reading import log_of
from support.repositories import Repository, work_package_text

HERE = f"kitty-specs/{FEATURE}"
LOG = f"{HERE}/status.events.jsonl"
WORK_PACKAGE = f"{HERE}/tasks/WP01-part.md"
AFRESH = StartRequest(fresh=True)


@pytest.fixture(name="tasks")
def _tasks(tmp_path: Path) -> Repository:
    """A project in tasks phase: `tasks/` is open, `src/` is not; a second feature is being implemented."""
    repository = project(tmp_path / "work", "tasks")
    repository.feature("002-away", "implement")
    repository.commit("another feature")
    return repository


def forge(repository: Repository) -> None:
    """Says that the work has begun, where anyone may say so."""
    repository.write(WORK_PACKAGE, work_package_text("WP01", lane="doing"))


def source_is_held(repository: Repository, opened: Session) -> bool:
    """Whether a write below `src/` is undone."""
    before = snapshot(repository.path / "src")
    repository.write("src/app.py", "print('ahead of its phase')\n")
    opened.guard.scan()
    return snapshot(repository.path / "src") == before


def stopped_by_a_person(opened: Session) -> None:
    """Only then is the phase read anew from a HEAD that breaks the recorded rules."""
    opened.stop(reason="a look", who="ada", person=True)


def test_a_forged_lane_shows_and_moves_nothing(tasks: Repository) -> None:
    with session(tasks) as opened:
        forge(tasks)
        opened.guard.scan()

        assert detect_phase(tasks.path / HERE).phase is Phase.IMPLEMENT
        assert opened.phase_of(FEATURE) is Phase.TASKS
        assert source_is_held(tasks, opened)


def test_a_forged_lane_that_was_committed_moves_nothing_either(tasks: Repository) -> None:
    with session(tasks) as opened:
        forge(tasks)
        tasks.commit("legal in this phase")
        opened.guard.follow_head()

        assert opened.phase_of(FEATURE) is Phase.TASKS
        assert source_is_held(tasks, opened)
    with session(tasks) as opened:  # the last one crashed: nothing is read anew
        assert opened.phase_of(FEATURE) is Phase.TASKS
        assert source_is_held(tasks, opened)


def test_a_restart_takes_up_no_lane_that_was_committed(tasks: Repository) -> None:
    with session(tasks):
        forge(tasks)
        tasks.commit("work has begun")

    with session(tasks, request=AFRESH) as opened:
        assert opened.adoption.bound == (FEATURE,)
        assert opened.phase_of(FEATURE) is Phase.TASKS
        assert source_is_held(tasks, opened)


def test_a_restart_takes_up_nothing_that_was_not_committed(tasks: Repository) -> None:
    with session(tasks):
        forge(tasks)

    with session(tasks, request=AFRESH) as opened:
        assert opened.phase_of(FEATURE) is Phase.TASKS
        assert source_is_held(tasks, opened)


def test_a_new_folder_rebinds_nothing_and_opens_nothing(tasks: Repository) -> None:
    with session(tasks) as opened:
        tasks.feature("003-mine", "implement")
        opened.guard.scan()

        assert detect_phase(tasks.path / "kitty-specs/003-mine").phase is not Phase.RESEARCH
        assert opened.adoption.bound == (FEATURE,)
        assert opened.phase_of("003-mine") is Phase.RESEARCH
        assert source_is_held(tasks, opened)
        assert not (tasks.path / "kitty-specs/003-mine/plan.md").exists()

    with session(tasks, request=AFRESH) as opened:
        assert opened.adoption.bound == (FEATURE,)
        assert source_is_held(tasks, opened)


@pytest.mark.parametrize("branch", ["002-away", "002-away-WP01", "kitty/mission-002-away-lane-a", "--detach"])
def test_switching_branches_rebinds_nothing(tasks: Repository, branch: str) -> None:
    switch = ("--detach",) if branch == "--detach" else ("-b", branch)
    with session(tasks) as opened:
        tasks.git("checkout", "--quiet", *switch)
        opened.guard.follow_head()

        assert opened.adoption.bound == (FEATURE,)
        assert source_is_held(tasks, opened)

    with session(tasks, request=AFRESH) as opened:
        assert (opened.adoption.bound, opened.adoption.part) == ((FEATURE,), "")
        assert source_is_held(tasks, opened)


def test_a_work_packages_own_work_tree_holds_by_its_lane(tasks: Repository) -> None:
    tasks.feature("002-away", "implement", work_packages=("WP02",))
    tasks.write("kitty-specs/002-away/tasks/WP01-part.md", work_package_text("WP01", lane="planned"))
    tasks.commit()
    first = tasks.worktree(tasks.path / ".worktrees/002-away-WP01", "002-away-WP01")
    second = tasks.worktree(tasks.path / ".worktrees/002-away-WP02", "002-away-WP02")

    with session(first, request=StartRequest()) as opened:
        assert (opened.adoption.bound, opened.adoption.part) == (("002-away",), "WP01")
        assert opened.phase_of("002-away") is Phase.TASKS
        assert source_is_held(first, opened)
        first.git("checkout", "--quiet", "-b", "002-away-WP02-now")
    with session(first, request=AFRESH) as opened:
        assert opened.adoption.part == "WP01"
    with session(second, request=StartRequest()) as opened:
        assert opened.phase_of("002-away") is Phase.IMPLEMENT
        assert not source_is_held(second, opened)


@pytest.mark.parametrize("name", ["002-away", "002", "2", "away"])
def test_asking_as_if_bound_to_another_feature_is_answered_from_the_record(tasks: Repository, name: str) -> None:
    with session(tasks):
        pass
    for made in ("implement", "tasks"):
        tasks.feature("002-away", made)  # whatever was committed since
        tasks.commit(f"says {made}")

        (decision,) = check(tasks.path, ["src/app.py"], feature=name)
        assert (decision.allowed, decision.phase) == (True, Phase.IMPLEMENT)
    forge(tasks)
    tasks.commit("says implement")
    for mine in (FEATURE, "001", "1", "home-guard", None):
        (decision,) = check(tasks.path, ["src/app.py"], feature=mine)
        assert (decision.allowed, decision.phase) == (False, Phase.TASKS)


def test_asking_for_a_feature_that_was_not_recorded_is_answered_from_commits(tasks: Repository) -> None:
    with session(tasks):
        pass
    tasks.feature("003-new", "implement")
    tasks.commit("a new one")

    assert check(tasks.path, ["src/app.py"], feature="003")[0].allowed
    with pytest.raises(UnknownFeatureError):
        check(tasks.path, ["src/app.py"], feature="004")


def test_a_wrong_scope_is_told_when_a_guardian_starts(tasks: Repository) -> None:
    own = tasks.worktree(tasks.path / ".worktrees/002-away-WP09", "002-away-WP09")

    with session(own, request=StartRequest()) as opened:
        assert "002-away has no WP09, which this work tree was made for" in opened.notes
        assert (opened.adoption.part, opened.adoption.scope) == ("WP09", ("WP09",))


def test_the_work_packages_of_a_lane_stay_those_that_were_recorded(tasks: Repository) -> None:
    tasks.feature("002-away", "implement", work_packages=("WP01",))
    tasks.write("kitty-specs/002-away/tasks/WP02-part.md", work_package_text("WP02", lane="planned"))
    tasks.write("kitty-specs/002-away/lanes.json", '{"lanes": [{"lane_id": "lane-a", "wp_ids": ["WP02"]}]}')
    tasks.commit("lanes")
    own = tasks.worktree(tasks.path / ".worktrees/002-away-lane-a", "kitty/mission-002-away-lane-a")
    with session(own, request=StartRequest()) as opened:
        assert (opened.adoption.scope, opened.phase_of("002-away")) == (("WP02",), Phase.TASKS)

    tasks.write("kitty-specs/002-away/lanes.json", '{"lanes": [{"lane_id": "lane-a", "wp_ids": ["WP01"]}]}')
    tasks.commit("other lanes")
    with session(own, request=AFRESH) as opened:
        assert (opened.adoption.scope, opened.phase_of("002-away")) == (("WP02",), Phase.TASKS)
        assert source_is_held(own, opened)


# A log that cannot be read


@pytest.fixture(name="logged")
def _logged(tmp_path: Path) -> Repository:
    """A project that is being implemented, as its log says."""
    repository = project(tmp_path / "work", "plan")
    repository.feature(FEATURE, "implement", log=True)
    repository.commit("work has begun")
    return repository


def tear(repository: Repository) -> bytes:
    """Commits a log with the markers of an unresolved merge; gives what it was before."""
    log = repository.path / LOG
    before = log.read_bytes()
    repository.write(LOG, b"<<<<<<< HEAD\n" + before + b"=======\n" + before + b">>>>>>> theirs\n")
    repository.commit("torn")
    return before


def test_without_a_record_every_phase_it_may_be_in_holds_and_the_log_can_be_mended(logged: Repository) -> None:
    mended = tear(logged)
    with session(logged) as opened:
        state = opened.adoption.features[FEATURE]
        assert state.candidates == (Phase.TASKS, Phase.IMPLEMENT, Phase.REVIEW)
        assert state.malformed == (LOG,)
        assert any(f"{LOG}:1: is a marker of an unresolved merge conflict" in note for note in opened.notes)

        assert source_is_held(logged, opened), "tasks and review close it"
        logged.write(f"{HERE}/spec.md", "implement closes it\n")
        logged.write(f"{HERE}/meta.json", "{}\n")
        logged.write(LOG, mended)
        opened.guard.scan()

        assert quarantined(logged, f"{HERE}/spec.md")
        assert quarantined(logged, f"{HERE}/meta.json")
        assert (logged.path / LOG).read_bytes() == mended
        logged.commit("mended")
        opened.guard.follow_head()
        opened.guard.scan()
        assert (logged.path / LOG).read_bytes() == mended

    with session(logged, request=AFRESH) as opened:
        assert opened.phase_of(FEATURE) is Phase.IMPLEMENT
        assert opened.adoption.features[FEATURE].malformed == ()
        assert not source_is_held(logged, opened)
        logged.write(LOG, mended + b"{}\n")
        opened.guard.scan()
        assert (logged.path / LOG).read_bytes() == mended, "the log is held again"


def test_with_a_record_the_recorded_phase_stays_and_the_log_can_be_mended(logged: Repository) -> None:
    with session(logged) as opened:
        stopped_by_a_person(opened)
    mended = tear(logged)

    with session(logged, request=AFRESH) as opened:
        state = opened.adoption.features[FEATURE]
        assert (state.phase, state.candidates, state.malformed) == (Phase.IMPLEMENT, (), (LOG,))
        assert not source_is_held(logged, opened)
        logged.write(LOG, mended.replace(b"in_progress", b"for_review"))
        opened.guard.scan()
        assert b"for_review" in (logged.path / LOG).read_bytes()
        assert not quarantined(logged, LOG)
        logged.commit("mended")
        stopped_by_a_person(opened)

    with session(logged, request=AFRESH) as opened:
        assert opened.phase_of(FEATURE) is Phase.IMPLEMENT, "a line that was changed by hand moves nothing"
        assert opened.guard.situation.judge("src/app.py").allowed


def test_tearing_the_log_on_disk_moves_nothing_and_is_undone(logged: Repository) -> None:
    with session(logged) as opened:
        before = (logged.path / LOG).read_bytes()
        logged.write(LOG, b"<<<<<<< HEAD\n")
        assert not detect_phase(logged.path / HERE).is_certain
        opened.guard.scan()

        assert (logged.path / LOG).read_bytes() == before
        assert bytes_of(logged, quarantined(logged, LOG)[0]) == b"<<<<<<< HEAD\n"
        assert opened.phase_of(FEATURE) is Phase.IMPLEMENT


def test_a_feature_that_was_recorded_as_finished_stays_so_when_its_log_is_torn(logged: Repository) -> None:
    logged.write(LOG, log_of("WP01 done"))
    logged.commit("done")
    with session(logged) as opened:
        assert opened.guard.situation.features[FEATURE].finished
        stopped_by_a_person(opened)
    tear(logged)

    with session(logged, request=StartRequest(feature=FEATURE)) as opened:
        assert opened.guard.situation.features[FEATURE].finished
        assert not source_is_held(logged, opened)


def test_a_real_guardian_lets_the_log_be_mended_and_takes_up_the_phase_at_restart(logged: Repository) -> None:
    mended = tear(logged)
    with guarded(logged) as report:
        assert any("unresolved merge conflict" in note for note in report.notes)
        (refused,) = check(logged.path, ["src/app.py"])
        assert (refused.allowed, refused.phase) == (False, Phase.TASKS)
        assert check(logged.path, [LOG])[0].rule == "malformed"

        before = snapshot(logged.path / "src")
        logged.write("src/app.py", "print('ahead of its phase')\n")
        logged.write(LOG, mended)
        eventually(lambda: snapshot(logged.path / "src") == before, "src/ is as it was")
        logged.commit("mended")

        lifecycle.restart(logged.path)

        assert (logged.path / LOG).read_bytes() == mended
        adoption = Adoption.read(find_worktree(logged.path).state.guardian.adoption)
        assert adoption is not None
        assert (adoption.bound, adoption.phase_of(FEATURE)) == ((FEATURE,), Phase.IMPLEMENT)
        assert check(logged.path, ["src/app.py"])[0].allowed
        assert not check(logged.path, [LOG])[0].allowed
