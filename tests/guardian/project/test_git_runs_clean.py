from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kitty_guardian.environment import process_environment
from kitty_guardian.errors import GitError
from kitty_guardian.project.git import Git, clean_environment
from support.repositories import Repository


def fake_git(directory: Path, script: str) -> Path:
    """Puts a program named git into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / "git"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_every_variable_that_redirects_git_is_dropped() -> None:
    environ = {
        "PATH": "/bin",
        "GIT_DIR": "/elsewhere",
        "GIT_INDEX_FILE": "/elsewhere",
        "GIT_OBJECT_DIRECTORY": "/elsewhere",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_PARAMETERS": "'core.bare=true'",
        "Git_Work_Tree": "/elsewhere",
        "GIT_CONFIG_GLOBAL": "/home/ada/.gitconfig",
    }

    clean = clean_environment(environ)

    assert {name for name in clean if name.upper().startswith("GIT_")} == {
        "GIT_CONFIG_GLOBAL",
        "GIT_OPTIONAL_LOCKS",
        "GIT_TERMINAL_PROMPT",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_GRAFT_FILE",
        "GIT_NO_LAZY_FETCH",
    }
    assert clean["PATH"] == "/bin"
    assert clean["LC_ALL"] == "C"


def test_a_git_hook_can_keep_the_variables_it_was_handed() -> None:
    clean = clean_environment({"GIT_INDEX_FILE": "/index", "GIT_DIR": "/elsewhere"}, keep=["GIT_INDEX_FILE"])

    assert clean["GIT_INDEX_FILE"] == "/index"
    assert "GIT_DIR" not in clean


def test_the_environment_is_a_snapshot_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_NAME", "before")
    environ = process_environment()
    monkeypatch.setenv("SOME_NAME", "after")

    assert environ["SOME_NAME"] == "before"


def test_inherited_variables_do_not_change_the_answer(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = repository.commit()
    other = Repository(tmp_path / "other")
    other.write("x", "x")
    other.commit("another")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))

    assert Git(repository.path).text("rev-parse", "HEAD") == head


def test_a_pinned_repository_does_not_give_way_to_the_one_around_it(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    inner = Repository(repository.path / "inner")
    head = inner.commit("inner")
    git = Git(inner.path, git_dir=inner.path / ".git", env=inner.environment)
    assert git.text("rev-parse", "HEAD") == head

    (inner.path / ".git").rename(tmp_path / "moved-away")

    with pytest.raises(GitError, match="not a git repository"):
        git.text("rev-parse", "HEAD")


def test_replace_refs_do_not_change_what_is_read(repository: Repository) -> None:
    repository.write("a", "first")
    first = repository.commit("first")
    repository.write("a", "second")
    second = repository.commit("second")
    repository.git("replace", first, second)
    assert repository.git("show", f"{first}:a") == "second"

    assert Git(repository.path, env=repository.environment).run("show", f"{first}:a") == b"first"


def test_a_failure_names_the_command_and_the_first_thing_git_said(repository: Repository) -> None:
    with pytest.raises(GitError, match=r"git show nothing: fatal: ambiguous argument 'nothing'") as caught:
        Git(repository.path, env=repository.environment).run("show", "nothing")

    assert caught.value.hint is None
    assert caught.value.code == "guardian.git.failed"


def test_a_failure_without_words_names_the_status(repository: Repository) -> None:
    with pytest.raises(GitError, match=r"git symbolic-ref --quiet no-such-ref: ended with status 1"):
        Git(repository.path, env=repository.environment).run("symbolic-ref", "--quiet", "no-such-ref")


def test_an_unchecked_run_gives_what_there_is(repository: Repository) -> None:
    assert Git(repository.path, env=repository.environment).run("show", "nothing", check=False) == b""


def test_a_question_is_answered_by_the_status(repository: Repository) -> None:
    old = repository.commit("old")
    new = repository.commit("new")
    git = Git(repository.path, env=repository.environment)

    assert git.attempt("merge-base", "--is-ancestor", old, new) == (0, b"")
    assert git.attempt("merge-base", "--is-ancestor", new, old) == (1, b"")
    with pytest.raises(GitError, match="Not a valid object name nothing"):
        git.attempt("merge-base", "--is-ancestor", "nothing", old)


def test_names_with_line_breaks_and_umlauts_survive(repository: Repository) -> None:
    repository.write("line\nbreak", "")
    repository.write("größe", "")
    repository.commit()

    git = Git(repository.path, env=repository.environment)

    assert git.lines_z("ls-tree", "--name-only", "-z", "HEAD") == ["größe".encode(), b"line\nbreak"]
    assert git.lines_z("ls-tree", "--name-only", "-z", "HEAD", "--", "nothing") == []


def test_standard_input_is_handed_on(repository: Repository) -> None:
    git = Git(repository.path, env=repository.environment)

    assert git.run("hash-object", "--stdin", stdin=b"hi\n") == b"45b983be36b73c0788dc9cbcb76cbb80fc7bb057\n"


def test_a_git_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    fake_git(tmp_path / "bin", "exec sleep 60")
    git = Git(tmp_path, env={"PATH": f"{tmp_path / 'bin'}:{os.defpath}"})

    with pytest.raises(GitError, match=r"git status: took longer than 0\.1 s and was ended"):
        git.run("status", timeout=0.1)


def test_a_missing_directory_is_an_error_of_git(tmp_path: Path) -> None:
    git = Git(tmp_path / "gone", env={"PATH": os.environ["PATH"]})

    with pytest.raises(GitError, match=r"cannot be run in .*gone: No such file"):
        git.run("status")
    with pytest.raises(GitError, match=r"cannot be run in .*gone: No such file"):
        git.cat_batch()


def test_an_argument_with_nul_is_an_error_of_git(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="null byte"):
        Git(tmp_path).run("show", "a\0b")


def test_without_git_on_the_path_there_is_a_hint(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="git is not on the PATH") as caught:
        Git(tmp_path, env={"PATH": str(tmp_path)})

    assert caught.value.hint == "install git, or add its directory to PATH"


def test_a_relative_path_entry_never_supplies_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_git(tmp_path, "echo planted")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(GitError, match="git is not on the PATH"):
        Git(tmp_path, env={"PATH": ".:"})
    assert Path(Git(tmp_path, env={"PATH": f".:{os.environ['PATH']}"}).program).is_absolute()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a directory away")
def test_a_repository_of_someone_else_comes_with_gits_own_remedy(repository: Repository) -> None:
    os.chown(repository.path, 12345, 12345)
    os.chown(repository.path / ".git", 12345, 12345)

    with pytest.raises(GitError, match="dubious ownership") as caught:
        Git(repository.path, env=repository.environment).run("status")

    assert caught.value.hint == f"git config --global --add safe.directory {repository.path}"


def test_a_configured_fsmonitor_program_is_not_run(repository: Repository, tmp_path: Path) -> None:
    repository.write("a", "a")
    repository.commit()
    program = tmp_path / "monitor"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'was-run'}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    repository.git("config", "core.fsmonitor", str(program))

    Git(repository.path, env=repository.environment).run("status", "--porcelain")

    assert not (tmp_path / "was-run").exists()
