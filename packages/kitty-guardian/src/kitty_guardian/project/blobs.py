"""Objects by name, through one git process that is started when needed and replaced when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from kitty_guardian.errors import GitError
from kitty_guardian.project.git import Git
from kitty_guardian.project.objects import ObjectReader


class Blobs:
    """Reads objects of one repository; ends with the `with` block, with `close`, or with itself."""

    def __init__(self, git: Git) -> None:
        """Starts nothing yet.

        Args:
            git: Git in the repository.
        """
        self._git = git
        self._reader: ObjectReader | None = None

    def expect(self, names: Sequence[str]) -> None:
        """Says which objects will be asked for next, in this order; a hint."""
        if not names:
            return
        try:
            self._running().expect(names)
        except GitError:
            self.close()  # a hint may fail; reading will tell which object git stumbles over

    def find(self, name: str, limit: int) -> tuple[str, bytes] | None:
        """Kind and bytes of what `name` stands for, as `ObjectReader.read` gives them; None where there is none.

        Raises:
            GitError: Git could not read it.
        """
        try:
            return self._running().read(name, limit)
        except GitError:
            self.close()  # one broken object must not take the others with it
            raise

    def close(self) -> None:
        """Ends the process; another one would be started."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _running(self) -> ObjectReader:
        if self._reader is None:
            self._reader = self._git.cat_batch()
        return self._reader
