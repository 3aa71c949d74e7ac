"""Where HEAD is, how git converts bytes, what an entry looks like on disk: the small readers below HEAD following."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from kitty_guardian.commits.changes import TreeEntry
from kitty_guardian.errors import GitError
from kitty_guardian.project.git import Git
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch.checkouts import Checkouts
from kitty_guardian.watch.filters import Filters
from kitty_guardian.watch.gitwork import GitWork
from kitty_guardian.watch.headlook import HeadLook
from kitty_guardian.watch.record import Legal, LegalRecord
from kitty_guardian.watch.tree import Kind, Metadata, WorkTree
from support.repositories import Repository


@pytest.fixture(name="count")
def _count(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many git calls there were since it was last asked; files count as old at once."""
    monkeypatch.setattr("kitty_guardian.watch.headlook._RACY_NS", -1)
    calls: list[tuple[str, ...]] = []
    run = Git._complete

    def counted(self: Git, arguments: tuple[str, ...], stdin: bytes | None, timeout: float) -> object:
        calls.append(arguments)
        return run(self, arguments, stdin, timeout)

    monkeypatch.setattr(Git, "_complete", counted)

    def taken() -> int:
        number = len(calls)
        calls.clear()
        return number

    return taken


def test_git_is_asked_only_when_a_file_has_changed(planned: Repository, count: Callable[[], int]) -> None:
    look = HeadLook(find_worktree(planned.path))
    count()
    assert look.commit() == planned.head()
    assert count() > 0
    assert look.commit() == planned.head()
    assert count() == 0
    changes: list[Callable[[], object]] = [
        lambda: planned.commit("another"),
        lambda: planned.git("checkout", "-q", "-b", "side"),
        lambda: planned.git("checkout", "-q", "--detach", "HEAD~1"),
        lambda: planned.git("checkout", "-q", "main"),
        lambda: planned.git("pack-refs", "--all"),
        lambda: planned.git("update-ref", "refs/heads/main", "HEAD~1"),
    ]
    for change in changes:
        change()
        count()
        assert look.commit() == planned.head()
        assert count() > 0
        assert look.commit() == planned.head()
        assert count() == 0


def test_a_branch_that_was_just_written_is_not_believed_to_stay(planned: Repository) -> None:
    look = HeadLook(find_worktree(planned.path))
    before = planned.head()
    assert look.commit() == before
    other = planned.git("commit-tree", "-p", before, "-m", "x", "HEAD^{tree}")
    branch = planned.path / ".git/refs/heads/main"
    with branch.open("r+") as file:  # same inode, same size, perhaps the same tick of the clock
        file.write(other)
    assert look.commit() == other


def test_a_branch_that_stands_for_another_is_always_asked(planned: Repository, count: Callable[[], int]) -> None:
    planned.git("branch", "target")
    (planned.path / ".git/refs/heads/main").write_text("ref: refs/heads/target\n")
    look = HeadLook(find_worktree(planned.path))
    for _ in range(2):
        count()
        assert look.commit() == planned.head()
        assert count() > 0


def test_unusual_heads_are_always_asked(planned: Repository, count: Callable[[], int]) -> None:
    look = HeadLook(find_worktree(planned.path))
    head = planned.path / ".git/HEAD"
    (planned.path / ".git/reftable").mkdir()
    for _ in range(2):
        count()
        look.commit()
        assert count() > 0
    (planned.path / ".git/reftable").rmdir()
    head.write_text("ref: refs/other/x\n")
    for _ in range(2):
        count()
        assert look.commit() is None
        assert count() > 0
    head.unlink()
    with pytest.raises(GitError):
        look.commit()
    head.write_text("ref: refs/heads/main\n")
    branch = planned.path / ".git/refs/heads/main"
    branch.unlink()
    branch.symlink_to(branch)
    with pytest.raises(GitError):
        look.commit()


def test_filters_are_those_of_the_adoption(planned: Repository, tmp_path: Path) -> None:
    planned.git("config", "filter.rot.clean", "tr a-y b-z")
    planned.git("config", "filter.rot.smudge", "tr b-z a-y")
    planned.write(".git/config", (planned.path / ".git/config").read_text() + '[filter "rot"]\n\trequired\n')
    planned.write(".gitattributes", "*.py filter=rot\n")
    worktree = find_worktree(planned.path)
    filters = Filters(worktree, tmp_path / "scratch")
    kept = filters.configured()
    assert '["filter.rot.required", "true"]' in kept
    filters.use(kept)
    planned.git("config", "filter.rot.clean", "false")
    planned.git("config", "filter.rot.process", "false")
    stored = planned.git("hash-object", "-w", "--stdin", stdin=b"bbb")
    assert filters.clean("src/app.py", b"aaa") == stored
    assert filters.smudge("src/app.py", stored) == b"aaa"
    assert filters.smudge("src/data.bin", stored) == b"bbb"
    assert filters.smudge("src/app.py", "1" * 40) is None
    shutil.rmtree(tmp_path / "scratch")  # somebody tidies up
    assert filters.clean("src/app.py", b"aaa") == stored
    filters.use("[]")
    assert filters.clean("src/app.py", b"bbb") == stored


