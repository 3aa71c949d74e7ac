"""Holds files against the promises of a parser: `python tests/soak/replay.py {frontmatter,statuslog} FILE…`.

Exit code 1 and the broken promise where one does not hold. Needs nothing that the tests do not need.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soak.promises import BrokenPromiseError, hold
from soak.targets import TARGETS


def main() -> int:
    """Says of each file what it breaks, or how many promises it was held against."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("target", choices=sorted(TARGETS))
    options.add_argument("files", type=Path, nargs="+", metavar="FILE")
    arguments = options.parse_args()
    target = TARGETS[arguments.target]
    code = 0
    for path in arguments.files:
        try:
            data = path.read_bytes()
            held = [*hold(target.promises, data), *hold(target.swelling, data)]
        except BrokenPromiseError as error:
            sys.stdout.write(f"{path}: broken: {error}\n")
            code = 1
        else:
            sys.stdout.write(f"{path}: {len(set(held))} promises hold\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
