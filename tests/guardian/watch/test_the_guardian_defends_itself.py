"""Attacks on the guardian rather than on the sources: its files, its repository, its own work."""

from __future__ import annotations

import os
import shutil
import socket
import time
from pathlib import Path

import pytest

from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch import lifecycle
from kitty_guardian.watch.guard import Guard
from support.guarded import eventually, guarded, legal_again, quarantined, session, snapshot
from support.repositories import Repository


def _still_held(repository: Repository, before: dict[str, tuple[int, bytes]]) -> None:
    (repository.path / "src/app.py").write_text("evil\n")
    (repository.path / "src/new.py").write_text("evil\n")
    legal_again(repository.path / "src", before)


def test_removing_its_files_ends_nothing(planned: Repository) -> None:
    before = snapshot(planned.path / "src")
    state = Path(find_worktree(planned.path).state.guardian.directory)
    with guarded(planned) as report:
        shutil.rmtree(state)
        _still_held(planned, before)
        eventually(lambda: Path(find_worktree(planned.path).state.guardian.socket).exists(), "it can be reached again")

        assert lifecycle.status(planned.path).pid == report.status.pid
        assert lifecycle.start(planned.path).already_running
        _still_held(planned, before)
        eventually(lambda: bool(quarantined(planned, "src/new.py")), "and it keeps what was written")
        os.kill(report.status.pid or 0, 9)
        eventually(lambda: not lifecycle.status(planned.path).running, "dead")
        (planned.path / "src/app.py").write_text("evil\n")
        lifecycle.start(planned.path)
        assert snapshot(planned.path / "src") == before, "the record was put back, too"


def test_removing_the_repository_ends_nothing(planned: Repository) -> None:
    before = snapshot(planned.path / "src")
    with guarded(planned):
        (planned.path / ".git").rename(planned.path / "hidden")
        try:
            _still_held(planned, before)
            time.sleep(1.2)  # long enough for the guardian to miss it
        finally:
            (planned.path / "hidden").rename(planned.path / ".git")
        _still_held(planned, before)
        eventually(lambda: lifecycle.status(planned.path).running, "it can be reached")


def test_a_repository_that_hangs_holds_nothing_up_for_long(planned: Repository) -> None:
    before = snapshot(planned.path / "src")
    with guarded(planned):
        head = planned.path / ".git/HEAD"
        kept = head.read_bytes()
        head.unlink()
        os.mkfifo(head)
        try:
            _still_held(planned, before)
        finally:
            head.unlink()
            head.write_bytes(kept)
        eventually(lambda: lifecycle.settle(planned.path).healthy, "it is well again")


def test_an_error_in_its_own_work_is_told_and_survived(planned: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(planned.path / "src")
    with session(planned) as opened:
        original = Guard._settle_content
        failures = iter([RuntimeError("a bug of ours")])

        def failing(self: Guard, *arguments: object) -> None:
            if (error := next(failures, None)) is not None:
                raise error
            original(self, *arguments)  # type: ignore[arg-type]  # passed through as they came

        monkeypatch.setattr(Guard, "_settle_content", failing)
        (planned.path / "src/app.py").write_text("evil\n")
        with pytest.raises(RuntimeError):
            opened.guard.scan()
        opened.guard.scan()
        assert snapshot(planned.path / "src") == before


def test_what_hides_in_a_cache_folder_is_found(planned: Repository) -> None:
    with guarded(planned):
        planned.write("src/__pycache__/app.cpython-311.pyc", b"compiled")
        planned.write("src/__pycache__/evil.py", "evil\n")
        eventually(lambda: bool(quarantined(planned, "src/__pycache__/evil.py")), "the source is taken")
        assert (planned.path / "src/__pycache__/app.cpython-311.pyc").exists()


def test_a_stopped_process_catches_up_when_it_goes_on(planned: Repository) -> None:
    before = snapshot(planned.path / "src")
    with guarded(planned) as report:
        os.kill(report.status.pid or 0, 19)
        (planned.path / "src/app.py").write_text("evil\n")
        time.sleep(0.2)
        assert (planned.path / "src/app.py").read_text() == "evil\n"
        os.kill(report.status.pid or 0, 18)
        legal_again(planned.path / "src", before)


@pytest.mark.parametrize(
    "request_line",
    [b"", b"\n", b"not json\n", b"[]\n", b'{"v": 99, "verb": "stop"}\n', b'{"v": 1, "verb": "nonsense"}\n',
     b'{"v": 1, "verb": "judge"}\n', b"\xff\xfe\n", b'{"v": 1, "verb": "grant", "seconds": "NaN"}\n'],
)  # fmt: skip
def test_nonsense_on_its_socket_disturbs_nothing(planned: Repository, request_line: bytes) -> None:
    before = snapshot(planned.path / "src")
    with guarded(planned) as report:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            directory = os.open(find_worktree(planned.path).state.guardian.directory, os.O_RDONLY)
            connection.connect(f"/proc/self/fd/{directory}/socket")  # the whole path may be longer than an address
            os.close(directory)
            connection.sendall(request_line)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
        _still_held(planned, before)
        assert lifecycle.status(planned.path).pid == report.status.pid
