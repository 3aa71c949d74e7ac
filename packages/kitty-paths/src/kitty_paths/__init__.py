"""Where Spec Kitty keeps its local state: an immutable `StateRoot` and its typed child paths.

>>> from kitty_paths import StateRoot
>>> str(StateRoot.resolve({}, platform="linux", home="/home/ada").sync.config)
'/home/ada/.spec-kitty/config.toml'
"""

from __future__ import annotations

from kitty_paths.assets import AssetHome
from kitty_paths.errors import (
    InvalidRepositoryPathError,
    InvalidStateRootError,
    KittyPathsError,
    UnknownPlatformError,
    UnknownSurfaceError,
)
from kitty_paths.platforms import Platform
from kitty_paths.repository import GuardianState, RepositoryState
from kitty_paths.resolution import RootSource
from kitty_paths.root import StateRoot
from kitty_paths.scopes import QueueScope, TrackerScope
from kitty_paths.surface import Kind, Surface

__all__ = [
    "AssetHome",
    "GuardianState",
    "InvalidRepositoryPathError",
    "InvalidStateRootError",
    "Kind",
    "KittyPathsError",
    "Platform",
    "QueueScope",
    "RepositoryState",
    "RootSource",
    "StateRoot",
    "Surface",
    "TrackerScope",
    "UnknownPlatformError",
    "UnknownSurfaceError",
]


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version  # only who asks pays for it

        return version("kitty-paths")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
