"""The two entry points: `spec-kitty`, and `spec-kitty-guardian`, which is its guardian group alone."""

from __future__ import annotations

import sys

from spec_kitty_cli import app, boundary


def main() -> int:
    """Run `spec-kitty` with this process's arguments; gives the exit code (contract, "Exit codes")."""
    return boundary.run(app.spec_kitty(), "spec-kitty", sys.argv[1:])


def guardian_main() -> int:
    """Run `spec-kitty-guardian` with this process's arguments; gives the exit code."""
    return boundary.run(app.spec_kitty_guardian(), "spec-kitty-guardian", sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
