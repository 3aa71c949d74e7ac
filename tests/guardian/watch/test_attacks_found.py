"""Attacks and accidents that a red team tried against a real guardian.

A docstring that begins with "Finding" marks a way through that was found; the test says what must happen instead. The
last tests are nasty things that hold, kept so that they go on holding.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from kitty_guardian.errors import GuardianError
from kitty_guardian.model.events import EventType
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch import lifecycle, wayout
from kitty_guardian.watch.audit import read_events
from kitty_guardian.watch.control import ask
from kitty_guardian.watch.entries import list_entries
from kitty_guardian.watch.locking import is_held
from kitty_guardian.watch.quarantine import Quarantine
from support.guarded import (
    FEATURE,
    bytes_of,
    committed_beside,
    eventually,
    guarded,
    legal_again,
    project,
    quarantined,
    session,
    snapshot,
)
from support.repositories import Repository
from support.unprivileged import as_anyone, place_for_anyone

forking = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
SHARED_MEMORY = Path("/dev/shm")
FEATURE_DIR = f"kitty-specs/{FEATURE}"


def _state(repository: Repository, name: str) -> Path:
    return Path(os.fspath(getattr(find_worktree(repository.path).state.guardian, name)))


def _violations(repository: Repository, path: str) -> int:
    events = read_events(_state(repository, "violations"))
    return sum(
        event["event_type"] == EventType.VIOLATION and str(event["payload"]["path"]).startswith(path)
        for event in events
    )


def _taken(repository: Repository, path: str) -> None:
    eventually(lambda: not os.path.lexists(repository.path / path), f"{path} is taken away")


def _deep_folder(place: Path, levels: int) -> None:
    """A folder with so many folders in each other and a file at the bottom, by steps that no path length limits."""
    place.mkdir()
    fd = os.open(place, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    with open("evil.py", "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, dir_fd=fd)) as file:
        file.write("evil\n")
    os.close(fd)


# Findings: bytes that stay


def test_a_very_deep_folder_is_taken_and_holds_nothing_up(planned: Repository) -> None:
    """Finding 1: 470 folders in each other make the worker hang; whatever is written then stays, without an event."""
    deep = planned.home / "deep"
    _deep_folder(deep, 470)
    with guarded(planned):
        deep.rename(planned.path / "src/deep")
        planned.write("src/evil.py", "evil\n")
        _taken(planned, "src/deep")
        _taken(planned, "src/evil.py")
        assert lifecycle.settle(planned.path).healthy


def test_very_deep_folders_among_the_features_crash_nothing_and_hold_nothing_up(planned: Repository) -> None:
    """600 folders in each other below kitty-specs/, committed before and moved there while a guardian runs."""
    planned.write(f"{FEATURE_DIR}/{'d/' * 600}notes.md", "deep\n")
    planned.write(f"kitty-specs/002-deep/{'d/' * 600}notes.md", "deep\n")
    planned.commit("deep")
    deep = planned.home / "deep"
    _deep_folder(deep, 600)
    with guarded(planned) as report:
        assert report.status.healthy
        deep.rename(planned.path / "kitty-specs/009-deep")
        planned.write("src/evil.py", "evil\n")
        _taken(planned, "src/evil.py")
        assert lifecycle.settle(planned.path).healthy

        assert lifecycle.restart(planned.path).status.phase == "plan"
        planned.write("src/evil.py", "evil\n")
        _taken(planned, "src/evil.py")


@pytest.mark.parametrize("folder", ["kitty-specs/009-new", "kitty-specs", FEATURE_DIR, ".kittify"])
def test_an_empty_git_folder_makes_no_other_repository(planned: Repository, folder: str) -> None:
    """Finding 2: `mkdir FOLDER/.git` takes a folder out of the guard: at once if new, else from the next `allow` on."""
    files = {".kittify": "guardian.toml", "kitty-specs": "009-new/meta.json", FEATURE_DIR: "status.json"}
    file = files.get(folder, "meta.json")
    with guarded(planned):
        (planned.path / folder / ".git").mkdir(parents=True)
        wayout.allow(planned.path, "docs/x", seconds=60, reason="a review", terminal=True)
        planned.write(f"{folder}/{file}", 'mode = "observe"\n')
        _taken(planned, f"{folder}/{file}")


@pytest.mark.parametrize(("link", "file"), [(".kittify", "guardian.toml"), ("kitty-specs/009-new", "meta.json")])
def test_a_submodule_that_would_hide_protected_paths_does_not_count(planned: Repository, link: str, file: str) -> None:
    """Finding 3: a commit with a submodule at `.kittify` passes, and from then on nothing below it is looked at."""
    with guarded(planned):
        planned.git("update-index", "--add", "--cacheinfo", f"160000,{planned.head()},{link}")
        planned.commit("a link", add=False)
        planned.write(f"{link}/{file}", 'mode = "observe"\n')
        _taken(planned, f"{link}/{file}")


def test_a_planted_remote_reference_is_never_silent(planned: Repository) -> None:
    """Finding 4: by the law a remote-tracking reference vouches; that it did is told with every head that counts."""
    with guarded(planned):
        evil = committed_beside(planned, {"src/app.py": "evil\n"})
        planned.git("update-ref", "refs/remotes/origin/x", evil)
        planned.git("reset", "--quiet", "--hard", evil)
        lifecycle.settle(planned.path)
        events = read_events(_state(planned, "violations"))
        (told,) = [event["payload"] for event in events if event["event_type"] == "HeadAttested"]
        assert (told["head"], told["vouched_by_remotes"]) == (evil, 1)


def test_what_counts_cannot_be_extended_in_the_database(planned: Repository) -> None:
    """Finding 5: one INSERT into `record.db` attests any commit while the guardian runs."""
    before = snapshot(planned.path / "src")
    with guarded(planned):
        evil = committed_beside(planned, {"src/app.py": "evil\n"})
        with closing(sqlite3.connect(_state(planned, "record"))) as database, database:
            database.execute("INSERT INTO attested VALUES (?)", (evil,))
        planned.git("reset", "--quiet", "--hard", evil)
        legal_again(planned.path / "src", before)


def test_a_folder_that_slips_in_behind_a_revert_is_not_believed(
    planned: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding 6: what stands after a revert is believed; a folder put there in that moment stays for ever."""
    before = snapshot(planned.path / "src")
    original = Quarantine.restore
    moments = iter([True])

    def restore(self: Quarantine, path: str, *arguments: object) -> str | None:
        taken = original(self, path, *arguments)  # type: ignore[arg-type]  # passed through as they came
        if next(moments, False):
            (planned.path / path).unlink()
            (planned.path / path).mkdir()
        return taken

    monkeypatch.setattr(Quarantine, "restore", restore)
    with session(planned) as opened:
        planned.write("src/app.py", "evil\n")
        for _ in range(3):
            opened.guard.scan()
            opened.guard.tick()
        assert snapshot(planned.path / "src") == before


