"""Whoever reads a project again reads only what has changed since, and never takes old for new."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Hashable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.features import read_features
from kitty_guardian.project.git import Git
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.trees import READ_LIMIT, DiskTree, GitTree
from support.reading import log_of
from support.repositories import Repository, work_package_text

NAME = "001-one"
HERE = f"kitty-specs/{NAME}"
LOG = f"{HERE}/status.events.jsonl"
FILE = f"{HERE}/tasks/WP01-part.md"


class Counting(DiskTree):
    """A disk that remembers what was read from it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: list[str] = []

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        self.reads.append(path)
        return super().read(path, limit)


@pytest.fixture(name="project")
def _project(repository: Repository) -> Repository:
    repository.feature(NAME, "implement", work_packages=("WP01", "WP02"))
    repository.write(LOG, log_of("WP02 for_review"))
    repository.feature("002-two", "review")
    repository.commit()
    return repository


@pytest.fixture(name="later")
def _later(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is later than it is: file times are trusted that have only just been set; `tick` makes that right."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60_000_000_000)


def again(project: Repository, readings: Readings) -> tuple[list[str], int]:
    """What one more reading reads and how many files it parses; its reports are those of a first one."""
    tree, before = Counting(project.path), readings.parsed
    assert read_features(tree, readings) == read_features(DiskTree(project.path))
    tick(project.home)
    return tree.reads, readings.parsed - before


def tick(directory: Path) -> None:
    """Wait until the file system's clock has moved on, so that what is trusted too early here can be trusted."""
    probe = directory / "probe"
    probe.write_text("")
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == before:
        probe.write_text("")


@pytest.mark.usefixtures("later")
def test_where_nothing_changed_no_file_is_opened(project: Repository) -> None:
    readings = Readings()

    assert again(project, readings)[1] == 4
    assert again(project, readings) == ([], 0)


def test_what_has_only_just_changed_is_opened_again_but_parsed_once(project: Repository) -> None:
    readings = Readings()
    first, parsed = again(project, readings)

    assert (len(first), parsed) == (4, 4)
    assert again(project, readings) == (first, 0)


@pytest.mark.usefixtures("later")
def test_only_the_file_that_changed_is_read(project: Repository) -> None:
    readings = Readings()
    again(project, readings)

    project.write(FILE, work_package_text("WP01", lane="done"))
    assert again(project, readings) == ([FILE], 1)
    project.write(LOG, log_of("WP02 done"))
    assert again(project, readings) == ([LOG], 1)
    project.write(f"{HERE}/tasks/WP03.md", work_package_text("WP03"))
    assert again(project, readings) == ([f"{HERE}/tasks/WP03.md"], 1)
    (project.path / LOG).unlink()
    assert again(project, readings) == ([], 0)
    assert again(project, readings) == ([], 0)


@pytest.mark.usefixtures("later")
def test_a_file_of_the_same_size_and_time_is_noticed(project: Repository) -> None:
    readings = Readings()
    path = project.write(FILE, work_package_text("WP01", lane="planned"))
    before = path.stat()
    again(project, readings)

    project.write(FILE, work_package_text("WP01", lane="blocked"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert again(project, readings) == ([FILE], 1)


@pytest.mark.usefixtures("later")
def test_a_file_that_was_exchanged_for_another_of_the_same_size_and_time_is_noticed(project: Repository) -> None:
    readings = Readings()
    path = project.write(FILE, work_package_text("WP01", lane="planned"))
    other = project.write("other", work_package_text("WP01", lane="blocked"))
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    again(project, readings)

    other.replace(path)

    assert again(project, readings) == ([FILE], 1)


@pytest.mark.usefixtures("later")
def test_a_link_in_its_place_is_noticed(project: Repository) -> None:
    readings = Readings()
    again(project, readings)
    (project.path / LOG).rename(project.path / "elsewhere")
    (project.path / LOG).symlink_to("../../elsewhere")

    assert again(project, readings) == ([], 0)
    assert read_features(DiskTree(project.path), readings)[NAME].unreadable == ("WP01", "WP02")


@pytest.mark.usefixtures("later")
def test_what_is_there_again_is_known(project: Repository) -> None:
    readings = Readings()
    again(project, readings)
    text = (project.path / FILE).read_bytes()
    project.write(FILE, "# other\n")
    again(project, readings)

    project.write(FILE, text)

    assert again(project, readings) == ([FILE], 0)


def test_what_was_read_from_the_disk_is_known_in_a_commit_and_in_the_next(project: Repository) -> None:
    readings = Readings()
    on_disk = read_features(DiskTree(project.path), readings)
    git = Git(project.path, env=project.environment)

    with GitTree(git, "HEAD") as tree:
        assert read_features(tree, readings) == on_disk
    assert readings.parsed == 4

    project.write(LOG, log_of("WP02 done"))
    project.commit()
    with GitTree(git, "HEAD") as tree:
        assert read_features(tree, readings)[NAME].work_packages["WP02"] is Lane.DONE
    assert readings.parsed == 5
    with GitTree(git, "HEAD") as tree:
        assert read_features(tree, readings)[NAME].work_packages["WP02"] is Lane.DONE
        assert tree._blobs._reader is None, "git was asked for names only"


def test_one_memory_serves_several_trees_that_differ(project: Repository) -> None:
    readings = Readings()
    linked = project.worktree(project.path.parent / "linked", "linked")
    linked.write(LOG, log_of("WP02 in_progress"))
    for _ in range(3):
        assert read_features(DiskTree(project.path), readings)[NAME].phase is Phase.IMPLEMENT
        assert read_features(DiskTree(project.path), readings)[NAME].work_packages["WP02"] is Lane.FOR_REVIEW
        assert read_features(DiskTree(linked.path), readings)[NAME].work_packages["WP02"] is Lane.IN_PROGRESS
    assert readings.parsed == 5


@pytest.mark.usefixtures("later")
def test_a_file_of_many_versions_is_always_read_as_it_is(project: Repository) -> None:
    readings = Readings()
    for number in range(40):
        lane = list(Lane)[number % len(Lane)]
        project.write(FILE, work_package_text("WP01", lane=lane, extra=f"number: {number}\n"))
        tick(project.home)

        assert read_features(DiskTree(project.path), readings)[NAME].work_packages["WP01"] is lane


class Changing(DiskTree):
    """A disk on which a file changes after it was looked at and before it is read."""

    text: str | None = None

    def stamp(self, path: str) -> Hashable | None:
        found = super().stamp(path)
        if path == FILE and self.text is not None:
            (self.root / path).write_text(self.text)
        return found


@pytest.mark.usefixtures("later")
def test_a_change_in_the_middle_of_a_reading_is_seen_now_or_next_time(project: Repository) -> None:
    readings = Readings()
    again(project, readings)
    project.write(FILE, work_package_text("WP01", lane="claimed"))
    tree = Changing(project.path)
    tree.text = work_package_text("WP01", lane="done")
    tick(project.home)

    assert read_features(tree, readings)[NAME].work_packages["WP01"] is Lane.DONE
    assert read_features(DiskTree(project.path), readings)[NAME].work_packages["WP01"] is Lane.DONE
    tick(project.home)
    project.write(FILE, work_package_text("WP01", lane="claimed"))
    assert read_features(DiskTree(project.path), readings)[NAME].work_packages["WP01"] is Lane.CLAIMED


PATHS = (
    LOG,
    FILE,
    f"{HERE}/tasks/WP02.md",
    f"{HERE}/tasks/doing/WP02.md",
    f"{HERE}/plan.md",
    "kitty-specs/002-two/spec.md",
)
TEXTS = (
    None,
    "",
    work_package_text("WP01", lane="planned"),
    work_package_text("WP01", lane="blocked"),
    "---\nlane: 'doing\n---\n",
    log_of("WP01 done"),
    log_of("WP02 claimed", "WP01 in_review"),
    "{\n",
)
edits = st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(TEXTS), st.booleans()), min_size=1, max_size=12)


@pytest.mark.parametrize("trusted", [False, True])
def test_after_any_edits_what_is_remembered_reads_as_a_first_reading(
    monkeypatch: pytest.MonkeyPatch, *, trusted: bool
) -> None:
    if trusted:
        now = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: now() + 60_000_000_000)

    @settings(max_examples=40, deadline=None)
    @given(edits)
    def holds(made: list[tuple[str, str | None, bool]]) -> None:
        root = Path(tempfile.mkdtemp())
        readings = Readings()
        try:
            for path, text, looked_at in made:
                place = root / path
                if text is None:
                    place.unlink(missing_ok=True)
                else:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_text(text)
                if looked_at:
                    tick(root)
                    assert read_features(DiskTree(root), readings) == read_features(DiskTree(root))
                    tick(root)
        finally:
            shutil.rmtree(root)

    holds()
