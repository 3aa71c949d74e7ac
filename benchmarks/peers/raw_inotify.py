"""The floor for reverts: one thread, one inotify queue, three renames, and nothing else a guardian must do.

Run by `benchmarks/reverts.py` as `raw_inotify.py DIRECTORY AWAY`: holds every file below DIRECTORY to its bytes and
mode at the start, moves what differs or is new to the directory AWAY on the same file system (detect, stage the legal
bytes, RENAME_EXCHANGE, the written inode stays in AWAY). No journal, no fsync, no rules, no git, no rescan, no audit:
it shows what the kernel and Python cost, not something that anybody should use. Says `ready` and ends with its standard
input.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import stat
import struct
import sys
from pathlib import Path

_ATTRIB, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO = 0x4, 0x8, 0x40, 0x80
_CREATE, _DELETE, _ONLYDIR, _OVERFLOW = 0x100, 0x200, 0x0100_0000, 0x4000
_MASK = _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLYDIR
_HEAD = struct.Struct("iIII")
_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2
_libc = ctypes.CDLL(None, use_errno=True)

Signature = tuple[int, int, int, int, int]


def _signature(st: os.stat_result) -> Signature:
    return (st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_mode)


def _rename(source: str, target: str, flag: int) -> None:
    if _libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flag) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


class Floor:
    """Holds one directory; see the module."""

    def __init__(self, top: str, away: str) -> None:
        self._away = away
        self._count = 0
        self._legal: dict[str, tuple[bytes, int]] = {}
        self._seen: dict[str, Signature] = {}
        self._places: dict[int, str] = {}
        self.fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for place, _, names in os.walk(top):
            self._places[_libc.inotify_add_watch(self.fd, os.fsencode(place), _MASK)] = place
            for name in names:
                path = f"{place}/{name}"
                st = os.lstat(path)
                self._legal[path] = (Path(path).read_bytes(), stat.S_IMODE(st.st_mode))
                self._seen[path] = _signature(st)

    def handle(self) -> None:
        """Undo what one read from the queue tells."""
        data = os.read(self.fd, 1 << 16)
        offset = 0
        while offset < len(data):
            watch, mask, _, length = _HEAD.unpack_from(data, offset)
            offset += _HEAD.size
            name = data[offset : offset + length].rstrip(b"\0")
            offset += length
            if mask & _OVERFLOW:
                raise SystemExit("raw inotify: the queue overflowed")
            if name and watch in self._places:
                self._settle(f"{self._places[watch]}/{os.fsdecode(name)}")

    def _settle(self, path: str) -> None:
        legal = self._legal.get(path)
        try:
            st = os.lstat(path)
        except FileNotFoundError:
            st = None
        if legal is None:
            if st is not None:
                self._count += 1
                _rename(path, f"{self._away}/{self._count}", _NOREPLACE)
        elif st is None or self._seen[path] != _signature(st):
            self._count += 1
            slot = f"{self._away}/{self._count}"
            fd = os.open(slot, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            os.write(fd, legal[0])
            os.fchmod(fd, legal[1])
            os.close(fd)
            _rename(slot, path, _NOREPLACE if st is None else _EXCHANGE)
            self._seen[path] = _signature(os.lstat(path))


def main(arguments: list[str]) -> None:
    top, away = arguments
    floor = Floor(top, away)
    print("ready", flush=True)
    try:
        while sys.stdin.fileno() not in select.select([floor.fd, sys.stdin.fileno()], [], [])[0]:
            floor.handle()
    finally:
        shutil.rmtree(away, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
