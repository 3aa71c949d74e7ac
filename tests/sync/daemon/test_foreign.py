"""Another program's daemon at our root: told, not touched, and nothing of ours begun beside it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitty_paths import StateRoot
from kitty_paths.testing import isolated_state_root
from kitty_sync.daemon import lifecycle
from kitty_sync.daemon.owner import MARKER, Whose, read_owner
from kitty_sync.errors import ForeignDaemonError

# As upstream 3.2.5 writes it; facts, section 1.5.
UPSTREAM = {
    "auth_principal": "ada@example.org",
    "auth_scope": "https://kitty.example|ada@example.org|t_01",
    "auth_team": "t_01",
    "executable_path": "/usr/bin/python3.11",
    "package_version": "3.2.5",
    "pid": 1,
    "port": 9400,
    "queue_db_path": "/home/ada/.spec-kitty/queues/queue-4efd3700aeb15214.db",
    "server_url": "https://kitty.example",
    "source_checkout_path": "/home/ada/src/spec-kitty",
    "started_at": "2026-07-01T10:00:00+00:00",
    "token": "5f0c3a1e9b7d44c2a6e8f1b20d9c7e35",
}
STATE = "http://127.0.0.1:9400\n9400\n5f0c3a1e9b7d44c2a6e8f1b20d9c7e35\n1\n"


def left_by_upstream(root: StateRoot, *, pid: int = 1, record: bool = True, state: bool = True) -> None:
    if record:
        root.daemon.owner.path.parent.mkdir(parents=True)
        text = json.dumps({**UPSTREAM, "pid": pid}, indent=2, sort_keys=True)
        root.daemon.owner.path.write_text(text, encoding="utf-8")
    if state:
        root.base.mkdir(exist_ok=True)
        root.daemon.state.path.write_text(STATE.replace("\n1\n", f"\n{pid}\n"), encoding="utf-8")


def everything_below(directory: Path) -> dict[Path, tuple[int, int, bytes]]:
    found = {}
    for path in directory.rglob("*"):
        status = path.lstat()
        found[path] = (status.st_ino, status.st_mtime_ns, path.read_bytes() if path.is_file() else b"")
    return found


def refused(root: StateRoot) -> ForeignDaemonError:
    """What every command that would do something says; nothing changed."""
    before = everything_below(root.base)
    errors = []
    for act in (lifecycle.start, lifecycle.stop, lambda it: lifecycle.run(it, lambda _: None, lambda _: None)):
        with pytest.raises(ForeignDaemonError) as error:
            act(root)
        errors.append(error.value)
    assert everything_below(root.base) == before
    assert errors[0].exit_code == 2
    return errors[0]


def test_a_record_of_a_living_process_bars_ours_and_the_process_is_left_alone(root: StateRoot) -> None:
    with subprocess.Popen(["sleep", "60"]) as theirs:
        left_by_upstream(root, pid=theirs.pid)
        error = refused(root)
        assert f"names process {theirs.pid}" in error.message
        assert "version 3.2.5" in error.message
        assert theirs.poll() is None
        theirs.kill()


def test_a_record_of_a_dead_process_bars_ours_too(root: StateRoot) -> None:
    with subprocess.Popen(["true"]) as theirs:
        pass
    left_by_upstream(root, pid=theirs.pid)
    refused(root)


def test_its_token_is_in_no_message(root: StateRoot) -> None:
    left_by_upstream(root)
    error = refused(root)
    found = lifecycle.status(root)
    assert str(UPSTREAM["token"]) not in f"{error.message}{error.hint}{found}"


def test_a_state_file_without_a_record_is_an_older_upstreams(root: StateRoot) -> None:
    left_by_upstream(root, record=False)
    assert str(root.daemon.state) in refused(root).message


def test_following_the_hint_makes_room_for_ours(root: StateRoot) -> None:
    left_by_upstream(root)
    hint = refused(root).hint
    assert hint is not None
    moving = hint[hint.index("mv ") : hint.index("; or set")]
    subprocess.run(["sh", "-c", moving], check=True)
    assert lifecycle.start(root).status.running
    assert Path(f"{root.daemon.owner}.old").exists()
    assert Path(f"{root.daemon.state}.old").exists()


def test_the_status_tells_it_without_an_error(root: StateRoot) -> None:
    left_by_upstream(root)
    found = lifecycle.status(root)
    assert (found.running, found.owner) == (False, Whose.FOREIGN)
    assert found.problem is not None
    assert found.hint is not None


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}" * 2, b"[" * 100_000, b'"' + MARKER.encode() + b'"'],
    ids=lambda data: repr(data[:9]),
)
def test_a_record_that_cannot_be_understood_may_be_anybodys(root: StateRoot, data: bytes) -> None:
    root.daemon.owner.path.parent.mkdir(parents=True)
    root.daemon.owner.path.write_bytes(data)
    assert read_owner(root).whose is Whose.UNREADABLE
    assert "cannot be understood" in refused(root).message


def test_a_directory_in_its_place_may_be_anybodys(root: StateRoot) -> None:
    root.daemon.owner.path.mkdir(parents=True)
    assert read_owner(root).whose is Whose.UNREADABLE
    refused(root)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(record=st.dictionaries(st.sampled_from([*UPSTREAM, "marker", "x"]), JSON))
def test_a_record_is_ours_exactly_when_it_bears_our_marker(
    tmp_path_factory: pytest.TempPathFactory, record: dict[str, object]
) -> None:
    with isolated_state_root(tmp_path_factory.mktemp("owner")) as root:
        root.daemon.owner.path.parent.mkdir(parents=True)
        root.daemon.owner.path.write_text(json.dumps(record), encoding="utf-8")
        found = read_owner(root)
    assert found.whose is (Whose.OURS if record.get("marker") == MARKER else Whose.FOREIGN)
    assert found.pid is None or found.pid == record["pid"]
    assert os.fspath(root.base) not in repr(found)
