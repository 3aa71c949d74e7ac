"""How fast a forbidden write is undone: the real guardian beside a shell loop and beside the floor.

Run it with the workspace's Python: `.venv/bin/python benchmarks/reverts.py [N]` (Linux; N single writes of each kind,
100 unless told). About a minute, alone on the machine: anything else that runs shows in p99 and max.

A git project with a feature in phase plan and 5,000 protected files in 250 folders is made on the disk of the temporary
directory and on tmpfs. Each is held in turn by

* the guardian, started as everybody starts it: its own process, journal, audit trail, group fsync;
* the floor, `benchmarks/peers/raw_inotify.py`: one thread on raw inotify that stages and exchanges, and nothing more;
* `inotifywait -m -r | while read; do git restore`: what one would wire in a shell. It keeps no written bytes, knows no
  phase, brings back only what is committed. Needs `inotifywait` (`apt-get install inotify-tools`); left out without it.

This process writes, then looks some 15,000 times a second until the legal state is back (without any pause it would
take one of two cores from what it measures). A time is from just before the write's last system call (`close`,
`rename`, `unlink`, `chmod`) to the first look that finds the legal bytes (the legal mode; the name gone). From the
*return* of that call, as such times are often given, everybody looks faster, and the more so the busier the cores: who
waits for the event may be done before the writer goes on. The last row gives these times too. Writes are about 20 ms
apart with jitter, each on a file drawn at random, all kinds mixed, so that a busy moment hits all of them. Targets: p50
at most 3 ms and p99 at most 15 ms over all kinds.
"""

from __future__ import annotations

import ctypes
import math
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

HERE = Path(__file__).resolve().parent
FILES, FOLDERS, BURST = 5000, 250, 1000
P50_MS, P99_MS = 3.0, 15.0
APART_SECONDS, JITTER_SECONDS = 0.011, 0.014
LOOK_SECONDS = 0.00005
PATIENCE_SECONDS = 20.0
SETTLE_SECONDS, IDLE_SECONDS = 0.5, 5.0
_PR_SET_TIMERSLACK = 29
FEATURE = "001-home-guard"
GUARDIAN, FLOOR, SHELL = "guardian", "raw inotify", "inotifywait + git restore"
ALL = "all of them"

LastCall = Callable[[], object]
Undone = Callable[[], bool]
Times = dict[str, list[float]]


@attrs.frozen
class Burst:
    """A thousand files rewritten at once: seconds from the first and the last write until all were back; files lost."""

    after_first: float
    after_last: float
    missed: int


@attrs.frozen
class Measured:
    """What one holder did on one file system: milliseconds by kind of write, and the burst where there was one."""

    called: Times
    returned: Times
    burst: Burst | None = None


class Writer:
    """Breaks the phase's rule, one write at a time, and waits until it is undone.

    Args:
        project: The work tree.
        spare: A directory on the same file system outside of it.
    """

    def __init__(self, project: Path, spare: Path) -> None:
        self.paths = sorted(path for path in (project / "src").rglob("*.py") if path.is_file())
        self.kinds: dict[str, Callable[[Path], tuple[LastCall, Undone]]] = {
            "write in place": self._write, "rename over": self._rename, "create": self._create,
            "delete": self._delete, "new deep folder": self._folder, "chmod": self._chmod,
        }  # fmt: skip
        self._legal = {path: path.read_bytes() for path in self.paths}
        self._spare = spare
        self._random = random.Random(2)  # noqa: S311 - the same writes in every run
        self._count = 0

    def measure(self, runs: int, kinds: tuple[str, ...]) -> tuple[Times, Times]:
        """Milliseconds until each of `runs` writes of each kind was undone: from its last call, and from its return."""
        called: Times = {kind: [] for kind in kinds}
        returned: Times = {kind: [] for kind in kinds}
        order = list(kinds) * runs
        self._random.shuffle(order)
        for kind in order:
            time.sleep(APART_SECONDS + JITTER_SECONDS * self._random.random())
            self._count += 1
            last_call, undone = self.kinds[kind](self._random.choice(self.paths))
            before = time.perf_counter()
            with suppress(FileNotFoundError):  # undone already
                last_call()
            after = time.perf_counter()
            done = _wait(undone)
            called[kind].append((done - before) * 1000)
            returned[kind].append((done - after) * 1000)
        return called, returned

    def burst(self) -> Burst:
        """Rewrite many files as fast as can be."""
        paths = self._random.sample(self.paths, BURST)
        first = last = 0.0
        for path in paths:
            self._write(path)[0]()
            last = time.perf_counter()
            first = first or last
        now = time.perf_counter()
        while paths and now - last < PATIENCE_SECONDS:
            time.sleep(0.002)
            paths = [path for path in paths if not self._is_legal(path)]
            now = time.perf_counter()
        return Burst(now - first, now - last, len(paths))

    def _is_legal(self, path: Path) -> bool:
        try:
            fd = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return os.read(fd, 1 << 16) == self._legal[path]
        finally:
            os.close(fd)

    def _write(self, path: Path) -> tuple[LastCall, Undone]:
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
        os.write(fd, b"print('forbidden')\n" * 10)
        return lambda: os.close(fd), lambda: self._is_legal(path)

    def _rename(self, path: Path) -> tuple[LastCall, Undone]:
        draft = self._spare / "draft"
        draft.write_bytes(b"print('saved')\n")
        return lambda: draft.rename(path), lambda: self._is_legal(path)

    def _create(self, path: Path) -> tuple[LastCall, Undone]:
        new = path.with_name(f"new_{self._count}.py")
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(fd, b"print('new')\n")
        return lambda: os.close(fd), lambda: not new.exists()

    def _delete(self, path: Path) -> tuple[LastCall, Undone]:
        return path.unlink, lambda: self._is_legal(path)

    def _folder(self, path: Path) -> tuple[LastCall, Undone]:
        top = path.with_name(f"new_{self._count}")
        with suppress(FileNotFoundError):  # a folder may be undone before the next is made in it
            (top / "a" / "b").mkdir(parents=True)
        return lambda: (top / "a" / "b" / "deep.py").write_bytes(b"print('deep')\n"), lambda: not top.exists()

    def _chmod(self, path: Path) -> tuple[LastCall, Undone]:
        mode = path.stat().st_mode
        return lambda: path.chmod(0o777), lambda: path.stat().st_mode == mode


