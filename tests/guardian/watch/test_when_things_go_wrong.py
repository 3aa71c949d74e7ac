"""Enforcement model, section 7: full disks, storms, lost events, other file systems, damaged state."""

from __future__ import annotations

import contextlib
import mmap
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kitty_guardian.errors import GuardianError
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch import lifecycle, quarantine, swap
from kitty_guardian.watch.audit import read_events
from support.guarded import (
    Clock,
    bytes_of,
    eventually,
    guarded,
    legal_again,
    project,
    quarantined,
    session,
    snapshot,
)
from support.repositories import Repository

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")


@contextmanager
def small_file_system(place: Path, megabytes: int) -> Iterator[Path]:
    """A tmpfs of that size; skips where mounting is not possible."""
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(place)], check=False, capture_output=True
    )
    if done.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _actions(repository: Repository) -> list[str]:
    events = read_events(Path(find_worktree(repository.path).state.guardian.violations))
    return [str(event["payload"].get("action")) for event in events]


def _fill(place: Path) -> None:
    def write() -> None:
        with (place / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))

    with pytest.raises(OSError, match="No space left"):
        write()


@needs_root
def test_on_a_full_disk_the_reserve_brings_the_legal_bytes_back(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "small", 24) as place:
        repository = project(place / "work")
        before = snapshot(repository.path / "src")
        with session(repository) as opened:
            (repository.path / "src/data.bin").write_bytes(b"evil" * 2000)
            _fill(place)
            opened.guard.scan()

            assert snapshot(repository.path / "src") == before
            (entry,) = quarantined(repository, "src/data.bin")
            assert bytes_of(repository, entry) == b"evil" * 2000


@needs_root
def test_what_cannot_be_made_legal_stays_is_told_and_is_retried(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "small", 24) as place:
        repository = project(place / "work")
        repository.write("src/huge.bin", os.urandom(5 << 20))
        before = snapshot(repository.path / "src")
        clock = Clock()
        with session(repository, clock=clock) as opened:
            (repository.path / "src/huge.bin").write_bytes(b"evil")
            _fill(place)
            opened.guard.scan()

            assert (repository.path / "src/huge.bin").read_bytes() == b"evil"
            assert "No space left" in opened.status()["problems"][0]
            assert _actions(repository)[-1] == "unresolved"

            (place / "ballast").unlink()
            clock.now += 2
            opened.guard.tick()
            assert snapshot(repository.path / "src") == before
            assert opened.status()["problems"] == []


def test_a_storm_is_slowed_to_one_revert_a_second_and_told(planned: Repository) -> None:
    source = planned.path / "src/app.py"
    clock = Clock()
    with session(planned, clock=clock) as opened:
        for number in range(25):
            source.write_text(f"evil {number}\n")
            opened.guard.examine("src/app.py")
            clock.now += 0.01

        assert source.read_text() == "evil 24\n", "held back"
        assert "storm" in _actions(planned)
        assert "src/app.py" in opened.status()["problems"][0]
        clock.now += 1.1
        opened.guard.tick()
        assert source.read_text() == "print('legal')\n"
        clock.now += 11
        opened.guard.tick()
        assert opened.status()["problems"] == []
        assert [bytes_of(planned, entry) for entry in quarantined(planned, "src/app.py")] == [
            f"evil {number}\n".encode() for number in (*range(20), 24)
        ]


