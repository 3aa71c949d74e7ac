"""Who holds the lock is what the kernel says; a signal goes to that process or to nobody."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from kitty_paths import StateRoot
from kitty_sync.daemon import holder
from sync.daemon.living import stranger


def test_the_holder_is_named(root: StateRoot) -> None:
    with stranger(root) as holding:
        assert holder.holder_of(root.daemon.lock.path) == holding.pid


def test_a_lock_that_nobody_holds_or_that_is_not_there_has_none(root: StateRoot) -> None:
    assert holder.holder_of(root.daemon.lock.path) is None
    root.base.mkdir()
    root.daemon.lock.path.touch()
    assert holder.holder_of(root.daemon.lock.path) is None
    assert holder.signal_holder(root.daemon.lock.path, signal.SIGTERM) is None


def test_where_the_kernel_lists_no_locks_nobody_is_named(root: StateRoot, tmp_path: Path) -> None:
    with stranger(root) as holding:
        assert holder.holder_of(root.daemon.lock.path, tmp_path / "missing") is None
        assert holder.signal_holder(root.daemon.lock.path, signal.SIGTERM, tmp_path / "missing") is None
        assert holding.poll() is None


@pytest.mark.parametrize(
    "line",
    [
        "1: POSIX  ADVISORY  WRITE {pid} {place} 0 EOF",
        "1: FLOCK  ADVISORY  READ {pid} {place} 0 EOF",
        "1: -> FLOCK  ADVISORY  WRITE {pid} {place} 0 EOF",
        "1: FLOCK  ADVISORY  WRITE 0 {place} 0 EOF",
        "1: FLOCK  ADVISORY  WRITE {pid} 00:00:1 0 EOF",
        "1: FLOCK",
        "",
    ],
)
def test_a_line_that_does_not_say_so_names_nobody(root: StateRoot, tmp_path: Path, line: str) -> None:
    root.base.mkdir()
    root.daemon.lock.path.touch()
    st = root.daemon.lock.path.stat()
    place = f"{os.major(st.st_dev):02x}:{os.minor(st.st_dev):02x}:{st.st_ino}"
    table = tmp_path / "locks"
    table.write_text(line.format(pid=os.getpid(), place=place) + "\n", encoding="ascii")
    assert holder.holder_of(root.daemon.lock.path, table) is None


def test_a_holder_that_let_go_in_between_is_not_signalled(root: StateRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as innocent:
        said = iter([innocent.pid, None])
        monkeypatch.setattr(holder, "holder_of", lambda *_: next(said))
        assert holder.signal_holder(root.daemon.lock.path, signal.SIGKILL) is None
        assert innocent.poll() is None
        innocent.kill()
