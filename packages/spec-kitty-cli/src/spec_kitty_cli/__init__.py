"""The `spec-kitty` command line: thin click adapters over kitty_paths, kitty_guardian and kitty_sync."""

from __future__ import annotations

__all__ = ["__version__"]

# Written out, because importlib.metadata alone costs as much CPU as all of click; a test holds it to the metadata.
__version__ = "0.1.0"
