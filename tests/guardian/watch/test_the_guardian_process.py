"""One daemon per work tree: starting, asking, stopping, dying."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kitty_guardian.errors import GuardianError, NotARepositoryError, NotRunningError, UnattestedHeadError
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch import lifecycle
from kitty_guardian.watch.audit import read_events
from kitty_guardian.watch.locking import is_held
from support.guarded import FEATURE, bytes_of, eventually, guarded, legal_again, project, quarantined, snapshot
from support.repositories import Repository


@contextmanager
def stopping(repository: Repository) -> Iterator[None]:
    """Whatever the block starts is stopped."""
    try:
        yield
    finally:
        lifecycle.stop(repository.path)


def _is_alive(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not _is_alive(pid), "the process is gone")


def _events(repository: Repository) -> list[dict[str, object]]:
    return list(read_events(Path(find_worktree(repository.path).state.guardian.violations)))


def test_start_tells_what_it_protects(planned: Repository) -> None:
    with guarded(planned) as report:
        assert not report.already_running
        assert report.status.running
        assert report.status.healthy
        assert report.status.level == "watching"
        assert report.status.feature == FEATURE
        assert report.status.phase == "plan"
        assert report.status.mode == "enforce"
        assert [(root.root, root.files) for root in report.protected] == [("src/", 8)]
        assert report.status.protected_files >= 8


def test_a_second_start_reports_the_first(planned: Repository) -> None:
    with guarded(planned) as first:
        second = lifecycle.start(planned.path)

        assert second.already_running
        assert second.status.pid == first.status.pid


@pytest.mark.serial
def test_a_hundred_starts_at_once_make_one_daemon(planned: Repository) -> None:
    script = (
        "import sys; from pathlib import Path; from kitty_guardian.watch.lifecycle import start;"
        f"print(start(Path(sys.argv[1]), feature={FEATURE!r}).status.pid)"
    )
    with stopping(planned):
        starts = [
            subprocess.Popen([sys.executable, "-c", script, str(planned.path)], stdout=subprocess.PIPE, text=True)
            for _ in range(100)
        ]
        said = {start.communicate()[0].strip() for start in starts}

        assert [start.returncode for start in starts] == [0] * 100
        assert said == {str(lifecycle.status(planned.path).pid)}


def test_stop_leaves_nothing_running_and_nothing_behind(planned: Repository) -> None:
    with guarded(planned) as report:
        state = find_worktree(planned.path).state.guardian
        assert Path(state.socket).exists()

    assert not _is_alive(report.status.pid)
    assert not is_held(Path(state.lock))
    assert not Path(state.socket).exists()
    assert not Path(state.status).exists()
    assert not [path for path in Path(state.stage).rglob("*") if path.is_file() and path.name == "reserve"]
    (planned.path / "src/app.py").write_text("nobody minds\n")
    assert (planned.path / "src/app.py").read_text() == "nobody minds\n"


def test_stop_is_recorded_with_who_and_why(planned: Repository) -> None:
    with guarded(planned):
        lifecycle.stop(planned.path, reason="lunch")

    (event,) = [event for event in _events(planned) if event["event_type"] == "GuardianStopped"]
    payload = event["payload"]
    assert isinstance(payload, dict)
    assert payload["reason"] == "lunch"
    assert payload["actor"]


def test_stopping_what_does_not_run_says_so(planned: Repository) -> None:
    assert not lifecycle.stop(planned.path).was_running
    assert not lifecycle.status(planned.path).running
    with pytest.raises(NotRunningError) as raised:
        lifecycle.settle(planned.path)
    assert raised.value.hint == "spec-kitty guardian start"


def test_a_killed_guardian_is_followed_by_the_next_start(planned: Repository) -> None:
    before = snapshot(planned.path / "src")
    with stopping(planned):
        first = lifecycle.start(planned.path, feature=FEATURE)
        _kill(first.status.pid)
        assert not lifecycle.status(planned.path).running

        second = lifecycle.start(planned.path)
        assert second.status.pid != first.status.pid
        (planned.path / "src/app.py").write_text("evil\n")
        legal_again(planned.path / "src", before)


def test_what_was_written_after_a_crash_is_listed_and_taken(planned: Repository) -> None:
    before = snapshot(planned.path / "src")
    with stopping(planned):
        _kill(lifecycle.start(planned.path, feature=FEATURE).status.pid)
        (planned.path / "src/app.py").write_text("while nobody looked\n")
        (planned.path / "src/new.py").write_text("this too\n")
        (planned.path / "src/data.bin").unlink()

        report = lifecycle.start(planned.path)

        assert snapshot(planned.path / "src") == before
        assert {(change.path, change.operation) for change in report.changed} == {
            ("src/app.py", "write"),
            ("src/new.py", "create"),
            ("src/data.bin", "delete"),
        }
        (entry,) = quarantined(planned, "src/app.py")
        assert (entry.reason, bytes_of(planned, entry)) == ("downtime", b"while nobody looked\n")


def test_neither_a_crash_nor_a_restart_takes_the_phase_from_a_head_that_does_not_count(planned: Repository) -> None:
    with stopping(planned):
        first = lifecycle.start(planned.path, feature=FEATURE)
        _kill(first.status.pid)
        # An agent commits a work package in progress while nobody looks.
        planned.feature(FEATURE, "implement")
        planned.commit("pretend to implement")

        assert lifecycle.start(planned.path).status.phase == "plan"
        with pytest.raises(UnattestedHeadError, match="does not count"):
            lifecycle.restart(planned.path)
        assert lifecycle.status(planned.path).phase == "plan"
        lifecycle.stop(planned.path)  # a person's word moves no phase either
        assert lifecycle.start(planned.path).status.phase == "plan"


def test_accepting_the_tree_as_it_is_makes_it_the_baseline(planned: Repository) -> None:
    with stopping(planned):
        _kill(lifecycle.start(planned.path, feature=FEATURE).status.pid)
        (planned.path / "src/app.py").write_text("a person's hand\n")
        before = snapshot(planned.path / "src")

        report = lifecycle.start(planned.path, accept_current="I fixed it by hand")
        assert report.changed == ()
        assert snapshot(planned.path / "src") == before
        (planned.path / "src/app.py").write_text("evil\n")
        legal_again(planned.path / "src", before)


def test_accepting_the_tree_as_it_is_keeps_what_only_the_record_had(planned: Repository) -> None:
    (planned.path / "src/app.py").write_text("uncommitted work of mine\n")
    with guarded(planned):
        pass
    (planned.path / "src/app.py").write_text("overwritten while nobody looked\n")

    with stopping(planned):
        lifecycle.start(planned.path, accept_current="looks right")
        (entry,) = quarantined(planned, "src/app.py")
        assert (entry.reason, bytes_of(planned, entry)) == ("superseded", b"uncommitted work of mine\n")
        assert (planned.path / "src/app.py").read_text() == "overwritten while nobody looked\n"


def test_the_binding_outlives_a_stop(planned: Repository) -> None:
    with guarded(planned):
        pass
    with stopping(planned):
        assert lifecycle.start(planned.path).status.feature == FEATURE


def test_two_work_trees_are_held_to_their_own_phases(planned: Repository, tmp_path: Path) -> None:
    other = planned.worktree(tmp_path / "other", "another")
    other.feature("002-second", "implement")
    other.commit("second feature")

    with guarded(planned) as one, guarded(other, feature="002-second") as two:
        assert (one.status.phase, two.status.phase) == ("plan", "implement")
        assert one.status.pid != two.status.pid
        (other.path / "src/app.py").write_text("implemented\n")
        (planned.path / "src/app.py").write_text("evil\n")
        eventually(lambda: (planned.path / "src/app.py").read_text() == "print('legal')\n", "plan is held")
        assert (other.path / "src/app.py").read_text() == "implemented\n"


def test_a_work_tree_deep_below_works_although_its_socket_has_no_address(tmp_path: Path) -> None:
    deep = tmp_path / ("a-very-long-name-" * 6) / "work"
    deep.parent.mkdir()
    repository = project(deep)

    with guarded(repository) as report:
        assert report.status.running
        assert lifecycle.status(repository.path).pid == report.status.pid


def test_one_guardian_writes_its_status_for_people(planned: Repository) -> None:
    with guarded(planned) as report:
        told = json.loads(Path(find_worktree(planned.path).state.guardian.status).read_text())
        assert told["pid"] == report.status.pid


@pytest.mark.parametrize(
    ("policy", "message", "exit_code"),
    [
        ("mode = 'enforced'\n", "mode", 2),
        ("sources = ['lib/']\n", "sources", 2),
        ("mode = \n", "guardian.toml", 2),
        ("source = ['lib/']\n", "no file lies below the source roots", 1),
    ],
)
def test_a_policy_that_cannot_hold_is_refused(planned: Repository, policy: str, message: str, exit_code: int) -> None:
    planned.write(".kittify/guardian.toml", policy)

    with pytest.raises(GuardianError) as raised:
        lifecycle.start(planned.path, feature=FEATURE)

    assert message in raised.value.message
    assert raised.value.exit_code == exit_code
    assert raised.value.hint
    assert not lifecycle.status(planned.path).running


def test_empty_sources_are_fine_if_the_policy_says_so(planned: Repository) -> None:
    planned.write(".kittify/guardian.toml", "source = ['lib/']\nallow_empty_source = true\n")

    with guarded(planned) as report:
        assert [(root.root, root.files) for root in report.protected] == [("lib/", 0)]


def test_a_place_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotARepositoryError) as raised:
        lifecycle.start(tmp_path)
    assert raised.value.hint


def test_a_repository_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GuardianError) as raised:
        lifecycle.start(Repository(tmp_path / "plain").path)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("feature", [None, "999-nothing"])
def test_an_unbound_or_unknown_feature_is_refused_with_the_choice(planned: Repository, feature: str | None) -> None:
    with pytest.raises(GuardianError) as raised:
        lifecycle.start(planned.path, feature=feature)

    assert raised.value.exit_code == 2
    assert FEATURE in raised.value.message + str(raised.value.hint)


@pytest.mark.parametrize("committed", [True, False])
def test_a_feature_that_head_does_not_have_yet_is_in_research(tmp_path: Path, committed: bool) -> None:
    repository = Repository(tmp_path / "work")
    repository.write("src/app.py", "print('legal')\n")
    if committed:
        repository.commit("sources alone")
    repository.feature(FEATURE, "implement")  # what its files look like counts only once HEAD has them
    before = snapshot(repository.path / "src")

    with pytest.raises(GuardianError):
        lifecycle.start(repository.path)
    with guarded(repository) as report:
        assert report.status.phase == "research"
        repository.write("src/app.py", "evil\n")
        legal_again(repository.path / "src", before)


def test_every_unfinished_feature_can_be_guarded(planned: Repository) -> None:
    planned.feature("002-second", "implement")
    planned.feature("003-finished", "finished")
    planned.commit("more")
    before = snapshot(planned.path / "src")

    with stopping(planned):
        report = lifecycle.start(planned.path, every=True)
        assert dict(report.status.features) == {FEATURE: "plan", "002-second": "implement"}
        (planned.path / "src/app.py").write_text("one of them says no\n")
        legal_again(planned.path / "src", before)


def test_without_an_active_feature_the_decisive_files_are_still_held(tmp_path: Path) -> None:
    repository = project(tmp_path / "work", "finished")

    with guarded(repository, feature=None) as report:
        assert report.status.feature is None
        repository.write(".kittify/guardian.toml", 'mode = "observe"\n')
        eventually(lambda: not (repository.path / ".kittify/guardian.toml").exists(), "the policy is gone")
        repository.write("src/app.py", "free\n")
        lifecycle.settle(repository.path)
        assert (repository.path / "src/app.py").read_text() == "free\n"
