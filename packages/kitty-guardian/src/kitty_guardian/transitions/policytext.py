"""The text of a policy for a project that has none yet."""

from __future__ import annotations

import json
from collections.abc import Iterable


def policy_text(source: Iterable[str], tests: Iterable[str], *, gated: bool, allow_empty: bool) -> str:
    """The policy of a project that has none yet."""
    lines = [
        "# What may be written in which phase; a guardian holds it. Every value there is, with its default:",
        "#   spec-kitty guardian policy show --origin",
        "# Once a guardian runs, this file changes with: spec-kitty guardian policy edit",
        "",
        '# "explicit": phases move by command. "gated": creating the next artifact asks for its phase, too.',
        f'transitions = "{"gated" if gated else "explicit"}"',
        "",
        "# Where the project's own code lies: protected until a work package is implemented.",
        f"source = {_array(source)}",
        f"tests = {_array(tests)}",
    ]
    if allow_empty:
        lines += [
            "",
            "# There was no code yet when this was written. Take it out once there is: a guardian then does not start",
            "# where the roots above hold nothing.",
            "allow_empty_source = true",
        ]
    return "\n".join(lines) + "\n"


def _array(patterns: Iterable[str]) -> str:
    return f"[{', '.join(json.dumps(pattern, ensure_ascii=False) for pattern in patterns)}]"
