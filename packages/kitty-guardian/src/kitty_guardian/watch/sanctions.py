"""Which content of an always-protected file a recorded event sanctions (enforcement model, section 3.3).

| file | legal content |
|---|---|
| `status.events.jsonl` | every line is in the store, and every line that was legal before is still there |
| `status.json` | it says of every work package what the legal log beside it says |
| others, such as `meta.json` | the bytes whose SHA-256 the latest event that names the path holds |
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from kitty_guardian.events import lines, statusfile
from kitty_guardian.events.board import FeatureStanding
from kitty_guardian.watch.standings import Standings

_LOG = "status.events.jsonl"
_OF_A_FEATURE = re.compile(r"kitty-specs/([^/]+)/([^/]+)\Z")
LONGEST = 8 << 20
"""Bytes; a longer file is sanctioned by nothing."""

Read = Callable[[str], "bytes | None"]
"""Gives the bytes of another file of the same tree, or None."""


class Sanctions:
    """Answers from what the store says now.

    Args:
        standings: The store.
    """

    def __init__(self, standings: Standings) -> None:
        self._standings = standings

    def concerns(self, path: str) -> bool:
        """Whether any event could sanction content at `path`."""
        found = _OF_A_FEATURE.match(path)
        if found is None:
            return False
        return found[2] in {_LOG, "status.json"} or bool(self._sums(path, found[1]))

    def allows(
        self, path: str, data: bytes, *, legal: bytes | None, read: Read, heads: Callable[[str], tuple[bytes, ...]]
    ) -> bool:
        """Whether `data` may stand at `path`.

        Args:
            path: Relative to the work tree.
            data: What stands there.
            legal: What was legal there before, or None.
            read: Other files as they stand.
            heads: Logs whose lines may stand there, recorded or not, by path: those of HEAD, and of what is being
                merged. A line of a teammate that moves nothing is still a line of theirs.
        """
        found = _OF_A_FEATURE.match(path)
        if found is None:
            return False
        feature, name = found[1], found[2]
        standing = self._standings.board.feature(feature)
        if name == _LOG:
            # A file without any line is not a log that an event sanctions: somebody is about to write into it.
            whole = _hashes(legal or b"") <= _hashes(data) != frozenset()
            return whole and _is_covered(data, standing, heads, path)
        if name == "status.json":
            place = f"{path.rpartition('/')[0]}/{_LOG}"
            log = read(place)
            return log is not None and _is_covered(log, standing, heads, place) and statusfile.agrees(data, log)
        return self._sums(path, feature)[-1:] == [hashlib.sha256(data).hexdigest()]

    def allowed_once(self, path: str, data: bytes, *, parents: tuple[bytes, ...], read: Read) -> bool:
        """Whether a commit may hold `data` at `path`: legal now, or legal at some time.

        Args:
            path: Relative to the work tree.
            data: What the commit holds there.
            parents: What its parents hold there: a merge unites what each of them brought.
            read: Other files of the commit.
        """
        found = _OF_A_FEATURE.match(path)
        if found is None:
            return False
        feature, name = found[1], found[2]
        standing = self._standings.board.feature(feature)
        if name == _LOG:
            return self._is_union(data, standing, parents)
        if name == "status.json":
            log = read(f"{path.rpartition('/')[0]}/{_LOG}")
            return log is not None and statusfile.agrees(data, log)
        return hashlib.sha256(data).hexdigest() in self._sums(path, feature)

    def _is_union(self, data: bytes, standing: FeatureStanding, parents: tuple[bytes, ...]) -> bool:
        brought = frozenset[str]().union(*map(_hashes, parents))
        unknown = [raw for _, raw in lines.unknown(data, standing)]
        whole = all(_hashes(parent) <= _hashes(data) for parent in parents)
        return whole and all(lines.line_hash(raw) in brought for raw in unknown)

    def _sums(self, path: str, feature: str) -> list[str]:
        return self._standings.board.feature(feature).sanctions.get(path, [])


def is_known(data: bytes, standing: FeatureStanding) -> bool:
    """Whether every line of a status log is in the store."""
    return not lines.unknown(data, standing)


def is_log(path: str) -> bool:
    """Whether a feature's status log belongs at `path`."""
    found = _OF_A_FEATURE.match(path)
    return found is not None and found[2] == _LOG


def _is_covered(data: bytes, standing: FeatureStanding, heads: Callable[[str], tuple[bytes, ...]], path: str) -> bool:
    """Whether every line is in the store or in a head that counts."""
    unknown = {lines.line_hash(raw) for _, raw in lines.unknown(data, standing)}
    return not unknown or unknown <= frozenset[str]().union(*map(_hashes, heads(path)))


def _hashes(data: bytes) -> frozenset[str]:
    return frozenset(lines.line_hash(raw) for raw in data.split(b"\n") if raw.strip())
