"""What `SPEC_KITTY_HOME` may say, on every platform, and what it must not."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from kitty_paths import AssetHome, InvalidStateRootError, RootSource, StateRoot

PLATFORMS = ["linux", "darwin", "win32"]


def resolve(value: str, platform: str = "linux", home: str | None = "/home/ada") -> StateRoot:
    return StateRoot.resolve({"SPEC_KITTY_HOME": value}, platform=platform, home=home)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_set_variable_is_the_root_on_every_platform_and_is_never_suffixed(platform: str, tmp_path: Path) -> None:
    root = StateRoot.resolve({"SPEC_KITTY_HOME": str(tmp_path / "sk"), "LOCALAPPDATA": "/local"}, platform=platform)
    assert root.base == tmp_path / "sk"
    assert root.source is RootSource.ENVIRONMENT
    assert root.platform == platform


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_empty_variable_is_treated_as_unset(platform: str, tmp_path: Path) -> None:
    unset = StateRoot.resolve({}, platform=platform, home=tmp_path)
    empty = StateRoot.resolve({"SPEC_KITTY_HOME": ""}, platform=platform, home=tmp_path)
    assert (empty, empty.source) == (unset, RootSource.PLATFORM_DEFAULT)


@pytest.mark.parametrize(
    ("value", "base"),
    [
        ("/abs/x///", "/abs/x"),
        ("/abs//x", "/abs/x"),
        ("//abs/x", "/abs/x"),
        ("///abs/x", "/abs/x"),
        ("/abs/./x/.", "/abs/x"),
        ("/", "/"),
        ("//", "/"),
        ("~", "/home/ada"),
        ("~/", "/home/ada"),
        ("~/sk", "/home/ada/sk"),
        ("~//sk//", "/home/ada/sk"),
        ("~/./sk", "/home/ada/sk"),
        ("/a/~/b", "/a/~/b"),
        ("/a/$HOME/b", "/a/$HOME/b"),
        ("/a/...", "/a/..."),
        ("/a/..b", "/a/..b"),
        ("/a\\..\\b", "/a\\..\\b"),
        ("/a b/ c", "/a b/ c"),
        ("/a ", "/a "),
        ("/a\n", "/a\n"),
        ("/häus/\N{CAT FACE}", "/häus/\N{CAT FACE}"),
        ("/bytes\udcff", "/bytes\udcff"),
        ("/" + "x" * 5000, "/" + "x" * 5000),
    ],
)
def test_a_posix_value_has_one_spelling_and_is_otherwise_taken_as_it_is(value: str, base: str) -> None:
    assert str(resolve(value)) == base


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (r"D:\sk", r"D:\sk"),
        (r"D:\sk\\", r"D:\sk"),
        (r"D:/a/./b//c/", r"D:\a\b\c"),
        (r"\\server\share\sk", r"\\server\share\sk"),
        ("~", r"C:\Users\ada"),
        (r"~\sk", r"C:\Users\ada\sk"),
        ("~/sk/a", r"C:\Users\ada\sk\a"),
        (r"D:\with space\é", r"D:\with space\é"),
        ("D:\\", "D:\\"),
    ],
)
def test_a_windows_value_has_one_spelling_on_any_host(value: str, base: str) -> None:
    root = resolve(value, "win32", r"C:\Users\ada")
    assert str(root) == base
    assert root.base.is_absolute()
    assert isinstance(root.base, Path)


def test_letter_case_makes_no_second_root_on_windows() -> None:
    assert resolve(r"c:\SK", "win32") == resolve(r"C:\sk", "win32")
    assert resolve("/SK") != resolve("/sk")


@pytest.mark.parametrize("kind", [StateRoot, AssetHome])
@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("rel/x", "relative"),
        ("./x/", "relative"),
        (".", "relative"),
        ("../x", "relative"),
        ("$HOME/x", "relative"),
        (" /lead", "relative"),
        (r"C:\sk", "relative"),
        ("/a/../b", "`..`"),
        ("/..", "`..`"),
        ("~/..", "`..`"),
        ("~/../b", "`..`"),
        ("~root", "another user"),
        ("~root/x", "another user"),
        (r"~\x", "another user"),
        ("   ", "white space only"),
        ("\n", "white space only"),
        ("\u3000", "white space only"),
        ("/a\0b", "characters"),
        ("/a\ud800", "characters"),
    ],
)
def test_a_value_that_could_move_or_mean_two_places_is_refused(
    kind: type[StateRoot | AssetHome], platform: str, value: str, reason: str
) -> None:
    with pytest.raises(InvalidStateRootError) as caught:
        kind.resolve({"SPEC_KITTY_HOME": value}, platform=platform, home="/home/ada")
    assert caught.value.variable == "SPEC_KITTY_HOME"
    assert caught.value.value == value
    assert f"`SPEC_KITTY_HOME` is {value!r}: " in str(caught.value)
    assert reason in str(caught.value)
    assert caught.value.hint
    assert caught.value.hint.endswith("or unset SPEC_KITTY_HOME")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (r"sk", "relative"),
        (r"\sk", "relative"),
        (r"D:sk", "relative"),
        (r"%USERPROFILE%\sk", "relative"),
        (r"\\server", "relative"),
        (r"D:\a\..\b", "`..`"),
        (r"~\..\b", "`..`"),
        (r"/a\..\b", "`..`"),
        ("~ada", "another user"),
        (r"\\?\D:\sk", "shorter name"),
        (r"//./D:/sk", "shorter name"),
        ("D:\\sk.", "shorter name"),
        ("D:\\sk \\x", "shorter name"),
        ("D:\\sk:stream", "shorter name"),
        ("~\\D:\\x", "shorter name"),
        ("D:\\a\0", "characters"),
    ],
)
def test_a_windows_value_that_could_move_or_mean_two_places_is_refused(value: str, reason: str) -> None:
    with pytest.raises(InvalidStateRootError) as caught:
        resolve(value, "win32", r"C:\Users\ada")
    assert f"`SPEC_KITTY_HOME` is {value!r}: " in str(caught.value)
    assert reason in str(caught.value)


def test_a_tilde_needs_a_home_and_an_absolute_value_does_not() -> None:
    assert str(resolve("/sk", home=None)) == "/sk"
    with pytest.raises(InvalidStateRootError) as caught:
        resolve("~/sk", home=None)
    assert caught.value.variable == "HOME"
    assert caught.value.value is None


def test_a_refusal_is_a_usage_error_with_a_stable_code() -> None:
    with pytest.raises(ValueError, match="relative path moves") as caught:
        resolve("rel")
    error = caught.value
    assert isinstance(error, InvalidStateRootError)
    assert (error.code, error.exit_code) == ("paths.state-root.invalid", 2)
    assert "/home/ada/.spec-kitty-work" in str(error.hint)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(again), again.hint, again.variable, again.value) == (str(error), error.hint, error.variable, "rel")


def test_no_other_variable_selects_state() -> None:
    environ = {"XDG_STATE_HOME": "/x", "XDG_DATA_HOME": "/x", "XDG_CONFIG_HOME": "/x", "LOCALAPPDATA": "/x"}
    assert str(StateRoot.resolve(environ, platform="linux", home="/home/ada")) == "/home/ada/.spec-kitty"


def test_an_explicit_root_ignores_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPEC_KITTY_HOME", "/elsewhere")
    root = StateRoot.at(tmp_path / "x")
    assert (root.base, root.source, root.default_base) == (tmp_path / "x", RootSource.EXPLICIT, None)


@pytest.mark.parametrize("path", ["rel", "~/x", "/a/../b", ""])
def test_an_explicit_root_is_held_to_the_same_rules(path: str) -> None:
    with pytest.raises(InvalidStateRootError) as caught:
        StateRoot.at(path)
    assert caught.value.variable == "path"
    assert caught.value.hint
    assert "unset" not in caught.value.hint


def test_a_root_cannot_be_built_around_the_rules() -> None:
    with pytest.raises(InvalidStateRootError, match="`base` is 'rel'"):
        StateRoot(Path("rel"), StateRoot.at("/r").platform, RootSource.EXPLICIT)
