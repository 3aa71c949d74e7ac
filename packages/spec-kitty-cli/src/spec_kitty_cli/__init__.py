"""The `spec-kitty` command line: thin click adapters over kitty_paths and kitty_guardian."""

from __future__ import annotations

__all__ = ["__version__"]

# Written out, because importlib.metadata alone costs as much CPU as all of click; a test holds it to the metadata.
__version__ = "0.1.0"
