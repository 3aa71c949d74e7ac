"""Roots and their children are values: frozen, comparable, hashable, usable wherever a path is."""

from __future__ import annotations

import copy
import doctest
import os
import pickle
from pathlib import Path
from types import ModuleType

import attrs
import pytest

import kitty_paths
from kitty_paths import (
    AssetHome,
    GuardianState,
    InvalidRepositoryPathError,
    KittyPathsError,
    QueueScope,
    RepositoryState,
    RootSource,
    StateRoot,
    Surface,
    TrackerScope,
    UnknownSurfaceError,
)

ROOT = StateRoot.at("/r", platform="linux")
STATE = RepositoryState.at("/p/.git", "/p/.git")
FIRST_FIELDS: dict[type[object], str] = {
    StateRoot: "base",
    AssetHome: "base",
    **dict.fromkeys(map(type, (ROOT.sync, ROOT.queues, ROOT.auth, ROOT.daemon, ROOT.tracker, ROOT.guardian)), "base"),
    Surface: "name",
    RepositoryState: "git_dir",
    GuardianState: "base",
    QueueScope: "server",
    TrackerScope: "provider",
}
VALUES: list[object] = [
    ROOT,
    AssetHome.at("/r"),
    ROOT.sync,
    ROOT.queues,
    ROOT.auth,
    ROOT.daemon,
    ROOT.tracker,
    ROOT.guardian,
    ROOT.sync.config,
    STATE,
    STATE.guardian,
    QueueScope("s", "u", "t"),
    TrackerScope("p", "w", "s", "u", "t"),
    StateRoot.at(r"C:\r", platform="win32"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_no_field_can_be_set_added_or_deleted(value: object) -> None:
    field = FIRST_FIELDS[type(value)]
    for name in (field, "config", "new"):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, name, "x")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        delattr(value, field)
    assert not hasattr(value, "__dict__")


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_survives_pickling_and_copying(value: object) -> None:
    again = pickle.loads(pickle.dumps(value))  # noqa: S301 - our own bytes
    assert again == value
    assert hash(again) == hash(value)
    assert type(again) is type(value)
    assert copy.deepcopy(value) == value


def test_two_roots_are_equal_when_every_path_below_them_is() -> None:
    chosen = StateRoot.resolve({"SPEC_KITTY_HOME": "/r/"}, platform="linux", home="/h")
    assert chosen == ROOT
    assert len({chosen, ROOT}) == 1
    assert chosen.sync == ROOT.sync
    assert chosen.source != ROOT.source
    assert StateRoot.at("/r", platform="win32") != ROOT
    assets: object = AssetHome.at("/r", platform="linux")
    assert assets != ROOT


def test_roots_and_children_have_an_order() -> None:
    other = StateRoot.at("/a", platform="linux")
    assert sorted([ROOT, other]) == [other, ROOT]
    assert min(ROOT.surfaces()) == ROOT.auth.directory


def test_children_of_different_roots_are_different() -> None:
    assert ROOT.sync.config != StateRoot.at("/q", platform="linux").sync.config
    assert ROOT.sync.config != ROOT.sync.clock


def test_a_child_is_a_path_to_everything_that_takes_one(tmp_path: Path) -> None:
    root = StateRoot.at(tmp_path)
    config = root.sync.config
    assert isinstance(config, os.PathLike)
    assert os.fspath(config) == str(config) == f"{config}" == os.path.join(tmp_path, "config.toml")  # noqa: PTH118
    with open(config, "w", encoding="utf-8") as file:  # noqa: PTH123 - open() itself is what is tested
        file.write("[sync]\n")
    assert Path(config).read_text(encoding="utf-8") == "[sync]\n"
    assert config.path.exists()


def test_a_root_is_a_path_too(tmp_path: Path) -> None:
    root = StateRoot.at(tmp_path)
    assert Path(root) == tmp_path
    assert str(root) == str(tmp_path)


def test_everything_is_private_to_its_owner() -> None:
    for surface in (*ROOT.surfaces(), *STATE.surfaces()):
        assert surface.mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sync.confg", "Did you mean `sync.config` or"),
        ("config", "Did you mean `sync.config`?"),
        ("directory", "Did you mean `queues.directory` or `auth.directory` or"),
        ("", "Known: sync.config, sync.config_lock"),
        ("zzzzzzzz", "Known: sync.config, sync.config_lock"),
        ("queues.scoped", "Its databases lie in `queues.directory`"),
        ("tracker.store", "Its databases lie in `tracker.directory`"),
    ],
)
def test_an_unknown_name_is_an_error_that_knows_better(name: str, hint: str) -> None:
    with pytest.raises(UnknownSurfaceError) as caught:
        ROOT.child(name)
    assert str(caught.value.hint).startswith(hint)
    assert name in str(caught.value)
    assert (caught.value.code, caught.value.exit_code) == ("paths.surface.unknown", 2)


@pytest.mark.parametrize(("git_dir", "common_dir", "name"), [(".git", "/p", "git_dir"), ("/p", "x", "common_dir")])
def test_a_relative_git_directory_is_refused(git_dir: str, common_dir: str, name: str) -> None:
    with pytest.raises(InvalidRepositoryPathError, match=f"`{name}` is ") as caught:
        RepositoryState.at(git_dir, common_dir)
    assert caught.value.hint == "Ask git for it with --path-format=absolute"


def test_every_error_is_of_the_family_and_has_a_code_of_its_own() -> None:
    errors = [
        each for each in vars(kitty_paths).values() if isinstance(each, type) and issubclass(each, KittyPathsError)
    ]
    assert len({each.code for each in errors}) == len(errors)


@pytest.mark.parametrize("module", [kitty_paths, kitty_paths.root], ids=lambda module: module.__name__)
def test_the_examples_in_the_documentation_are_true(module: ModuleType) -> None:
    failed, attempted = doctest.testmod(module)
    assert (failed, attempted > 0) == (0, True)


def test_the_words_for_a_roots_source_are_stable() -> None:
    assert [source.value for source in RootSource] == ["environment", "platform_default", "explicit"]


def test_all_is_sorted_and_true() -> None:
    assert kitty_paths.__all__ == sorted(kitty_paths.__all__)
    assert all(hasattr(kitty_paths, name) for name in kitty_paths.__all__)


def test_the_version_is_the_installed_one() -> None:
    assert kitty_paths.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = kitty_paths.nothing
