"""Pending: what git may be about to finish is not judged yet, and nothing else is excused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch.gitwork import GitWork
from support.following import held, mate_of, worktree_git_dir
from support.guarded import Clock, eventually, guarded, legal_again, snapshot
from support.repositories import Repository

LEGAL = "print('legal')\n"


@contextmanager
def locking(repository: Repository, name: str = "index.lock") -> Iterator[None]:
    """Another process holds one of git's locks for the time of a block."""
    lock = worktree_git_dir(repository) / name
    program = "import sys; f = open(sys.argv[1], 'x'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
            assert holder.stdin is not None
            holder.stdin.close()


@pytest.mark.parametrize("name", ["index.lock", "HEAD.lock"])
def test_a_planted_lock_suspends_nothing(planned: Repository, name: str) -> None:
    with held(planned) as guard:
        (worktree_git_dir(planned) / name).touch()
        evil = planned.git("hash-object", "-w", "--stdin", stdin=b"evil\n")
        assert evil
        planned.write("src/app.py", "evil\n")
        (planned.path / "src/data.bin").unlink()
        guard.look()
        assert (planned.path / "src/app.py").read_text() == LEGAL
        assert (planned.path / "src/data.bin").exists()


def test_a_held_lock_suspends_what_is_half_written_for_a_quarter_of_a_second(planned: Repository) -> None:
    with held(planned) as guard, locking(planned):
        planned.write("src/app.py", "half writ")
        guard.look()
        assert guard.session.guard.pending == ("src/app.py",)
        guard.later(0.2)
        assert (planned.path / "src/app.py").read_text() == "half writ"
        guard.later(0.1)
        assert (planned.path / "src/app.py").read_text() == LEGAL
        assert guard.operations() == [("src/app.py", "write")]


def test_a_held_lock_suspends_git_objects_for_a_minute_and_it_is_recorded(planned: Repository) -> None:
    with held(planned) as guard, locking(planned):
        planned.git("hash-object", "-w", "--stdin", stdin=b"an object\n")
        planned.write("src/app.py", "an object\n")
        (planned.path / "src/data.bin").unlink()
        guard.look()
        guard.later(3)
        guard.later(56)
        assert set(guard.session.guard.pending) == {"src/app.py", "src/data.bin"}
        trail = Path(guard.session.state.violations).read_text()
        assert trail.count('"pending"') == 2
        guard.later(2)
        assert (planned.path / "src/app.py").read_text() == LEGAL
        assert (planned.path / "src/data.bin").exists()


def test_a_held_lock_does_not_suspend_a_forbidden_folder(planned: Repository) -> None:
    with held(planned) as guard, locking(planned):
        planned.write("src/evil/evil.py", "evil\n")
        guard.look()
        guard.later(0.3)
        assert not (planned.path / "src/evil").exists()


def test_what_equals_its_index_entry_is_taken_two_seconds_after_the_release(planned: Repository) -> None:
    with held(planned) as guard:
        planned.write("src/app.py", "evil\n")
        planned.write("src/evil.py", "evil\n")
        planned.git("add", "src")
        guard.look()
        assert set(guard.session.guard.pending) == {"src/app.py", "src/evil.py"}
        guard.later(1.9)
        assert (planned.path / "src/app.py").read_text() == "evil\n"
        guard.later(0.2)
        assert (planned.path / "src/app.py").read_text() == LEGAL
        assert not (planned.path / "src/evil.py").exists()


def test_an_index_that_changes_all_the_time_suspends_for_a_minute_in_all(planned: Repository) -> None:
    with held(planned) as guard:
        planned.write("src/app.py", "evil\n")
        planned.git("add", "src")
        guard.look()
        for number in range(61):
            planned.write("README.md", f"{number}\n")
            planned.git("add", "README.md")
            guard.later(1)
        assert (planned.path / "src/app.py").read_text() == LEGAL


def test_an_executable_bit_that_the_index_does_not_have_is_not_excused(planned: Repository) -> None:
    with held(planned) as guard:
        planned.write("src/app.py", "evil\n")
        planned.git("add", "src")
        (planned.path / "src/app.py").chmod(0o755)
        guard.look()
        assert (planned.path / "src/app.py").read_text() == LEGAL


def test_what_is_removed_from_the_index_comes_back_after_two_seconds(planned: Repository) -> None:
    before = snapshot(planned.path / "src")
    with held(planned) as guard:
        planned.git("rm", "-rq", "src/pkg", "src/app.py")
        guard.look()
        assert not (planned.path / "src/app.py").exists()
        guard.later()
        assert snapshot(planned.path / "src") == before
        # Taken away without git's knowledge it comes back at once.
        (planned.path / "src/data.bin").unlink()
        guard.look()
        assert snapshot(planned.path / "src") == before


