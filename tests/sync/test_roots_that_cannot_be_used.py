"""The root is a file, a dangling link, somebody else's, read-only or full: a clear error, and everything as it was."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kitty_paths import StateRoot
from kitty_sync.daemon import lifecycle
from kitty_sync.errors import (
    AccessDeniedError,
    DiskFullError,
    ForeignRootError,
    LinkedFileError,
    ReadOnlyStateError,
    RootNotADirectoryError,
    StateError,
    SyncError,
)
from kitty_sync.status import sync_status
from spec_kitty_cli.diagnosis import diagnose
from support.unprivileged import UID, as_anyone, place_for_anyone
from sync.operations import READING, WRITING, Operation, use_everything
from sync.states import everything, is_sound

BOTH = {**READING, **WRITING}


def is_told(error: StateError, *places: Path) -> None:
    """An error as the contract wants it: where, what next, exit code 2."""
    assert error.exit_code == 2
    assert error.hint
    assert any(str(place) in error.message for place in places), error.message
    assert "\n" not in error.message
    assert not error.message.endswith(".")


@pytest.mark.parametrize("uses", BOTH.values(), ids=BOTH)
def test_a_root_that_is_a_file_is_refused_and_kept(root: StateRoot, uses: Operation) -> None:
    root.base.write_bytes(b"precious")

    with pytest.raises(RootNotADirectoryError) as caught:
        uses(root)

    is_told(caught.value, root.base)
    assert root.base.read_bytes() == b"precious"


@pytest.mark.parametrize("uses", BOTH.values(), ids=BOTH)
def test_a_root_that_is_a_link_to_nowhere_is_refused(root: StateRoot, uses: Operation) -> None:
    root.base.symlink_to("nowhere")

    with pytest.raises(RootNotADirectoryError) as caught:
        uses(root)

    is_told(caught.value, root.base)
    assert sorted(path.name for path in root.base.parent.iterdir()) == ["home", "state"]


@pytest.mark.parametrize("uses", BOTH.values(), ids=BOTH)
def test_a_root_below_a_file_is_refused(tmp_path: Path, uses: Operation) -> None:
    above = tmp_path / "file"
    above.write_bytes(b"precious")

    with pytest.raises(RootNotADirectoryError) as caught:
        uses(StateRoot.at(above / "below" / "state"))

    is_told(caught.value, above)
    assert above.read_bytes() == b"precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("uses", BOTH.values(), ids=BOTH)
def test_a_root_of_another_owner_is_neither_trusted_nor_written(root: StateRoot, uses: Operation) -> None:
    use_everything(root)
    os.chown(root.base, UID, UID)
    before = everything(root.base)

    with pytest.raises(ForeignRootError) as caught:
        uses(root)

    is_told(caught.value, root.base)
    assert f"user {UID}" in caught.value.message
    assert everything(root.base) == before


def test_an_ordinary_user_is_told_so_too() -> None:
    with place_for_anyone() as place:
        theirs = place / "theirs"
        theirs.mkdir(mode=0o777)
        theirs.chmod(0o777)

        def work() -> None:
            for uses in BOTH.values():
                with pytest.raises(ForeignRootError):
                    uses(StateRoot.at(theirs))
            assert list(theirs.iterdir()) == []

        as_anyone(work)


def test_a_root_that_its_owner_cannot_write_says_so_and_stays() -> None:
    with place_for_anyone() as place:

        def work() -> None:
            root = StateRoot.at(place / "state")
            use_everything(root)
            before = everything(root.base)
            paths = [root.base, *root.base.rglob("*")]
            for path in paths:
                path.chmod(0o500 if path.is_dir() else 0o400)
            for name, writes in WRITING.items():
                with pytest.raises((AccessDeniedError, ReadOnlyStateError)) as caught:
                    writes(root)
                is_told(caught.value, root.base)
                assert name
            for path in paths:
                path.chmod(0o700 if path.is_dir() else 0o600)
            assert everything(root.base) == before

        as_anyone(work)


@pytest.mark.parametrize("closed", ["auth", "sync", "sync/daemon", "queues", "trackers"])
def test_a_directory_that_nobody_may_look_into_is_told_and_ends_nothing(tmp_path: Path, closed: str) -> None:
    def refusals(root: StateRoot) -> list[SyncError]:
        found = []
        for uses in (*BOTH.values(), sync_status, lifecycle.status, diagnose):
            try:
                uses(root)
            except SyncError as error:
                found.append(error)
        return found

    use_everything(StateRoot.at(tmp_path / "state"))
    refusals(StateRoot.at(tmp_path / "state"))  # loads what could not be loaded as another user
    with place_for_anyone() as place:

        def work() -> None:
            root = StateRoot.at(place / "state")
            use_everything(root)
            directory = root.base / closed
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0)
            assert all((error.exit_code, bool(error.hint)) == (2, True) for error in refusals(root))
            directory.chmod(0o700)

        as_anyone(work)


def test_a_root_that_may_not_be_made_says_so() -> None:
    with place_for_anyone() as place:

        def work() -> None:
            place.chmod(0o500)
            for writes in WRITING.values():
                with pytest.raises(AccessDeniedError) as caught:
                    writes(StateRoot.at(place / "state"))
                is_told(caught.value, place / "state")
            place.chmod(0o700)

        as_anyone(work)


@pytest.mark.parametrize("writes", WRITING.values(), ids=WRITING)
def test_nothing_is_written_through_a_link_out_of_the_root(root: StateRoot, tmp_path: Path, writes: Operation) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    root.base.mkdir()
    for surface in root.surfaces():
        if not os.path.lexists(surface) and surface.path.parent == root.base:
            surface.path.symlink_to(elsewhere / surface.path.name)

    with pytest.raises((LinkedFileError, StateError)) as caught:
        writes(root)

    is_told(caught.value, root.base)
    assert list(elsewhere.iterdir()) == []


def test_a_root_that_is_a_link_to_a_directory_is_that_directory(root: StateRoot, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    root.base.symlink_to(real)

    use_everything(root)

    assert (real / "config.toml").is_file()
    assert root.base.is_symlink()


IN_A_NAMESPACE = """
import sys
from pathlib import Path
from kitty_paths import StateRoot
from sync import small_disk
getattr(small_disk, sys.argv[2])(StateRoot.at(Path(sys.argv[1]) / "state"))
"""


def in_a_namespace(place: Path, what: str, prepare: str) -> None:
    """Run a function of `small_disk` where `place` is a mount of its own, seen by nobody else."""
    unshare = shutil.which("unshare")
    if os.geteuid() != 0 or unshare is None:
        pytest.skip("only root can mount")
    if subprocess.run([unshare, "-m", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no mount namespaces here")
    script = f'mount -t tmpfs -o size=400k none "$1" && {prepare} exec "$2" -c "$3" "$1" {what}'
    done = subprocess.run(
        [unshare, "-m", "sh", "-c", script, "sh", place, sys.executable, IN_A_NAMESPACE],
        check=False, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("what", ["queue_until_full", "set_until_full", "first_write_when_full"])
def test_a_full_disk_is_told_and_takes_nothing_back(tmp_path: Path, what: str) -> None:
    in_a_namespace(tmp_path, what, "")


def test_a_read_only_file_system_is_told(tmp_path: Path) -> None:
    in_a_namespace(tmp_path, "write_on_read_only", "")


def limited(bytes_per_file: int, work: Callable[[], None]) -> None:
    """Run `work` in a child that may write no file larger than this."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_per_file, bytes_per_file))
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("name", ["set the server", "save credentials", "tick", "queue an event", "log in"])
def test_a_limit_on_file_sizes_is_a_full_disk(root: StateRoot, name: str) -> None:
    use_everything(root)
    before = everything(root.base)

    def work() -> None:
        with pytest.raises((DiskFullError, StateError)) as caught:
            WRITING[name](root)
        is_told(caught.value, root.base)

    limited(10, work)
    after = everything(root.base)
    assert {path: data for path, (_, data) in after.items() if not path.endswith(("-wal", "-shm"))} == {
        path: data for path, (_, data) in before.items()
    }
    WRITING[name](root)
    assert is_sound(root.queues.unauthenticated.path)
