"""The three renames that a revert is made of: exchange, move into an empty place, and move away.

`renameat2(2)` gives all three without a moment in which the name is missing or a newcomer is overwritten. Where the
kernel or the file system has no exchange, two plain renames stand in (enforcement model, section 3).
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import sys
from collections.abc import Callable

_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})


@functools.cache
def _renameat2() -> Callable[[int, bytes, int, bytes, int], int] | None:
    """The C library's renameat2, or None on systems without it."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # musl before 1.2.5, old glibc
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    function.restype = ctypes.c_int
    call: Callable[[int, bytes, int, bytes, int], int] = function
    return call


def _rename_with(flag: int, from_fd: int, from_name: str, to_fd: int, to_name: str) -> bool:
    """Try one flagged rename; False if this system has no such thing here.

    Raises:
        OSError: The rename itself failed (ENOENT, EEXIST, EXDEV, EACCES, …).
    """
    function = _renameat2()
    if function is None:
        return False
    if function(from_fd, os.fsencode(from_name), to_fd, os.fsencode(to_name), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), to_name)


def exchange(slot_fd: int, slot: str, target_fd: int, target: str) -> None:
    """Swap the two things: afterwards `slot` names what stood at `target`, byte for byte the same inode.

    Raises:
        FileNotFoundError: One of the two is gone.
        OSError: With EXDEV if the two places are on different file systems.
    """
    if _rename_with(_RENAME_EXCHANGE, slot_fd, slot, target_fd, target):
        return
    # No exchange here: a gap of some microseconds in which the name is missing, but nothing is ever overwritten.
    aside = slot + ".taken"
    os.rename(target, aside, src_dir_fd=target_fd, dst_dir_fd=slot_fd)
    place(slot_fd, slot, target_fd, target)
    os.rename(aside, slot, src_dir_fd=slot_fd, dst_dir_fd=slot_fd)


def place(from_fd: int, name: str, target_fd: int, target: str) -> None:
    """Move a thing to a name that must be free.

    Raises:
        FileExistsError: Something appeared at the target; it was not touched.
        OSError: With EXDEV if the two places are on different file systems.
    """
    if _rename_with(_RENAME_NOREPLACE, from_fd, name, target_fd, target):
        return
    try:
        os.stat(target, dir_fd=target_fd, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(name, target, src_dir_fd=from_fd, dst_dir_fd=target_fd)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)


@functools.cache
def _syncfs() -> Callable[[int], int] | None:
    """The C library's syncfs, or None on systems without it."""
    try:
        function: Callable[[int], int] = ctypes.CDLL(None, use_errno=True).syncfs
    except AttributeError:
        return None
    return function


def sync_file_system(fd: int) -> None:
    """Make everything written so far to the file system of `fd` survive a power loss."""
    function = _syncfs()
    if function is None or function(fd) != 0:
        os.sync()
