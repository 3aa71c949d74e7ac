"""The one module of this package that reads the process's environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType


def process_environment() -> Mapping[str, str]:
    """A snapshot of the environment this process runs in; it does not follow later changes."""
    return MappingProxyType(dict(os.environ))
