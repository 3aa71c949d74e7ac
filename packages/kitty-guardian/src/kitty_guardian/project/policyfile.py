"""The policy's file in a work tree."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from kitty_guardian.errors import PolicyError
from kitty_guardian.project.regular import read_regular
from kitty_guardian.rules.policy import POLICY_PATH

_LIMIT = 1 << 20


def says_transitions(text: str | None, *, default: str) -> str:
    """How a valid policy says that phases move (`explicit`, `gated`); `default` where it says nothing of it."""
    found = None if text is None else tomllib.loads(text).get("transitions")
    return found if isinstance(found, str) else default


def read_policy_file(root: Path) -> bytes | None:
    """The bytes of the policy as it stands in the work tree at `root`; None where there is none.

    Raises:
        PolicyError: Something else stands there, or it cannot be read: that must never pass for "no policy".
    """
    place = root / POLICY_PATH
    try:
        data = read_regular(place, _LIMIT + 1)
    except OSError as error:
        raise PolicyError(f"{POLICY_PATH} cannot be read: {error.strerror}", hint=f"ls -l {place}") from error
    if data is None and os.path.lexists(place):
        raise PolicyError(f"{POLICY_PATH} is not a regular file", hint=f"look at it with: ls -l {place}")
    if data is not None and len(data) > _LIMIT:
        raise PolicyError(f"{POLICY_PATH} is longer than {_LIMIT >> 20} MiB", hint=f"look at it with: ls -l {place}")
    return data