@forking
def test_a_folder_that_cannot_be_listed_hides_nothing() -> None:
    """Finding 7: an ordinary user's folder with mode 0300 is taken for empty: what lies in it is never seen."""
    with place_for_anyone() as place:

        def work() -> None:
            os.environ["HOME"] = str(place)
            repository = project(place / "work")
            hidden = place / "hidden"
            hidden.mkdir()
            (hidden / "meta.json").write_text("evil\n")
            with session(repository) as opened:
                hidden.chmod(0o300)
                hidden.rename(repository.path / "kitty-specs/009-new")
                (repository.path / FEATURE_DIR).chmod(0o300)
                repository.write(f"{FEATURE_DIR}/tasks/WP01.md", "evil\n")
                opened.guard.scan()
                opened.guard.tick()
                assert not os.path.lexists(repository.path / "kitty-specs/009-new/meta.json")
                assert not os.path.lexists(repository.path / FEATURE_DIR / "tasks/WP01.md")

        with session(project(place / "preload")):
            pass  # what is imported lazily lies where only root may read
        as_anyone(work)


def test_a_work_tree_that_was_moved_and_replaced_is_not_called_guarded(planned: Repository) -> None:
    """Finding 8: after `mv work work2; cp -a work2 work` the guardian holds work2 and says that it holds work."""
    before = snapshot(planned.path / "src")
    moved = planned.path.with_name("moved")
    with guarded(planned) as report:
        planned.path.rename(moved)
        time.sleep(1.2)  # long enough for the guardian to miss it
        shutil.copytree(moved, planned.path, symlinks=True, ignore=shutil.ignore_patterns("socket"))
        try:
            time.sleep(2.5)  # supervision runs once a second: it has settled down in the new place, if it does
            planned.write("src/app.py", "evil\n")

            def honest() -> bool:
                return not lifecycle.status(planned.path).running or snapshot(planned.path / "src") == before

            eventually(honest, "it holds what it says it holds, or says that it does not")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(report.status.pid or 0, 9)


