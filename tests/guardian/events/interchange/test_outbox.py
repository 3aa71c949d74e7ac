"""What was recorded reaches `status.events.jsonl` and `status.json` once, whole, under upstream's lock."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from guardian.events.interchange.ours import FEATURE, STORY, moved, sha, standing_of
from kitty_guardian.errors import GuardianBusyError, GuardianError
from kitty_guardian.events.lines import NO_LINE, render, unknown
from kitty_guardian.events.logfile import StatusLogError, append_pending
from kitty_guardian.events.statusfile import agrees, materialise
from kitty_guardian.events.statuslock import holding_status, lock_path
from support.injection import with_faults

FOLDER = f"kitty-specs/{FEATURE}"
PATHS = (f"{FOLDER}/status.events.jsonl", f"{FOLDER}/status.json")
THEIRS = b'{"aggregate_id": "034-home-guard", "event_id": "x", "event_type": "TasksStarted", "payload": {}}'


class Project:
    """A work tree with one feature, and the directory that all work trees of its repository share."""

    def __init__(self, place: Path) -> None:
        self.root, self.common = place / "tree", place / "git"
        self.folder = self.root / FOLDER
        self.log, self.status = self.folder / "status.events.jsonl", self.folder / "status.json"
        self.folder.mkdir(parents=True)
        self.common.mkdir()
        (self.folder / "meta.json").write_text('{"mission_type": "research"}')

    def append(self, count: int = len(STORY)) -> tuple[str, ...]:
        return append_pending(self.root, self.common, standing_of(*STORY[:count]))

    def lines(self) -> list[bytes]:
        return self.log.read_bytes().split(b"\n")[:-1]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_every_event_is_written_in_order_and_the_status_file_follows(project: Project) -> None:
    assert project.append() == PATHS

    assert [json.loads(line)["event_id"] for line in project.lines()] == [event.event_id for event in STORY]
    assert unknown(project.log.read_bytes(), standing_of(*STORY)) == ()
    assert project.status.read_bytes() == materialise(project.log.read_bytes(), meta={"mission_type": "research"})
    assert sorted(path.name for path in project.folder.iterdir()) == ["meta.json", "status.events.jsonl", "status.json"]


def test_what_is_written_is_not_written_again(project: Project) -> None:
    project.append()
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (project.log, project.status)}

    assert project.append() == ()
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in before} == before


def test_only_what_is_missing_is_added_wherever_the_rest_stands(project: Project) -> None:
    project.append()
    lines = project.lines()
    project.log.write_bytes(b"\n".join([THEIRS, *reversed(lines[:2]), *lines[4:]]) + b"\n")

    assert project.append() == (PATHS[0],)
    assert project.lines()[:5] == [THEIRS, *reversed(lines[:2]), *lines[4:]]
    assert {json.loads(line)["event_id"] for line in project.lines()[5:]} == {e.event_id for e in STORY[2:4]}


def test_each_lifecycle_line_holds_the_hash_of_the_line_before_it(project: Project) -> None:
    project.log.write_bytes(THEIRS + b"\n")
    project.append()
    lines = project.lines()

    for before, line in itertools.pairwise(lines):
        said = json.loads(line)
        assert said.get("previous") == (sha(before) if said.get("event_type") == "PhaseEntered" else None)


def test_the_first_line_of_a_log_holds_no_hash(project: Project) -> None:
    project.append()

    assert json.loads(project.lines()[0])["previous"] == NO_LINE == "0" * 64


def test_a_line_that_was_cut_off_swallows_none_of_ours(project: Project) -> None:
    project.log.write_bytes(THEIRS + b'\n{"cut": "o')
    project.append()

    assert project.lines()[:2] == [THEIRS, b'{"cut": "o']
    assert [number for number, _ in unknown(project.log.read_bytes(), standing_of(*STORY))] == [1, 2]


def test_a_byte_order_mark_stays_and_is_no_line(project: Project) -> None:
    project.log.write_bytes(b"\xef\xbb\xbf")
    project.append()

    assert project.log.read_bytes().startswith(b"\xef\xbb\xbf{")
    assert unknown(project.log.read_bytes(), standing_of(*STORY)) == ()


def test_a_tampered_line_does_not_pass_for_the_one_that_is_missing(project: Project) -> None:
    project.append()
    forged = project.log.read_bytes().replace(b'"to_lane": "in_progress"', b'"to_lane": "done"')
    project.log.write_bytes(forged)

    assert PATHS[0] in project.append()
    assert project.lines()[-1] == render(STORY[-1], previous=NO_LINE)


def test_a_status_file_alone_is_mended(project: Project) -> None:
    project.append()
    project.status.write_bytes(b"{}")

    assert project.append() == (PATHS[1],)
    assert agrees(project.status.read_bytes(), project.log.read_bytes())


def test_a_feature_without_events_of_ours_is_left_alone(project: Project) -> None:
    assert append_pending(project.root, project.common, standing_of()) == ()
    assert not project.log.exists()
    assert not project.common.joinpath("spec-kitty-locks").exists()


def test_mode_and_group_stay_what_they_were(project: Project) -> None:
    group = next((group for group in os.getgroups() if group != os.getgid()), os.getgid())
    for path in (project.log, project.status):
        path.write_bytes(b"")
        path.chmod(0o640)
        os.chown(path, -1, group)
    project.append()

    for path in (project.log, project.status):
        assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o640, group)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_stays_who_it_was(project: Project) -> None:
    project.log.write_bytes(b"")
    os.chown(project.log, 4711, 4712)
    project.append()

    assert (project.log.stat().st_uid, project.log.stat().st_gid) == (4711, 4712)


def _link(path: Path) -> None:
    elsewhere = path.parents[3] / "elsewhere"
    elsewhere.write_bytes(b"")
    path.symlink_to(elsewhere)


@pytest.mark.parametrize("name", ["status.events.jsonl", "status.json", "meta.json"])
@pytest.mark.parametrize("put", [os.mkfifo, Path.mkdir, _link], ids=["pipe", "directory", "link"])
def test_nothing_is_written_where_something_else_stands_in_a_files_place(
    project: Project, name: str, put: Callable[[Path], object]
) -> None:
    (project.folder / name).unlink(missing_ok=True)
    put(project.folder / name)
    before = sorted((path.name, path.lstat().st_mode) for path in project.folder.iterdir())

    with pytest.raises(StatusLogError, match=rf"{name} is no regular file"):
        project.append()
    assert sorted((path.name, path.lstat().st_mode) for path in project.folder.iterdir()) == before
    assert not (project.root.parent / "elsewhere").exists() or (project.root.parent / "elsewhere").stat().st_size == 0


@pytest.mark.parametrize("feature", ["035-other", "", ".", "..", "../..", "a/b"])
def test_no_folder_is_made_for_a_feature_that_has_none(project: Project, feature: str) -> None:
    standing = standing_of(*STORY)
    standing.feature = feature

    with pytest.raises(GuardianError, match="folder"):
        append_pending(project.root, project.common, standing)
    assert [path.name for path in project.folder.parent.iterdir()] == [FEATURE]


@pytest.mark.parametrize("part", ["kitty-specs", FOLDER])
def test_a_link_on_the_way_is_not_followed(project: Project, part: str) -> None:
    (project.root / part).rename(project.root.parent / "moved")
    (project.root / part).symlink_to(project.root.parent / "moved", target_is_directory=True)

    with pytest.raises(StatusLogError):
        project.append()
    assert not list(project.root.parent.joinpath("moved").rglob("status*"))


def test_a_log_of_absurd_length_is_not_rewritten(project: Project) -> None:
    with project.log.open("wb") as file:
        file.truncate((8 << 20) + 1)

    with pytest.raises(StatusLogError, match="longer than 8 MiB"):
        project.append()


def test_a_folder_that_may_not_be_written_is_an_error_with_the_reason(project: Project) -> None:
    project.common.rmdir()
    project.common.write_bytes(b"")

    with pytest.raises(StatusLogError, match="cannot be written"):
        project.append()


# The lock


def test_the_lock_is_where_upstream_has_its(tmp_path: Path) -> None:
    assert lock_path(tmp_path, FEATURE) == tmp_path / "spec-kitty-locks" / f"{FEATURE}.status.lock"


def test_nothing_is_written_while_another_tool_holds_the_lock(project: Project) -> None:
    path = lock_path(project.common, FEATURE)
    path.parent.mkdir()
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(GuardianBusyError, match=r"034-home-guard\.status\.lock"):
            append_pending(project.root, project.common, standing_of(*STORY), patience=0.1)
        assert not project.log.exists()
    assert project.append() == PATHS


def test_whoever_waits_for_the_lock_gets_it(project: Project) -> None:
    written: list[tuple[str, ...]] = []
    with holding_status(project.common, FEATURE):
        waiting = threading.Thread(target=lambda: written.append(project.append()))
        waiting.start()
        waiting.join(0.1)
        assert not written
    waiting.join(10)

    assert written == [PATHS]


def test_a_lock_file_that_its_holder_removed_is_no_lock(project: Project) -> None:
    with holding_status(project.common, FEATURE):
        lock_path(project.common, FEATURE).unlink()
        with holding_status(project.common, FEATURE, timeout=1.0):
            assert lock_path(project.common, FEATURE).exists()


def test_a_link_or_pipe_in_the_locks_place_makes_nobody_wait(project: Project) -> None:
    path = lock_path(project.common, FEATURE)
    path.parent.mkdir()
    path.symlink_to(project.root / "anywhere")

    with pytest.raises(StatusLogError):
        project.append()
    assert not (project.root / "anywhere").exists()


def test_eight_processes_write_every_event_once(project: Project) -> None:
    script = Path(__file__).with_name("one_append.py")
    running = [
        subprocess.Popen([sys.executable, str(script), str(project.root.parent)], stdout=subprocess.DEVNULL)
        for _ in range(8)
    ]

    assert [process.wait(60) for process in running] == [0] * 8
    assert [json.loads(line)["event_id"] for line in project.lines()] == [event.event_id for event in STORY]


# Crashes and full disks


@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["kill", "full", "broken"])
@pytest.mark.parametrize("begun", [False, True], ids=["anew", "further"])
def test_whatever_ends_it_both_files_are_old_or_new_and_the_next_run_completes_them(
    tmp_path: Path, how: str, *, begun: bool
) -> None:
    pristine = tmp_path / "pristine"
    pristine.mkdir()
    project = Project(pristine)
    if begun:
        project.append(4)
    old = {path: path.read_bytes() if path.exists() else None for path in (project.log, project.status)}
    logs = {old[project.log], _whole(pristine, begun=begun)}
    tried = 0
    for fault in with_faults(Path(__file__).with_name("one_append.py"), [], pristine, how, tmp_path):
        tried += 1
        assert fault.status in ({-9, 137} if how == "kill" else {0, 2}), fault
        if fault.status == 2:
            assert fault.said == ""
            assert fault.talked.startswith("guardian.events.log: "), fault
        log, status = (fault.place / "tree" / path for path in PATHS)
        found = log.read_bytes() if log.exists() else None
        assert found in logs, fault
        assert (
            not status.exists()
            or agrees(status.read_bytes(), found or b"")
            or status.read_bytes() == old[project.status]
        )
        append_pending(fault.place / "tree", fault.place / "git", standing_of(*STORY))
        assert unknown(log.read_bytes(), standing_of(*STORY)) == ()
        assert len(log.read_bytes().splitlines()) == len(STORY)
        assert agrees(status.read_bytes(), log.read_bytes())
        assert {path.name for path in log.parent.iterdir()} == {"meta.json", log.name, status.name}
    assert tried >= 5


def _whole(pristine: Path, *, begun: bool) -> bytes:
    """The log after a run that nothing ended."""
    other = Project(pristine.parent / "other")
    if begun:
        other.append(4)
    other.append()
    return other.log.read_bytes()


def test_a_later_move_is_added_to_what_is_there(project: Project) -> None:
    project.append()
    later = moved("WP01", "in_progress", "for_review", 9)
    append_pending(project.root, project.common, standing_of(*STORY, later))

    assert project.lines()[-1] == render(later, previous=NO_LINE)
    assert json.loads(project.status.read_bytes())["work_packages"]["WP01"]["lane"] == "for_review"
