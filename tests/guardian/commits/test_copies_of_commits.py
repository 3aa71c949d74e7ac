"""Rebased, amended and cherry-picked copies of commits that count are told from what only looks like them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitty_guardian.commits.changes import TreeEntry
from support.judging import LINES, judged, refused, tampered
from support.repositories import Repository


@pytest.fixture(name="original")
def _original(base: Repository) -> str:
    """A commit on `side` that changes sources and counts; HEAD is back at the base."""
    base.git("checkout", "-q", "-b", "side")
    base.write("src/app.py", tampered(LINES, 10, "changed\n"))
    base.write("src/new.py", "new\n")
    original = base.commit("original")
    base.git("checkout", "-q", "main")
    return original


def test_an_amended_message_passes(base: Repository, original: str) -> None:
    base.git("checkout", "-q", "side")
    base.git("commit", "-q", "--amend", "-m", "better words")
    assert base.head() != original
    assert judged(base, [original]).attested


def test_amending_may_add_what_the_phase_allows(base: Repository, original: str) -> None:
    base.git("checkout", "-q", "side")
    base.write("notes.md", "a word about it\n")
    base.git("commit", "-qa", "--amend", "--no-edit")
    assert judged(base, [original]).attested


def test_amending_may_not_add_to_the_sources(base: Repository, original: str) -> None:
    base.git("checkout", "-q", "side")
    base.write("src/app.py", tampered(LINES, 10, "evil\n"))
    base.git("commit", "-qa", "--amend", "--no-edit")
    assert "src/app.py" in refused(judged(base, [original]))


def test_amending_may_not_leave_a_part_of_the_sources_out(base: Repository, original: str) -> None:
    base.git("checkout", "-q", "side")
    base.git("rm", "-q", "src/new.py")
    base.git("commit", "-q", "--amend", "--no-edit")
    assert refused(judged(base, [f"{original}^", original])) == {"src/app.py"}


def test_a_picked_commit_passes_where_the_file_is_the_same(base: Repository, original: str) -> None:
    base.write("notes.md", "more\n")
    known = base.commit()
    base.git("cherry-pick", original)
    assert judged(base, [known, original]).attested


def test_a_rebased_commit_passes_where_the_file_has_changed_elsewhere(base: Repository, original: str) -> None:
    base.write("src/app.py", tampered(LINES, 35, "upstream\n"))
    known = base.commit()
    base.git("checkout", "-q", "side")
    base.git("rebase", "-q", "main")
    assert base.head() not in {known, original}
    assert judged(base, [known, original]).attested


def test_a_rebase_of_many_commits_passes(base: Repository, original: str) -> None:
    base.git("checkout", "-q", "side")
    for number in range(5):
        base.write("src/app.py", tampered((base.path / "src/app.py").read_text(), 15 + 4 * number, f"step {number}\n"))
        base.commit(f"step {number}")
    tip = base.head()
    base.git("checkout", "-q", "main")
    base.write("src/app.py", tampered(LINES, 1, "upstream\n"))
    known = base.commit()
    base.git("checkout", "-q", "side")
    base.git("rebase", "-q", "main")
    assert judged(base, [known, tip, original]).attested


def test_a_rebase_over_a_renamed_file_passes(base: Repository, original: str) -> None:
    base.git("mv", "src/app.py", "src/renamed.py")
    known = base.commit()
    base.git("cherry-pick", original)
    assert "changed" in (base.path / "src/renamed.py").read_text()
    assert judged(base, [known, original]).attested


def test_a_resolved_conflict_is_another_change(base: Repository, original: str) -> None:
    base.write("src/app.py", tampered(LINES, 10, "upstream\n"))
    known = base.commit()
    base.git("cherry-pick", original, check=False)
    base.write("src/app.py", tampered(LINES, 10, "resolved\n"))
    base.git("add", "-A")
    base.git("-c", "core.editor=true", "cherry-pick", "--continue")
    assert "src/app.py" in refused(judged(base, [known, original]))


def _commit_like(base: Repository, original: str) -> None:
    """Commit everything with the author and date of another commit, as a forger would."""
    author = base.git("show", "-s", "--format=%an <%ae>", original)
    base.git("add", "-A")
    base.git(
        "commit", "-q", "--author", author, "--date", base.git("show", "-s", "--format=%aI", original), "-m", "like"
    )


def test_other_white_space_is_another_change(base: Repository, original: str) -> None:
    known = base.head()
    base.write("src/app.py", tampered(LINES, 10, "changed \n"))
    base.write("src/new.py", "new\n")
    _commit_like(base, original)
    assert refused(judged(base, [known, original])) >= {"src/app.py"}


def test_a_carriage_return_does_not_hide_a_line(base: Repository) -> None:
    known = base.head()
    base.git("checkout", "-q", "-b", "side")
    base.write("src/new.py", b"new = 1\r")
    original = base.commit()
    base.git("checkout", "-q", "main")
    base.write("src/new.py", b"new = 1\rindex = evil()\n")
    _commit_like(base, original)
    assert refused(judged(base, [known, original])) == {"src/new.py"}


def test_the_same_lines_at_another_place_are_another_change(base: Repository) -> None:
    base.write("src/app.py", "same\n" * 40)
    known = base.commit()
    base.git("checkout", "-q", "-b", "side")
    base.write("src/app.py", tampered("same\n" * 40, 5, "return\n"))
    original = base.commit()
    base.git("checkout", "-q", "main")
    base.write("src/app.py", tampered("same\n" * 40, 25, "return\n"))
    _commit_like(base, original)
    assert refused(judged(base, [known, original])) == {"src/app.py"}


def test_the_same_lines_in_another_file_are_another_change(base: Repository, original: str) -> None:
    known = base.head()
    base.write("src/other.py", tampered(LINES, 10, "changed\n"))
    _commit_like(base, original)
    assert refused(judged(base, [known, original])) == {"src/other.py"}


def test_another_mode_is_another_change(base: Repository, original: str) -> None:
    known = base.head()
    base.write("src/app.py", tampered(LINES, 10, "changed\n"))
    base.write("src/new.py", "new\n", executable=True)
    _commit_like(base, original)
    assert refused(judged(base, [known, original])) >= {"src/new.py"}


def test_binary_files_are_compared_by_every_byte(base: Repository) -> None:
    base.git("checkout", "-q", "-b", "side")
    base.write("src/data.bin", bytes(range(256)) + b"\0good")
    original = base.commit()
    base.git("checkout", "-q", "main")
    base.write("notes.md", "more\n")
    known = base.commit()
    base.git("cherry-pick", original)
    assert judged(base, [known, original]).attested
    base.git("reset", "-q", "--hard", known)
    base.write("src/data.bin", bytes(range(256)) + b"\0evil")
    _commit_like(base, original)
    assert refused(judged(base, [known, original])) == {"src/data.bin"}


def test_the_date_only_finds_candidates_and_any_number_of_them(base: Repository, original: str) -> None:
    known = base.head()
    at = {"GIT_AUTHOR_DATE": "@1767225600 +0000"}
    base.git("checkout", "-q", "-b", "many")
    for number in range(40):
        base.write("src/many.py", f"many = {number}\n")
        base.git("add", "-A")
        base.git("commit", "-q", "-m", f"many {number}", env=at)
    tip = base.head()
    base.git("checkout", "-q", "main")
    base.git("cherry-pick", "many~39", env=at)
    assert judged(base, [known, original, tip]).attested
    base.write("src/many.py", "many = 'evil'\n")
    base.git("commit", "-qa", "-m", "evil", env=at)
    assert refused(judged(base, [known, original, tip])) == {"src/many.py"}


def test_a_picked_part_passes_where_the_rest_is_in_the_legal_record(base: Repository, original: str) -> None:
    known = base.head()
    base.git("cherry-pick", "--no-commit", original)
    base.write("src/new.py", "dirty before the phase\n")
    _commit_like(base, original)
    oid = base.git("rev-parse", "HEAD:src/new.py")
    assert refused(judged(base, [known, original])) == {"src/app.py", "src/new.py"}
    assert judged(base, [known, original], legal={"src/new.py": TreeEntry("100644", oid)}).attested


def test_a_copy_of_a_root_commit_passes(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "work")
    repository.write("src/app.py", "first\n")
    original = repository.commit("first")
    repository.git("commit", "-q", "--amend", "-m", "first, with better words")
    assert repository.head() != original
    assert judged(repository, [original]).attested


def test_a_copy_of_what_a_remote_brought_passes(base: Repository, tmp_path: Path) -> None:
    known = base.head()
    mate = Repository(tmp_path / "mate", init=False)
    base.git("clone", "-q", str(base.path), str(mate.path))
    mate.write("src/app.py", tampered(LINES, 20, "from a teammate\n"))
    mate.commit()
    base.git("fetch", "-q", str(mate.path), "main:refs/remotes/mate/main")
    base.write("notes.md", "mine\n")
    base.commit()
    base.git("cherry-pick", "mate/main")
    assert judged(base, [known]).attested


def test_a_merge_is_no_copy(base: Repository, original: str) -> None:
    start = base.head()
    base.write("notes.md", "more\n")
    known = base.commit()
    head = base.git("commit-tree", "-p", known, "-p", start, "-m", "x", f"{original}^{{tree}}")
    assert refused(judged(base, [known, original], head=head)) == {"src/app.py", "src/new.py"}


def test_a_copy_of_nothing_is_refused(base: Repository) -> None:
    base.write("src/app.py", "evil\n")
    base.commit()
    assert "src/app.py" in refused(judged(base, []))


def test_where_git_cannot_apply_changes_only_equal_ones_pass(
    base: Repository, original: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kitty_guardian.commits.workbench.Workbench.pick", lambda *_: None)
    base.write("src/app.py", tampered(LINES, 35, "upstream\n"))
    known = base.commit()
    base.git("cherry-pick", original)
    assert refused(judged(base, [known, original])) == {"src/app.py", "src/new.py"}


def test_a_damaged_original_proves_nothing(base: Repository, original: str) -> None:
    base.write("notes.md", "more\n")
    known = base.commit()
    base.git("cherry-pick", original)
    (base.path / ".git/objects" / original[:2] / original[2:]).unlink()
    assert refused(judged(base, [known, original])) == {"src/app.py", "src/new.py"}


def test_an_original_whose_tree_is_gone_proves_nothing(base: Repository, original: str) -> None:
    base.write("src/app.py", tampered(LINES, 35, "upstream\n"))
    known = base.commit()
    base.git("cherry-pick", original)
    tree = base.git("rev-parse", f"{original}^{{tree}}")
    (base.path / ".git/objects" / tree[:2] / tree[2:]).unlink()
    assert refused(judged(base, [known, original])) == {"src/app.py", "src/new.py"}
