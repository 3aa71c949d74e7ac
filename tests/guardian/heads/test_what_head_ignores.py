"""HEAD's own ignore rules exempt untracked paths; nobody else's do."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch.ignored import IgnoreRules
from support.following import held
from support.guarded import snapshot
from support.repositories import Repository

RULES = r"""*.log
!important.log
build/
out/*
!out/keep
/anchored
docs/**/*.tmp
**/deep
\#hash
"""


@pytest.fixture(name="rules")
def _rules(tmp_path: Path) -> Iterator[IgnoreRules]:
    repository = Repository(tmp_path / "work")
    repository.write(".gitignore", RULES + "spaced\\ \n")
    repository.write("nested/.gitignore", "*.gen\n!/root.log\n")
    repository.commit()
    rules = IgnoreRules(find_worktree(repository.path).git, tmp_path / "scratch")
    rules.move_to(repository.head())
    yield rules
    rules.close()


@pytest.mark.parametrize(
    ("path", "directory", "ignored"),
    [
        ("a.log", False, True),
        ("x/y/a.log", False, True),
        ("important.log", False, False),
        ("build", True, True),
        ("build", False, False),
        ("build/keep", False, True),
        ("x/build/y", False, True),
        ("out", True, False),
        ("out/x", False, True),
        ("out/x", True, True),
        ("out/keep", False, False),
        ("out/keep", True, False),
        ("out/keep/x", False, False),
        ("anchored", False, True),
        ("x/anchored", False, False),
        ("docs/a/b/c.tmp", False, True),
        ("docs/c.tmp", False, True),
        ("c.tmp", False, False),
        ("a/b/deep", True, True),
        ("a/b/deep/x", False, True),
        ("nested/a.gen", False, True),
        ("a.gen", False, False),
        ("nested/root.log", False, False),
        ("nested/x/root.log", False, True),
        ("spaced ", False, True),
        ("spaced", False, False),
        ("#hash", False, True),
        (":(top)a.log", False, True),
        (":/a.log", False, True),
        (":!x", False, False),
        ("-x.log", False, True),
        ("new\nline.log", False, True),
        (os.fsdecode(b"\xff\xfe.log"), False, True),
        ("src", True, False),
        ("a/../b.log", False, False),
        (".git/x.log", False, False),
    ],
)
def test_git_itself_decides(rules: IgnoreRules, path: str, directory: bool, ignored: bool) -> None:
    assert rules.ignores(path, directory=directory) is ignored


def test_asking_about_a_folder_leaves_nothing_behind(rules: IgnoreRules, tmp_path: Path) -> None:
    rules.ignores("a.log", directory=False)
    before = snapshot(tmp_path / "scratch")
    assert rules.ignores("a/b/deep", directory=True)
    assert rules.ignores("nested/x", directory=True) is False
    assert {*before} == {*snapshot(tmp_path / "scratch")}


def test_a_helper_that_was_killed_is_started_anew(rules: IgnoreRules) -> None:
    assert rules.ignores("a.log", directory=False)
    process = rules._process
    assert process is not None
    process.kill()
    process.wait()
    assert rules.ignores("a.log", directory=False)
    assert rules._process is not process


def test_a_helper_that_was_stopped_is_replaced(rules: IgnoreRules, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules.ignores("a.log", directory=False)
    process = rules._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr("kitty_guardian.watch.ignored._PATIENCE_SECONDS", 1)
    assert rules.ignores("a.log", directory=False)


def test_a_scratch_tree_that_somebody_removed_is_made_anew(rules: IgnoreRules, tmp_path: Path) -> None:
    assert rules.ignores("a.log", directory=False)
    (tmp_path / "scratch").rename(tmp_path / "elsewhere")
    rules.close()
    assert rules.ignores("a.log", directory=False)
    assert rules.ignores("build", directory=True)


def test_where_git_cannot_be_asked_nothing_is_ignored(rules: IgnoreRules, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "scratch")
    (tmp_path / "scratch").write_text("in the way")
    assert rules.ignores("a.log", directory=False) is False


def test_without_rules_there_is_no_process(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "work")
    repository.write("a", "a")
    repository.write("sub/x.gitignore", "*\n")
    repository.commit()
    rules = IgnoreRules(find_worktree(repository.path).git, tmp_path / "scratch")
    rules.move_to(None)
    assert not rules.ignores("a.log", directory=False)
    rules.move_to(repository.head())
    assert not rules.ignores("a.log", directory=False)
    assert rules._process is None
    assert not (tmp_path / "scratch").exists()


def test_links_and_names_that_lead_out_are_no_rules(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "work")
    repository.write("all", "*\n")
    (repository.path / ".gitignore").symlink_to("all")
    repository.commit()
    blob = repository.git("rev-parse", "HEAD:all")
    above = repository.git("mktree", stdin=f"100644 blob {blob}\t.gitignore\n".encode())
    tree = repository.git(
        "hash-object", "-t", "tree", "--literally", "-w", "--stdin", stdin=b"40000 ..\0" + bytes.fromhex(above)
    )
    commit = repository.git("commit-tree", "-m", "x", tree)
    rules = IgnoreRules(find_worktree(repository.path).git, tmp_path / "place" / "scratch")
    for oid in (repository.head(), commit):
        rules.move_to(oid)
        assert not rules.ignores("a.log", directory=False)
    assert not (tmp_path / "place").exists()


def test_the_work_trees_own_rules_hide_nothing(planned: Repository) -> None:
    with held(planned) as guard:
        planned.write(".gitignore", "*\n")
        planned.write("src/.gitignore", "*\n")
        planned.write("src/evil.py", "evil\n")
        (planned.path / ".git/info").mkdir(exist_ok=True)
        planned.write(".git/info/exclude", "*\n")
        planned.git("config", "core.excludesFile", str(planned.path / ".gitignore"))
        guard.look()
        guard.later()
        assert not (planned.path / "src/evil.py").exists()
        assert not (planned.path / "src/.gitignore").exists()
        planned.write("src/debug.log", "HEAD ignores this\n")
        planned.write("src/build/out.bin", "and this\n")
        guard.look()
        guard.later()
        assert (planned.path / "src/debug.log").exists()
        assert (planned.path / "src/build/out.bin").exists()


def test_a_committed_rule_takes_effect_and_never_for_tracked_files(planned: Repository) -> None:
    with held(planned) as guard:
        planned.write(".gitignore", "*.py\n*.gen\n")
        planned.commit("rules")
        guard.look()
        planned.write("src/made.gen", "made\n")
        planned.write("src/app.py", "evil\n")
        guard.look()
        guard.later()
        assert (planned.path / "src/made.gen").exists()
        assert (planned.path / "src/app.py").read_text() == "print('legal')\n"


def test_a_name_below_an_ignored_pattern_that_is_taken_back_is_protected(planned: Repository) -> None:
    planned.write(".gitignore", "src/out/*\n!src/out/keep.py\n")
    planned.commit("rules")
    with held(planned) as guard:
        planned.write("src/out/junk", "junk\n")
        guard.look()
        guard.later()
        assert (planned.path / "src/out/junk").exists()
        planned.write("src/out/keep.py", "evil\n")
        guard.look()
        guard.later()
        assert not (planned.path / "src/out/keep.py").exists()
