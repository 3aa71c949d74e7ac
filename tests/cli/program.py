"""The installed programs, run as a person runs them: a process, its exit code, its two streams."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

BIN = Path(sys.executable).parent
# What a person's shell would not carry into the tests: other roots, other colours, other repositories.
_STRANGE = ("GIT_", "SPEC_KITTY_", "XDG_", "NO_COLOR", "FORCE_COLOR", "VISUAL", "EDITOR")


class Outcome(NamedTuple):
    """How a run ended.

    Attributes:
        code: Exit code.
        out: Everything on stdout.
        err: Everything on stderr.
    """

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Stdout as the one JSON object it must be."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The last line of stderr as the JSON object it must be."""
        found = json.loads(self.err.splitlines()[-1])
        assert isinstance(found, dict)
        return found


class Program:
    """The programs with a home directory and a working directory of a test's own.

    Args:
        home: What `HOME` is; exists.
        where: Where it is run; exists.
        bytecode: Where compiled modules are kept between the runs of one session.

    Attributes:
        home: What `HOME` is.
        where: Where it is run; may be changed.
        environment: What it is run with; may be changed.
    """

    def __init__(self, home: Path, where: Path, bytecode: Path) -> None:
        self.home = home
        self.where = where
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(_STRANGE)}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling anew is most of a short run
        temporary = home.with_name("tmp")
        temporary.mkdir(exist_ok=True)
        self.environment |= {
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "PYTHONPYCACHEPREFIX": str(bytecode),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    def run(self, *arguments: str | Path, program: str = "spec-kitty", stdin: bytes = b"") -> Outcome:
        """Run one command to its end; stdin is a pipe, never a terminal."""
        done = subprocess.run(
            [BIN / program, *arguments],
            cwd=self.where,
            env=self.environment,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=60,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    def on_terminal(self, *arguments: str | Path) -> Outcome:
        """Run `spec-kitty` with a terminal for stdin, as a person does; the streams are still kept apart."""
        ours, theirs = pty.openpty()
        try:
            done = subprocess.run(
                [BIN / "spec-kitty", *arguments],
                cwd=self.where,
                env=self.environment,
                stdin=theirs,
                capture_output=True,
                check=False,
                timeout=60,
            )
        finally:
            os.close(theirs)
            os.close(ours)
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    def __call__(self, *arguments: str | Path) -> Outcome:
        """Run `spec-kitty` with these arguments."""
        return self.run(*arguments)
