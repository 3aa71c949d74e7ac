"""The one place that runs git: a clean environment, timeouts, raw bytes in and out.

What a guard reads must not depend on what the caller exported. Git takes its repository, index, objects and
configuration from `GIT_*` variables, so all of them are dropped (enforcement facts E3, attacks 38 and 50), except the
few that say where a person's own configuration is kept.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from kitty_guardian.environment import process_environment
from kitty_guardian.errors import GitError, GitUnresponsiveError
from kitty_guardian.project.objects import ObjectReader

_KEPT = frozenset({"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"})
"""Where configuration is kept is a person's setting: `safe.directory` and `core.excludesFile` live there."""

_FIXED = {
    "LC_ALL": "C",  # messages are matched below
    "GIT_OPTIONAL_LOCKS": "0",  # a reader never takes index.lock from the person who works here
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",  # replace refs and grafts would change what is judged
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",  # no decision waits for a network (git >= 2.44; ignored before)
}
_OPTIONS = ("-c", "core.useReplaceRefs=false", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
"""`core.fsmonitor` names a program that git would run; a repository's configuration does not get to choose one."""

DEFAULT_TIMEOUT = 30.0
"""Seconds one git call may take."""


def clean_environment(environ: Mapping[str, str], *, keep: Iterable[str] = ()) -> dict[str, str]:
    """`environ` without the variables that redirect git, plus the fixed ones above.

    Args:
        environ: What to start from.
        keep: Names of further `GIT_*` variables that stay, for a git hook that was handed them on purpose
            (`GIT_INDEX_FILE`, `GIT_OBJECT_DIRECTORY`, `GIT_QUARANTINE_PATH` …).
    """
    kept = _KEPT | frozenset(keep)
    clean = {name: value for name, value in environ.items() if not name.upper().startswith("GIT_") or name in kept}
    return clean | _FIXED


@functools.cache
def _program(search_path: str) -> str | None:
    # A relative entry would let the directory we stand in supply "git".
    absolute = os.pathsep.join(entry for entry in search_path.split(os.pathsep) if Path(entry).is_absolute())
    return shutil.which("git", path=absolute) if absolute else None


@attrs.frozen(init=False)
class Git:
    """Git, run from one directory.

    Attributes:
        root: Absolute directory git runs in.
        git_dir: The repository, pinned, with `root` as its work tree; None lets git find one from `root` upwards.
            Pinned, a `.git` that is moved away cannot make an enclosing repository answer.
        patience: Seconds one call may take unless it says otherwise.
        program: Absolute path of git, found once.
        environment: The complete environment git runs with.
    """

    root: Path
    git_dir: Path | None
    patience: float
    program: str
    environment: Mapping[str, str] = attrs.field(repr=False)

    def __init__(
        self,
        root: Path,
        *,
        git_dir: Path | None = None,
        env: Mapping[str, str] | None = None,
        keep: Iterable[str] = (),
        patience: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Finds git on the PATH.

        Args:
            root: As the attribute.
            git_dir: As the attribute.
            env: The environment to start from, cleaned; None: the process's own.
            keep: As in `clean_environment`.
            patience: As the attribute.

        Raises:
            GitError: There is no git on the PATH.
        """
        environ = process_environment() if env is None else env
        program = _program(environ.get("PATH", os.defpath))
        if program is None:
            raise GitError("git is not on the PATH", hint="install git, or add its directory to PATH")
        self.__attrs_init__(root, git_dir, patience, program, clean_environment(environ, keep=keep))

    def command(self, *arguments: str) -> list[str]:
        """The whole command line that runs `git ARGUMENTS…` here."""
        pinned = () if self.git_dir is None else (f"--git-dir={self.git_dir}", f"--work-tree={self.root}")
        return [self.program, *_OPTIONS, *pinned, *arguments]

    def run(
        self, *arguments: str, stdin: bytes | None = None, check: bool = True, timeout: float | None = None
    ) -> bytes:
        """What `git ARGUMENTS…` writes to its standard output.

        Args:
            arguments: Command and arguments, each passed as it is.
            stdin: Bytes for its standard input; None: empty.
            check: Whether a status other than 0 is an error.
            timeout: Seconds until git is killed.

        Raises:
            GitError: Git failed (with the first line it wrote to standard error), could not be run or took too long.
        """
        done = self._complete(arguments, stdin, timeout)
        if check and done.returncode != 0:
            raise failure(arguments, done.returncode, done.stderr)
        return done.stdout

    def attempt(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        timeout: float | None = None,
        accept: Iterable[int] = (0, 1),
    ) -> tuple[int, bytes]:
        """Status and standard output of a command that answers with its status, such as `merge-base --is-ancestor`.

        Raises:
            GitError: As in `run`; a status outside `accept` is a failure.
        """
        done = self._complete(arguments, stdin, timeout)
        if done.returncode not in accept:
            raise failure(arguments, done.returncode, done.stderr)
        return done.returncode, done.stdout

    def inspect(self, *arguments: str, timeout: float | None = None) -> tuple[int, bytes, bytes]:
        """Status, standard output and standard error, for the rare caller that reads why git refused.

        Raises:
            GitError: Git could not be run or took too long.
        """
        done = self._complete(arguments, None, timeout)
        return done.returncode, done.stdout, done.stderr

    def lines_z(self, *arguments: str, stdin: bytes | None = None, timeout: float | None = None) -> list[bytes]:
        """The NUL-separated records that a command called with `-z` writes.

        Raises:
            GitError: As in `run`.
        """
        output = self.run(*arguments, stdin=stdin, timeout=timeout)
        return output.removesuffix(b"\0").split(b"\0") if output else []

    def text(self, *arguments: str, timeout: float | None = None) -> str:
        """Standard output as text without its last line end; bytes that are not UTF-8 become surrogates.

        Raises:
            GitError: As in `run`.
        """
        return os.fsdecode(self.run(*arguments, timeout=timeout).removesuffix(b"\n"))

    def cat_batch(self) -> ObjectReader:
        """A reader of many objects through one process; it ends with its `with` block, `close`, or the reader itself.

        Raises:
            GitError: Git could not be run.
        """
        arguments = ("cat-file", "--batch")
        try:
            process = subprocess.Popen(
                self.command(*arguments),
                cwd=self.root,
                env=dict(self.environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        except OSError as error:
            raise _unrunnable(arguments, self.root, error) from error
        reader = ObjectReader(process, timeout=self.patience)
        weakref.finalize(reader, ObjectReader.end, process)
        return reader

    def _complete(
        self, arguments: tuple[str, ...], stdin: bytes | None, timeout: float | None
    ) -> subprocess.CompletedProcess[bytes]:
        timeout = self.patience if timeout is None else timeout
        try:
            return subprocess.run(
                self.command(*arguments),
                cwd=self.root,
                env=dict(self.environment),
                input=b"" if stdin is None else stdin,
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise GitUnresponsiveError(f"{_shown(arguments)}: took longer than {timeout:g} s and was ended") from error
        except (OSError, ValueError) as error:  # ValueError: an argument holds a NUL
            raise _unrunnable(arguments, self.root, error) from error


def failure(arguments: Iterable[str], status: int, stderr: bytes) -> GitError:
    """The error for a git command that ended with `status`, with git's own remedy as the hint where it names one."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines()]
    said = next((line for line in lines if line), f"ended with status {status}")
    hint = next((line for line in lines if line.startswith("git config --global --add safe.directory")), None)
    return GitError(f"{_shown(arguments)}: {said}", hint=hint)


def _unrunnable(arguments: Iterable[str], root: Path, error: OSError | ValueError) -> GitError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return GitError(f"{_shown(arguments)}: cannot be run in {root}: {reason}")


def _shown(arguments: Iterable[str]) -> str:
    return " ".join(("git", *arguments))
