"""HEAD moves to commits that count: what they hold becomes legal, and nothing is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.following import held, mate_of
from support.guarded import FEATURE, bytes_of, quarantined, snapshot
from support.repositories import Repository

SPEC = f"kitty-specs/{FEATURE}/spec.md"
PLAN = f"kitty-specs/{FEATURE}/plan.md"


def test_a_teammates_sources_arrive_by_pull(planned: Repository, tmp_path: Path) -> None:
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/app.py", "print('from a teammate')\n")
    mate.write("src/fresh/module.py", "fresh\n", executable=True)
    (mate.path / "src/link.py").unlink()
    (mate.path / "src/link.py").symlink_to("fresh/module.py")
    shutil.rmtree(mate.path / "src/pkg")
    (mate.path / "src/run.sh").chmod(0o644)
    mate.commit("work")
    with held(planned) as guard:
        planned.git("pull", "-q", "--ff-only")
        after = snapshot(planned.path / "src")
        guard.look()
        guard.later()
        assert snapshot(planned.path / "src") == after == snapshot(mate.path / "src")
        assert guard.operations() == []
        assert guard.problems() == []
        assert guard.session.guard.pending == ()
        planned.write("src/app.py", "evil\n")
        guard.look()
        assert snapshot(planned.path / "src") == after
        assert guard.operations() == [("src/app.py", "write")]


def test_a_pull_with_a_scan_before_head_moved_is_left_alone(planned: Repository, tmp_path: Path) -> None:
    """The order of a slow checkout: files, index, and last the reference."""
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/app.py", "print('from a teammate')\n")
    mate.write("src/new.py", "new\n")
    (mate.path / "src/data.bin").unlink()
    mate.commit("work")
    planned.git("fetch", "-q")
    with held(planned) as guard:
        planned.git("read-tree", "-m", "-u", "HEAD", "origin/main")
        guard.look()
        assert set(guard.session.guard.pending) == {"src/app.py", "src/new.py", "src/data.bin"}
        guard.clock.now += 1.5
        guard.look()
        planned.git("update-ref", "HEAD", "origin/main")
        guard.look()
        guard.later()
        assert snapshot(planned.path / "src") == snapshot(mate.path / "src")
        assert guard.operations() == []


def test_checking_out_another_branch_and_back_is_legal(planned: Repository) -> None:
    planned.git("checkout", "-q", "-b", "other")
    planned.write("src/app.py", "other\n")
    planned.write("src/other/deep/file.py", "other\n")
    (planned.path / "src/data.bin").unlink()
    planned.commit("other")
    other = snapshot(planned.path / "src")
    planned.git("checkout", "-q", "main")
    main = snapshot(planned.path / "src")
    with held(planned) as guard:
        for branch, expected in (("other", other), ("main", main), ("other", other), ("main", main)):
            planned.git("checkout", "-q", branch)
            guard.look()
            guard.later()
            assert snapshot(planned.path / "src") == expected, branch
        assert guard.operations() == []
        assert not (planned.path / "src/other").exists()


def test_merging_a_branch_that_was_there_at_the_start_is_legal(planned: Repository) -> None:
    planned.git("checkout", "-q", "-b", "other")
    planned.write("src/other.py", "other\n")
    planned.commit("other")
    planned.git("checkout", "-q", "main")
    with held(planned) as guard:
        planned.git("merge", "-q", "--no-ff", "--no-edit", "other")
        guard.look()
        guard.later()
        assert (planned.path / "src/other.py").read_text() == "other\n"
        assert guard.problems() == []
        assert guard.operations() == []


def test_resetting_hard_to_an_older_commit_and_forward_again_is_legal(planned: Repository) -> None:
    old = snapshot(planned.path / "src")
    planned.write("src/app.py", "newer\n")
    planned.write("src/newer.py", "newer\n")
    newer = planned.commit("newer")
    with held(planned) as guard:
        planned.git("reset", "-q", "--hard", "HEAD~1")
        guard.look()
        guard.later()
        assert snapshot(planned.path / "src") == old
        planned.git("reset", "-q", "--hard", newer)
        guard.look()
        guard.later()
        assert (planned.path / "src/newer.py").read_text() == "newer\n"
        assert guard.operations() == []


def test_after_a_soft_reset_both_states_are_legal_in_turn(planned: Repository) -> None:
    planned.write("src/app.py", "newer\n")
    planned.write("src/newer.py", "newer\n")
    planned.commit("newer")
    with held(planned) as guard:
        planned.git("reset", "-q", "--soft", "HEAD~1")
        guard.look()
        guard.later()
        assert (planned.path / "src/app.py").read_text() == "newer\n"
    with held(planned) as guard:  # also for the next guardian
        planned.git("reset", "-q", "--hard")
        guard.look()
        guard.later()
        assert (planned.path / "src/app.py").read_text() == "print('legal')\n"
        assert not (planned.path / "src/newer.py").exists()
        planned.write("src/app.py", "newer\n")
        guard.look()
        guard.later()
        assert (planned.path / "src/app.py").read_text() == "print('legal')\n"
        assert guard.operations() == [("src/app.py", "write")]


def test_a_rebase_of_commits_that_count_is_legal(planned: Repository, tmp_path: Path) -> None:
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/mate.py", "from a teammate\n")
    mate.write("README.md", "readme\n")
    mate.commit("mate")
    planned.write("src/mine.py", "mine\n")
    planned.commit("mine")
    planned.write("src/mine.py", "mine\nmore\n")
    planned.commit("more")
    with held(planned) as guard:
        planned.git("pull", "-q", "--rebase")
        guard.look()
        guard.later()
        assert (planned.path / "src/mine.py").read_text() == "mine\nmore\n"
        assert (planned.path / "src/mate.py").read_text() == "from a teammate\n"
        assert guard.problems() == []
        assert guard.operations() == []


def test_committing_what_the_phase_allows_is_legal(planned: Repository) -> None:
    with held(planned) as guard:
        planned.write(PLAN, "# Another plan\n")
        planned.commit("plan")
        guard.look()
        assert guard.problems() == []
        assert guard.session.heads.head == planned.head()
        assert guard.operations() == []


def test_stashing_allowed_work_and_taking_it_back_is_legal(planned: Repository) -> None:
    with held(planned) as guard:
        planned.write(PLAN, "dirty\n")
        planned.write("kitty-specs/001-home-guard/data-model.md", "untracked\n")
        planned.git("stash", "-q", "--include-untracked")
        guard.look()
        guard.later()
        planned.git("stash", "pop", "-q")
        guard.look()
        guard.later()
        assert (planned.path / PLAN).read_text() == "dirty\n"
        assert guard.operations() == []


def test_a_dirty_baseline_survives_a_stash(planned: Repository) -> None:
    planned.write("src/app.py", "dirty before the phase\n")
    with held(planned) as guard:
        planned.git("stash", "-q")
        guard.look()
        planned.git("stash", "pop", "-q")
        guard.look()
        guard.later()
        assert guard.operations() == []
        planned.git("stash", "-q")
        guard.look()
        guard.later()  # no head moved: what was legal at the phase's entry is what comes back
        assert (planned.path / "src/app.py").read_text() == "dirty before the phase\n"
        assert guard.operations() == [("src/app.py", "write")]
        assert planned.git("show", "stash@{0}:src/app.py") == "dirty before the phase"


def test_a_dirty_baseline_that_head_supersedes_is_kept_in_quarantine(planned: Repository, tmp_path: Path) -> None:
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/app.py", "from a teammate\n")
    mate.commit("work")
    dirty = b"dirty before the phase\n" * 1000 + b"\x00\xff"
    planned.write("src/app.py", dirty)
    with held(planned) as guard:
        planned.git("fetch", "-q")
        planned.git("reset", "-q", "--hard", "origin/main")
        guard.look()
        guard.later()
        assert (planned.path / "src/app.py").read_text() == "from a teammate\n"
        assert guard.operations() == []
        (entry,) = quarantined(planned, "src/app.py")
        assert entry.reason == "superseded"
        assert bytes_of(planned, entry) == dirty


def test_content_that_git_keeps_is_not_kept_twice(planned: Repository, tmp_path: Path) -> None:
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/app.py", "from a teammate\n")
    mate.commit("work")
    with held(planned) as guard:
        planned.git("pull", "-q", "--ff-only")
        guard.look()
        assert quarantined(planned, "src/app.py") == []


def test_a_file_becomes_a_folder_and_a_folder_a_file(planned: Repository) -> None:
    before = snapshot(planned.path / "src")
    planned.git("checkout", "-q", "-b", "other")
    (planned.path / "src/app.py").unlink()
    planned.write("src/app.py/inner.py", "inner\n")
    shutil.rmtree(planned.path / "src/pkg")
    planned.write("src/pkg", "a file now\n")
    planned.commit("swapped")
    swapped = snapshot(planned.path / "src")
    planned.git("checkout", "-q", "main")
    with held(planned) as guard:
        for branch, expected in (("other", swapped), ("main", before)):
            planned.git("checkout", "-q", branch)
            guard.look()
            guard.later()
            assert snapshot(planned.path / "src") == expected
        assert guard.operations() == []


def test_folders_that_head_empties_go_and_do_not_come_back(planned: Repository, tmp_path: Path) -> None:
    mate = mate_of(planned, tmp_path / "mate")
    shutil.rmtree(mate.path / "src/pkg")
    mate.commit("gone")
    with held(planned) as guard:
        planned.git("pull", "-q", "--ff-only")
        guard.look()
        guard.later()
        assert not (planned.path / "src/pkg").exists()
    with held(planned) as guard:
        guard.later()
        assert not (planned.path / "src/pkg").exists()
        assert guard.operations() == []


def test_an_empty_folder_of_the_baseline_is_not_lost(planned: Repository, tmp_path: Path) -> None:
    (planned.path / "src/empty").mkdir()
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/new.py", "new\n")
    mate.commit("new")
    with held(planned) as guard:
        planned.git("pull", "-q", "--ff-only")
        guard.look()
        guard.later()
        assert (planned.path / "src/empty").is_dir()
        assert guard.operations() == []


@pytest.mark.parametrize(
    ("attributes", "config"),
    [
        ("*.py text eol=crlf\n", ()),
        ("*.py text\n", ("core.autocrlf", "true")),
        ("*.py ident\n", ()),
        ("src/new.py working-tree-encoding=UTF-16LE\n", ()),
        ("*.py filter=rot\n", ("filter.rot.clean", "tr a-y b-z", "filter.rot.smudge", "tr b-z a-y")),
    ],
    ids=["eol", "autocrlf", "ident", "encoding", "filter"],
)
def test_what_checkout_writes_is_accepted(
    planned: Repository, tmp_path: Path, attributes: str, config: tuple[str, ...]
) -> None:
    for name in range(0, len(config), 2):
        planned.git("config", config[name], config[name + 1])
    planned.write(".gitattributes", attributes)
    planned.commit("attributes")
    mate = mate_of(planned, tmp_path / "mate")
    for name in range(0, len(config), 2):
        mate.git("config", config[name], config[name + 1])
    mate.git("rm", "-rq", "--cached", ".")
    mate.git("reset", "-q", "--hard")
    text = "$Id$\nline one\nline two\n".encode("utf-16-le" if "UTF-16" in attributes else "ascii")
    mate.write("src/app.py", text)
    mate.write("src/new.py", text)
    mate.commit("work")
    with held(planned) as guard:
        planned.git("pull", "-q", "--ff-only")
        planned.git("diff", "--quiet")
        written = (planned.path / "src/new.py").read_bytes()
        guard.look()
        guard.later()
        assert (planned.path / "src/new.py").read_bytes() == written
        assert guard.legal_bytes("src/new.py") == written
        assert guard.operations() == []
        (planned.path / "src/new.py").write_bytes(b"evil\n")
        guard.look()
        assert (planned.path / "src/new.py").read_bytes() == written


def test_what_is_missing_when_head_moves_comes_as_checkout_would_write_it(planned: Repository, tmp_path: Path) -> None:
    planned.write(".gitattributes", "*.py text eol=crlf\n")
    planned.commit("attributes")
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/app.py", "one\ntwo\n")
    mate.write("src/run.sh", "#!/bin/sh\necho\n", executable=True)
    (mate.path / "src/link.py").unlink()
    (mate.path / "src/link.py").symlink_to("run.sh")
    mate.write("src/raced.py", "raced\n")
    mate.commit("work")
    with held(planned) as guard:
        planned.git("pull", "-q", "--ff-only")
        for name in ("app.py", "link.py"):
            (planned.path / "src" / name).unlink()
        for name in ("run.sh", "raced.py"):
            (planned.path / "src" / name).write_text("written in the same moment\n")
        guard.clock.now += 3
        guard.session.git._quiet_since = float("-inf")
        guard.session.git._index_seen = guard.session.git._index_status()
        guard.look()
        assert (planned.path / "src/app.py").read_bytes() == b"one\r\ntwo\r\n"
        assert (planned.path / "src/run.sh").read_bytes() == b"#!/bin/sh\necho\n"
        assert (planned.path / "src/run.sh").stat().st_mode & 0o111
        assert (planned.path / "src/link.py").readlink() == Path("run.sh")
        assert (planned.path / "src/raced.py").read_bytes() == b"raced\r\n"
        assert planned.git("status", "--porcelain") == ""


def test_a_damaged_object_never_becomes_legal(planned: Repository, tmp_path: Path) -> None:
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/app.py", "from a teammate\n")
    mate.commit("work")
    planned.git("fetch", "-q")
    planned.git("unpack-objects", "-q", stdin=b"", check=False)
    oid = planned.git("rev-parse", "origin/main:src/app.py")
    file = planned.path / ".git/objects" / oid[:2] / oid[2:]
    with held(planned) as guard:
        evil = planned.git("hash-object", "-w", "--stdin", stdin=b"evil, evil, evil\n")
        file.parent.mkdir(exist_ok=True)
        shutil.copyfile(planned.path / ".git/objects" / evil[:2] / evil[2:], file)
        planned.git("update-ref", "HEAD", "origin/main")
        planned.write("src/app.py", "evil, evil, evil\n")
        guard.look()
        guard.later()
        assert (planned.path / "src/app.py").read_text() in {"print('legal')\n", "from a teammate\n"}


def test_a_submodule_comes_and_goes(planned: Repository, tmp_path: Path) -> None:
    library = Repository(tmp_path / "library")
    library.write("lib.py", "lib\n")
    library.commit()
    mate = mate_of(planned, tmp_path / "mate")
    allow = ("-c", "protocol.file.allow=always")
    mate.git(*allow, "submodule", "--quiet", "add", str(library.path), "src/lib")
    mate.commit("submodule")
    with held(planned) as guard:
        planned.git("pull", "-q", "--ff-only")
        guard.look()
        guard.later()
        assert (planned.path / "src/lib").is_dir()
        planned.git(*allow, "submodule", "--quiet", "update", "--init")
        guard.look()
        guard.later()
        assert (planned.path / "src/lib/lib.py").read_text() == "lib\n"
        planned.write("src/lib/lib.py", "another repository's business\n")
        guard.look()
        planned.git("-C", "src/lib", "checkout", "-q", "--", ".")
        planned.git("checkout", "-q", "HEAD~1")
        guard.look()
        guard.later()
        assert (planned.path / "src/lib/lib.py").read_text() == "lib\n"  # git leaves it, and so do we
        planned.git("checkout", "-q", "main")
        guard.look()
        guard.later()
        assert (planned.path / "src/lib/lib.py").read_text() == "lib\n"
        assert guard.operations() == []


def test_a_vendored_folder_that_becomes_a_submodule_is_the_submodules(planned: Repository, tmp_path: Path) -> None:
    planned.write("src/lib/lib.py", "vendored\n")
    planned.commit("vendored")
    mate = mate_of(planned, tmp_path / "mate")
    library = Repository(tmp_path / "library")
    library.write("lib.py", "lib\n")
    library.commit()
    mate.git("rm", "-rq", "src/lib")
    mate.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.path), "src/lib")
    mate.commit("submodule")
    with held(planned) as guard:
        planned.git("pull", "-q", "--ff-only")
        guard.look()
        guard.later()
        planned.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init")
        guard.look()
        guard.later()
        assert (planned.path / "src/lib/lib.py").read_text() == "lib\n"
        assert guard.operations() == []


def test_a_linked_work_tree_follows_its_own_head(planned: Repository, tmp_path: Path) -> None:
    linked = planned.worktree(tmp_path / "linked", "side")
    planned.write("src/app.py", "on main\n")
    planned.commit("on main")
    with held(linked) as guard:
        planned.git("checkout", "-q", "-b", "elsewhere")
        guard.look()
        assert guard.session.heads.head == linked.head()
        linked.git("merge", "-q", "--ff-only", "main")
        guard.look()
        guard.later()
        assert (linked.path / "src/app.py").read_text() == "on main\n"
        assert guard.operations() == []


def test_a_detached_head_is_followed(planned: Repository) -> None:
    planned.write("src/app.py", "newer\n")
    planned.commit("newer")
    with held(planned) as guard:
        planned.git("checkout", "-q", "--detach", "HEAD~1")
        guard.look()
        guard.later()
        assert (planned.path / "src/app.py").read_text() == "print('legal')\n"
        planned.write(PLAN, "another\n")
        planned.commit("detached")
        guard.look()
        assert guard.session.heads.head == planned.head()
        assert guard.operations() == []


def test_the_first_commit_of_a_repository_counts_if_it_holds_what_is_legal(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "new")
    repository.feature(FEATURE, "plan")
    repository.write("src/app.py", "legal\n")
    with held(
        repository
    ) as guard:  # in research, since there is no HEAD: what the first commit holds is legal as it stands
        repository.commit("first")
        guard.look()
        assert guard.session.heads.head == repository.head()
        assert guard.problems() == []


def test_the_first_commit_of_a_repository_does_not_count_if_it_holds_anything_else(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "new")
    repository.feature(FEATURE, "plan")
    repository.write("src/app.py", "legal\n")
    meta = f"kitty-specs/{FEATURE}/meta.json"
    with held(repository) as guard:
        evil = repository.git("hash-object", "-w", "--stdin", stdin=b"{}\n")
        repository.git("add", "-A")
        repository.git("update-index", "--cacheinfo", f"100644,{evil},{meta}")
        repository.commit("first", add=False)
        guard.look()
        (problem,) = guard.problems()
        assert meta in problem
        assert "git update-ref -d HEAD" in problem
        repository.git("update-ref", "-d", "HEAD")
        guard.look()
        assert guard.problems() == []


def test_an_orphan_branch_without_a_commit_changes_nothing(planned: Repository) -> None:
    with held(planned) as guard:
        before = snapshot(planned.path / "src")
        planned.git("checkout", "-q", "--orphan", "new")
        guard.look()
        guard.later()
        assert snapshot(planned.path / "src") == before
        assert guard.problems() == []
        planned.commit("all anew")
        guard.look()
        assert guard.problems() == []
        assert guard.operations() == []


def test_a_guardian_that_died_before_it_recorded_a_move_judges_it_again(planned: Repository, tmp_path: Path) -> None:
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/app.py", "from a teammate\n")
    mate.commit("work")
    with held(planned) as guard:
        planned.git("pull", "-q", "--ff-only")
        guard.session.heads.follow(decide=guard.session.guard.situation.judge, record=guard.session.record)
    with held(planned) as guard:
        guard.look()
        assert (planned.path / "src/app.py").read_text() == "from a teammate\n"
        assert guard.operations() == []


def test_a_head_that_was_pruned_while_it_moved_stops_nothing(planned: Repository) -> None:
    with held(planned) as guard:
        planned.git("rm", "-q", "--cached", "tests/test_app.py")
        planned.git("commit", "-q", "--amend", "-m", "rewritten")
        planned.git("reflog", "expire", "--expire=now", "--all")
        planned.git("gc", "-q", "--prune=now")
        before = snapshot(planned.path / "src")
        guard.look()
        guard.later()
        assert snapshot(planned.path / "src") == before
        assert guard.problems() == []
        assert guard.session.heads.head == planned.head()


def test_history_rewritten_and_pruned_while_nobody_watched_stops_nothing(planned: Repository) -> None:
    with held(planned):
        pass
    planned.git("commit", "-q", "--amend", "-m", "rewritten")
    planned.git("reflog", "expire", "--expire=now", "--all")
    planned.git("gc", "-q", "--prune=now")
    before = snapshot(planned.path / "src")
    with held(planned) as guard:
        guard.look()
        guard.later()
        assert snapshot(planned.path / "src") == before
        assert guard.problems() == []
        assert guard.session.heads.head == planned.head()
