"""What isolation promises, held against what a trace shows: every breach as a sentence, none when the promise held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from isolation.tracing import Trace

# Where a program may write without anything staying behind.
_NOWHERE = ("/dev/null", "/dev/tty", "/dev/pts/", "/dev/ptmx", "pipe:", "socket:")


@attrs.frozen
class Promise:
    """What one run must keep to.

    Attributes:
        root: The state root; may be changed.
        working: The working directory; may be changed.
        temporary: `TMPDIR`; may be changed, and is empty at the end.
        decoys: Places that look like state and are not this root's; nothing in them may be read or changed.
        secrets: Texts that may be nowhere but in the files of `secret_files` and on the loopback interface.
        secret_files: Where secrets belong; mode 0600.
    """

    root: Path
    working: Path
    temporary: Path
    decoys: Sequence[Path]
    secrets: Sequence[str] = ()
    secret_files: Sequence[Path] = ()

    def breaches(self, trace: Trace) -> list[str]:
        """Give every breach, each with the call that is it."""
        return [
            *self._changes(trace),
            *self._readings(trace),
            *self._leftovers(),
            *self._shown(trace),
            *self._kept(),
        ]

    def _changes(self, trace: Trace) -> Iterator[str]:
        allowed = (self.root, self.working, self.temporary)
        for call, path in trace.changed():
            if not path.startswith(_NOWHERE) and not any(_is_below(path, each) for each in allowed):
                yield f"changed outside: {path} by {call.name}"

    def _readings(self, trace: Trace) -> Iterator[str]:
        for call, path in trace.read():
            if any(_is_below(path, each) for each in self.decoys):
                yield f"read a decoy: {path} by {call.name}"

    def _leftovers(self) -> Iterator[str]:
        yield from (f"left in TMPDIR: {path}" for path in self.temporary.iterdir())

    def _shown(self, trace: Trace) -> Iterator[str]:
        for secret in self.secrets:
            for call in trace.calls:
                if secret in (call.started() or ""):
                    yield f"secret in arguments or environment: {call.name} of process {call.process}"
                if (filled := call.filled()) and secret in filled[1] and not self._may_hold(filled[0]):
                    yield f"secret written to {filled[0]} by {call.name}"
            for name, text in (("stdout", trace.out), ("stderr", trace.err)):
                if secret in text:
                    yield f"secret on {name}"

    def _may_hold(self, place: str) -> bool:
        # A secret file is written under a draft's name first; requests to the daemon go through a socket.
        drafts = (f"{file}{suffix}" for file in self.secret_files for suffix in ("", ".new"))
        return place in drafts or place.startswith(("socket:", "TCP:"))

    def _kept(self) -> Iterator[str]:
        for path in (*self.root.rglob("*"), *self.working.rglob("*")):
            if not path.is_file() or path.is_symlink():
                continue
            held = path.read_bytes()
            for secret in self.secrets:
                if secret.encode() in held and path not in self.secret_files:
                    yield f"secret kept in {path}"
            if path in self.secret_files and path.stat().st_mode & 0o077:
                yield f"secret file open to others: {path}"


def _is_below(path: str, directory: Path) -> bool:
    return path == str(directory) or path.startswith(f"{directory}/")