def test_a_git_that_hangs_is_left_alone_while_reverts_go_on(planned: Repository) -> None:
    """Finding 9: a configuration that includes a FIFO made each look at git wait, and everything else with it."""
    before = snapshot(planned.path / "src")
    fifo = planned.home / "fifo"
    os.mkfifo(fifo)
    config = planned.path / ".git/config"
    kept = config.read_bytes()
    with guarded(planned):
        try:
            config.write_bytes(kept + f"[include]\n\tpath = {fifo}\n".encode())
            os.utime(planned.path / ".git/HEAD")
            for _ in range(5):
                planned.write("src/app.py", "evil\n")
                legal_again(planned.path / "src", before)
        finally:
            config.write_bytes(kept)


def test_a_huge_file_that_the_index_names_is_not_read_into_memory(planned: Repository) -> None:
    """Finding 10: `update-index --cacheinfo` and `truncate -s 10G` have the guardian read ten gigabytes at once."""
    blob = planned.git("hash-object", "-w", "--stdin", stdin=b"evil\n")
    with guarded(planned) as report:
        planned.git("update-index", "--add", "--cacheinfo", f"100644,{blob},src/huge")
        with (planned.path / "src/huge").open("wb") as file:
            file.truncate(3 << 30)
        _taken(planned, "src/huge")
        peak = Path(f"/proc/{report.status.pid}/status").read_text(encoding="ascii")
        kilobytes = int(peak.partition("VmHWM:")[2].split()[0])
        assert kilobytes < 500_000, f"{kilobytes} kB"


def test_a_new_folder_of_ignored_files_costs_each_file_one_question(planned: Repository) -> None:
    """Finding 11: every event in such a folder asks about all files in it again; reverts come late, the CPU is busy."""
    with session(planned) as opened:
        (planned.path / "src/obj").mkdir()
        for number in range(50):
            (planned.path / f"src/obj/{number}.log").write_text("object\n")
        asked: list[str] = []
        original = opened.heads.ignores

        def counting(path: str, *, directory: bool) -> bool:
            asked.append(path)
            return original(path, directory=directory)

        opened.heads.ignores = counting  # type: ignore[method-assign]
        for number in range(50):
            opened.guard.examine(f"src/obj/{number}.log")
        assert len(asked) < 500, f"{len(asked)} questions about 50 files"


