"""A merge decides only what differs from every parent and from what git makes of them by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitty_guardian.commits.workbench import Workbench
from support.judging import LINES, git_of, judged, refused, tampered
from support.repositories import Repository


def branches(base: Repository, *edits: tuple[int, str]) -> list[str]:
    """One branch for each edit of a line of `src/app.py`, all from the base; their commits count."""
    start = base.head()
    made = []
    for number, (line, text) in enumerate(edits):
        base.git("checkout", "-q", "-b", f"topic{number}", start)
        base.write("src/app.py", tampered(LINES, line, text))
        made.append(base.commit(f"topic {number}"))
    return made


def test_merging_branches_that_count_passes(base: Repository) -> None:
    known = branches(base, (2, "one\n"), (30, "two\n"))
    base.git("checkout", "-q", "topic0")
    base.git("merge", "-q", "--no-edit", "topic1")
    assert judged(base, known).attested


def test_an_evil_merge_is_refused(base: Repository) -> None:
    known = branches(base, (2, "one\n"), (30, "two\n"))
    base.git("checkout", "-q", "topic0")
    base.git("merge", "-q", "--no-commit", "topic1")
    base.write("src/app.py", (base.path / "src/app.py").read_text() + "evil\n")
    base.write("src/new.py", "evil\n")
    base.commit("Merge branch 'topic1'")
    assert refused(judged(base, known)) == {"src/app.py", "src/new.py"}


def test_a_merge_driver_does_not_decide_what_the_automatic_merge_is(base: Repository, tmp_path: Path) -> None:
    known = branches(base, (2, "one\n"), (30, "two\n"))
    evil = tmp_path / "evil"
    evil.write_text("evil\n")
    base.git("config", "merge.evil.driver", f"cp {evil} %A")
    base.write(".git/info/attributes", "src/app.py merge=evil\n")
    base.git("checkout", "-q", "topic0")
    base.git("merge", "-q", "--no-edit", "topic1")
    assert (base.path / "src/app.py").read_text() == "evil\n"
    assert refused(judged(base, known)) == {"src/app.py"}


def test_a_conflict_left_as_it_is_counts_as_decided(base: Repository) -> None:
    known = branches(base, (2, "one\n"), (2, "two\n"))
    base.git("checkout", "-q", "topic0")
    base.git("merge", "-q", "--no-edit", "topic1", check=False)
    assert "<<<<<<<" in (base.path / "src/app.py").read_text()
    base.commit("Merge branch 'topic1'")
    assert refused(judged(base, known)) == {"src/app.py"}


def test_a_conflict_resolved_for_one_side_passes(base: Repository) -> None:
    known = branches(base, (2, "one\n"), (2, "two\n"))
    base.git("checkout", "-q", "topic0")
    base.git("merge", "-q", "-X", "theirs", "--no-edit", "topic1")
    assert judged(base, known).attested


def test_an_octopus_passes_and_an_evil_one_does_not(base: Repository) -> None:
    known = branches(base, (2, "one\n"), (20, "two\n"), (35, "three\n"))
    base.git("checkout", "-q", "topic0")
    base.git("merge", "-q", "--no-edit", "topic1", "topic2")
    assert len(base.git("rev-list", "--parents", "-1", "HEAD").split()) == 4
    assert judged(base, known).attested
    base.write("src/app.py", (base.path / "src/app.py").read_text() + "evil\n")
    base.git("add", "-A")
    base.git("commit", "-q", "--amend", "--no-edit")
    assert refused(judged(base, known)) == {"src/app.py"}


def test_an_octopus_with_a_conflict_is_refused(base: Repository) -> None:
    known = branches(base, (2, "one\n"), (20, "two\n"), (2, "three\n"))
    tree = base.git("write-tree")
    parents = [option for oid in known for option in ("-p", oid)]
    evil = base.git("hash-object", "-w", "--stdin", stdin=b"evil\n")
    base.git("update-index", "--cacheinfo", f"100644,{evil},src/app.py")
    tree = base.git("write-tree")
    head = base.git("commit-tree", *parents, "-m", "octopus", tree)
    assert refused(judged(base, known, head=head)) == {"src/app.py"}


def test_the_branch_that_is_merged_is_judged_too(base: Repository) -> None:
    start = base.head()
    base.git("checkout", "-q", "-b", "side")
    base.write("src/app.py", "evil\n")
    bad = base.commit()
    base.git("checkout", "-q", "main")
    base.git("merge", "-q", "--no-ff", "--no-edit", "side")
    verdict = judged(base, [start])
    assert {refusal.commit for refusal in verdict.refusals} == {bad}
    assert verdict.base == start


def test_histories_without_a_common_commit_may_be_merged(base: Repository) -> None:
    start = base.head()
    base.git("checkout", "-q", "--orphan", "other")
    base.git("rm", "-rqf", ".")
    base.write("src/other.py", "other\n")
    other = base.commit()
    base.git("checkout", "-q", "main")
    base.git("merge", "-q", "--no-edit", "--allow-unrelated-histories", "other")
    assert judged(base, [start, other]).attested


def test_where_git_cannot_merge_every_differing_path_is_judged(
    base: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = branches(base, (2, "one\n"), (30, "two\n"))
    base.git("checkout", "-q", "topic0")
    base.git("merge", "-q", "--no-edit", "topic1")
    monkeypatch.setattr(Workbench, "_two", lambda *_: None)  # git before 2.38
    assert refused(judged(base, known)) == {"src/app.py"}


def test_a_merge_in_a_shallow_clone_is_judged(base: Repository, tmp_path: Path) -> None:
    branches(base, (2, "one\n"), (30, "two\n"))
    shallow = Repository(tmp_path / "shallow", init=False)
    shallow.git("clone", "-q", "--depth=2", "--no-single-branch", "-b", "topic0", f"file://{base.path}", ".")
    known = [shallow.head()]
    shallow.git("merge", "-q", "--no-edit", "origin/topic1")
    assert judged(shallow, known).attested
    shallow.write("src/app.py", (shallow.path / "src/app.py").read_text() + "evil\n")
    shallow.git("add", "-A")
    shallow.git("commit", "-q", "--amend", "--no-edit")
    assert refused(judged(shallow, known)) == {"src/app.py"}


def test_a_merge_in_a_sha256_repository_is_judged(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "long", init=False)
    repository.git("init", "-q", "-b", "main", "--object-format=sha256")
    repository.write("src/app.py", LINES)
    repository.commit()
    known = branches(repository, (2, "one\n"), (30, "two\n"))
    repository.git("checkout", "-q", "topic0")
    repository.git("merge", "-q", "--no-edit", "topic1")
    assert judged(repository, known).attested


def test_merging_leaves_no_object_in_the_repository_and_no_file_behind(
    base: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = branches(base, (2, "one\n"), (30, "two\n"))
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    before = base.git("count-objects", "-v")
    with Workbench(git_of(base)) as bench:
        assert list(place.iterdir()) == []
        merge = bench.merge((known[0], known[1]))
        assert merge is not None
        assert not merge.conflicts
        assert list(place.iterdir()) != []
        assert bench.merge((known[0], "1" * 40)) is None
        assert bench.pick(None, "1" * 40, None) is None
    assert list(place.iterdir()) == []
    assert base.git("count-objects", "-v") == before
