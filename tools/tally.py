"""Add up pytest's JUnit files into the one closing line of `make test`."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def main(files: list[str]) -> int:
    total = failed = skipped = 0
    for file in files:
        if not Path(file).is_file():
            continue
        for suite in ET.parse(file).getroot().iter("testsuite"):  # noqa: S314 (our own pytest wrote it a moment ago)
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0))
    print(f"{total - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
