"""No phase is taken from a HEAD, whoever starts the guardian: only recorded transitions move one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kitty_guardian.errors import GuardianError, UnattestedHeadError, UnboundFeatureError
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.pins import Adoption
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch import lifecycle
from kitty_guardian.watch.request import StartRequest
from support.guarded import FEATURE, committed_beside, eventually, guarded, legal_again, project, session, snapshot
from support.repositories import Repository, work_package_text

OTHER = "002-away"
WORK_PACKAGE = f"kitty-specs/{FEATURE}/tasks/WP01-part.md"
EVIL = {
    "src/app.py": "print('ahead of its phase')\n",
    WORK_PACKAGE: work_package_text("WP01", lane="doing"),
}
"""A commit that says in the same breath that the work it does has begun."""


@pytest.fixture(name="tasks")
def _tasks(tmp_path: Path) -> Repository:
    """A project in tasks phase, where lanes may be written, and a second feature that is still planned."""
    repository = project(tmp_path / "work", "tasks")
    repository.feature(OTHER, "plan")
    repository.commit("another feature")
    return repository


@contextmanager
def stopping(repository: Repository) -> Iterator[None]:
    """Whatever the block starts is stopped."""
    try:
        yield
    finally:
        lifecycle.stop(repository.path)


def move_head(repository: Repository) -> str:
    """HEAD moves to a commit that breaks the rules; no file is touched."""
    commit = committed_beside(repository, EVIL)
    repository.git("update-ref", "HEAD", commit)
    return commit


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    def is_gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    eventually(is_gone, "the process is gone")


def recorded(repository: Repository) -> Adoption:
    found = Adoption.read(find_worktree(repository.path).state.guardian.adoption)
    assert found is not None
    return found


def writes_are_undone(repository: Repository) -> None:
    before = snapshot(repository.path / "src")
    repository.write("src/app.py", "evil\n")
    repository.write("src/evil.py", "evil too\n")
    legal_again(repository.path / "src", before)


def test_restart_is_refused_while_head_does_not_count_and_the_guardian_goes_on(planned: Repository) -> None:
    with guarded(planned) as report:
        legal = planned.head()
        bad = move_head(planned)
        with pytest.raises(UnattestedHeadError) as caught:
            lifecycle.restart(planned.path)

        assert bad[:12] in caught.value.message
        assert (caught.value.code, caught.value.exit_code) == ("guardian.head.unattested", 2)
        assert caught.value.hint is not None
        assert "spec-kitty guardian restart --accept-current" in caught.value.hint
        status = lifecycle.status(planned.path)
        assert (status.running, status.pid, status.phase) == (True, report.status.pid, "plan")
        assert recorded(planned).phase_of(FEATURE) is Phase.PLAN
        writes_are_undone(planned)

        planned.git("reset", "--quiet", "--soft", legal)
        assert lifecycle.restart(planned.path).status.phase == "plan"
        assert lifecycle.status(planned.path).pid != report.status.pid


def test_a_commit_that_counts_does_not_launder_the_one_below_it(planned: Repository) -> None:
    with guarded(planned):
        move_head(planned)
        planned.git("update-ref", "HEAD", committed_beside(planned, {f"kitty-specs/{FEATURE}/plan.md": "a plan\n"}))

        with pytest.raises(UnattestedHeadError):
            lifecycle.restart(planned.path)

        writes_are_undone(planned)


def test_a_persons_word_takes_the_tree_and_its_head_as_they_are_but_no_phase(planned: Repository) -> None:
    with guarded(planned):
        move_head(planned)

        report = lifecycle.restart(planned.path, accept_current="I looked at it")

        assert report.status.phase == "plan"
        assert report.status.unattested is None
        writes_are_undone(planned)


def test_after_a_kill_restart_is_refused_and_start_keeps_the_recorded_phase(planned: Repository) -> None:
    before = snapshot(planned.path / "src")
    with stopping(planned):
        kill(lifecycle.start(planned.path, feature=FEATURE).status.pid)
        bad = move_head(planned)
        planned.git("reset", "--quiet", "--hard")

        with pytest.raises(GuardianError) as caught:
            lifecycle.restart(planned.path)

        assert bad[:12] in caught.value.message
        assert (caught.value.code, caught.value.exit_code) == ("guardian.head.unattested", 2)
        assert caught.value.hint is not None
        assert caught.value.hint.startswith("spec-kitty guardian start")
        assert not lifecycle.status(planned.path).running
        assert recorded(planned).phase_of(FEATURE) is Phase.PLAN

        report = lifecycle.start(planned.path)
        assert (report.status.phase, report.status.unattested) == ("plan", bad)
        assert snapshot(planned.path / "src") == before
        writes_are_undone(planned)


def test_after_a_kill_restart_takes_no_lane_from_a_head_that_counts(tasks: Repository) -> None:
    with stopping(tasks):
        kill(lifecycle.start(tasks.path, feature=FEATURE).status.pid)
        tasks.write(WORK_PACKAGE, work_package_text("WP01", lane="doing"))
        tasks.commit("work has begun, as tasks phase has it")

        assert lifecycle.restart(tasks.path).status.phase == "tasks"
        writes_are_undone(tasks)


def test_after_a_persons_stop_start_holds_the_recorded_phase_against_head(planned: Repository) -> None:
    before = snapshot(planned.path / "src")
    with guarded(planned):
        bad = move_head(planned)
    planned.git("reset", "--quiet", "--hard")

    with guarded(planned) as report:
        assert (report.status.phase, report.status.unattested) == ("plan", bad)
        assert snapshot(planned.path / "src") == before


@pytest.mark.parametrize("request_", [StartRequest(fresh=True), StartRequest(feature=OTHER), StartRequest(every=True)])
def test_nothing_else_that_takes_a_phase_afresh_takes_it_after_a_crash(
    planned: Repository, request_: StartRequest
) -> None:
    planned.feature(OTHER, "plan")
    planned.commit("another feature")
    with session(planned):
        pass
    move_head(planned)

    with pytest.raises(UnattestedHeadError), session(planned, request=request_):
        pass

    assert (recorded(planned).bound, recorded(planned).phase_of(FEATURE)) == ((FEATURE,), Phase.PLAN)
    for kept in (StartRequest(), StartRequest(feature=FEATURE), StartRequest(feature="001")):
        with session(planned, request=kept) as opened:
            assert opened.phase_of(FEATURE) is Phase.PLAN


def test_a_finished_binding_is_asked_for_and_the_guardian_goes_on(tasks: Repository) -> None:
    with guarded(tasks) as report:
        tasks.write(WORK_PACKAGE, work_package_text("WP01", lane="done"))
        tasks.commit("done")
        tasks.git("checkout", "--quiet", "-b", OTHER)

        with pytest.raises(UnboundFeatureError) as caught:
            lifecycle.restart(tasks.path)

        assert f"is bound to {FEATURE}, which is finished; unfinished: {OTHER}" in caught.value.message
        assert caught.value.hint == f"say which it is now: spec-kitty guardian start --feature {OTHER}, or --all"
        assert lifecycle.status(tasks.path).pid == report.status.pid
        writes_are_undone(tasks)

        assert lifecycle.restart(tasks.path, feature=OTHER).status.feature == OTHER


@pytest.mark.parametrize("kind", ["a pipe", "a link", "a directory"])
def test_a_policy_that_is_no_file_is_refused_and_never_waited_for(planned: Repository, kind: str) -> None:
    place = planned.path / ".kittify/guardian.toml"
    place.parent.mkdir()
    if kind == "a pipe":
        os.mkfifo(place)
    elif kind == "a link":
        place.symlink_to(Path("../src/app.py"))
    else:
        place.mkdir()

    with pytest.raises(GuardianError, match="is not a regular file") as caught:
        lifecycle.start(planned.path, feature=FEATURE)

    assert caught.value.exit_code == 2
    assert not lifecycle.status(planned.path).running