def conflicting(planned: Repository, tmp_path: Path) -> str:
    """A teammate's commit, fetched, and one of ours that changes the same line of `src/app.py`; gives ours."""
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/app.py", "theirs\n")
    mate.commit("theirs")
    planned.write("src/app.py", "ours\n")
    ours = planned.commit("ours")
    planned.git("fetch", "-q")
    return ours


@pytest.mark.parametrize(
    ("operation", "end"),
    [
        (("merge", "origin/main"), ("merge", "--abort")),
        (("cherry-pick", "origin/main"), ("cherry-pick", "--abort")),
        (("rebase", "origin/main"), ("rebase", "--abort")),
    ],
    ids=["merge", "cherry-pick", "rebase"],
)
def test_a_conflict_in_the_sources_stays_until_the_operation_ends(
    planned: Repository, tmp_path: Path, operation: tuple[str, ...], end: tuple[str, ...]
) -> None:
    conflicting(planned, tmp_path)
    with held(planned) as guard:
        planned.git(*operation, check=False)
        guard.look()
        guard.later(3)
        guard.later(120)
        assert "<<<<<<<" in (planned.path / "src/app.py").read_text()
        planned.write("src/data.bin", "not part of it\n")
        guard.look()
        assert len((planned.path / "src/data.bin").read_bytes()) == 2048
        planned.git(*end)
        guard.look()
        guard.later()
        assert (planned.path / "src/app.py").read_text() == "ours\n"
        assert guard.session.guard.pending == ()
        assert guard.operations() == [("src/data.bin", "write")]
        assert guard.problems() == []


def test_a_conflict_of_a_revert_stays_until_it_ends(planned: Repository) -> None:
    planned.write("src/app.py", "one\n")
    one = planned.commit("one")
    planned.write("src/app.py", "two\n")
    planned.commit("two")
    with held(planned) as guard:
        planned.git("revert", "--no-edit", one, check=False)
        guard.look()
        guard.later(100)
        assert "<<<<<<<" in (planned.path / "src/app.py").read_text()
        planned.git("revert", "--abort")
        guard.look()
        guard.later()
        assert (planned.path / "src/app.py").read_text() == "two\n"
        assert guard.operations() == []


def test_a_conflict_resolved_for_one_side_and_committed_is_legal(planned: Repository, tmp_path: Path) -> None:
    conflicting(planned, tmp_path)
    with held(planned) as guard:
        planned.git("merge", "origin/main", check=False)
        guard.look()
        planned.git("checkout", "-q", "--theirs", "src/app.py")
        planned.commit("Merge")
        guard.look()
        guard.later()
        assert (planned.path / "src/app.py").read_text() == "theirs\n"
        assert guard.problems() == []
        assert guard.operations() == []


def test_a_conflict_resolved_by_hand_and_committed_does_not_count(planned: Repository, tmp_path: Path) -> None:
    conflicting(planned, tmp_path)
    with held(planned) as guard:
        planned.git("merge", "origin/main", check=False)
        guard.look()
        planned.write("src/app.py", "evil\n")
        planned.commit("Merge")
        guard.look()
        assert ("src/app.py", "commit") in guard.operations()
        assert (planned.path / "src/app.py").read_text() == "ours\n"


def plant(planned: Repository, *oids: str) -> None:
    """Make the index say that `src/app.py` is unmerged."""
    rows = "".join(f"100644 {oid} {stage}\tsrc/app.py\n" for stage, oid in enumerate(oids, start=1))
    zero = f"0 {'0' * 40}\tsrc/app.py\n"
    planned.git("update-index", "--index-info", stdin=(zero + rows).encode())


def test_planted_unmerged_entries_suspend_nothing(planned: Repository) -> None:
    with held(planned) as guard:
        legal = planned.git("rev-parse", "HEAD:src/app.py")
        evil = planned.git("hash-object", "-w", "--stdin", stdin=b"evil\n")
        plant(planned, legal, legal, evil)
        assert planned.git("ls-files", "--unmerged") != ""
        planned.write("src/app.py", "evil\n")
        guard.look()
        assert (planned.path / "src/app.py").read_text() == LEGAL


