"""Where state lives while `SPEC_KITTY_HOME` is unset: exactly where it always did (NFR-001, NFR-003)."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import platformdirs
import pytest

from kitty_paths import (
    AssetHome,
    InvalidStateRootError,
    Platform,
    RootSource,
    StateRoot,
    UnknownPlatformError,
    environment,
    platforms,
)


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_posix_keeps_state_and_assets_in_two_directories_of_the_home(platform: str, tmp_path: Path) -> None:
    root = StateRoot.resolve({}, platform=platform, home=tmp_path)
    assert root.base == root.default_base == tmp_path / ".spec-kitty"
    assert root.source is RootSource.PLATFORM_DEFAULT
    assert AssetHome.resolve({}, platform=platform, home=tmp_path).base == tmp_path / ".kittify"


@pytest.mark.parametrize("kind", [StateRoot, AssetHome])
def test_windows_keeps_both_in_local_application_data(kind: type[StateRoot | AssetHome]) -> None:
    environ = {"LOCALAPPDATA": r"D:\Local", "USERPROFILE": r"C:\Users\ada"}
    assert str(kind.resolve(environ, platform="win32").base) == r"D:\Local\spec-kitty"
    del environ["LOCALAPPDATA"]
    assert str(kind.resolve(environ, platform="win32").base) == r"C:\Users\ada\AppData\Local\spec-kitty"
    environ["LOCALAPPDATA"] = ""
    assert str(kind.resolve(environ, platform="win32").base) == r"C:\Users\ada\AppData\Local\spec-kitty"


def test_windows_layout_can_be_asked_for_below_a_real_directory(tmp_path: Path) -> None:
    root = StateRoot.resolve({}, platform="win32", home=tmp_path)
    assert root.base == tmp_path / "AppData" / "Local" / "spec-kitty"
    assert Path(root.daemon.state) == root.base / "daemon" / "sync-daemon"
    local = StateRoot.resolve({"LOCALAPPDATA": str(tmp_path / "L")}, platform="win32", home=tmp_path)
    assert local.base == tmp_path / "L" / "spec-kitty"


@pytest.mark.parametrize("value", ["rel", "  ", r"C:rel", r"C:\a\..\b"])
def test_a_local_application_data_that_names_no_place_is_refused(value: str) -> None:
    with pytest.raises(InvalidStateRootError) as caught:
        StateRoot.resolve({"LOCALAPPDATA": value}, platform="win32", home=r"C:\Users\ada")
    assert caught.value.variable == "LOCALAPPDATA"


@pytest.mark.parametrize(("platform", "variable"), [("linux", "HOME"), ("darwin", "HOME"), ("win32", "USERPROFILE")])
def test_a_missing_home_is_an_error_that_names_its_variable(platform: str, variable: str) -> None:
    for environ, said in (({}, "unset"), ({variable: ""}, "empty")):
        with pytest.raises(InvalidStateRootError, match=f"`{variable}` is {said}") as caught:
            StateRoot.resolve(environ, platform=platform)
        assert caught.value.variable == variable
        assert caught.value.hint == f"Set {variable} to your home directory, or SPEC_KITTY_HOME to an absolute path"


@pytest.mark.parametrize("home", ["rel", "~", "/home/../ada", "/a\0", " "])
def test_a_home_that_names_no_place_is_an_error_that_names_home(home: str) -> None:
    with pytest.raises(InvalidStateRootError) as caught:
        StateRoot.resolve({}, platform="linux", home=home)
    assert (caught.value.variable, caught.value.value) == ("HOME", home)


def test_the_default_is_known_beside_a_chosen_root_where_there_is_a_home() -> None:
    chosen = {"SPEC_KITTY_HOME": "/sk"}
    assert str(StateRoot.resolve(chosen, platform="linux", home="/h").default_base) == "/h/.spec-kitty"
    assert StateRoot.resolve(chosen, platform="linux").default_base is None


def test_the_host_never_leaks_into_an_injected_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "SPEC_KITTY_HOME"):
        monkeypatch.setenv(name, "/leak")
    monkeypatch.setattr(environment, "host_home", lambda: "/leak")
    for platform in ("linux", "darwin", "win32"):
        with pytest.raises(InvalidStateRootError):
            StateRoot.resolve({}, platform=platform)
    assert str(StateRoot.resolve({"HOME": "/home/ada"}, platform="linux")) == "/home/ada/.spec-kitty"


class TestRealHost:
    def test_the_environment_is_read_at_each_call(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("SPEC_KITTY_HOME", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        assert StateRoot.resolve(platform="linux").base == tmp_path / ".spec-kitty"
        monkeypatch.setenv("SPEC_KITTY_HOME", str(tmp_path / "sk"))
        assert StateRoot.resolve().base == tmp_path / "sk"

    @pytest.mark.skipif(sys.platform != "linux", reason="the host's own default, on Linux")
    def test_linux_defaults_to_the_home_directory(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("SPEC_KITTY_HOME", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        root = StateRoot.resolve()
        assert (root.base, root.platform) == (Path.home() / ".spec-kitty", "linux")
        assert AssetHome.resolve().base == Path.home() / ".kittify"

    def test_a_given_home_wins_over_the_environments(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("SPEC_KITTY_HOME", raising=False)
        monkeypatch.setenv("HOME", "/elsewhere")
        assert StateRoot.resolve(platform="linux", home=tmp_path).base == tmp_path / ".spec-kitty"

    def test_without_home_the_user_database_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SPEC_KITTY_HOME", raising=False)
        monkeypatch.delenv("HOME", raising=False)
        monkeypatch.setattr(Path, "home", lambda: Path("/from/passwd"))
        assert str(StateRoot.resolve(platform="linux")) == "/from/passwd/.spec-kitty"

    def test_an_empty_home_is_an_error_and_not_the_root_directory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SPEC_KITTY_HOME", raising=False)
        monkeypatch.setenv("HOME", "")
        with pytest.raises(InvalidStateRootError, match="`HOME` is empty"):
            StateRoot.resolve(platform="linux")

    def test_a_user_without_any_home_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nobody() -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.delenv("SPEC_KITTY_HOME", raising=False)
        monkeypatch.delenv("HOME", raising=False)
        monkeypatch.setattr(Path, "home", nobody)
        with pytest.raises(InvalidStateRootError, match="`HOME` is unset"):
            StateRoot.resolve(platform="linux")

    def test_on_windows_platformdirs_says_where_application_data_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[object, ...]] = []

        def user_data_dir(name: str, *, appauthor: bool, roaming: bool) -> str:
            asked.append((name, appauthor, roaming))
            return r"C:\Known\Local\spec-kitty"

        monkeypatch.delenv("SPEC_KITTY_HOME", raising=False)
        monkeypatch.setattr(environment, "host_platform", lambda: "win32")
        monkeypatch.setattr(platformdirs, "user_data_dir", user_data_dir)
        root = StateRoot.resolve()
        assert str(root.base) == r"C:\Known\Local\spec-kitty"
        assert root.source is RootSource.PLATFORM_DEFAULT
        assert asked == [("spec-kitty", False, False)]

    def test_elsewhere_windows_is_computed_from_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.delenv("SPEC_KITTY_HOME", raising=False)
        monkeypatch.setattr(environment, "host_platform", lambda: "linux")
        monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
        assert StateRoot.resolve(platform="win32").base == tmp_path / "spec-kitty"


class TestPlatforms:
    @pytest.mark.parametrize(
        ("name", "platform"),
        [
            ("linux", "linux"),
            ("linux2", "linux"),
            ("cygwin", "linux"),
            ("freebsd14", "linux"),
            ("openbsd7", "linux"),
            ("sunos5", "linux"),
            ("aix", "linux"),
            ("android", "linux"),
            ("darwin", "darwin"),
            ("ios", "darwin"),
            ("win32", "win32"),
        ],
    )
    def test_every_sys_platform_has_a_layout(self, name: str, platform: str) -> None:
        assert StateRoot.resolve({}, platform=name, home="/home/ada").platform == platform
        assert StateRoot.at("/r", platform=name).platform == platform

    @pytest.mark.parametrize("name", ["", "Windows", "nt", "win64", "Linux", "posix", "plan9", "\0"])
    def test_a_word_of_another_interface_is_refused(self, name: str) -> None:
        with pytest.raises(UnknownPlatformError, match="There is no platform") as caught:
            StateRoot.resolve({}, platform=name, home="/home/ada")
        assert (caught.value.code, caught.value.exit_code) == ("paths.platform.unknown", 2)
        assert caught.value.hint == "Name it as sys.platform does: linux, darwin or win32"

    def test_a_windows_path_elsewhere_behaves_as_on_windows(self) -> None:
        path = platforms.WindowsPathElsewhere(r"C:\Users\Ada")
        assert path == PureWindowsPath(r"c:\users\ada")
        assert hash(path) == hash(PureWindowsPath(r"c:\users\ada"))
        assert str(path / "x") == r"C:\Users\Ada\x"
        assert isinstance(path / "x", Path)
        assert str(path.parent) == r"C:\Users"

    def test_a_posix_path_elsewhere_behaves_as_on_posix(self) -> None:
        path = platforms.PosixPathElsewhere("/home/ada")
        assert path == PurePosixPath("/home/ada")
        assert str(path.joinpath("a", "b")) == "/home/ada/a/b"
        assert isinstance(path, Path)
        assert path.is_absolute()

    def test_a_windows_host_computes_posix_paths(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(platforms, "_host_is_windows", lambda: True)
        path = platforms.absolute_path("//home//ada", Platform.LINUX)
        assert isinstance(path, platforms.PosixPathElsewhere)
        assert str(path) == "/home/ada"

    def test_a_windows_host_takes_its_own_paths_for_any_platform_and_no_drive_relative_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(platforms, "_host_is_windows", lambda: True)
        assert str(platforms.absolute_path(r"C:\tmp", Platform.LINUX)) == r"C:\tmp"
        assert platforms.absolute_path(r"\tmp", Platform.WIN32) is None
        assert platforms.absolute_path("tmp", Platform.LINUX) is None
