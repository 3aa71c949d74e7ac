from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kitty_guardian.errors import PolicyError
from kitty_guardian.judgement import check, read_policy
from kitty_guardian.project.policyfile import read_policy_file
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.rules.policy import POLICY_PATH, Policy
from support.repositories import Repository

NAME = "001-one"


@pytest.fixture(name="project")
def _project(repository: Repository) -> Repository:
    repository.feature(NAME, "plan")
    repository.commit()
    (repository.path / ".kittify").mkdir()
    return repository


def test_the_policy_is_what_stands_in_the_work_tree(project: Repository) -> None:
    assert read_policy_file(project.path) is None
    project.write(POLICY_PATH, 'mode = "observe"\n')

    assert read_policy_file(project.path) == b'mode = "observe"\n'
    assert read_policy(find_worktree(project.path, env=project.environment)).mode == "observe"


def test_without_one_the_default_holds(project: Repository) -> None:
    assert read_policy(find_worktree(project.path, env=project.environment)) == Policy.default()
    (project.path / ".kittify").rmdir()
    assert read_policy_file(project.path) is None
    project.write(".kittify", "a file in the folder's place\n")
    assert read_policy_file(project.path) is None


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        os.mkdir,
        lambda path: path.symlink_to("../README.md"),
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to("/dev/zero"),
    ],
    ids=["a pipe", "a directory", "a link", "a link to nowhere", "a link to a device"],
)
def test_what_is_no_file_is_refused_never_taken_for_none_and_never_waited_for(
    project: Repository, make: Callable[[Path], None]
) -> None:
    project.write("README.md", 'mode = "observe"\n')
    make(project.path / POLICY_PATH)

    for ask in (
        lambda: read_policy_file(project.path),
        lambda: read_policy(find_worktree(project.path, env=project.environment)),
        lambda: check(project.path, ["src/app.py"], feature=NAME),
    ):
        with pytest.raises(PolicyError, match=f"{POLICY_PATH} is not a regular file") as caught:
            ask()
        assert caught.value.hint is not None


def test_one_that_is_too_long_is_refused(project: Repository) -> None:
    project.write(POLICY_PATH, "#" * ((1 << 20) + 1))

    with pytest.raises(PolicyError, match="is longer than 1 MiB"):
        read_policy_file(project.path)


def test_one_that_the_disk_refuses_is_told(project: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(POLICY_PATH, 'mode = "observe"\n')

    def refused(*_arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("kitty_guardian.project.regular.os.open", refused)
    with pytest.raises(PolicyError, match="cannot be read: Permission denied"):
        read_policy_file(project.path)
