"""`config.toml`: one key changes and everything else stays; what cannot be understood is refused and kept."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from kitty_paths import StateRoot
from kitty_sync.config import BackgroundDaemon, EventSyncMode, Settings, SyncConfig
from kitty_sync.errors import BusyError, DamagedFileError, InvalidServerUrlError, InvalidSettingError, StateError
from sync.states import everything

MINE = """\
# my settings, do not touch
top = "level"

[other]            # another program's
key = [1, 2,
       3]          # with a comment

[sync]
server_url = "https://old.example"  # the old one
unknown = 2026-11-22T10:00:00Z
max_queue_size = 50_000

[sync.repo_defaults."acme/app"]
enabled = true

# the end
"""


@pytest.fixture
def config(root: StateRoot) -> SyncConfig:
    return SyncConfig(root)


def written(root: StateRoot, text: str | bytes) -> Path:
    root.base.mkdir(exist_ok=True)
    path = Path(root.sync.config)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_without_a_file_there_are_defaults_and_no_server(root: StateRoot, config: SyncConfig) -> None:
    assert config.read() == Settings(server_url=None, max_queue_size=100_000, background_daemon=BackgroundDaemon.AUTO)
    assert not root.base.exists()


def test_every_key_of_upstream_is_read(root: StateRoot, config: SyncConfig) -> None:
    written(
        root,
        """
        [sync]
        server_url = " HTTPS://Kitty.Example:8443/api/ "
        max_queue_size = 7
        background_daemon = " Manual "
        [sync.repo_defaults."acme/app"]
        enabled = true
        [sync.checkout_overrides."/home/ada/src/acme.v2"]
        enabled = false
        unresolved = true
        [sync.project_consent."2b5b2c1e-8f5a-4f0e-9b0a-0d7c7e1f2a33"]
        enabled = true
        [event_sync]
        mode = "external_receiver"
        external_endpoint = "http://localhost:9000/hook"
        """,
    )

    assert config.read() == Settings(
        server_url="https://kitty.example:8443/api",
        max_queue_size=7,
        background_daemon=BackgroundDaemon.MANUAL,
        repo_defaults={"acme/app": True},
        checkout_overrides={"/home/ada/src/acme.v2": False},
        project_consent={"2b5b2c1e-8f5a-4f0e-9b0a-0d7c7e1f2a33": True},
        event_sync_mode=EventSyncMode.EXTERNAL_RECEIVER,
        external_endpoint="http://localhost:9000/hook",
    )


def test_comments_order_and_unknown_keys_survive(root: StateRoot, config: SyncConfig) -> None:
    path = written(root, MINE)

    assert config.set_server_url("https://New.Example/") == "https://new.example"

    assert path.read_text() == MINE.replace("https://old.example", "https://new.example")


def test_line_ends_of_windows_survive(root: StateRoot, config: SyncConfig) -> None:
    path = written(root, MINE.replace("\n", "\r\n"))

    config.set_server_url("https://new.example")

    assert path.read_bytes().decode() == MINE.replace("old.example", "new.example").replace("\n", "\r\n")


def test_a_new_file_holds_what_upstream_reads(root: StateRoot, config: SyncConfig) -> None:
    config.set_server_url("https://kitty.example")
    config.set("sync.max_queue_size", 5)
    config.set("sync.background_daemon", "MANUAL")
    config.set("sync.checkout_overrides./home/ada/a.b.enabled", value=True)

    assert tomllib.loads(Path(root.sync.config).read_text()) == {
        "sync": {
            "server_url": "https://kitty.example",
            "max_queue_size": 5,
            "background_daemon": "manual",
            "checkout_overrides": {"/home/ada/a.b": {"enabled": True}},
        }
    }


def test_setting_what_is_set_already_writes_nothing(root: StateRoot, config: SyncConfig) -> None:
    config.set_server_url("https://kitty.example")
    before = Path(root.sync.config).stat()

    config.set_server_url("https://kitty.example/")

    assert Path(root.sync.config).stat().st_ino == before.st_ino


def test_a_key_is_removed_and_only_that(root: StateRoot, config: SyncConfig) -> None:
    path = written(root, MINE)

    assert config.unset("sync.max_queue_size")
    assert not config.unset("sync.max_queue_size")
    assert not config.unset("event_sync.mode")

    assert path.read_text() == MINE.replace("max_queue_size = 50_000\n", "")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("sync = 1", "sync"),
        ("[sync]\nserver_url = 1", "sync.server_url"),
        ('[sync]\nserver_url = "http://kitty.example"', "sync.server_url"),
        ("[sync]\nmax_queue_size = 0", "sync.max_queue_size"),
        ("[sync]\nmax_queue_size = true", "sync.max_queue_size"),
        ("[sync]\nmax_queue_size = 1.5", "sync.max_queue_size"),
        ('[sync]\nbackground_daemon = ""', "sync.background_daemon"),
        ('[sync]\nbackground_daemon = "sometimes"', "sync.background_daemon"),
        ("[sync]\nbackground_daemon = false", "sync.background_daemon"),
        ("[sync]\nrepo_defaults = []", "sync.repo_defaults"),
        ('[sync.repo_defaults]\n"a/b" = true', 'sync.repo_defaults."a/b"'),
        ('[sync.repo_defaults."a/b"]\nenabled = "yes"', 'sync.repo_defaults."a/b".enabled'),
        ('[event_sync]\nmode = "maybe"', "event_sync.mode"),
        ('[event_sync]\nexternal_endpoint = "ftp://x"', "event_sync.external_endpoint"),
    ],
)
def test_a_wrong_value_is_named_and_can_be_mended_by_hand(
    root: StateRoot, config: SyncConfig, text: str, key: str
) -> None:
    path = written(root, text)

    with pytest.raises(InvalidSettingError) as caught:
        config.read()

    assert caught.value.key == key
    assert caught.value.message.startswith(f"{path}: `{key}` ")
    assert caught.value.hint
    assert path.read_text() == text


def test_a_wrong_server_is_mended_by_choosing_one(root: StateRoot, config: SyncConfig) -> None:
    path = written(root, '[sync]\nserver_url = "http://kitty.example"  # oops\n')

    config.set_server_url("https://kitty.example")

    assert path.read_text() == '[sync]\nserver_url = "https://kitty.example"  # oops\n'


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sync.max_queue_size", 0),
        ("sync.max_queue_size", True),
        ("sync.max_queue_size", "5"),
        ("sync.background_daemon", "never"),
        ("sync.server_url", 5),
        ("sync.repo_defaults.acme/app.enabled", "yes"),
        ("sync.repo_defaults.enabled", True),
        ("sync.repo_defaults..enabled", True),
        ("sync.unknown", 1),
        ("nothing", 1),
    ],
)
def test_a_wrong_value_is_not_written(root: StateRoot, config: SyncConfig, key: str, value: object) -> None:
    with pytest.raises(InvalidSettingError):
        config.set(key, value)

    assert not root.base.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"[sync\n",
        b"[sync]\nserver_url = \n",
        b'[sync]\nserver_url = "https://a.example"\nserver_url = "https://b.example"\n',
        b"\xff\xfe[sync]",
        b"\xef\xbb\xbf[sync]\n",
        b"<<<<<<< HEAD\n",
        b"\x00" * 100,
        b"a = " + b"[" * 5_000,
    ],
)
def test_a_file_that_is_no_toml_is_refused_and_kept(root: StateRoot, config: SyncConfig, data: bytes) -> None:
    path = written(root, data)

    for use in (
        config.read,
        lambda: config.set_server_url("https://new.example"),
        lambda: config.unset("event_sync.mode"),
    ):
        with pytest.raises(DamagedFileError) as caught:
            use()
        assert str(path) in caught.value.message
        assert caught.value.hint is not None
        assert "mv " in caught.value.hint

    assert path.read_bytes() == data


@pytest.mark.parametrize("text", ["sync = 1\n", "[[sync]]\nx = 1\n", "[sync]\nrepo_defaults = 5\n"])
def test_a_key_that_should_be_a_table_is_not_replaced(root: StateRoot, config: SyncConfig, text: str) -> None:
    path = written(root, text)

    with pytest.raises(DamagedFileError):
        config.set("sync.repo_defaults.acme/app.enabled", value=True)

    assert path.read_text() == text


def test_a_directory_in_its_place_is_an_error_and_stays(root: StateRoot, config: SyncConfig) -> None:
    Path(root.sync.config).mkdir(parents=True)

    for use in (config.read, lambda: config.set_server_url("https://new.example")):
        with pytest.raises(StateError):
            use()

    assert Path(root.sync.config).is_dir()


LAYOUTS = [
    'sync.server_url = "https://old.example"\nsync.other = 1\n',
    'sync = { server_url = "https://old.example", other = 1 } # inline\n',
    "[sync.repo_defaults.x]\nenabled = true\n[zzz]\na = 1\n[sync.repo_defaults.y]\nenabled = true\n",
    '[a]\nb = 1\n[sync]\n[a.c]\nd = 1\n[sync.project_consent."u"]\nenabled = false\n',
    "[[list]]\nx = 1\n[[list]]\nx = 2\n[sync]\n",
    "",
    "# only a comment",
    "[sync]\n\"server_url\" = 'https://old.example'\n",
]


@pytest.mark.parametrize("text", LAYOUTS)
def test_however_the_file_is_laid_out_one_key_changes_or_none(root: StateRoot, config: SyncConfig, text: str) -> None:
    path = written(root, text)
    wanted = tomllib.loads(text)
    wanted.setdefault("sync", {})["server_url"] = "https://new.example"

    config.set_server_url("https://new.example")

    assert tomllib.loads(path.read_text()) == wanted


KEYS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=8)
VALUES = st.booleans() | st.integers(-(2**62), 2**62) | st.text(max_size=10) | st.lists(st.integers(0, 9), max_size=3)
TREES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    KEYS, VALUES | st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=2), max_size=3), max_size=4
)


@settings(deadline=None, max_examples=50)
@given(tree=TREES, name=KEYS, enabled=st.booleans())
def test_nothing_else_changes_in_any_document(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any], name: str, *, enabled: bool
) -> None:
    root = StateRoot.at(tmp_path_factory.mktemp("config"))
    path = Path(root.sync.config)
    path.write_text(tomlkit.dumps(tree), encoding="utf-8", newline="")
    before = tomllib.loads(path.read_bytes().decode())
    key = f"sync.repo_defaults.{name}.enabled"

    try:
        SyncConfig(root).set(key, enabled)
    except (DamagedFileError, InvalidSettingError):
        assert tomllib.loads(path.read_bytes().decode()) == before
        return

    after = tomllib.loads(path.read_bytes().decode())
    assert after["sync"]["repo_defaults"][name.strip('"')]["enabled"] is enabled
    del after["sync"]["repo_defaults"][name.strip('"')]
    if not after["sync"]["repo_defaults"]:
        del after["sync"]["repo_defaults"]
    if not after["sync"] and "sync" not in before:
        del after["sync"]
    assert after == before


HOLD = """
import sys
from kitty_paths import StateRoot
from kitty_sync.storage.locking import HeldLock
root = StateRoot.at(sys.argv[1])
assert HeldLock(root, root.sync.config_lock).acquire(0)
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_lock_that_is_held_is_waited_for_and_then_told(
    root: StateRoot, config: SyncConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kitty_sync.storage import locking

    config.set_server_url("https://old.example")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    # The lock dies with its holder, so it need not be let go of: only read from.
    holder.stdout.readline()
    before = everything(root.base)
    monkeypatch.setattr(locking.holding, "__kwdefaults__", {"timeout": 0.05, "shared": False})
    try:
        with pytest.raises(BusyError) as caught:
            config.set_server_url("https://new.example")
    finally:
        holder.kill()
        holder.communicate()

    assert str(root.sync.config_lock) in caught.value.message
    assert everything(root.base) == before
    config.set_server_url("https://new.example")
    assert config.read().server_url == "https://new.example"


def test_a_lock_file_that_somebody_removes_does_not_let_two_in(root: StateRoot, config: SyncConfig) -> None:
    from kitty_sync.storage.locking import HeldLock

    config.set_server_url("https://old.example")
    first, second, third = (HeldLock(root, root.sync.config_lock) for _ in range(3))
    assert first.acquire(0)
    Path(root.sync.config_lock).unlink()
    assert second.acquire(0)
    assert not first.is_in_place()
    assert not third.acquire(0.02)
    for lock in (first, second):
        lock.release()
    assert third.acquire(0)
    third.release()


def test_an_edit_that_would_change_more_than_it_should_is_not_written(
    root: StateRoot, config: SyncConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(root, MINE)
    real = tomlkit.dumps
    monkeypatch.setattr(tomlkit, "dumps", lambda document: real(document).replace('top = "level"', ""))

    with pytest.raises(DamagedFileError):
        config.set_server_url("https://new.example")

    assert path.read_text() == MINE


def test_a_change_is_on_disk_before_it_takes_its_place_and_its_name_right_after(
    root: StateRoot, config: SyncConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.set_server_url("https://old.example")
    done: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def recorded(*arguments: object, _name: str = name, _real: Callable[..., object] = real) -> object:
            where = Path(f"/proc/self/fd/{arguments[0]}").readlink() if _name == "fsync" else Path(str(arguments[1]))
            done.append(f"{_name} {where.name}")
            return _real(*arguments)

        monkeypatch.setattr(os, name, recorded)

    config.set_server_url("https://new.example")

    assert done == ["fsync config.toml.new", "replace config.toml", f"fsync {root.base.name}"]


def test_the_file_named_in_an_error_of_an_address_is_the_configuration(root: StateRoot, config: SyncConfig) -> None:
    path = written(root, '[sync]\nserver_url = "https://ada:hush-hush@kitty.example"\n')

    with pytest.raises(InvalidServerUrlError) as caught:
        config.read()

    assert str(path) in caught.value.message
    assert "hush" not in caught.value.message


def test_numbers_that_are_none_do_not_keep_anybody_from_editing(root: StateRoot, config: SyncConfig) -> None:
    path = written(root, "[theirs]\nfirst = nan\nmore = [inf, -nan, {deep = nan}]\n")

    config.set("sync.max_queue_size", 5)

    assert path.read_text().startswith("[theirs]\nfirst = nan\nmore = [inf, -nan, {deep = nan}]\n")
    assert config.read().max_queue_size == 5


def test_a_byte_order_mark_is_named(root: StateRoot, config: SyncConfig) -> None:
    path = written(root, b"\xef\xbb\xbf[sync]\nmax_queue_size = 5\n")

    with pytest.raises(DamagedFileError) as caught:
        config.read()

    assert "byte order mark" in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.hint is not None


@pytest.mark.parametrize("text", ["", "[sync]\n", "[other]\nx = 1\n", '[other]\nx = """\na\nb"""\n'])
def test_a_file_with_line_ends_of_windows_has_no_others_after_an_edit(
    root: StateRoot, config: SyncConfig, text: str
) -> None:
    path = written(root, b"# mine\r\n" + text.replace("\n", "\r\n").encode())

    config.set("sync.max_queue_size", 5)
    config.set("sync.repo_defaults.acme/app.enabled", value=True)

    data = path.read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") > 3
    assert config.read().repo_defaults == {"acme/app": True}
