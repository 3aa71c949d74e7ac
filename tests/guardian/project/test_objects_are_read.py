from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from kitty_guardian.errors import GitError
from kitty_guardian.project.git import Git
from kitty_guardian.project.objects import ObjectReader
from support.repositories import Repository


@pytest.fixture
def git(repository: Repository) -> Git:
    return Git(repository.path, env=repository.environment)


def reader_of(script: str, *, timeout: float = 30) -> ObjectReader:
    """A reader whose "git" is this shell script."""
    process = subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    return ObjectReader(process, timeout=timeout)


def test_one_process_reads_objects_of_every_kind(repository: Repository, git: Git) -> None:
    repository.write("a", b"one\0\ntwo\n")
    head = repository.commit()

    with git.cat_batch() as objects:
        assert objects.read("HEAD:a") == ("blob", b"one\0\ntwo\n")
        assert objects.read(head) == ("commit", repository.git("cat-file", "commit", head).encode() + b"\n")
        found = objects.read("HEAD^{tree}")
        assert found is not None
        assert found[0] == "tree"
        assert objects.read("HEAD:a") == ("blob", b"one\0\ntwo\n")


def test_what_is_missing_or_ambiguous_is_none(repository: Repository, git: Git) -> None:
    repository.write("a", "a")
    repository.commit()

    with git.cat_batch() as objects:
        assert objects.read("0" * 40) is None
        assert objects.read("HEAD:no such file 12") is None
        assert objects.read("HEAD:a") == ("blob", b"a")


def test_a_large_object_comes_whole_and_its_end_is_found(repository: Repository, git: Git) -> None:
    large = os.urandom(5_000_000)
    repository.write("large", large)
    repository.write("small", "small")
    repository.write("empty", "")
    repository.commit()

    with git.cat_batch() as objects:
        assert objects.read("HEAD:large") == ("blob", large)
        assert objects.read("HEAD:small") == ("blob", b"small")
        assert objects.read("HEAD:empty") == ("blob", b"")


def test_a_limit_cuts_an_object_one_byte_after_it(repository: Repository, git: Git) -> None:
    repository.write("large", b"x" * 1_000_000)
    repository.write("small", "small")
    repository.commit()

    with git.cat_batch() as objects:
        assert objects.read("HEAD:large", limit=10) == ("blob", b"x" * 11)
        assert objects.read("HEAD:small", limit=10) == ("blob", b"small")
        assert objects.read("HEAD:small", limit=5) == ("blob", b"small")


def test_expected_objects_may_be_read_skipped_or_read_out_of_order(repository: Repository, git: Git) -> None:
    for name in "abcd":
        repository.write(name, name * 3)
    repository.commit()

    with git.cat_batch() as objects:
        objects.expect(["HEAD:a", "HEAD:b", "HEAD:nothing", "HEAD:c"])
        assert objects.read("HEAD:a") == ("blob", b"aaa")
        assert objects.read("HEAD:c") == ("blob", b"ccc")
        objects.expect(["HEAD:b"])
        assert objects.read("HEAD:d") == ("blob", b"ddd")
        assert objects.read("HEAD:b") == ("blob", b"bbb")


def test_expecting_more_than_a_pipe_holds_does_not_block(repository: Repository, git: Git) -> None:
    repository.write("a", b"x" * 200_000)
    head = repository.commit()
    names = [f"{head}:a"] * 5_000

    with git.cat_batch() as objects:
        objects.expect(names)
        objects.expect(["two\nlines"])
        assert [objects.read(name) for name in names[:200]] == [("blob", b"x" * 200_000)] * 200


@pytest.mark.parametrize("name", ["", "HEAD:two\nlines"])
def test_a_name_the_protocol_cannot_carry_is_refused(repository: Repository, git: Git, name: str) -> None:
    repository.commit()

    with git.cat_batch() as objects:
        with pytest.raises(GitError, match="cannot be asked for"):
            objects.read(name)
        assert objects.read("HEAD") is not None


def test_a_closed_reader_says_so(repository: Repository, git: Git) -> None:
    repository.commit()
    objects = git.cat_batch()
    objects.close()
    objects.close()

    with pytest.raises(GitError, match="has ended"):
        objects.read("HEAD")


def test_a_forgotten_reader_ends_its_process(repository: Repository, git: Git) -> None:
    repository.commit()
    objects = git.cat_batch()
    process = objects._process
    assert objects.read("HEAD") is not None

    del objects

    assert process.returncode is not None


def test_a_git_that_ends_early_is_an_error() -> None:
    with reader_of("read line; printf 'abc blob 10\\n12'") as objects, pytest.raises(GitError, match="ended early"):
        objects.read("HEAD")
    with reader_of("exit 0") as objects:
        objects._process.wait()
        objects._process.returncode = None
        with pytest.raises(GitError, match="ended early"):
            objects.read("HEAD")


def test_a_git_that_talks_nonsense_is_an_error_and_is_ended() -> None:
    with reader_of("while read line; do echo what is this; done") as objects:
        with pytest.raises(GitError, match="answered 'what is this'"):
            objects.read("HEAD")
        with pytest.raises(GitError, match="has ended"):
            objects.read("HEAD")


def test_a_silent_git_is_ended() -> None:
    with reader_of("exec sleep 60", timeout=0.05) as objects, pytest.raises(GitError, match=r"was silent for 0\.05 s"):
        objects.read("HEAD")


def test_a_process_without_pipes_is_a_mistake(tmp_path: Path) -> None:
    with subprocess.Popen(["true"], cwd=tmp_path) as process, pytest.raises(ValueError, match="needs pipes"):
        ObjectReader(process, timeout=1)
