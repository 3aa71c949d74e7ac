"""A group of children that belong together: a directory, a platform and the rows of a layout."""

from __future__ import annotations

import attrs

from kitty_paths.surface import Surface

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from kitty_paths.layout import Row
    from kitty_paths.platforms import Platform


def surface_below(base: Path, platform: Platform, row: Row, digest: str = "") -> Surface:
    """Give the surface a row describes.

    Args:
        base: Absolute path of the directory the row's paths are relative to.
        platform: Whose column holds.
        row: The row.
        digest: The scope's 16 hex digits, for a row that has one path for each scope.
    """
    relative = row.relative(platform).replace("{digest}", digest)
    return Surface(row.name, base.joinpath(*relative.split("/")), row.kind, row.secret)


@attrs.frozen
class Group:
    """Some children of one directory.

    Attributes:
        base: The directory the layout is relative to, absolute.
        platform: Whose layout holds.
    """

    base: Path
    platform: Platform

    def _child(self, row: Row, digest: str = "") -> Surface:
        return surface_below(self.base, self.platform, row, digest)
