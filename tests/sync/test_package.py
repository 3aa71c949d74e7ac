"""The package says its version, imports nothing heavy, and every error keeps the contract."""

from __future__ import annotations

import getpass
import subprocess
import sys

import pytest

import kitty_sync
from kitty_sync import environment, errors
from kitty_sync.config.settings import checked
from kitty_sync.errors import InvalidSettingError, SyncError


def test_it_knows_its_version_and_nothing_else_by_that_way() -> None:
    assert kitty_sync.__version__ == "0.1.0"
    with pytest.raises(AttributeError, match="nonsense"):
        _ = kitty_sync.nonsense  # type: ignore[attr-defined]


def test_reading_the_configuration_loads_no_third_party_editor_and_no_database() -> None:
    script = (
        "import sys; before = set(sys.modules)\n"  # measuring coverage has loaded some already
        "from kitty_paths import StateRoot; from kitty_sync.config import SyncConfig\n"
        "SyncConfig(StateRoot.resolve()).read()\n"
        "print(sorted({'tomlkit', 'sqlite3', 'ssl', 'asyncio', 'http', 'click'} & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "error", [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, SyncError)]
)
def test_every_error_has_a_code_of_its_own_and_an_exit_code_of_the_contract(error: type[SyncError]) -> None:
    family = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, SyncError)]

    assert [other for other in family if other.code == error.code] == [error]
    assert error.exit_code in {1, 2}
    assert (error.__doc__ or "").strip()


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)

    assert environment.login_name() == str(environment.user_id())


def test_a_setting_that_nobody_knows_is_named_with_those_that_are() -> None:
    with pytest.raises(InvalidSettingError) as caught:
        checked("sync.nonsense", 1)

    assert caught.value.hint is not None
    assert "sync.server_url" in caught.value.hint
