"""What happens on a disk with room for 400 kB, or for nothing; run in a mount namespace of its own."""

from __future__ import annotations

import os
import subprocess

import pytest

from kitty_paths import StateRoot
from kitty_sync.config import SyncConfig
from kitty_sync.errors import DiskFullError, ReadOnlyStateError
from kitty_sync.queue.events import EventQueue
from sync.operations import WRITING, look_at_everything, use_everything
from sync.states import event, everything, is_sound, names


def queue_until_full(root: StateRoot) -> None:
    """Every event that was acknowledged is there, and queueing goes on once there is room."""
    queue = EventQueue.active(root)
    acknowledged: list[str] = []

    def queue_on() -> None:
        for number in range(10_000):
            queue.append([event(f"e{number:05}", padding="x" * 500)])
            acknowledged.append(f"e{number:05}")

    with pytest.raises(DiskFullError) as caught:
        queue_on()
    assert str(root.base) in caught.value.message
    assert caught.value.hint is not None
    assert "df -h" in caught.value.hint
    assert len(acknowledged) > 20
    assert names(queue) == acknowledged

    _remount(root, "size=4m")
    queue.append([event("afterwards")])
    assert names(queue) == [*acknowledged, "afterwards"]
    assert is_sound(queue.surface.path)


def set_until_full(root: StateRoot) -> None:
    """The configuration is what the last successful change made it."""
    config = SyncConfig(root)
    config.set_server_url("https://kitty.example")
    _fill(root)
    before = everything(root.base)
    with pytest.raises(DiskFullError):
        config.set("sync.checkout_overrides." + "x" * 5_000 + ".enabled", value=True)
    assert everything(root.base) == before


def first_write_when_full(root: StateRoot) -> None:
    """A new root on a full disk: each write says so."""
    _fill(root)
    for writes in WRITING.values():
        with pytest.raises(DiskFullError) as caught:
            writes(root)
        assert str(root.base) in caught.value.message


def write_on_read_only(root: StateRoot) -> None:
    """Each write says so, and looking still works."""
    use_everything(root)
    seen = look_at_everything(root)
    before = everything(root.base)
    _remount(root, "ro")
    for writes in WRITING.values():
        with pytest.raises(ReadOnlyStateError) as caught:
            writes(root)
        assert str(root.base) in caught.value.message
    assert repr(look_at_everything(root)) == repr(seen)
    assert everything(root.base) == before


def _remount(root: StateRoot, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", root.base.parent], check=True)


def _fill(root: StateRoot) -> None:
    with (root.base.parent / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(os.urandom(4096))
        except OSError:
            return
