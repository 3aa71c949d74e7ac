"""The names a feature answers to (facts, section 6.2): folder name, number, ULID or its first eight, plain name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cached_property

import attrs

from kitty_guardian.project.meta import read_meta
from kitty_guardian.project.repository import Worktree
from kitty_guardian.project.trees import GitTree

ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}\Z")
MID8 = re.compile(r"[0-9A-HJKMNP-TV-Z]{8}\Z")
_NUMBERED = re.compile(r"([0-9]{3,4})-(.+)\Z", re.DOTALL)
"""Three digits, as upstream gives them; four where people put an issue's number."""
_SUFFIXED = re.compile(r"(.+)-([0-9A-HJKMNP-TV-Z]{8})\Z", re.DOTALL)


@attrs.frozen
class Handles:
    """Matches what people and tools write against the features a project has.

    Attributes:
        worktree: Where the missions' ids are read from (`meta.json` as HEAD holds it), only when a name needs them.
        names: Folder names of the features, sorted.
    """

    worktree: Worktree
    names: tuple[str, ...]

    @classmethod
    def of(cls, worktree: Worktree, names: Iterable[str]) -> Handles:
        """The handles of these features."""
        return cls(worktree, tuple(sorted(names)))

    def match(self, wanted: str) -> tuple[str, ...]:
        """Every feature that `wanted` names; its folder name alone decides, if it is one."""
        if wanted in self.names:
            return (wanted,)
        if re.fullmatch(r"[0-9]{1,4}", wanted):
            numbers = ((name, _NUMBERED.match(name)) for name in self.names)
            return tuple(name for name, parts in numbers if parts is not None and int(parts[1]) == int(wanted))
        if ULID.match(wanted):
            return tuple(name for name in self.names if self._mission_ids.get(name) == wanted)
        matches = [name for name in self.names if plain_name(name) == wanted]
        if MID8.match(wanted):
            matches += [name for name in self.names if name not in matches and self._mid8(name) == wanted]
        return tuple(matches)

    def means_one_of(self, wanted: str, features: Collection[str]) -> bool:
        """Whether `wanted` names one feature, and that is among `features`."""
        found = self.match(wanted)
        return len(found) == 1 and found[0] in features

    def match_worktree_name(self, name: str) -> str | None:
        """The one feature that tools call `name` in folders and branches.

        Its folder name, or `<plain name>-<mid8>`; some keep the number before it, or what already looks like an id.
        """
        if name in self.names:
            return name
        if (parts := _SUFFIXED.match(name)) is None:
            return None
        plain, mid8 = parts.groups()
        found = [other for other in self.names if plain in {other, plain_name(other)} and self._mid8(other) == mid8]
        return found[0] if len(found) == 1 else None

    def _mid8(self, name: str) -> str | None:
        if (parts := _SUFFIXED.match(name)) is not None:
            return parts[2]
        mission_id = self._mission_ids.get(name)
        return None if mission_id is None else mission_id[:8]

    @cached_property
    def _mission_ids(self) -> dict[str, str]:
        """Mission ULID by folder name, as HEAD's `meta.json` gives it; features without a readable one are left out."""
        if (head := self.worktree.head_commit()) is None:
            return {}
        with GitTree(self.worktree.git, head) as tree:
            found = {name: read_meta(tree, name).get("mission_id") for name in self.names}
        return {name: text for name, text in found.items() if isinstance(text, str) and ULID.match(text)}


def plain_name(name: str) -> str:
    """`name` without its leading number and without a trailing mid8: what upstream calls the human slug."""
    if (numbered := _NUMBERED.match(name)) is not None:
        name = numbered[2]
    suffixed = _SUFFIXED.match(name)
    return name if suffixed is None else suffixed[1]
