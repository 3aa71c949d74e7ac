"""Spec Kitty's local state at work: configuration, queues, clock, daemon and trackers below one `StateRoot`.

Import from the modules: `kitty_sync.config`, `kitty_sync.queue.events`, `kitty_sync.clock` and the rest.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    __version__: str

if not TYPE_CHECKING:  # pragma: no branch - a type checker would take the function for a promise that every name exists

    def __getattr__(name: str) -> str:
        if name == "__version__":
            from importlib.metadata import version  # only who asks pays for it

            return version("kitty-sync")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
