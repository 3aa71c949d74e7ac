"""Which commits may stand: by phase, by legal state; read as raw tree entries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kitty_guardian.commits.changes import TreeEntry, changes_between, new_commits, tree_entries
from kitty_guardian.errors import GitError
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.git import Git
from support.judging import git_of, judged, refused
from support.repositories import Repository


def test_nothing_new_needs_one_git_call(base: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, ...]] = []
    complete = Git._complete

    def counted(self: Git, arguments: tuple[str, ...], *rest: Any) -> Any:  # noqa: ANN401 - passed through
        calls.append(arguments)
        return complete(self, arguments, *rest)

    monkeypatch.setattr(Git, "_complete", counted)
    assert judged(base, [base.head()]).attested
    assert [call for call in calls if "rev-list" in call] == calls
    assert len(calls) == 1


def test_what_the_phase_allows_passes(base: Repository) -> None:
    known = base.head()
    base.write("kitty-specs/001-x/plan.md", "plan\n")
    base.commit()
    verdict = judged(base, [known])
    assert verdict.attested
    assert verdict.judged == (base.head(),)


def test_what_the_phase_blocks_is_refused_with_commit_and_path(base: Repository) -> None:
    known = base.head()
    base.write("kitty-specs/001-x/plan.md", "plan\n")
    base.write("src/app.py", "evil\n")
    bad = base.commit()
    verdict = judged(base, [known])
    assert not verdict.attested
    assert [(refusal.commit, refusal.change.path) for refusal in verdict.refusals] == [(bad, "src/app.py")]
    assert verdict.refusals[0].decision.phase is Phase.PLAN


def test_the_same_commit_passes_in_implement(base: Repository) -> None:
    known = base.head()
    base.write("src/app.py", "good\n")
    base.commit()
    assert judged(base, [known], phase=Phase.IMPLEMENT).attested


def test_later_good_commits_do_not_launder_a_bad_one(base: Repository) -> None:
    known = base.head()
    base.write("src/app.py", "evil\n")
    bad = base.commit()
    base.write("notes.md", "good\n")
    base.commit()
    base.git("checkout", known, "--", "src/app.py")
    base.commit("and back again")
    verdict = judged(base, [known])
    assert {refusal.commit for refusal in verdict.refusals} == {bad, base.head()}


def test_taking_the_bad_commit_away_heals(base: Repository) -> None:
    known = base.head()
    base.write("src/app.py", "evil\n")
    base.commit()
    base.git("reset", "--soft", known)
    assert judged(base, [known]).attested


def test_a_root_commit_is_judged_by_all_it_holds(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "new")
    repository.write("src/app.py", "evil\n")
    repository.write("notes.md", "notes\n")
    repository.commit()
    assert refused(judged(repository, [])) == {"src/app.py"}
    assert judged(repository, []).base is None


def test_what_the_legal_record_holds_may_be_committed(base: Repository) -> None:
    known = base.head()
    base.write("src/app.py", "dirty before the phase\n")
    base.commit()
    oid = base.git("rev-parse", "HEAD:src/app.py")
    assert judged(base, [known], legal={"src/app.py": TreeEntry("100644", oid)}).attested
    assert not judged(base, [known], legal={"src/app.py": TreeEntry("100755", oid)}).attested


def test_a_deletion_passes_only_if_absence_is_legal(base: Repository) -> None:
    known = base.head()
    base.git("rm", "-q", "src/app.py")
    base.commit()
    assert refused(judged(base, [known])) == {"src/app.py"}
    assert judged(base, [known], legal={"src/app.py": None}).attested


def test_a_mode_change_alone_is_a_change(base: Repository) -> None:
    known = base.head()
    base.git("update-index", "--chmod=+x", "src/app.py")
    base.commit(add=False)
    verdict = judged(base, [known])
    assert refused(verdict) == {"src/app.py"}
    assert verdict.refusals[0].change.new is not None
    assert verdict.refusals[0].change.new.mode == "100755"


def test_a_link_in_place_of_a_file_is_a_change(base: Repository) -> None:
    known = base.head()
    (base.path / "src/app.py").unlink()
    (base.path / "src/app.py").symlink_to("/etc/passwd")
    base.commit()
    verdict = judged(base, [known])
    assert verdict.refusals[0].change.new is not None
    assert verdict.refusals[0].change.new.mode == "120000"


@pytest.mark.parametrize("hiding", [False, True], ids=["plain", "hidden by .gitmodules"])
def test_a_submodule_is_a_change_of_that_path(base: Repository, *, hiding: bool) -> None:
    first = base.head()
    base.git("update-index", "--add", "--cacheinfo", f"160000,{first},src/vendored")
    if hiding:
        base.write(".gitmodules", '[submodule "v"]\n\tpath = src/vendored\n\turl = ./v\n\tignore = all\n')
        base.git("add", ".gitmodules")
    added = base.commit(add=False)
    assert refused(judged(base, [first])) == {"src/vendored"}
    base.git("update-index", "--cacheinfo", f"160000,{added},src/vendored")
    base.commit(add=False)
    assert refused(judged(base, [added])) == {"src/vendored"}


def test_a_rename_is_a_deletion_and_a_creation(base: Repository) -> None:
    known = base.head()
    base.git("config", "diff.renames", "copies")
    base.git("mv", "src/app.py", "notes2.md")
    base.commit()
    assert refused(judged(base, [known])) == {"src/app.py"}
    base.git("mv", "notes.md", "src/notes.md")
    base.commit()
    assert refused(judged(base, [known])) == {"src/app.py", "src/notes.md"}


@pytest.mark.parametrize(
    "name",
    [b'quo"ted.py', b"new\nline.py", b"tab\t.py", "ünï.py".encode(), b"\xff\xfe.py", b"-dash.py", b" ", b":(top)x"],
)
def test_no_name_hides_a_path(base: Repository, name: bytes) -> None:
    known = base.head()
    (base.path / "src" / os.fsdecode(name)).write_bytes(b"evil\n")
    base.commit()
    assert refused(judged(base, [known])) == {"src/" + os.fsdecode(name)}


def test_names_that_differ_only_in_case_are_all_judged(base: Repository) -> None:
    known = base.head()
    base.write("SRC/app.py", "evil\n")
    base.write("Src/App.py", "evil\n")
    base.commit()
    assert refused(judged(base, [known])) == {"SRC/app.py", "Src/App.py"}


def test_a_tree_that_names_a_path_twice_is_refused(base: Repository) -> None:
    known = base.head()
    evil = base.git("hash-object", "-w", "--stdin", stdin=b"evil\n")
    below = base.git("mktree", stdin=f"100644 blob {evil}\tapp.py\n".encode())
    rows = base.git("ls-tree", "HEAD").splitlines()
    legal = next(row for row in rows if row.endswith("\tsrc")).split()[2]
    raw = b"".join(b"40000 src\0" + bytes.fromhex(tree) for tree in (legal, below))
    tree = base.git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", stdin=raw)
    commit = base.git("commit-tree", "-p", known, "-m", "twice", tree)
    assert "src/app.py" in refused(judged(base, [known], head=commit))


def test_commits_made_by_plumbing_are_commits(base: Repository) -> None:
    known = base.head()
    evil = base.git("hash-object", "-w", "--stdin", stdin=b"evil\n")
    base.git("update-index", "--cacheinfo", f"100644,{evil},src/app.py")
    commit = base.git("commit-tree", "-p", known, "-m", "x", base.git("write-tree"))
    base.git("update-ref", "HEAD", commit)
    assert refused(judged(base, [known])) == {"src/app.py"}


def test_another_branch_checked_out_is_judged_as_well(base: Repository) -> None:
    known = base.head()
    base.git("checkout", "-q", "-b", "side")
    base.write("src/app.py", "evil\n")
    base.commit()
    base.git("checkout", "-q", "main")
    assert judged(base, [known]).attested
    base.git("checkout", "-q", "side")
    assert refused(judged(base, [known])) == {"src/app.py"}


def test_replaced_objects_and_grafts_do_not_fool_it(base: Repository) -> None:
    known = base.head()
    base.write("src/app.py", "evil\n")
    bad = base.commit()
    innocent = base.git("commit-tree", "-p", known, "-m", "innocent", f"{known}^{{tree}}")
    base.git("replace", bad, innocent)
    assert refused(judged(base, [known])) == {"src/app.py"}
    base.git("replace", "-d", bad)
    base.write("notes.md", "good\n")
    base.commit()
    (base.path / ".git/info").mkdir(exist_ok=True)
    (base.path / ".git/info/grafts").write_text(f"{base.head()} {known}\n")
    assert refused(judged(base, [known])) == {"src/app.py"}


def test_notes_change_nothing(base: Repository) -> None:
    known = base.head()
    base.git("notes", "add", "-m", "a note", known)
    assert judged(base, [known]).attested


def test_a_forged_commit_graph_is_not_asked(base: Repository) -> None:
    known = base.head()
    base.write("src/app.py", "evil\n")
    bad = base.commit()
    base.write("notes.md", "good\n")
    head = base.commit()
    base.git("commit-graph", "write", "--reachable")
    graph = base.path / ".git/objects/info/commit-graph"
    forged = _with_parent(graph.read_bytes(), head, known)
    graph.chmod(0o644)
    graph.write_bytes(forged)
    assert bad not in base.git("rev-list", "HEAD")  # git itself is fooled
    assert refused(judged(base, [known])) == {"src/app.py"}


def _with_parent(graph: bytes, commit: str, parent: str) -> bytes:
    """A commit-graph file in which a commit has another parent."""
    chunks = {graph[at : at + 4]: int.from_bytes(graph[at + 4 : at + 12]) for at in range(8, 8 + 12 * graph[6], 12)}
    names = graph[chunks[b"OIDL"] : chunks[b"CDAT"]]
    row, place = (names.index(bytes.fromhex(oid)) // 20 for oid in (commit, parent))
    at = chunks[b"CDAT"] + row * 36 + 20
    return graph[:at] + place.to_bytes(4) + graph[at + 4 :]


def test_a_head_that_is_not_there_is_not_attested(base: Repository) -> None:
    with pytest.raises(GitError):
        judged(base, [base.head()], head="1" * 40)
    blob = base.git("rev-parse", "HEAD:src/app.py")
    with pytest.raises(GitError):
        judged(base, [base.head()], head=blob)


@pytest.mark.parametrize("damage", [b"", b"garbage", None], ids=["empty", "garbage", "missing"])
def test_an_attested_commit_that_is_damaged_vouches_for_nothing_but_the_others_do(
    base: Repository, damage: bytes | None
) -> None:
    known = base.head()
    lost = base.git("commit-tree", "-m", "lost", f"{known}^{{tree}}")
    file = base.path / ".git/objects" / lost[:2] / lost[2:]
    file.unlink()
    if damage is not None:
        file.write_bytes(damage)
    base.write("src/app.py", "evil\n")
    base.commit()
    assert refused(judged(base, [known, lost])) == {"src/app.py"}
    base.git("reset", "-q", "--hard", known)
    base.write("notes.md", "more\n")
    base.commit()
    assert judged(base, [known, lost]).attested


def test_history_that_cannot_be_read_is_an_error_and_no_verdict(base: Repository) -> None:
    known = base.head()
    base.write("notes.md", "1\n")
    middle = base.commit()
    base.write("notes.md", "2\n")
    base.commit()
    file = base.path / ".git/objects" / middle[:2] / middle[2:]
    file.unlink()
    with pytest.raises(GitError):
        judged(base, [known])


def test_two_thousand_attested_commits_fit(base: Repository) -> None:
    known = base.head()
    stream = "".join(
        f"commit refs/heads/b{number}\ncommitter A <a@b> {number} +0000\ndata 1\nx\n"
        f"M 100644 inline notes.md\ndata {len(str(number))}\n{number}\n\n"
        for number in range(2000)
    )
    base.git("fast-import", "--quiet", stdin=stream.encode())
    refs = base.git("for-each-ref", "--format=%(objectname)", "refs/heads").splitlines()
    assert len(refs) == 2001
    base.write("src/app.py", "evil\n")
    base.commit()
    assert refused(judged(base, [*refs, known])) == {"src/app.py"}


def test_history_that_a_remote_brought_is_not_judged(base: Repository, tmp_path: Path) -> None:
    known = base.head()
    mate = Repository(tmp_path / "mate", init=False)
    base.git("clone", "-q", str(base.path), str(mate.path))
    mate.write("src/app.py", "from a teammate\n")
    mate.commit()
    base.git("remote", "add", "mate", str(mate.path))
    base.git("fetch", "-q", "mate")
    base.git("merge", "-q", "--ff-only", "mate/main")
    verdict = judged(base, [known])
    assert verdict.attested
    assert verdict.judged == ()


def test_broken_remote_refs_break_nothing(base: Repository) -> None:
    known = base.head()
    refs = base.path / ".git/refs/remotes/origin"
    refs.mkdir(parents=True)
    (refs / "gone").write_text("1" * 40 + "\n")
    (refs / "HEAD").write_text("ref: refs/remotes/origin/nowhere\n")
    base.write("src/app.py", "evil\n")
    base.commit()
    assert refused(judged(base, [known])) == {"src/app.py"}


def test_sha256_repositories_are_judged_alike(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "long", init=False)
    repository.git("init", "-q", "-b", "main", "--object-format=sha256")
    repository.write("src/app.py", "legal\n")
    known = repository.commit()
    repository.write("src/app.py", "evil\n")
    repository.commit()
    assert len(known) == 64
    assert refused(judged(repository, [known])) == {"src/app.py"}


def test_a_shallow_clone_is_judged_from_its_edge(base: Repository, tmp_path: Path) -> None:
    base.write("notes.md", "2\n")
    base.commit()
    shallow = Repository(tmp_path / "shallow", init=False)
    shallow.git("clone", "-q", "--depth=1", f"file://{base.path}", ".")
    known = shallow.head()
    shallow.write("notes.md", "3\n")
    shallow.commit()
    assert judged(shallow, [known]).attested
    shallow.write("src/app.py", "evil\n")
    shallow.commit()
    assert refused(judged(shallow, [known])) == {"src/app.py"}


def test_a_shallow_file_cannot_hide_what_a_commit_holds(base: Repository) -> None:
    known = base.head()
    base.write("src/app.py", "evil\n")
    base.commit()
    base.write("notes.md", "good\n")
    head = base.commit()
    (base.path / ".git/shallow").write_text(f"{head}\n")
    assert "src/app.py" in refused(judged(base, [known]))


def test_readings_of_trees_agree(base: Repository) -> None:
    git = git_of(base)
    entries = tree_entries(git, "HEAD")
    assert set(entries) == {"src/app.py", "src/data.bin", "notes.md"}
    assert {change.path: change.new for change in changes_between(git, None, "HEAD")} == entries
    assert [commit.oid for commit in new_commits(git, base.head(), [])] == [base.head()]