def test_filters_that_fail_convert_nothing(planned: Repository, tmp_path: Path) -> None:
    planned.git("config", "filter.broken.clean", "false")
    planned.git("config", "filter.broken.required", "true")
    planned.write(".gitattributes", "*.py filter=broken\n")
    filters = Filters(find_worktree(planned.path), tmp_path / "scratch")
    assert Filters(find_worktree(planned.path), tmp_path / "none").configured() == filters.configured()
    filters.use(filters.configured())
    assert filters.clean("src/app.py", b"x") is None
    (tmp_path / "file").write_text("in the way")
    nowhere = Filters(find_worktree(planned.path), tmp_path / "file" / "scratch")
    assert nowhere.clean("src/app.py", b"x") is None


def test_an_entry_is_compared_with_whatever_stands_there(planned: Repository, tmp_path: Path) -> None:
    worktree = find_worktree(planned.path)
    git = GitWork(worktree)
    checkouts = Checkouts(worktree, git)
    tree = WorkTree(planned.path)
    record = LegalRecord(tmp_path / "record" / "record.db")
    try:
        entry = TreeEntry("100644", planned.git("rev-parse", "HEAD:src/app.py"))
        for path, expected in (
            ("src/app.py", True),
            ("src/data.bin", False),
            ("src/link.py", False),
            ("src/pkg", False),
        ):
            assert checkouts.stands(entry, path, tree.lstat(path), tree) is expected
        assert checkouts.stands(None, "src/none", None, tree)
        assert not checkouts.stands(entry, "src/none", None, tree)
        link = TreeEntry("120000", planned.git("rev-parse", "HEAD:src/link.py"))
        assert checkouts.stands(link, "src/link.py", tree.lstat("src/link.py"), tree)
        st = tree.lstat("src/app.py")
        (planned.path / "src/app.py").unlink()
        assert not checkouts.stands(entry, "src/app.py", st, tree)  # gone since it was looked at
        plain = Metadata(0o644, 0, 0, 0)
        assert checkouts.is_legal(None, "x", None, record)
        assert not checkouts.is_legal(entry, "x", None, record)
        assert checkouts.is_legal(link, "x", Legal(Kind.SYMLINK, plain, target="app.py"), record)
        assert not checkouts.is_legal(entry, "x", Legal(Kind.SYMLINK, plain, target="app.py"), record)
        assert not checkouts.is_legal(entry, "x", Legal(Kind.DIRECTORY, plain), record)
        assert not checkouts.is_legal(entry, "x", Legal(Kind.FILE, plain, 3, b"lost"), record)  # its bytes are gone
        assert checkouts.legal_state(TreeEntry("160000", "1" * 40), "x", record, plain) is None
        assert checkouts.legal_state(TreeEntry("100644", "1" * 40), "x", record, plain) is None
        found = checkouts.legal_state(TreeEntry("100755", entry.oid), "x", record, Metadata(0o640, 0, 0, 0))
        assert found is not None
        assert found.metadata.mode == 0o750
        assert checkouts.is_legal(TreeEntry("100755", entry.oid), "x", found, record)
    finally:
        tree.close()
        record.close()


def test_an_object_whose_bytes_are_not_its_own_makes_nothing_legal(planned: Repository, tmp_path: Path) -> None:
    worktree = find_worktree(planned.path)
    git = GitWork(worktree)
    record = LegalRecord(tmp_path / "record" / "record.db")
    oid = planned.git("rev-parse", "HEAD:src/app.py")
    evil = planned.git("hash-object", "-w", "--stdin", stdin=b"evil\n")
    objects = planned.path / ".git/objects"
    target = objects / oid[:2] / oid[2:]
    target.unlink()
    shutil.copyfile(objects / evil[:2] / evil[2:], target)
    try:
        like = Metadata(0o644, 0, 0, 0)
        assert Checkouts(worktree, git).legal_state(TreeEntry("100644", oid), "src/app.py", record, like) is None
    finally:
        record.close()


def test_a_damaged_index_holds_nothing(planned: Repository) -> None:
    git = GitWork(find_worktree(planned.path))
    assert git.index_entry("src/app.py") is not None
    assert git.index_holds_below("src/pkg/deep")
    (planned.path / ".git/index").write_bytes(b"garbage")
    assert git.index_entry("src/app.py") is None
    assert not git.index_holds_below("src")
    assert git.left_unmerged("src/app.py") is None


def test_objects_are_looked_up_by_git(planned: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    git = GitWork(find_worktree(planned.path))
    assert git.has_object(planned.head())
    assert not git.has_object("1" * 40)
    monkeypatch.setattr(Git, "attempt", _fails)
    assert not git.has_object(planned.head())


def _fails(*_: object, **__: object) -> None:
    raise GitError("git is gone")


def test_a_socket_is_no_entry(planned: Repository) -> None:
    worktree = find_worktree(planned.path)
    tree = WorkTree(planned.path)
    place = Path.cwd()
    os.chdir(planned.path / "src")
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("s")
            entry = TreeEntry("100644", "1" * 40)
            assert not Checkouts(worktree, GitWork(worktree)).stands(entry, "src/s", tree.lstat("src/s"), tree)
    finally:
        os.chdir(place)
        tree.close()
