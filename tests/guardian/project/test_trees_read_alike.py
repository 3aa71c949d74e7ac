from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from kitty_guardian.errors import GitError
from kitty_guardian.project.git import Git
from kitty_guardian.project.objects import ObjectReader
from kitty_guardian.project.trees import DiskTree, Entry, GitTree, Tree
from support.repositories import Repository


@pytest.fixture
def mixed(repository: Repository) -> Repository:
    """A repository with an entry of every kind, committed."""
    repository.write("kitty-specs/001-one/spec.md", "spec")
    repository.write("kitty-specs/001-one/tasks/WP01.md", "one")
    repository.write("kitty-specs/001-one/größe\n.md", "odd")
    (repository.path / "kitty-specs/001-one/link.md").symlink_to("spec.md")
    (repository.path / "kitty-specs/002-link").symlink_to("001-one")
    repository.write(".kittify/guardian.toml", "")
    repository.write("src/a.py", "a")
    inner = Repository(repository.path / "kitty-specs/003-inner")
    inner.commit("inner")
    repository.git("add", "--all", env={"GIT_ADVICE": "0"})
    (repository.path / "kitty-specs/003-inner.home").rmdir()
    repository.commit(add=False)
    return repository


def trees(repository: Repository) -> list[Tree]:
    git = Git(repository.path, env=repository.environment)
    return [DiskTree(repository.path), GitTree(git, "HEAD"), GitTree(git, repository.head())]


def test_disk_and_commit_list_the_same_entries(mixed: Repository) -> None:
    for tree in trees(mixed):
        assert tree.names("kitty-specs") == (
            Entry("001-one", "directory"),
            Entry("002-link", "symlink"),
            Entry("003-inner", "gitlink"),
        )
        assert tree.names("kitty-specs/001-one") == (
            Entry("größe\n.md", "file"),
            Entry("link.md", "symlink"),
            Entry("spec.md", "file"),
            Entry("tasks", "directory"),
        )


def reader_of(tree: GitTree) -> ObjectReader:
    """The process that a tree reads with, once it has read."""
    reader = tree._blobs._reader
    assert reader is not None
    return reader


@pytest.mark.parametrize("directory", ["kitty-specs/no", "kitty-specs/002-link", "kitty-specs/001-one/spec.md"])
def test_what_is_no_directory_has_no_entries(mixed: Repository, directory: str) -> None:
    assert [tree.names(directory) for tree in trees(mixed)] == [()] * 3


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("kitty-specs/001-one/spec.md", b"spec"),
        ("kitty-specs/001-one/größe\n.md", b"odd"),
        (".kittify/guardian.toml", b""),
        ("kitty-specs/001-one/tasks", None),
        ("kitty-specs/001-one/link.md", None),
        ("kitty-specs/002-link/spec.md", None),
        ("kitty-specs/001-one/no.md", None),
        ("kitty-specs/001-one/spec.md/below", None),
    ],
)
def test_disk_and_commit_read_the_same_bytes(mixed: Repository, path: str, data: bytes | None) -> None:
    for tree in trees(mixed):
        tree.expect([path, "kitty-specs/001-one/spec.md"])
        assert tree.read(path) == data


def test_a_limit_shows_that_a_file_is_longer(mixed: Repository) -> None:
    assert [tree.read("kitty-specs/001-one/spec.md", 3) for tree in trees(mixed)] == [b"spec"] * 3
    assert [tree.read("kitty-specs/001-one/spec.md", 2) for tree in trees(mixed)] == [b"spe"] * 3


@pytest.mark.parametrize("path", ["../outside", "/etc/hostname", "kitty-specs/../../outside"])
def test_the_disk_is_not_read_outside_the_root(repository: Repository, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").write_text("secret")
    tree = DiskTree(repository.path)

    assert tree.read(path) is None
    assert tree.names("..") == ()
    assert tree.names("/") == ()


def test_a_pipe_is_neither_listed_nor_waited_for(repository: Repository) -> None:
    repository.write("kitty-specs/001-one/spec.md")
    os.mkfifo(repository.path / "kitty-specs/001-one/pipe")
    tree = DiskTree(repository.path)

    assert tree.names("kitty-specs/001-one") == (Entry("spec.md", "file"),)
    assert tree.read("kitty-specs/001-one/pipe") is None


def test_a_name_that_is_not_utf8_is_the_same_text_from_both(repository: Repository) -> None:
    name = os.fsdecode(b"kitty-specs/001-one/\xff.md")
    repository.write(name, "odd")
    repository.commit()

    for tree in trees(repository):
        assert [entry.name for entry in tree.names("kitty-specs/001-one")] == ["\udcff.md"]
        assert tree.read(name) == b"odd"


def test_other_directories_of_a_commit_read_as_absent(mixed: Repository) -> None:
    tree = GitTree(Git(mixed.path, env=mixed.environment), "HEAD")

    assert tree.names("src") == ()
    assert tree.read("src/a.py") is None


@pytest.mark.parametrize("commit", ["no-such-branch", "--help", ""])
def test_a_commit_that_does_not_exist_is_gits_error(mixed: Repository, commit: str) -> None:
    with pytest.raises(GitError):
        GitTree(Git(mixed.path, env=mixed.environment), commit).names("kitty-specs")


def test_a_missing_object_is_an_error_and_the_rest_is_read(repository: Repository) -> None:
    repository.write("kitty-specs/001-one/a.md", "a")
    repository.write("kitty-specs/001-one/b.md", "b")
    repository.commit()
    name = repository.git("rev-parse", "HEAD:kitty-specs/001-one/a.md")
    (repository.path / ".git" / "objects" / name[:2] / name[2:]).unlink()

    with GitTree(Git(repository.path, env=repository.environment), "HEAD") as tree:
        tree.expect(["kitty-specs/001-one/a.md", "kitty-specs/001-one/b.md"])
        with pytest.raises(GitError, match=r"a\.md: object [0-9a-f]{40} is missing"):
            tree.read("kitty-specs/001-one/a.md")
        assert tree.read("kitty-specs/001-one/b.md") == b"b"


def test_a_reading_process_that_dies_is_replaced(mixed: Repository) -> None:
    with GitTree(Git(mixed.path, env=mixed.environment), "HEAD") as tree:
        assert tree.read("kitty-specs/001-one/spec.md") == b"spec"
        reader_of(tree)._process.kill()
        reader_of(tree)._process.wait()
        tree.expect(["kitty-specs/001-one/spec.md"])
        assert tree.read("kitty-specs/001-one/spec.md") == b"spec"

        reader_of(tree).close()
        with pytest.raises(GitError, match="has ended"):
            tree.read("kitty-specs/001-one/spec.md")
        assert tree.read("kitty-specs/001-one/spec.md") == b"spec"


def test_a_forgotten_tree_leaves_no_process(mixed: Repository) -> None:
    tree = GitTree(Git(mixed.path, env=mixed.environment), "HEAD")
    assert tree.read("kitty-specs/001-one/spec.md") == b"spec"
    process = reader_of(tree)._process

    del tree
    gc.collect()

    assert process.returncode is not None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_an_error(repository: Repository) -> None:
    repository.write("kitty-specs/001-one/spec.md").chmod(0)

    with pytest.raises(PermissionError):
        DiskTree(repository.path).read("kitty-specs/001-one/spec.md")
