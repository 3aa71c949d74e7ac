"""The stage of the demonstration: a real project in a directory that is thrown away, and nothing of the user's."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kitty_guardian.errors import GuardianError
from kitty_guardian.watch import lifecycle
from kitty_paths.layout import VARIABLE
from spec_kitty_cli import environment
from spec_kitty_cli.demo import agent

if TYPE_CHECKING:
    from collections.abc import Iterator

FEATURE = "001-checkout"
PLAN = f"kitty-specs/{FEATURE}/plan.md"
LOG = f"kitty-specs/{FEATURE}/status.events.jsonl"
APP = "src/app.py"
CART = "src/cart.py"

# Long enough for a loaded machine; how long it really took is what is told.
PATIENCE_SECONDS = 10.0

_FILES = {
    APP: "from cart import total\n\n\ndef main() -> None:\n    print(total([1999, 499]))\n",
    CART: "def total(cents: list[int]) -> int:\n    return sum(cents)\n",
    "tests/test_cart.py": "from cart import total\n\n\ndef test_it_is_free_if_empty():\n    assert total([]) == 0\n",
    f"kitty-specs/{FEATURE}/spec.md": "# Checkout\n\nA shopper pays for a cart in one step.\n",
    PLAN: "# Plan\n\n1. Prices are whole cents.\n",
    f"kitty-specs/{FEATURE}/meta.json": f'{{"slug": "{FEATURE}", "friendly_name": "Checkout"}}\n',
    ".kittify/config.yaml": "agents: []\n",
}
_IDENTITY = {"NAME": "Demo", "EMAIL": "demo@example.org"}


class Stage:
    """A git repository with one feature in plan phase.

    Attributes:
        directory: What is thrown away in the end; absolute.
        project: The repository's worktree, below it.
        patience: Seconds the agent waits for its write to be undone.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.patience = PATIENCE_SECONDS
        self.project = directory / "shop"

    def build(self) -> None:
        """Write the project's files and commit them."""
        for name, text in _FILES.items():
            file = self.project / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        for arguments in (
            ["init", "--quiet", "--initial-branch=main"],
            ["add", "."],
            ["commit", "--quiet", "-m", "Shop"],
        ):
            subprocess.run(["git", *arguments], cwd=self.project, check=True, stdout=subprocess.DEVNULL)

    def bytes_of(self, name: str) -> bytes | None:
        """A project file's bytes, or None where no file is."""
        file = self.project / name
        return file.read_bytes() if file.is_file() else None

    def exists(self, name: str) -> bool:
        """Whether anything is at that place of the project."""
        return os.path.lexists(self.project / name)

    def beside(self, name: str) -> Path:
        """A place outside the project that is thrown away with it."""
        return self.directory / name

    def agent(
        self, action: str, name: str, data: bytes = b"", *, top: str | None = None, patience: float | None = None
    ) -> float | None:
        """Let the agent do something, in a process of its own.

        Args:
            action: `write` or `delete`.
            name: What it does that to.
            data: What it writes.
            top: What must be as before for it to count as undone; `name` if not given.
            patience: For how many seconds the agent waits for that.

        Returns:
            The milliseconds until it was undone as the agent saw it, or None if it never was.
        """
        waits = str(self.patience if patience is None else patience)
        done = subprocess.run(
            [sys.executable, "-I", agent.__file__, waits, action, name, top or name],
            cwd=self.project,
            input=data,
            stdout=subprocess.PIPE,
            check=True,
        )
        said = done.stdout.decode()
        return None if said == "never" else float(said)


@contextlib.contextmanager
def set_up() -> Iterator[Stage]:
    """A built stage; whatever happens, its guardian is stopped and its directory is gone afterwards."""
    with _interruptible(), tempfile.TemporaryDirectory(prefix="spec-kitty-demo-", ignore_cleanup_errors=True) as name:
        stage = Stage(Path(name).resolve())
        home = stage.beside("home")
        home.mkdir()
        changes = {
            "HOME": str(home),
            "USERPROFILE": str(home),
            VARIABLE: str(stage.beside("state")),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _IDENTITY.items()},
        }
        with environment.replaced(changes, without=("GIT_", "XDG_")):
            stage.build()
            try:
                yield stage
            finally:
                _strike(stage)


def _strike(stage: Stage) -> None:
    # From here on a second Ctrl-C must not leave a daemon behind.
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    pid = None
    try:
        pid = lifecycle.status(stage.project).pid
        lifecycle.stop(stage.project, reason="the demonstration is over")
    except (GuardianError, OSError):
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    # A closed terminal or a `kill` ends the demonstration as Ctrl-C does: by way of its cleaning up.
    def interrupt(number: int, frame: object) -> None:
        del number, frame
        raise KeyboardInterrupt

    wanted = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before: dict[signal.Signals, signal.Handlers | object] = {}
    try:
        for number in wanted:
            before[number] = signal.signal(number, interrupt)
    except ValueError:
        pass  # not the main thread: whoever runs us there ends us otherwise
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