@pytest.mark.parametrize("missing", ["exchange", "every flag"])
def test_without_an_exchange_two_renames_do(planned: Repository, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    before = snapshot(planned.path / "src")
    with session(planned) as opened:
        if missing == "every flag":
            monkeypatch.setattr(swap, "_renameat2", lambda: None)
        else:
            original = swap._rename_with
            monkeypatch.setattr(
                swap, "_rename_with", lambda flag, *rest: flag != swap._RENAME_EXCHANGE and original(flag, *rest)
            )
        (planned.path / "src/app.py").write_text("evil\n")
        (planned.path / "src/data.bin").unlink()
        opened.guard.scan()

        assert snapshot(planned.path / "src") == before
        (entry,) = quarantined(planned, "src/app.py")
        assert bytes_of(planned, entry) == b"evil\n"


@needs_root
def test_a_source_folder_on_another_file_system_is_held_too(tmp_path: Path, planned: Repository) -> None:
    (planned.path / "src").rename(tmp_path / "kept")
    with small_file_system(planned.path / "src", 8):
        for path, (mode, content) in snapshot(tmp_path / "kept").items():
            if content and not Path(path).is_symlink() and mode & 0o170000 == 0o100000:
                planned.write(f"src/{path}", content)
        before = snapshot(planned.path / "src")
        with session(planned) as opened:
            (planned.path / "src/app.py").write_text("evil\n")
            (planned.path / "src/data.bin").unlink()
            planned.write("src/new/evil.py", "evil too\n")
            opened.guard.scan()

            assert snapshot(planned.path / "src") == before
            assert bytes_of(planned, quarantined(planned, "src/app.py")[0]) == b"evil\n"
            assert bytes_of(planned, quarantined(planned, "src/new")[0]) == b"evil.py\n"


@pytest.mark.serial
def test_lost_events_end_in_one_comparison_of_everything(planned: Repository) -> None:
    """A queue of a few events, flooded: nothing stays illegal although most events were never delivered."""
    limit = Path("/proc/sys/fs/inotify/max_queued_events")
    old = limit.read_text() if limit.exists() else ""
    if os.geteuid() != 0 or not old:
        pytest.skip("the inotify queue can only be made small by root on Linux")
    before = snapshot(planned.path / "src")
    try:
        limit.write_text("16")
        with guarded(planned) as report:
            os.kill(report.status.pid or 0, 19)  # SIGSTOP: nobody reads the queue
            for number in range(500):
                (planned.path / f"src/pkg/flood_{number}.py").write_text("evil\n")
            (planned.path / "src/app.py").write_text("evil\n")
            os.kill(report.status.pid or 0, 18)
            legal_again(planned.path / "src", before)
            eventually(lambda: len(_actions(planned)) >= 501, "every one was recorded")
    finally:
        limit.write_text(old)


def _watches_in_use() -> int:
    count = 0
    for info in Path("/proc").glob("[0-9]*/fdinfo/*"):
        try:
            count += info.read_text().count("inotify wd")
        except OSError:
            continue
    return count


@pytest.mark.serial
def test_too_few_watches_are_told_and_made_good_by_comparing(planned: Repository) -> None:
    limit = Path("/proc/sys/fs/inotify/max_user_watches")
    if os.geteuid() != 0 or not limit.exists():
        pytest.skip("the number of watches can only be limited by root on Linux")
    for number in range(60):
        planned.write(f"src/many/{number}/a.py", "a\n")
    planned.commit("many folders")
    before = snapshot(planned.path / "src")
    old = limit.read_text()
    try:
        limit.write_text(str(_watches_in_use() + 40))
        with guarded(planned) as report:
            assert report.status.level == "degraded"
            assert not report.status.healthy
            assert any("fs.inotify.max_user_watches" in note for note in report.status.notes)
            for number in range(60):
                (planned.path / f"src/many/{number}/a.py").write_text("evil\n")
            legal_again(planned.path / "src", before)
    finally:
        limit.write_text(old)


def test_folders_that_were_taken_are_watched_no_longer(planned: Repository) -> None:
    with guarded(planned) as report:

        def watches() -> int:
            count = 0
            for info in Path(f"/proc/{report.status.pid}/fdinfo").iterdir():
                with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                    count += info.read_text().count("inotify wd")
            return count

        if not Path("/proc/self/fdinfo").is_dir():
            pytest.skip("watches can only be counted on Linux")
        before = watches()
        for number in range(20):
            with contextlib.suppress(FileNotFoundError):  # a folder may be taken before the next is made in it
                planned.write(f"src/new_{number}/deep/er/evil.py", "evil\n")
            eventually(lambda: not any((planned.path / "src").glob("new_*")), "the folder is taken")
        eventually(lambda: watches() <= before + 2, "no watch is left on what was taken")


def test_a_write_that_makes_no_event_is_found_by_comparing(planned: Repository) -> None:
    source = planned.path / "src/app.py"
    os.link(source, planned.path / "outside.py")
    with guarded(planned):
        (planned.path / "outside.py").write_text("evil through the other name\n")
        eventually(lambda: source.read_text() == "print('legal')\n", "found by the periodic comparison")


def test_a_write_to_a_mapped_page_that_changes_no_time_is_found_by_reading_anew(planned: Repository) -> None:
    source = planned.path / "src/data.bin"
    before = source.read_bytes()
    with session(planned) as opened, source.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0] = before[0]  # the page is dirty from here on, its bytes are as they were
        time.sleep(0.25)
        opened.guard.scan()
        mapped[0] = before[0] ^ 0xFF
        for _ in range(3):
            opened.guard.doubt(1 << 30)
            opened.guard.scan()

        assert source.read_bytes() == before


