"""The asset home: missions, scripts and templates that Spec Kitty brings along. The other home, not state."""

from __future__ import annotations

from kitty_paths.home import Home
from kitty_paths.layout import POSIX_ASSET_HOME


class AssetHome(Home):
    """Where runtime assets live: `SPEC_KITTY_HOME` when set, else `~/.kittify`, on Windows local application data.

    With the variable set, or on Windows, it is the state root's directory; upstream made it so and the names below them
    do not meet.
    """

    __slots__ = ()

    posix_name = POSIX_ASSET_HOME
