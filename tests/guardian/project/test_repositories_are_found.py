from __future__ import annotations

import os
from pathlib import Path

import pytest

from kitty_guardian.errors import GitError, NotAProjectError, NotARepositoryError
from kitty_guardian.project.repository import Worktree, find_worktree, is_project, require_project
from kitty_paths import RepositoryState
from support.repositories import Repository


def find(repository: Repository, below: str = ".") -> Worktree:
    return find_worktree(repository.path / below, env=repository.environment)


@pytest.mark.parametrize("below", [".", "deep/er", "deep/er/file"])
def test_a_work_tree_is_found_from_anywhere_in_it(repository: Repository, below: str) -> None:
    repository.write("deep/er/file", "")

    worktree = find(repository, below)

    assert worktree.root == repository.path
    assert worktree.git_dir == worktree.common_dir == repository.path / ".git"
    assert not worktree.is_linked
    assert worktree.state == RepositoryState.at(repository.path / ".git", repository.path / ".git")


def test_it_is_found_through_a_symbolic_link_under_its_real_name(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(repository.path)

    assert find_worktree(tmp_path / "link", env=repository.environment).root == repository.path


def test_a_linked_work_tree_has_its_own_part_of_the_repository(repository: Repository) -> None:
    repository.commit()
    linked = repository.worktree(repository.path / ".worktrees" / "001-one-WP01", "001-one-WP01")

    worktree = find(linked)

    assert worktree.root == linked.path
    assert worktree.git_dir == repository.path / ".git" / "worktrees" / "001-one-WP01"
    assert worktree.common_dir == repository.path / ".git"
    assert worktree.is_linked
    assert worktree.head_branch() == "001-one-WP01"
    assert worktree.head_commit() == repository.head()


def test_a_relative_gitdir_is_followed_as_git_follows_it(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit()
    linked = repository.worktree(repository.path / ".worktrees" / "001-one", "001-one")
    (linked.path / ".git").write_text("gitdir: ../../.git/worktrees/001-one\n")
    monkeypatch.chdir("/")

    assert find(linked).git_dir == repository.path / ".git" / "worktrees" / "001-one"


def test_a_submodule_is_a_repository_of_its_own(repository: Repository, tmp_path: Path) -> None:
    library = Repository(tmp_path / "library")
    library.commit("library")
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.path), "lib")
    repository.commit()

    worktree = find(repository, "lib")

    assert worktree.root == repository.path / "lib"
    assert worktree.git_dir == repository.path / ".git" / "modules" / "lib"
    assert worktree.head_commit() == library.head()


def test_git_dir_of_the_environment_is_ignored(repository: Repository, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    environ = repository.environment | {"GIT_DIR": str(other.path / ".git"), "GIT_WORK_TREE": str(other.path)}

    assert find_worktree(repository.path, env=environ).root == repository.path


def test_outside_a_repository_there_is_a_hint(tmp_path: Path) -> None:
    with pytest.raises(NotARepositoryError, match="is not in a git repository") as caught:
        find_worktree(tmp_path, env={"PATH": os.environ["PATH"], "LANG": "de_DE.UTF-8"})

    assert caught.value.hint is not None
    assert "git init" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_place_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotARepositoryError, match=r"gone/far does not exist"):
        find_worktree(tmp_path / "gone" / "far")


def test_a_bare_repository_has_nothing_to_guard(repository: Repository, tmp_path: Path) -> None:
    repository.git("init", "--quiet", "--bare", str(tmp_path / "bare"))

    with pytest.raises(NotARepositoryError, match="is a bare git repository"):
        find_worktree(tmp_path / "bare", env=repository.environment)


@pytest.mark.parametrize("below", [".git", ".git/refs"])
def test_inside_the_git_directory_is_not_the_work_tree(repository: Repository, below: str) -> None:
    with pytest.raises(NotARepositoryError, match=r"inside a repository's \.git directory"):
        find(repository, below)


def test_a_broken_pointer_is_gits_error_or_no_repository(repository: Repository, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / ".git").write_text("nonsense\n")

    with pytest.raises(GitError, match="invalid gitfile format"):
        find_worktree(broken, env=repository.environment)


def test_a_path_with_a_line_break_is_refused_plainly(tmp_path: Path) -> None:
    odd = Repository(tmp_path / "line\nbreak")

    with pytest.raises(NotARepositoryError, match="contains a line break"):
        find(odd)


def test_a_new_repository_has_a_branch_and_no_commit(repository: Repository) -> None:
    worktree = find(repository)

    assert worktree.head_commit() is None
    assert worktree.head_branch() == "main"


def test_a_detached_head_has_a_commit_and_no_branch(repository: Repository) -> None:
    head = repository.commit()
    repository.git("checkout", "--quiet", "--detach")

    worktree = find(repository)

    assert worktree.head_commit() == head
    assert worktree.head_branch() is None


def test_a_tag_of_the_same_name_does_not_change_the_branch(repository: Repository) -> None:
    repository.commit()
    repository.git("tag", "main")

    assert find(repository).head_branch() == "main"


def test_a_broken_ref_is_not_taken_for_a_new_repository(repository: Repository) -> None:
    repository.commit()
    (repository.path / ".git" / "refs" / "heads" / "main").write_text("nonsense\n")

    with pytest.raises(GitError, match=r"HEAD of .* cannot be resolved"):
        find(repository).head_commit()


def test_a_head_that_is_nonsense_is_not_a_repository(repository: Repository) -> None:
    worktree = find(repository)
    (repository.path / ".git" / "HEAD").write_text("nonsense\n")

    with pytest.raises(GitError, match=r"HEAD of .* cannot be resolved"):
        worktree.head_commit()


@pytest.mark.parametrize("name", ["kitty-specs", ".kittify"])
def test_either_directory_makes_a_project(repository: Repository, name: str) -> None:
    (repository.path / name).mkdir()

    require_project(find(repository))


def test_a_project_that_is_left_out_by_a_sparse_checkout_is_still_one(repository: Repository) -> None:
    repository.feature("001-one")
    repository.commit()
    repository.git("sparse-checkout", "set", "--no-cone", "/*", "!kitty-specs/")
    assert not (repository.path / "kitty-specs").exists()

    assert is_project(find(repository))


@pytest.mark.parametrize("born", [False, True])
def test_anything_else_is_no_project(repository: Repository, *, born: bool) -> None:
    repository.write("kitty-specs", "a file")
    (repository.path / ".kittify").symlink_to("/tmp")
    if born:
        repository.commit()

    with pytest.raises(NotAProjectError, match=r"has neither kitty-specs/ nor \.kittify/") as caught:
        require_project(find(repository))

    assert caught.value.hint is not None
