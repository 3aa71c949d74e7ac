"""What a program really did, as the kernel saw it: system calls below strace, read back as values."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import pytest


def _named(calls: str) -> frozenset[str]:
    return frozenset(calls.split())


# Everything that names a file, starts a program, or changes or fills a file that is already open.
CALLS = (
    "%file,%process,bind,ftruncate,fchmod,fchown,fallocate,fsetxattr,fremovexattr,"
    "write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,sendfile,copy_file_range"
)
# The arguments that a call changes: the first path, both, or the second one alone (a link's text is no place).
FIRST = _named(
    "mkdir mkdirat rmdir unlink unlinkat creat mknod mknodat chmod fchmodat fchmodat2 chown lchown fchownat truncate"
    " utime utimes utimensat futimesat setxattr lsetxattr removexattr lremovexattr chroot mount umount2 swapon acct"
)
BOTH = _named("rename renameat renameat2 link linkat")
SECOND = _named("symlink symlinkat")
OPENED = _named("ftruncate fchmod fchown fallocate fsetxattr fremovexattr")
OPENING = _named("open openat openat2")
LOOKING = _named("stat lstat newfstatat statx access faccessat faccessat2 statfs")
READING = _named("readlink readlinkat getxattr lgetxattr listxattr llistxattr execve execveat chdir")
FILLING = _named("write pwrite64 writev pwritev pwritev2 sendto sendmsg")

_LINE = re.compile(r"^(\d+)\s+(.*)$")
_CALL = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+|\?)(?:<(.*?)>)?(.*)$")
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
_FILE = re.compile(r"^(?:AT_FDCWD|\d+)<([^>]*)>")
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE")
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>\s?(.*)$")
_UNFINISHED = " <unfinished ...>"


@attrs.frozen
class Call:
    """One system call that has returned.

    Attributes:
        process: Its process or thread id.
        name: The call's name.
        arguments: Its arguments as strace writes them, strings escaped.
        result: What it returned; negative when it failed.
        opened: The file behind a returned descriptor, or "".
        directory: The process's working directory, or "" while that is unknown.
    """

    process: int
    name: str
    arguments: str
    result: int
    opened: str
    directory: str

    @property
    def succeeded(self) -> bool:
        """Whether it did anything."""
        return self.result >= 0

    def paths(self) -> tuple[str, ...]:
        """Every path among the arguments, absolute and normalised, in their order."""
        return tuple(
            os.path.normpath(os.path.join(directory or self.directory or "/", _plain(text)))  # noqa: PTH118 - no disk
            for directory, text in _PATH.findall(self.arguments)
        )

    def changed(self) -> tuple[str, ...]:
        """The places this call changed, created or removed; opening for writing counts, whatever follows."""
        if not self.succeeded:
            return ()
        if self.name in OPENING:
            return (self.opened or self.paths()[0],) if _WRITES.search(self.arguments) else ()
        if self.name in OPENED or (self.name == "utimensat" and not self.paths()):
            return tuple(_FILE.findall(self.arguments))
        if self.name == "bind":
            found = re.search(r'sun_path="((?:[^"\\]|\\.)*)"', self.arguments)
            return (os.path.normpath(os.path.join(self.directory, found[1])),) if found else ()  # noqa: PTH118
        if self.name in BOTH:
            return self.paths()
        return self.paths()[:1] if self.name in FIRST else self.paths()[1:2] if self.name in SECOND else ()

    def read(self) -> tuple[str, ...]:
        """The places whose content this call opened, followed, entered or ran."""
        if not self.succeeded:
            return ()
        if self.name in OPENING:
            return (self.opened or self.paths()[0],)
        return self.paths()[:1] if self.name in READING else ()

    def looked_at(self) -> tuple[str, ...]:
        """The places whose existence or mode this call asked for, found or not."""
        return self.paths()[:1] if self.name in LOOKING else ()

    def filled(self) -> tuple[str, str] | None:
        """Where this call wrote to and what, as strace escapes it; None where it wrote nothing."""
        if self.name not in FILLING or not self.succeeded:
            return None
        file = _FILE.match(self.arguments)
        return (file[1] if file else "?", self.arguments)

    def started(self) -> str | None:
        """Arguments and environment of a program that this call started, or None."""
        return self.arguments if self.name in {"execve", "execveat"} and self.succeeded else None


@attrs.frozen
class Trace:
    """What a command and all its descendants did, and how it ended.

    Attributes:
        calls: In the order in which they returned.
        code: The command's exit code.
        out: Its standard output.
        err: Its standard error.
    """

    calls: tuple[Call, ...]
    code: int
    out: str
    err: str

    def changed(self) -> Iterator[tuple[Call, str]]:
        """Every change with its place."""
        return ((call, path) for call in self.calls for path in call.changed())

    def read(self) -> Iterator[tuple[Call, str]]:
        """Every reading with its place."""
        return ((call, path) for call in self.calls for path in call.read())


def traced(command: Sequence[str | Path], *, log: Path, cwd: Path, env: Mapping[str, str]) -> Trace:
    """Run a command to the end of its last descendant and give what all of them did; skips where nothing can be traced.

    Args:
        command: What to run.
        log: Where strace writes; outside of everything that is looked at.
        cwd: The command's working directory.
        env: The command's whole environment.
    """
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    done = subprocess.run(
        [strace, "-f", "-y", "-v", "-qq", "-s16384", "-esignal=none", f"-etrace={CALLS}", "-o", log, *command],
        cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode != 0 and b"ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.decode().strip()}")
    text = log.read_text(encoding="utf-8", errors="surrogateescape")
    calls = tuple(parse(text.splitlines(), str(cwd)))
    return Trace(calls, done.returncode, done.stdout.decode(), done.stderr.decode())


def parse(lines: Sequence[str], cwd: str) -> Iterator[Call]:
    """Read strace's lines (`-f -y`); calls that were interrupted by another process's lines are put together again.

    Args:
        lines: The output.
        cwd: Where the first process began.
    """
    halves: dict[int, str] = {}
    directories: dict[int, str] = {}
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        process, text = int(found[1]), found[2]
        if text.endswith(_UNFINISHED):
            halves[process] = text.removesuffix(_UNFINISHED)
            continue
        if resumed := _RESUMED.match(text):
            text = halves.pop(process, "") + resumed[1]
        if (parts := _CALL.match(text)) is None:
            continue
        name, arguments, result, opened, _ = parts.groups()
        if here := re.search(r"AT_FDCWD<([^>]*)>", arguments):
            directories[process] = here[1]
        directory = directories.setdefault(process, cwd)
        call = Call(process, name, arguments, -1 if result == "?" else int(result), opened or "", directory)
        if name == "chdir" and call.succeeded:
            directories[process] = call.paths()[0]
        if name in {"clone", "clone3", "fork", "vfork"} and call.result > 0:
            directories.setdefault(call.result, directory)
        yield call


def _plain(text: str) -> str:
    """A string as strace escapes it, as the text it stands for."""
    if "\\" not in text:
        return text
    raw = text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1", "replace")
    return raw.decode("utf-8", "surrogateescape")