# Findings: bytes that are lost, and honest work that is undone


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="there is no second file system")
def test_a_folder_taken_to_another_file_system_loses_nothing_if_somebody_writes_into_it(
    planned: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding 12: if removing the source fails half-way, the complete copy in quarantine is removed as well."""
    from kitty_guardian.watch import quarantine

    elsewhere = SHARED_MEMORY / f"red-{os.getpid()}"
    shutil.move(planned.path / ".git", elsewhere)
    (planned.path / ".git").write_text(f"gitdir: {elsewhere}\n")
    planned.git("config", "core.worktree", str(planned.path))
    original = quarantine._remove
    moments = iter([True])

    def remove(directory: int, name: str) -> None:
        if name == "new" and next(moments, False):
            (planned.path / "src/new/precious-1").unlink()  # as far as it came …
            raise OSError(39, "Directory not empty", name)  # … when somebody wrote another file there
        original(directory, name)

    monkeypatch.setattr(quarantine, "_remove", remove)
    try:
        with session(planned) as opened:
            for number in range(3):
                planned.write(f"src/new/precious-{number}", f"precious {number}\n")
            for _ in range(3):
                opened.guard.scan()
            kept = {path.name for place in (elsewhere, planned.path) for path in place.rglob("precious-*")}
            assert kept == {"precious-0", "precious-1", "precious-2"}
    finally:
        shutil.rmtree(elsewhere)


def test_files_that_a_head_no_longer_ignores_are_kept_in_quarantine(planned: Repository) -> None:
    """Finding 13: adopting them would let ignored files be written, un-ignored and then committed as legal."""
    planned.git("checkout", "--quiet", "-b", "old")
    planned.write(".gitignore", "build/\n")
    planned.commit("ignores less")
    planned.git("checkout", "--quiet", "main")
    with guarded(planned):
        planned.write("src/settings.log", "the only copy\n")
        planned.git("checkout", "--quiet", "old")
        _taken(planned, "src/settings.log")
        assert bytes_of(planned, quarantined(planned, "src/settings.log")[0]) == b"the only copy\n"


def test_a_dirty_baseline_survives_accept_current(planned: Repository) -> None:
    """Finding 14: `start --accept-current` forgot legal bytes that only the record held; they are superseded."""
    planned.write("src/app.py", "precious\n")
    with guarded(planned):
        pass
    planned.write("src/app.py", "other\n")
    lifecycle.start(planned.path, feature=FEATURE, accept_current="it is better")
    lifecycle.stop(planned.path)
    assert [bytes_of(planned, entry) for entry in quarantined(planned, "src/app.py")] == [b"precious\n"]


def test_an_emptied_pack_is_noticed_while_the_legal_bytes_still_stand(planned: Repository) -> None:
    """Finding 15: emptied in place, the pack is missed by nobody until it is needed; then nothing can come back."""
    before = snapshot(planned.path / "src")
    with guarded(planned):
        os.truncate(_state(planned, "baseline") / "content.pack", 0)
        time.sleep(2.5)  # supervision runs once a second
        planned.write("src/app.py", "evil\n")
        legal_again(planned.path / "src", before)


def test_an_emptied_trail_and_journal_are_noticed(planned: Repository) -> None:
    """Finding 16: emptied in place, both stay empty: events are gone and nothing in quarantine can be found."""
    with guarded(planned):
        planned.write("src/evil.py", "evil\n")
        eventually(lambda: bool(quarantined(planned, "src/evil.py")), "it is taken")
        os.truncate(_state(planned, "journal"), 0)
        os.truncate(_state(planned, "violations"), 0)
        eventually(lambda: bool(quarantined(planned, "src/evil.py")), "the entry can be found again")
        eventually(lambda: _violations(planned, "") > 0, "the loss is told")


# Findings: the guardian itself


def test_a_quarantine_that_leads_into_the_sources_makes_no_endless_loop(planned: Repository) -> None:
    """Finding 17: a symbolic link for the quarantine is followed: a thousand events a second, for ever, "healthy"."""
    before = snapshot(planned.path / "src")
    place = planned.path / ".git/spec-kitty/guardian/quarantine"
    with guarded(planned):
        place.rename(place.with_name("kept"))
        place.symlink_to(planned.path / "src/pkg")
        time.sleep(1.5)  # supervision runs once a second
        planned.write("src/evil.py", "evil\n")
        legal_again(planned.path / "src", before)
        assert _violations(planned, "src/") < 100
        assert not place.is_symlink()


@contextmanager
def _few_files(soft: int) -> Iterator[None]:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_many_connections_at_once_do_not_end_its_service(planned: Repository) -> None:
    """Finding 18: the first `accept` without a free descriptor ends the control thread; nobody can stop it any more."""
    with _few_files(256):
        report = lifecycle.start(planned.path, feature=FEATURE)
    address = os.fspath(_state(planned, "socket"))
    connections: list[socket.socket] = []
    try:
        deadline = time.monotonic() + 5.0
        while len(connections) < 400 and time.monotonic() < deadline:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(0.2)
            try:
                connection.connect(address)
            except OSError:  # the queue is full for the moment
                connection.close()
                time.sleep(0.01)
            else:
                connections.append(connection)
        for connection in connections:
            connection.close()

        def answers() -> bool:
            try:
                return lifecycle.status(planned.path).running
            except (GuardianError, OSError):
                return False

        eventually(answers, "it answers again")
        lifecycle.stop(planned.path)
    finally:
        if is_held(_state(planned, "lock")):
            os.kill(report.status.pid or 0, 9)


def test_a_file_in_the_place_of_its_socket_does_not_cut_it_off(planned: Repository) -> None:
    """Finding 19: only whether the name exists is looked at, not whether it is the socket that is listened on."""
    with guarded(planned) as report:
        try:
            place = _state(planned, "socket")
            place.unlink()
            place.touch()

            eventually(place.is_socket, "the socket is put back")
        finally:
            if not place.is_socket():
                os.kill(report.status.pid or 0, 9)


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "x"}',
        '{"id": "01M80G4YHAEN755ZH217BTDRVY", "state": "begun", "move": "put"}',
        '{"id": "01M80G4YHAEN755ZH217BTDRVY", "state": "begun", "move": "exchange", "victim": 1, "legal": "abcd"}',
    ],
)
def test_a_strange_line_in_the_journal_stops_no_start(planned: Repository, line: str) -> None:
    """Finding 20: `{"id": "x"}` in the journal ends every later start with a KeyError."""
    with guarded(planned):
        pass
    (_state(planned, "quarantine") / "01M80G4YHAEN755ZH217BTDRVY").write_text("bytes\n")
    with _state(planned, "journal").open("a", encoding="ascii") as journal:
        journal.write(line + "\n")
    with guarded(planned) as report:
        assert report.status.running


def test_a_journal_line_names_nothing_outside_the_quarantine(planned: Repository) -> None:
    """Finding 21: an id with `../` in it makes the next start remove whatever that names."""
    with guarded(planned):
        pass
    victim = planned.write("docs/precious", "precious\n")
    relative = os.path.relpath(victim, _state(planned, "quarantine"))
    with _state(planned, "journal").open("a", encoding="ascii") as journal:
        journal.write(f'{{"id": "{relative}", "state": "begun", "move": "put", "victim": null, "legal": null}}\n')
    with session(planned):
        assert victim.exists()


def test_trouble_that_somebody_else_ended_is_no_longer_told(planned: Repository) -> None:
    """Finding 22: a path that could not be made legal is called so for ever, even when it is legal again."""
    legal = (planned.path / "src/app.py").read_bytes()
    with session(planned) as opened:
        pack = _state(planned, "baseline") / "content.pack"
        whole = pack.read_bytes()
        os.truncate(pack, 0)
        planned.write("src/app.py", "evil\n")
        opened.guard.scan()
        with pack.open("r+b") as file:
            file.write(whole)
        planned.write("src/app.py", legal)
        opened.guard.scan()
        opened.guard.tick()
        assert not opened.guard.unresolved


# Nasty things that hold


def test_a_tree_removed_while_it_is_moved_to_and_fro_comes_back(tmp_path: Path) -> None:
    repository = project(tmp_path / "work", files=300)
    before = snapshot(repository.path / "src")
    with guarded(repository):
        script = "for i in 1 2 3 4 5 6 7 8 9 10; do mv src s2; mv s2 src; done; rm -rf src s2"
        subprocess.run(["/bin/sh", "-c", script], cwd=repository.path, check=False, capture_output=True)
        legal_again(repository.path / "src", before)


def test_a_sparse_giant_is_taken_without_being_read(planned: Repository) -> None:
    with guarded(planned):
        for path in ("src/new.bin", "src/app.py"):
            with (planned.path / path).open("ab") as file:
                file.truncate(10 << 40 if path == "src/new.bin" else 10 << 30)
        _taken(planned, "src/new.bin")
        eventually(lambda: (planned.path / "src/app.py").stat().st_size < 100, "the legal bytes are back")


def test_every_line_of_somebody_who_appends_all_the_time_is_kept(planned: Repository) -> None:
    """Exactly so on one file system; across two, what is written after the copy is lost (finding 12)."""
    with guarded(planned):
        with (planned.path / "src/log.py").open("w", encoding="ascii") as file:
            for number in range(2000):
                file.write(f"{number}\n")
                file.flush()
        _taken(planned, "src/log.py")
        entries = quarantined(planned, "src/log.py")
        assert b"".join(bytes_of(planned, entry) for entry in entries).split() == [b"%d" % n for n in range(2000)]


def test_honest_git_work_in_a_plan_phase_is_left_alone(planned: Repository) -> None:
    planned.write("src/app.py", "dirty, and the baseline\n")
    before = snapshot(planned.path / "src")
    plan = f"{FEATURE_DIR}/plan.md"
    with guarded(planned):
        for step in (
            f"echo 1 >> {plan} && git add -A && git commit -qm one",
            f"echo 2 >> {plan} && git commit -qa --amend -m two",
            f"git checkout -qb side HEAD~1 && echo 3 > {FEATURE_DIR}/data-model.md && git add -A && git commit -qm 3",
            "git rebase -q main && git checkout -q main && git merge -q side && git gc -q && git pack-refs --all",
            f"echo 4 >> {plan} && git stash -q && git stash pop -q && git checkout -q -- {plan}",
            "git worktree add -q .worktrees/x side && git worktree remove .worktrees/x && git clean -fdxq",
        ):
            done = subprocess.run(
                ["/bin/sh", "-c", step], cwd=planned.path, env=planned.environment, capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr
        legal_again(planned.path / "src", before)
        assert _violations(planned, "kitty-specs") == 0
        assert lifecycle.settle(planned.path).healthy


def test_starts_stops_kills_and_exceptions_during_a_storm_end_in_order(planned: Repository) -> None:
    before = snapshot(planned.path / "src")
    done = threading.Event()

    def storm() -> None:
        number = 0
        while not done.is_set():
            number += 1
            planned.write(f"src/storm-{number % 5}.py", f"evil {number}\n")
            done.wait(0.01)

    thread = threading.Thread(target=storm)
    with guarded(planned):
        thread.start()
        try:
            for _ in range(2):
                wayout.allow(planned.path, "docs/a", seconds=1, reason="a review", terminal=True)
                os.kill(lifecycle.status(planned.path).pid or 0, 9)
                eventually(lambda: not is_held(_state(planned, "lock")), "dead")
                lifecycle.start(planned.path, feature=FEATURE)
                lifecycle.stop(planned.path)
                lifecycle.start(planned.path, feature=FEATURE)
        finally:
            done.set()
            thread.join()
        legal_again(planned.path / "src", before)
        assert all(bytes_of(planned, entry).startswith(b"evil") for entry in list_entries(planned.path))


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="there is no second file system")
def test_across_file_systems_too_nothing_of_a_late_writer_is_lost(planned: Repository) -> None:
    """What is written to a taken file through a descriptor that is still open arrives in the copy."""
    elsewhere = SHARED_MEMORY / f"late-{os.getpid()}"
    shutil.move(planned.path / ".git", elsewhere)
    (planned.path / ".git").write_text(f"gitdir: {elsewhere}\n")
    planned.git("config", "core.worktree", str(planned.path))
    try:
        with session(planned) as opened:
            for path in ("src/app.py", "src/new.py"):
                with (planned.path / path).open("w") as file:
                    file.write("first")
                    file.flush()
                    opened.guard.scan()
                    file.write(", then this")
                    file.flush()
                    opened.tick()
                    (entry,) = quarantined(planned, path)
                    assert bytes_of(planned, entry) == b"first, then this"
    finally:
        shutil.rmtree(elsewhere)


@pytest.mark.parametrize(("seconds", "reason"), [(1e9, "for ever"), (-1, "before"), (60, "  "), (float("nan"), "x")])
def test_limits_of_exceptions_hold_for_whoever_speaks_to_the_socket(
    planned: Repository, seconds: float, reason: str
) -> None:
    with guarded(planned):
        with pytest.raises(GuardianError):
            ask(_state(planned, "socket"), "grant", path="src", seconds=seconds, reason=reason, actor="me")
        assert lifecycle.status(planned.path).healthy
