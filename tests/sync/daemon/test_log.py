"""The log: every line is kept as one line, two files of bounded size, nothing through a link."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitty_paths import StateRoot
from kitty_paths.testing import isolated_state_root
from kitty_sync.daemon.log import DaemonLog, open_log
from kitty_sync.errors import LinkedFileError, StateError

BOUND = 400


def lines(root: StateRoot) -> list[str]:
    """What the log says, oldest first, without the times."""
    files = [each.path for each in (root.daemon.old_log, root.daemon.log) if each.path.exists()]
    return [line.split(" ", 1)[1] for file in files for line in file.read_text(encoding="utf-8").split("\n")[:-1]]


def test_a_line_is_a_time_and_a_text(root: StateRoot) -> None:
    log = DaemonLog(root)
    log.say("one\n  two\tthree")
    time, _, text = root.daemon.log.path.read_text(encoding="utf-8").rstrip("\n").partition(" ")
    assert datetime.fromisoformat(time).utcoffset() is not None
    assert text == "one two three"
    log.close()


@given(said=st.lists(st.text(min_size=1), max_size=40))
def test_both_files_together_never_hold_more_than_twice_the_bound(
    tmp_path_factory: pytest.TempPathFactory, said: list[str]
) -> None:
    with isolated_state_root(tmp_path_factory.mktemp("log")) as root:
        log = DaemonLog(root, most_bytes=BOUND)
        for text in said:
            log.say(text)
        log.close()
        longest = 26 + max(
            (len(" ".join(text.split()).encode("utf-8", "backslashreplace")) for text in said), default=0
        )
        for file in root.base.iterdir():
            assert file.stat().st_size < BOUND + longest + 1
            assert file.stat().st_mode & 0o777 == 0o600
        kept = [" ".join(text.split()) for text in said]
        # What is left are the last lines, in order and without a gap.
        shown = [line.encode("utf-8", "backslashreplace").decode() for line in kept]
        assert lines(root) == shown[len(shown) - len(lines(root)) :]


def test_a_line_without_end_is_cut(root: StateRoot) -> None:
    DaemonLog(root).say("x" * 1_000_000)
    assert root.daemon.log.path.stat().st_size < 5_000


def test_what_an_interpreter_says_last_follows_the_file_that_is_in_use(root: StateRoot) -> None:
    script = (
        "import os, sys; from kitty_paths import StateRoot; from kitty_sync.daemon.log import DaemonLog\n"
        "log = DaemonLog(StateRoot.resolve(), most_bytes=60, streams=(2,))\n"
        "log.say('a' * 60); log.say('b'); os.write(2, b'last words\\n')"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert root.daemon.log.path.read_text(encoding="utf-8").endswith(" b\nlast words\n")


@pytest.mark.parametrize("target", ["elsewhere", "missing"])
def test_a_link_in_its_place_is_refused(root: StateRoot, tmp_path: Path, target: str) -> None:
    (tmp_path / "elsewhere").write_text("kept", encoding="utf-8")
    root.base.mkdir()
    root.daemon.log.path.symlink_to(tmp_path / target)
    with pytest.raises(LinkedFileError):
        open_log(root)
    assert (tmp_path / "elsewhere").read_text(encoding="utf-8") == "kept"
    assert not (tmp_path / "missing").exists()


def test_a_directory_in_its_place_is_an_error_with_its_path(root: StateRoot) -> None:
    root.daemon.log.path.mkdir(parents=True)
    with pytest.raises(StateError, match=r"sync-daemon\.log"):
        open_log(root)


def test_a_full_disk_loses_a_line_and_nothing_else(root: StateRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    log = DaemonLog(root)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        log.say("lost")
    log.say("kept")
    assert lines(root) == ["kept"]


def test_what_is_said_after_the_end_goes_nowhere(root: StateRoot) -> None:
    log = DaemonLog(root)
    log.close()
    log.say("lost")
    assert lines(root) == []