@pytest.mark.parametrize("name", ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD"])
def test_a_forged_operation_suspends_nothing(planned: Repository, name: str) -> None:
    """The commit that is said to be merged is the agent's own: it does not count."""
    with held(planned) as guard:
        legal = planned.git("rev-parse", "HEAD:src/app.py")
        evil = planned.git("hash-object", "-w", "--stdin", stdin=b"evil\n")
        tree = planned.git("rev-parse", "HEAD^{tree}")
        below = planned.git("ls-tree", "HEAD:src").replace(legal, evil)
        source = planned.git("mktree", stdin=(below + "\n").encode())
        rows = planned.git("ls-tree", tree).splitlines()
        rows = [f"040000 tree {source}\tsrc" if row.endswith("\tsrc") else row for row in rows]
        tree = planned.git("mktree", stdin=("\n".join(rows) + "\n").encode())
        commit = planned.git("commit-tree", "-p", "HEAD", "-m", "evil", tree)
        (worktree_git_dir(planned) / name).write_text(commit + "\n")
        plant(planned, legal, legal, evil)
        planned.write("src/app.py", "evil\n")
        guard.look()
        assert (planned.path / "src/app.py").read_text() == LEGAL


def test_a_forged_merge_of_a_commit_that_counts_suspends_nothing(planned: Repository, tmp_path: Path) -> None:
    """It merges cleanly: there is nothing to resolve."""
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/app.py", "theirs\n")
    mate.commit("theirs")
    planned.git("fetch", "-q")
    with held(planned) as guard:
        theirs = planned.git("rev-parse", "origin/main")
        (worktree_git_dir(planned) / "MERGE_HEAD").write_text(theirs + "\n")
        legal = planned.git("rev-parse", "HEAD:src/app.py")
        plant(planned, legal, legal, planned.git("rev-parse", "origin/main:src/app.py"))
        planned.write("src/app.py", "evil\n")
        guard.look()
        assert (planned.path / "src/app.py").read_text() == LEGAL


def test_a_merge_of_an_unattested_branch_excuses_no_conflict(planned: Repository) -> None:
    with held(planned) as guard:
        planned.git("checkout", "-q", "-b", "side")
        evil = planned.git("hash-object", "-w", "--stdin", stdin=b"evil\n")
        planned.git("update-index", "--cacheinfo", f"100644,{evil},src/app.py")
        planned.commit("evil", add=False)
        guard.look()
        planned.git("checkout", "-q", "-f", "main")
        guard.look()
        planned.git("merge", "--no-commit", "--no-ff", "side", check=False)
        guard.look()
        guard.later()
        assert (planned.path / "src/app.py").read_text() == LEGAL


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"not an id\n", b"1" * 40 + b"\n"])
def test_nonsense_in_the_files_of_an_operation_is_no_operation(planned: Repository, content: bytes) -> None:
    with held(planned) as guard:
        (worktree_git_dir(planned) / "MERGE_HEAD").write_bytes(content)
        legal = planned.git("rev-parse", "HEAD:src/app.py")
        plant(planned, legal, legal, legal)
        planned.write("src/app.py", "evil\n")
        guard.look()
        assert (planned.path / "src/app.py").read_text() == LEGAL


def test_a_path_on_hold_costs_no_git_call(planned: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conflicting(planned, tmp_path)
    with held(planned) as guard:
        planned.git("merge", "origin/main", check=False)
        guard.look()
        monkeypatch.setattr("kitty_guardian.watch.headlook._RACY_NS", -1)
        guard.look()
        calls: list[object] = []
        monkeypatch.setattr("kitty_guardian.project.git.Git._complete", lambda *a: calls.append(a))
        for _ in range(20):
            guard.clock.now += 0.05
            guard.session.tick()
        assert calls == []
        assert guard.session.guard.pending == ("src/app.py",)


def test_without_proc_a_lock_is_believed(planned: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    work = GitWork(find_worktree(planned.path), Clock())
    (worktree_git_dir(planned) / "index.lock").touch()
    assert not work.at_work()
    monkeypatch.setattr("sys.platform", "darwin")
    assert GitWork(find_worktree(planned.path), Clock()).at_work()


def test_quiet_time_counts_from_the_last_change_of_the_index(planned: Repository) -> None:
    clock = Clock()
    work = GitWork(find_worktree(planned.path), clock)
    assert work.quiet_for() == float("inf")
    planned.write("README.md", "x\n")
    planned.git("add", "README.md")
    assert work.quiet_for() == 0
    clock.now += 5
    assert work.quiet_for() == 5
    (planned.path / ".git/index").unlink()
    assert work.quiet_for() == 0
    assert work.index_entry("README.md") is None
    with locking(planned):
        clock.now += 5
        assert work.at_work()
        assert work.quiet_for() == 0
    clock.now += 1
    assert not work.at_work()


def test_the_real_guardian_waits_for_a_conflict_and_not_for_a_staged_write(planned: Repository, tmp_path: Path) -> None:
    conflicting(planned, tmp_path)
    before = snapshot(planned.path / "src")
    with guarded(planned):
        planned.write("src/data.bin", b"evil\n")
        planned.git("add", "src/data.bin")
        legal_again(planned.path / "src", before)
        planned.git("reset", "-q")
        planned.git("merge", "origin/main", check=False)
        planned.write("src/run.sh", "evil\n")
        eventually(lambda: (planned.path / "src/run.sh").read_text() == "#!/bin/sh\n", "the other file is as it was")
        assert "<<<<<<<" in (planned.path / "src/app.py").read_text()
        planned.git("merge", "--abort")
        legal_again(planned.path / "src", before)
