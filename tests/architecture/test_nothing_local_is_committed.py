"""What is committed works on any machine: no paths of one machine, no package registry's address."""

from __future__ import annotations

import re

from support.checkout import ROOT, tracked

# Spelled in pieces, so that this file does not find itself.
LOCAL = re.compile(
    "|".join(
        [
            r"(?<![\w.~}\"'-])/(?:" + "|".join(["wor" + "k", "roo" + "t"]) + r")/\w",
            "/tmp/" + "(?:plan|bash_jobs|uvenv)",
            "pypi" + r"\.org",
            "python" + r"hosted\.org",
            "npmjs" + r"\.(?:org|com)",
            "proxy\\.golang" + r"\.org",
            "deb\\.debian" + r"\.org",
        ]
    )
)
EXEMPT = {"uv.lock"}  # written by uv, which records where each file came from


def test_no_tracked_file_names_a_machine_path_or_a_registry() -> None:
    found = []
    for path in tracked():
        name = path.relative_to(ROOT).as_posix()
        if name in EXEMPT:
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{name}:{number}: {line.strip()[:120]}" for number, line in enumerate(lines, 1) if LOCAL.search(line)
        ]
    assert not found, "\n".join(found)