def _wait(undone: Undone) -> float:
    """When `undone` held first.

    Raises:
        SystemExit: It does not in time: there is nothing to measure.
    """
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while not undone():
        time.sleep(LOOK_SECONDS)
        if time.perf_counter() > deadline:
            sys.exit(f"a forbidden write was not undone within {PATIENCE_SECONDS:g} s")
    return time.perf_counter()


@contextmanager
def floor(project: Path, spare: Path) -> Iterator[None]:
    """The raw inotify process for the time of a block."""
    away = spare / "away"
    away.mkdir()
    command = [sys.executable, "-I", str(HERE / "peers" / "raw_inotify.py"), str(project / "src"), str(away)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait()


@contextmanager
def shell_loop(project: Path) -> Iterator[None]:
    """`inotifywait | while read; do git restore; done` for the time of a block."""
    watch = ["inotifywait", "-m", "-r", "-e", "close_write", "--format", "%w%f", str(project / "src")]
    loop = ["sh", "-c", 'while read -r file; do git restore -- "$file"; done']
    with subprocess.Popen(watch, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watcher:
        try:
            with subprocess.Popen(loop, cwd=project, stdin=watcher.stdout, stderr=subprocess.DEVNULL) as restorer:
                try:
                    assert watcher.stderr is not None
                    while b"Watches established" not in (line := watcher.stderr.readline()):
                        assert line, "inotifywait ended before it watched"
                    yield
                finally:
                    watcher.terminate()
                    assert watcher.stdout is not None
                    watcher.stdout.close()
                    restorer.wait()  # its input has ended
        finally:
            watcher.kill()


@contextmanager
def guardian(project: Path) -> Iterator[tuple[int, float]]:
    """A real guardian for the time of a block: its process id and the seconds its start took."""
    from kitty_guardian.watch import lifecycle

    started = time.perf_counter()
    try:
        report = lifecycle.start(project, feature=FEATURE)
        seconds = time.perf_counter() - started
        assert report.status.pid is not None
        yield report.status.pid, seconds
    finally:
        lifecycle.stop(project)


def make_project(path: Path) -> None:
    """A committed project in phase plan with `FILES` sources of about a kilobyte."""
    from support.repositories import Repository

    repository = Repository(path)
    repository.feature(FEATURE, "plan")
    for number in range(FILES):
        text = f"VALUE_{number} = {number}\n" * 50
        repository.write(f"src/part_{number % FOLDERS // 25}/package_{number % FOLDERS}/module_{number}.py", text)
    repository.write("tests/test_app.py", "def test(): ...\n")
    repository.commit("a project")


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def resident_mb(pid: int) -> float:
    """Resident memory of a process in megabytes."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


def file_system_of(path: Path) -> str:
    """The type of the file system that a directory lies on."""
    best, kind = "", "unknown"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, _, right = line.partition(" - ")
        mount = left.split(" ")[4]
        if path.is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, right.split(" ")[0]
    return kind


def percentile(times: list[float], share: float) -> float:
    """The smallest time that at least this share of all times does not exceed."""
    return sorted(times)[math.ceil(share * len(times)) - 1]


def run_on(place: Path, runs: int) -> dict[str, Measured]:
    """Measure everybody on the file system of `place`; prints as it goes, gives what was measured by holder."""
    with tempfile.TemporaryDirectory(dir=place, prefix="reverts-") as name:
        top = Path(name).resolve()
        project, spare = top / "project", top / "spare"
        spare.mkdir()
        make_project(project)
        writer = Writer(project, spare)
        every, few = tuple(writer.kinds), max(1, runs // 4)
        found: dict[str, Measured] = {}
        with guardian(project) as (pid, seconds):
            time.sleep(SETTLE_SECONDS)
            before, memory = cpu_seconds(pid), resident_mb(pid)
            time.sleep(IDLE_SECONDS)
            idle = (cpu_seconds(pid) - before) / IDLE_SECONDS
            found[GUARDIAN] = Measured(*writer.measure(runs, every), writer.burst())
            after = resident_mb(pid)
        with floor(project, spare):
            found[FLOOR] = Measured(*writer.measure(few, every), writer.burst())
        if shutil.which("inotifywait"):
            with shell_loop(project):
                found[SHELL] = Measured(*writer.measure(few, every[:1]))
        print(
            f"guardian on {file_system_of(top)}: start {seconds:.2f} s, {memory:.0f} MB resident ({after:.0f} MB after "
            f"all writes), idle {100 * idle:.2f} % of one core over {IDLE_SECONDS:g} s"
        )
        return found


def print_table(found: dict[str, Measured]) -> None:
    """One row per kind of write: p50, p99 and max of everybody, and how the guardian compares at p50."""
    print(f"\n{'milliseconds':17}" + "".join(f" | {holder:^26}" for holder in found) + " | guardian is, at p50")
    print(f"{'':17}" + f" | {'p50':>8} {'p99':>8} {'max':>8}" * len(found) + " |")
    for kind in found[GUARDIAN].called:
        _print_row(kind, {name: measured.called.get(kind, []) for name, measured in found.items()})
    whole = {name: measured for name, measured in found.items() if name != SHELL}  # which knows one kind only
    _print_row(ALL, {name: pooled(whole[name].called) if name in whole else [] for name in found})
    _print_row("  from the return", {name: pooled(whole[name].returned) if name in whole else [] for name in found})
    for name, measured in found.items():
        if (burst := measured.burst) is not None:
            print(
                f"{BURST:,} files at once, {name}: all back {burst.after_last * 1000:.0f} ms after the last write, "
                f"{burst.after_first * 1000:.0f} ms after the first; {burst.missed} missed"
            )


def _print_row(title: str, times: dict[str, list[float]]) -> None:
    cells = [
        f"{statistics.median(some):8.2f} {percentile(some, 0.99):8.2f} {max(some):8.2f}" if some else " " * 26
        for some in times.values()
    ]
    medians = {name: statistics.median(some) for name, some in times.items() if some}
    ratios = [f"{medians[GUARDIAN] / medians[name]:.1f} x {name}" for name in (FLOOR, SHELL) if medians.get(name)]
    print(f"{title:17} | {' | '.join(cells)} | {', '.join(ratios)}")


def pooled(times: Times) -> list[float]:
    """Every single write, whatever its kind."""
    return [ms for some in times.values() for ms in some]


def main() -> None:
    if not sys.platform.startswith("linux"):
        print("only on Linux: inotify is what is measured")
        return
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)  # sleep as long as is said, not 0.05 ms more
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # clean up as for Ctrl-C
    sys.path.insert(0, str(HERE.parent / "tests"))
    places = [Path(tempfile.gettempdir())]
    memory = Path("/dev/shm")  # noqa: S108 - a file system, not a name for a file
    if memory.is_dir() and file_system_of(memory) == "tmpfs":
        places.append(memory)
    else:
        print(f"tmpfs is left out: {memory} is none here")
    if not shutil.which("inotifywait"):
        print(f"`{SHELL}` is left out: no inotifywait on PATH (apt-get install inotify-tools)")
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="reverts-home-") as home:
        for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_", "SPEC_KITTY_"))]:
            del os.environ[name]
        os.environ |= {"HOME": home, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        for place in places:
            kind = file_system_of(place.resolve())
            print(f"\n== {kind} ({place}), {FILES:,} protected files in {FOLDERS} folders, {runs} writes of each kind")
            found = run_on(place, runs)
            print_table(found)
            times = pooled(found[GUARDIAN].called)
            p50, p99 = statistics.median(times), percentile(times, 0.99)
            met = "met" if p50 <= P50_MS and p99 <= P99_MS else "MISSED"
            verdicts.append(f"{kind} {met} (p50 {p50:.2f}, p99 {p99:.2f})")
    load = os.getloadavg()[0]
    print(
        f"\ntargets of a single revert, p50 <= {P50_MS:g} ms and p99 <= {P99_MS:g} ms: {'; '.join(verdicts)}; "
        f"load average {load:.1f} on {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
