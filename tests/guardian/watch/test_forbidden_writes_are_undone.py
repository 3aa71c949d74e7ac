"""Promise 4: whatever is done to `src/` in plan phase, it is legal again, and what was written is in quarantine."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from support.guarded import (
    FEATURE,
    bytes_of,
    eventually,
    guarded,
    legal_again,
    project,
    quarantined,
    session,
    slot_of,
    snapshot,
)
from support.repositories import Repository


def _in_place(root: Path) -> None:
    (root / "src/app.py").write_text("evil\n")


def _appended(root: Path) -> None:
    with (root / "src/app.py").open("a") as file:
        file.write("evil\n")


def _truncated(root: Path) -> None:
    os.truncate(root / "src/app.py", 0)


def _renamed_over(root: Path) -> None:
    (root / "draft").write_text("evil\n")
    (root / "draft").rename(root / "src/app.py")


def _created(root: Path) -> None:
    (root / "src/evil.py").write_text("evil\n")


def _created_deep(root: Path) -> None:
    (root / "src/a/b/c").mkdir(parents=True)
    (root / "src/a/b/c/evil.py").write_text("evil\n")


def _deleted(root: Path) -> None:
    (root / "src/app.py").unlink()


def _deleted_folder(root: Path) -> None:
    shutil.rmtree(root / "src/pkg")


def _deleted_all(root: Path) -> None:
    shutil.rmtree(root / "src")


def _made_executable(root: Path) -> None:
    (root / "src/app.py").chmod(0o777)


def _made_unreadable(root: Path) -> None:
    (root / "src/app.py").chmod(0)


def _folder_closed(root: Path) -> None:
    (root / "src/pkg").chmod(0)


def _symlink_created(root: Path) -> None:
    (root / "src/evil.py").symlink_to("/etc/hostname")


def _file_became_symlink(root: Path) -> None:
    (root / "src/app.py").unlink()
    (root / "src/app.py").symlink_to("../README")


def _symlink_turned(root: Path) -> None:
    (root / "src/link.py").unlink()
    (root / "src/link.py").symlink_to("elsewhere.py")


def _symlink_became_file(root: Path) -> None:
    (root / "draft").write_text("evil\n")
    (root / "draft").rename(root / "src/link.py")


def _file_became_folder(root: Path) -> None:
    (root / "src/app.py").unlink()
    (root / "src/app.py").mkdir()
    (root / "src/app.py/evil.py").write_text("evil\n")


def _folder_became_file(root: Path) -> None:
    shutil.rmtree(root / "src/pkg")
    (root / "src/pkg").write_text("evil\n")


def _folder_became_symlink(root: Path) -> None:
    (root / "src").rename(root / "elsewhere")
    (root / "elsewhere/app.py").write_text("evil\n")
    (root / "src").symlink_to("elsewhere")


def _folder_renamed_away(root: Path) -> None:
    (root / "src").rename(root / "elsewhere")


def _folder_renamed_away_and_made_anew(root: Path) -> None:
    (root / "src").rename(root / "elsewhere")
    (root / "src").mkdir()
    (root / "src/app.py").write_text("evil\n")
    (root / "src/new").mkdir()
    (root / "src/new/evil.py").write_text("evil\n")


def _subfolder_renamed_away_and_made_anew(root: Path) -> None:
    (root / "src/pkg").rename(root / "elsewhere")
    (root / "src/pkg/deep").mkdir(parents=True)
    (root / "src/pkg/deep/module_0.py").write_text("evil\n")


def _renamed_within(root: Path) -> None:
    (root / "src/app.py").rename(root / "src/renamed.py")


def _folder_moved_in(root: Path) -> None:
    (root / "incoming/below").mkdir(parents=True)
    (root / "incoming/below/evil.py").write_text("evil\n")
    (root / "incoming").rename(root / "src/incoming")


def _hard_linked_in(root: Path) -> None:
    (root / "outside.py").write_text("evil\n")
    os.link(root / "outside.py", root / "src/evil.py")


def _repository_made_inside(root: Path) -> None:
    (root / "src/nested/.git").mkdir(parents=True)
    (root / "src/nested/evil.py").write_text("evil\n")


def _other_spelling(root: Path) -> None:
    (root / "SRC").mkdir()
    (root / "SRC/evil.py").write_text("evil\n")


def _undecodable_name(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root / "src") + b"/\xff\xfe.py")).write_text("evil\n")


def _fifo(root: Path) -> None:
    os.mkfifo(root / "src/fifo")


def _socket(root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        fd = os.open(root / "src", os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{fd}/socket")
        os.close(fd)


ATTACKS: tuple[Callable[[Path], None], ...] = (
    _in_place, _appended, _truncated, _renamed_over, _created, _created_deep, _deleted, _deleted_folder, _deleted_all,
    _made_executable, _made_unreadable, _folder_closed, _symlink_created, _file_became_symlink, _symlink_turned,
    _symlink_became_file, _file_became_folder, _folder_became_file, _folder_became_symlink, _folder_renamed_away,
    _folder_renamed_away_and_made_anew, _subfolder_renamed_away_and_made_anew, _renamed_within, _folder_moved_in,
    _hard_linked_in, _repository_made_inside, _other_spelling, _undecodable_name, _fifo, _socket,
)  # fmt: skip


def test_whatever_is_done_to_the_sources_they_are_byte_for_byte_as_they_were(planned: Repository) -> None:
    before = snapshot(planned.path / "src")

    with guarded(planned):
        for attack in ATTACKS:
            with contextlib.suppress(OSError):  # a later step may find the guardian was faster
                attack(planned.path)
            legal_again(planned.path / "src", before)
            eventually(lambda: not (planned.path / "SRC").exists(), "the other spelling is gone")
            shutil.rmtree(planned.path / "elsewhere", ignore_errors=True)
        # Once more, in one go: nothing of the above may have blinded the watcher.
        for attack in (_created_deep, _deleted_folder, _renamed_over, _folder_renamed_away_and_made_anew):
            with contextlib.suppress(OSError):
                attack(planned.path)
        legal_again(planned.path / "src", before)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__.strip("_"))
def test_one_comparison_undoes_whatever_was_done(planned: Repository, attack: Callable[[Path], None]) -> None:
    before = snapshot(planned.path / "src")

    with session(planned) as opened:
        attack(planned.path)
        opened.guard.scan()
        opened.guard.tick()

        assert snapshot(planned.path / "src") == before
        assert not (planned.path / "SRC/evil.py").exists()
        assert opened.status()["problems"] == []


@pytest.mark.parametrize(
    ("attack", "path", "written"),
    [
        (_in_place, "src/app.py", b"evil\n"),
        (_appended, "src/app.py", b"print('legal')\nevil\n"),
        (_renamed_over, "src/app.py", b"evil\n"),
        (_created, "src/evil.py", b"evil\n"),
        (_symlink_created, "src/evil.py", b"/etc/hostname"),
        (_symlink_became_file, "src/link.py", b"evil\n"),
        (_made_executable, "src/app.py", b"print('legal')\n"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_was_written_is_in_quarantine_byte_for_byte(
    planned: Repository, attack: Callable[[Path], None], path: str, written: bytes
) -> None:
    before = snapshot(planned.path / "src")

    with guarded(planned):
        attack(planned.path)
        legal_again(planned.path / "src", before)
        eventually(lambda: bool(quarantined(planned, path)), "an entry")

        assert bytes_of(planned, quarantined(planned, path)[-1]) == written


def test_a_new_folder_is_taken_whole(planned: Repository) -> None:
    before = snapshot(planned.path / "src")

    with guarded(planned):
        _folder_moved_in(planned.path)
        legal_again(planned.path / "src", before)
        eventually(lambda: bool(quarantined(planned, "src/incoming")), "an entry")

        slot = slot_of(planned, quarantined(planned, "src/incoming")[0])
        assert (slot / "below/evil.py").read_text() == "evil\n"


def test_whoever_still_holds_the_file_goes_on_writing_into_quarantine(planned: Repository) -> None:
    before = snapshot(planned.path / "src")

    with guarded(planned), (planned.path / "src/app.py").open("w") as file:
        file.write("first,")
        file.flush()
        legal_again(planned.path / "src", before)
        file.write(" then this")
        file.flush()

        assert snapshot(planned.path / "src") == before
        (entry,) = quarantined(planned, "src/app.py")
        assert bytes_of(planned, entry) == b"first, then this"


def test_the_very_inode_that_was_written_is_the_one_in_quarantine(planned: Repository) -> None:
    before = snapshot(planned.path / "src")

    with guarded(planned):
        inode = (planned.path / "src/app.py").stat().st_ino
        _in_place(planned.path)
        legal_again(planned.path / "src", before)
        eventually(lambda: bool(quarantined(planned, "src/app.py")), "an entry")

        assert slot_of(planned, quarantined(planned, "src/app.py")[0]).stat().st_ino == inode


def test_times_and_extended_attributes_come_back(planned: Repository) -> None:
    source = planned.path / "src/app.py"
    os.utime(source, ns=(1_700_000_000_123_456_789, 1_700_000_000_123_456_789))
    try:
        os.setxattr(source, "user.owner", b"ada")
        attributes = {"user.owner": b"ada"}
    except OSError:  # a file system without them
        attributes = {}

    with guarded(planned):
        source.unlink()
        eventually(source.exists, "the file is back")

        assert source.stat().st_mtime_ns == 1_700_000_000_123_456_789
        assert {name: os.getxattr(source, name) for name in os.listxattr(source)} == attributes


def test_uncommitted_work_in_the_sources_is_the_baseline_and_comes_back(planned: Repository) -> None:
    (planned.path / "src/app.py").write_text("my own half-finished work\n")
    (planned.path / "src/untracked.py").write_text("not even added\n")
    before = snapshot(planned.path / "src")

    with guarded(planned):
        planned.git("checkout", "--", "src/app.py")
        (planned.path / "src/untracked.py").unlink()
        legal_again(planned.path / "src", before)


def test_what_the_phase_allows_is_left_alone(planned: Repository) -> None:
    plan = planned.path / "kitty-specs" / FEATURE / "plan.md"
    notes = planned.path / "notes.txt"

    with guarded(planned) as report:
        plan.write_text("# A better plan\n")
        notes.write_text("neutral\n")
        (planned.path / "src/app.py~").write_text("an editor's backup\n")
        (planned.path / "src/debug.log").write_text("ignored by HEAD\n")
        (planned.path / "src/build").mkdir()
        (planned.path / "src/build/out.o").write_text("ignored by HEAD\n")
        _in_place(planned.path)
        eventually(lambda: bool(quarantined(planned, "src/app.py")), "the forbidden one is taken")

        assert plan.read_text() == "# A better plan\n"
        assert notes.read_text() == "neutral\n"
        assert (planned.path / "src/app.py~").exists()
        assert (planned.path / "src/debug.log").exists()
        assert (planned.path / "src/build/out.o").exists()
        assert report.status.phase == "plan"


def test_an_edited_ignore_file_hides_nothing(planned: Repository) -> None:
    before = snapshot(planned.path / "src")

    with guarded(planned):
        (planned.path / ".gitignore").write_text("*.py\n")
        _created(planned.path)
        legal_again(planned.path / "src", before)


@pytest.mark.parametrize(
    "path",
    [
        ".kittify/guardian.toml",
        f"kitty-specs/{FEATURE}/status.events.jsonl",
        f"kitty-specs/{FEATURE}/status.json",
        f"kitty-specs/{FEATURE}/tasks/WP01-x.md",
    ],
)
def test_what_decides_about_phases_cannot_be_planted(planned: Repository, path: str) -> None:
    with guarded(planned):
        planned.write(path, 'mode = "observe"\n')
        eventually(lambda: bool(quarantined(planned, path)) or _parent_taken(planned, path), f"{path} is taken")

        assert not (planned.path / path).exists()


def _parent_taken(repository: Repository, path: str) -> bool:
    return bool(quarantined(repository, path.rpartition("/")[0]))


def test_implement_allows_the_sources_and_keeps_the_plan(tmp_path: Path) -> None:
    repository = project(tmp_path / "work", "implement")
    plan = repository.path / "kitty-specs" / FEATURE / "plan.md"
    before = plan.read_bytes()

    with guarded(repository):
        (repository.path / "src/app.py").write_text("new\n")
        plan.write_text("a convenient plan\n")
        eventually(lambda: plan.read_bytes() == before, "the plan is as it was")

        assert (repository.path / "src/app.py").read_text() == "new\n"
