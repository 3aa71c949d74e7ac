"""The proof can fail: each kind of breach is committed on purpose, and the harness names it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from isolation.conftest import World
from isolation.tracing import traced

SECRET = "s3cret-0123456789abcdef"  # noqa: S105 - the secret that must be seen

# Each changes `HOME/stray…` or something in it, and nothing else; `old` is a file and `full` a directory with a file.
CHANGES = {
    "mkdir": "os.mkdir(H + '/stray')",
    "creating a file": "open(H + '/stray', 'x').close()",
    "opening a file for writing": "open(H + '/stray.old', 'r+').close()",
    "appending": "os.close(os.open(H + '/stray.old', os.O_WRONLY | os.O_APPEND))",
    "rename": "os.rename(H + '/stray.old', H + '/stray.new')",
    "rename out of the root": "open('stray', 'x').close(); os.rename('stray', H + '/stray.new')",
    "unlink": "os.unlink(H + '/stray.old')",
    "rmdir": "os.rmdir(H + '/stray.empty')",
    "symlink": "os.symlink('anywhere', H + '/stray')",
    "hard link": "os.link(H + '/stray.old', 'link')",
    "chmod": "os.chmod(H + '/stray.old', 0o600)",
    "chown": "os.chown(H + '/stray.old', -1, -1)",
    "utime": "os.utime(H + '/stray.old')",
    "truncate": "os.truncate(H + '/stray.old', 0)",
    "fifo": "os.mkfifo(H + '/stray')",
    "extended attribute": "os.setxattr(H + '/stray.old', 'user.a', b'1')",
    "socket": "import socket; socket.socket(socket.AF_UNIX).bind(H + '/stray')",
    "a relative path": "os.chdir(H); os.mkdir('stray')",
    "a path with dots": "os.mkdir(R + '/../../home/stray')",
    "a path below an open directory": "os.mkdir('stray', dir_fd=os.open(H, os.O_RDONLY))",
    "a link out of the root": "os.symlink(H, R + '/way'); open(R + '/way/stray', 'x').close()",
    "a child": "import subprocess; subprocess.run(['sh', '-c', 'echo > \"$HOME/stray\"'], check=True)",
    "a thread": "import threading; t = threading.Thread(target=os.mkdir, args=[H + '/stray']); t.start(); t.join()",
    "a process that stays behind": (
        "import subprocess, time\n"
        "subprocess.Popen(['sh', '-c', 'sleep 0.2; mkdir \"$HOME/stray\"'], start_new_session=True, close_fds=True)"
    ),
}
READINGS = {
    "reading": "open(H + '/.spec-kitty/config.toml').read()",
    "opening for reading": "os.close(os.open(H + '/.spec-kitty/queue.db', os.O_RDONLY))",
    "listing": "os.listdir(H + '/.spec-kitty')",
    "following a link": "os.readlink(H + '/.spec-kitty/link')",
    "running": "import subprocess; subprocess.run([H + '/.kittify/tool'])",
    "entering": "os.chdir(H + '/.spec-kitty')",
    "SQLite": (
        "import sqlite3; db = sqlite3.connect('file:' + H + '/.spec-kitty/queue.db?mode=ro', uri=True)\n"
        "db.execute('select 1 from sqlite_master')"
    ),
    "by another way": "os.symlink(H, R + '/way'); open(R + '/way/.spec-kitty/config.toml').read()",
}
LEAKS = {
    "secret in arguments": "import subprocess; subprocess.run(['true', S])",
    "secret in arguments or environment": "import subprocess; subprocess.run(['true'], env={'TOKEN': S})",
    "secret on stdout": "print(S)",
    "secret on stderr": "raise ValueError('refused: ' + S)",
    "secret written to": "open('gone', 'w').write(S); os.unlink('gone')",
    "secret kept in": "open(R + '/sync-daemon.log', 'w').write('token ' + S)",
    "secret file open to others": "open(R + '/credentials', 'w').write(S); os.chmod(R + '/credentials', 0o640)",
}


def breaches(world: World, code: str) -> list[str]:
    """What the harness says of a program; its preparation is not traced."""
    (world.home / "stray.old").write_text("x", encoding="utf-8")
    (world.home / "stray.empty").mkdir()
    (world.home / ".spec-kitty" / "link").symlink_to("anywhere")
    tool = world.home / ".kittify" / "tool"
    tool.write_text("#!/bin/sh\n", encoding="utf-8")
    tool.chmod(0o700)
    world.root.mkdir()
    (world.outside / "secret").write_text(SECRET, encoding="utf-8")
    program = world.outside / "program.py"
    start = (
        "import os\nH, R = os.environ['HOME'], os.environ['SPEC_KITTY_HOME']\n"
        f"S = open({str(world.outside / 'secret')!r}).read()\n"
    )
    program.write_text(start + code + "\n", encoding="utf-8")
    trace = traced(
        [sys.executable, "-I", "-B", program], log=world.outside / "trace", cwd=world.working, env=world.environment
    )
    return world.promise((SECRET,)).breaches(trace)


@pytest.mark.parametrize("code", CHANGES.values(), ids=CHANGES)
def test_a_change_outside_is_named(world: World, code: str) -> None:
    said = breaches(world, code)
    assert [each for each in said if each.startswith(f"changed outside: {world.home}/stray")], said


@pytest.mark.parametrize("code", READINGS.values(), ids=READINGS)
def test_a_look_into_a_decoy_is_named(world: World, code: str) -> None:
    said = breaches(world, code)
    assert [each for each in said if each.startswith(f"read a decoy: {world.home}/.")], said


@pytest.mark.parametrize(("sentence", "code"), LEAKS.items(), ids=LEAKS)
def test_a_leak_is_named(world: World, sentence: str, code: str) -> None:
    said = breaches(world, code)
    assert [each for each in said if each.startswith(sentence)], said


def test_what_stays_in_the_temporary_directory_is_named(world: World) -> None:
    assert breaches(world, "import tempfile; tempfile.mkstemp()")[0].startswith(f"left in TMPDIR: {world.temporary}/")


@pytest.mark.parametrize(
    "code",
    [
        "pass",
        "open('here', 'w').close(); open(R + '/there', 'w').close()",
        "import tempfile; tempfile.TemporaryFile().close(); tempfile.TemporaryDirectory().cleanup()",
        "open('/dev/null', 'w').write(' ')",
        "os.path.exists(H + '/.spec-kitty/config.toml'); os.path.isdir(H)",
        "try:\n    open('/proc/nowhere/x', 'w')\nexcept OSError:\n    pass",
        "open(R + '/credentials', 'w').write(S); os.chmod(R + '/credentials', 0o600)",
    ],
)
def test_what_is_allowed_is_no_breach(world: World, code: str) -> None:
    assert breaches(world, code) == []


def test_a_failed_change_is_none(world: World, tmp_path: Path) -> None:
    code = f"try:\n    os.rmdir({str(tmp_path)!r})\nexcept OSError:\n    pass"
    assert breaches(world, code) == []
