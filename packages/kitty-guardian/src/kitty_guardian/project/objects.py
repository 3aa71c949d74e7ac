"""Many git objects through one `git cat-file --batch` process."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from kitty_guardian.errors import GitError

_CHUNK = 1 << 16
_CAPACITY = 4096
"""Bytes of questions under way at once; every pipe holds as many, so that asking never waits for reading."""

_ABSENT = (b" missing", b" ambiguous", b" submodule")
"""How an answer ends that is about no object we have (`submodule`: a gitlink, git >= 2.50)."""


class ObjectReader:
    """Reads objects by name, one question and one answer at a time; threads take turns."""

    def __init__(self, process: subprocess.Popen[bytes], *, timeout: float) -> None:
        """Takes over a running `git cat-file --batch` whose pipes are unbuffered.

        Args:
            process: The process; ended by `close`.
            timeout: Seconds git may stay silent within one answer.
        """
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process needs pipes for standard input and output")
        self._process = process
        self._questions = process.stdin.fileno()
        self._answers = process.stdout.fileno()
        self._timeout = timeout
        self._ahead = bytearray()
        self._asked: deque[bytes] = deque()
        self._turn = threading.Lock()

    def read(self, objectname: str, limit: int | None = None) -> tuple[str, bytes] | None:
        """Kind ("blob", "tree", "commit", "tag") and bytes of the object that `objectname` names, or None.

        Args:
            objectname: Anything git resolves: an object id, `HEAD:path`, `refs/heads/main^{tree}`.
            limit: Bytes of interest: of a longer object exactly `limit + 1` bytes come back, so that its length shows.

        Raises:
            GitError: Git ended or stayed silent too long, or the name spans lines, which the protocol cannot carry.
        """
        question = os.fsencode(objectname)
        if b"\n" in question or not question:
            raise GitError(f"git cat-file --batch: {objectname!r} cannot be asked for")
        with self._turn:
            try:
                return self._ask(question, limit)
            except GitError:
                # Half an answer may be waiting; nothing read after it could be trusted.
                self.end(self._process)
                raise

    def expect(self, objectnames: Iterable[str]) -> None:
        """Asks for objects that will be read next, in this order, so that git looks them up meanwhile.

        A hint: names beyond what git's input surely holds are ignored, and reading anything else only wastes answers.

        Raises:
            GitError: Git has ended.
        """
        with self._turn:
            room = _CAPACITY - sum(len(question) + 1 for question in self._asked)
            ahead = []
            for question in map(os.fsencode, objectnames):
                room -= len(question) + 1
                if room < 0 or b"\n" in question or not question:
                    break
                ahead.append(question)
            if ahead:
                self._send(*ahead)

    def close(self) -> None:
        """Ends the process; harmless when it has ended."""
        with self._turn:
            self.end(self._process)

    @staticmethod
    def end(process: subprocess.Popen[bytes]) -> None:
        """Ends `process` and takes its status, so that nothing of it stays."""
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        if process.poll() is None:
            process.kill()
        process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, question: bytes, limit: int | None) -> tuple[str, bytes] | None:
        while self._asked and self._asked[0] != question:
            self._answer(0)  # asked for ahead of time and not wanted after all
        if not self._asked:
            self._send(question)
        return self._answer(limit)

    def _send(self, *questions: bytes) -> None:
        if self._process.returncode is not None:
            raise GitError("git cat-file --batch: has ended")
        try:
            os.write(self._questions, b"\n".join((*questions, b"")))
        except OSError as error:
            raise GitError(f"git cat-file --batch: ended early ({error.strerror})") from error
        self._asked.extend(questions)

    def _answer(self, limit: int | None) -> tuple[str, bytes] | None:
        header = self._line()
        self._asked.popleft()
        if header.endswith(_ABSENT):
            return None
        try:
            _, kind, size = header.split(b" ")
            length = int(size)
        except ValueError as error:
            raise GitError(f"git cat-file --batch: answered {header.decode('utf-8', 'replace')!r}") from error
        wanted = length if limit is None else min(length, limit + 1)
        data = self._take(wanted)
        self._skip(length - wanted + 1)  # and the line end after the object
        return kind.decode("ascii"), data

    def _line(self) -> bytes:
        while (end := self._ahead.find(b"\n")) < 0:
            self._ahead += self._more(_CHUNK)
        line = bytes(self._ahead[:end])
        del self._ahead[: end + 1]
        return line

    def _take(self, length: int) -> bytes:
        while len(self._ahead) < length:
            self._ahead += self._more(max(_CHUNK, length - len(self._ahead)))
        data = bytes(self._ahead[:length])
        del self._ahead[:length]
        return data

    def _skip(self, length: int) -> None:
        while length > len(self._ahead):
            length -= len(self._ahead)
            self._ahead.clear()
            self._ahead += self._more(_CHUNK)
        del self._ahead[:length]

    def _more(self, length: int) -> bytes:
        # Windows cannot wait for pipes; there git's own end is the only bound.
        if sys.platform != "win32":
            poll = select.poll()  # select() cannot watch descriptors above 1023, which a daemon may well have
            poll.register(self._answers, select.POLLIN)
            if not poll.poll(self._timeout * 1000):
                raise GitError(f"git cat-file --batch: was silent for {self._timeout:g} s and was ended")
        if not (data := os.read(self._answers, length)):
            raise GitError("git cat-file --batch: ended early")
        return data
