"""Locks end with their holder, are shared where asked, and are looked at without a trace."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kitty_paths import StateRoot, Surface
from kitty_sync.errors import AccessDeniedError, BusyError, LinkedFileError, StateError
from kitty_sync.storage.locking import HeldLock, holding, is_held
from support.unprivileged import as_anyone, place_for_anyone

HOLD = """
import sys
from kitty_paths import StateRoot
from kitty_sync.storage.locking import HeldLock
root = StateRoot.at(sys.argv[1])
lock = HeldLock(root, root.daemon.lock)
assert lock.acquire(0)
sys.stdout.write("held\\n")
sys.stdout.flush()
sys.stdin.readline()
"""


@pytest.fixture
def surface(root: StateRoot) -> Surface:
    return root.daemon.lock


def test_one_holds_it_and_the_others_do_not(root: StateRoot, surface: Surface) -> None:
    one, two = HeldLock(root, surface), HeldLock(root, surface)

    assert one.acquire(0)
    assert one.is_in_place()
    assert not two.acquire(0)
    assert not two.is_in_place()
    one.release()
    one.release()
    with two:
        assert two.acquire(0)
    assert one.acquire(0)
    one.release()


def test_those_who_share_hold_it_together_and_keep_others_out(root: StateRoot, surface: Surface) -> None:
    readers = [HeldLock(root, surface) for _ in range(3)]
    writer = HeldLock(root, surface)

    assert all(reader.acquire(0, shared=True) for reader in readers)
    assert not writer.acquire(0)
    assert not is_held(surface), "nobody holds it alone"
    for reader in readers:
        reader.release()
    assert writer.acquire(0)
    assert not readers[0].acquire(0, shared=True)
    assert is_held(surface)
    writer.release()


def test_the_kernel_lets_go_when_the_holder_is_killed(root: StateRoot, surface: Surface) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert is_held(surface)
    with pytest.raises(BusyError) as caught, holding(root, surface, timeout=0.02):
        pass
    assert str(surface) in caught.value.message

    holder.kill()
    holder.communicate()

    assert not is_held(surface)
    with holding(root, surface, timeout=5):
        assert is_held(surface)


def test_who_waits_gets_it_even_if_the_file_was_removed_meanwhile(root: StateRoot, surface: Surface) -> None:
    first, waiting = HeldLock(root, surface), HeldLock(root, surface)
    assert first.acquire(0)
    got: list[bool] = []
    thread = threading.Thread(target=lambda: got.append(waiting.acquire(30)))
    thread.start()
    Path(surface).unlink()
    first.release()
    thread.join()

    assert got == [True]
    assert waiting.is_in_place(), "it is the file on disk that counts"
    Path(surface).unlink()
    assert not waiting.is_in_place()
    waiting.release()


def test_an_error_in_the_body_lets_go(root: StateRoot, surface: Surface) -> None:
    with pytest.raises(ZeroDivisionError), holding(root, surface):
        _ = 1 / 0

    assert not is_held(surface)


def test_looking_creates_nothing(root: StateRoot, surface: Surface) -> None:
    assert not is_held(surface)
    root.base.mkdir()
    assert not is_held(surface)

    assert list(root.base.iterdir()) == []


def test_looking_needs_no_right_to_write() -> None:
    with place_for_anyone() as place:

        def work() -> None:
            root = StateRoot.at(place / "state")
            with holding(root, root.daemon.lock):
                Path(root.daemon.lock).chmod(0o400)
                assert is_held(root.daemon.lock)
            assert not is_held(root.daemon.lock)
            Path(root.daemon.lock).chmod(0)
            with pytest.raises(AccessDeniedError):
                is_held(root.daemon.lock)
            with pytest.raises(AccessDeniedError):
                HeldLock(root, root.daemon.lock).acquire(0)

        as_anyone(work)


def test_a_lock_that_is_a_link_is_refused(root: StateRoot, surface: Surface, tmp_path: Path) -> None:
    root.base.mkdir()
    Path(surface).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(LinkedFileError):
        HeldLock(root, surface).acquire(0)

    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_that_is_a_directory_is_an_error(root: StateRoot, surface: Surface) -> None:
    Path(surface).mkdir(parents=True)

    with pytest.raises(StateError):
        HeldLock(root, surface).acquire(0)


def test_a_lock_is_not_handed_on_to_programs_that_are_started(root: StateRoot, surface: Surface) -> None:
    with holding(root, surface):
        child = subprocess.Popen(
            [sys.executable, "-c", "print(input(), flush=True); input()"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False,
        )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b"it runs\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"it runs\n"
    try:
        assert not is_held(surface)
    finally:
        child.communicate(b"\n")
    assert os.path.lexists(surface), "the file stays: a removed one could be held twice"
