"""A home with decoys, a root elsewhere, and a clean environment for whole runs of the installed program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from isolation.verdict import Promise
from support.checkout import PACKAGES

BIN = Path(sys.executable).parent
# Every place that this program, or upstream's, keeps state in when nobody says otherwise; facts, sections 1.2 and 2.
DECOYS = {
    ".spec-kitty/config.toml": '[sync]\nserver_url = "https://decoy.example"\n',
    ".spec-kitty/credentials": '[tracker.providers.linear]\ntoken = "decoy-token-0123456789abcdef"\n',
    ".spec-kitty/credentials.lock": "",
    ".spec-kitty/auth/session.json": '{"version":2,"nonce":"00","ciphertext":"00"}',
    ".spec-kitty/auth/session.salt": "0123456789abcdef",
    ".spec-kitty/auth/session.lock": "",
    ".spec-kitty/auth/refresh.lock": "",
    ".spec-kitty/queue.db": "SQLite format 3\0",
    ".spec-kitty/queues/queue-4efd3700aeb15214.db": "SQLite format 3\0",
    ".spec-kitty/active_queue_scope": "https://decoy.example|ada@example.org|t_01",
    ".spec-kitty/clock.json": '{"value": 42, "node_id": "04420b92391a", "updated_at": "2026-07-01T10:00:00+00:00"}',
    ".spec-kitty/sync-daemon": "http://127.0.0.1:9400\n9400\n5f0c3a1e9b7d44c2a6e8f1b20d9c7e35\n1\n",
    ".spec-kitty/sync-daemon.log": "",
    ".spec-kitty/sync-daemon.lock": "",
    ".spec-kitty/sync/daemon/owner.json": '{"pid": 1, "port": 9400, "token": "5f0c3a1e9b7d44c2a6e8f1b20d9c7e35"}',
    ".spec-kitty/trackers/433b4dd278370a61.db": "SQLite format 3\0",
    ".kittify/cache/version.lock": "3.2.5",
    ".kittify/AGENTS.md": "decoy",
    ".config/spec-kitty/preferences.toml": "",
    ".cache/spec-kitty/upgrade-check.json": "{}",
    ".local/share/spec-kitty/config.toml": "",
    "Library/Application Support/spec-kitty/config.toml": "",
    "AppData/Local/spec-kitty/config.toml": "",
}


@attrs.frozen
class World:
    """Everything one run may see.

    Attributes:
        home: `HOME`, full of decoys.
        root: `SPEC_KITTY_HOME`; does not exist yet.
        working: The working directory, empty.
        temporary: `TMPDIR`, empty.
        outside: Where tests keep what the run must not see as its own.
        environment: What it is run with.
    """

    home: Path
    root: Path
    working: Path
    temporary: Path
    outside: Path
    environment: dict[str, str]

    @property
    def decoys(self) -> list[Path]:
        """Every place that looks like state, or like the assets' home."""
        return sorted({self.home / re.sub(r"(spec-kitty|kittify)/.*", r"\1", name) for name in DECOYS})

    def promise(self, secrets: tuple[str, ...] = ()) -> Promise:
        """What isolation promises here."""
        return Promise(
            root=self.root,
            working=self.working,
            temporary=self.temporary,
            decoys=self.decoys,
            secrets=secrets,
            secret_files=(self.root / "credentials", self.root / "sync-daemon"),
        )


def plant(home: Path) -> None:
    """Put the decoys below a home."""
    for name, text in DECOYS.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def everything_below(directory: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Every path below a directory with its inode, mode, modification time and content."""
    found = {}
    for path in sorted(directory.rglob("*")):
        st = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path.relative_to(directory))] = (st.st_ino, st.st_mode, st.st_mtime_ns, content)
    return found


def clean_environment(home: Path, temporary: Path) -> dict[str, str]:
    """An environment that names nothing of whoever runs the tests."""
    return {
        "PATH": os.pathsep.join((str(BIN), "/usr/local/bin", "/usr/bin", "/bin")),
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
    }


@pytest.fixture(scope="session")
def installed() -> None:
    """The program as `make sync` leaves it: compiled, so that no first run has anything to write beside its sources."""
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", *PACKAGES.values()], check=True, env={}, capture_output=True
    )


@pytest.fixture
def world(tmp_path: Path, installed: None) -> World:
    """A home full of decoys, and a root that is somewhere else."""
    del installed
    names = ("home", "work", "tmp", "outside")
    home, working, temporary, outside = (tmp_path / name for name in names)
    for directory in (home, working, temporary, outside):
        directory.mkdir()
    plant(home)
    root = tmp_path / "elsewhere" / "kitty-root"
    root.parent.mkdir()  # the root itself does not exist: the first command that writes makes it
    environment = {**clean_environment(home, temporary), "SPEC_KITTY_HOME": str(root)}
    return World(home, root, working, temporary, outside, environment)