def test_a_file_larger_than_a_chunk_comes_back(planned: Repository) -> None:
    large = os.urandom((3 << 20) + 17)
    planned.write("src/large.bin", large)
    with session(planned) as opened:
        with (planned.path / "src/large.bin").open("r+b") as file:
            file.seek(2 << 20)
            file.write(b"X")
        opened.guard.scan()
        assert (planned.path / "src/large.bin").read_bytes() == large


def test_damaged_legal_bytes_are_never_put_back(planned: Repository) -> None:
    with session(planned) as opened:
        pack = Path(find_worktree(planned.path).state.guardian.baseline) / "content.pack"
        data = pack.read_bytes()
        pack.write_bytes(data.replace(b"print('legal')", b"print('forge')"))
        (planned.path / "src/app.py").write_text("evil\n")
        opened.guard.scan()

        assert (planned.path / "src/app.py").read_text() == "evil\n"
        assert "damaged" in opened.status()["problems"][0]


def test_a_damaged_record_is_told_and_not_guessed(planned: Repository) -> None:
    with guarded(planned):
        pass
    database = Path(find_worktree(planned.path).state.guardian.record)
    for file in database.parent.glob("record.db*"):
        file.write_bytes(b"this is no database, but long enough to look at" * 100)

    with pytest.raises(GuardianError) as raised:
        lifecycle.start(planned.path)
    assert raised.value.exit_code == 2
    assert "record" in raised.value.message
    assert raised.value.hint


def test_a_cut_line_in_the_journal_or_the_trail_swallows_nothing(planned: Repository) -> None:
    state = find_worktree(planned.path).state.guardian
    with session(planned):
        pass
    for file in (state.journal, state.violations):
        with Path(file).open("ab") as log:
            log.write(b'{"id": "01CUT')
    with session(planned) as opened:
        (planned.path / "src/app.py").write_text("evil\n")
        opened.guard.scan()
        assert bytes_of(planned, quarantined(planned, "src/app.py")[0]) == b"evil\n"
        assert _actions(planned)[-1] == "restored"


def test_a_target_that_was_made_legal_at_the_last_moment_costs_nobody_anything(
    planned: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = planned.path / "src/app.py"
    with session(planned) as opened:
        original = swap.exchange

        def late(*arguments: object) -> None:
            source.unlink()
            source.write_text("print('legal')\n")
            original(*arguments)  # type: ignore[arg-type]  # passed through as they came

        monkeypatch.setattr(quarantine, "exchange", late)
        source.write_text("evil\n")
        opened.guard.examine("src/app.py")

        assert source.read_text() == "print('legal')\n"


def test_a_symlinked_parent_never_leads_a_revert_outside(planned: Repository, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "app.py").write_text("somebody else's\n")
    with session(planned) as opened:
        (planned.path / "src").rename(planned.path / "elsewhere")
        (planned.path / "src").symlink_to(outside)
        opened.guard.examine("src/app.py")
        opened.guard.scan()

        assert (outside / "app.py").read_text() == "somebody else's\n"
        assert [found.name for found in outside.iterdir()] == ["app.py"]
        assert (planned.path / "src/app.py").read_text() == "print('legal')\n"


def test_a_policy_committed_by_somebody_else_takes_effect_and_an_invalid_one_does_not(
    planned: Repository, tmp_path: Path
) -> None:
    other = Repository(tmp_path / "other", init=False)
    planned.git("clone", "--quiet", str(planned.path), str(other.path))
    planned.git("remote", "add", "origin", str(other.path))
    with guarded(planned):
        other.write(".kittify/guardian.toml", 'mode = "observe"\n')
        other.commit("observe")
        planned.git("pull", "--quiet", "--ff-only", "origin", "main:refs/remotes/origin/main")
        planned.git("merge", "--quiet", "--ff-only", "origin/main")
        eventually(lambda: lifecycle.settle(planned.path).mode == "observe", "the pulled policy holds")

        other.write(".kittify/guardian.toml", "mode = 'lax'\n")
        other.commit("lax")
        planned.git("fetch", "--quiet", "origin", "main:refs/remotes/origin/main")
        planned.git("merge", "--quiet", "--ff-only", "origin/main")
        eventually(lambda: not lifecycle.settle(planned.path).healthy, "the invalid one is told")
        assert lifecycle.status(planned.path).mode == "observe"
