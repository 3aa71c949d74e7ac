"""What mutators put into heads and logs: what is right there, what is nearly right, and what is not."""

from __future__ import annotations

from typing import Any

from soak.promises import BOM
from support.reducing import LANES, SOURCES

# Few names, times and ids, so that they meet.
GOOD: dict[str, tuple[Any, ...]] = {
    "wp_id": ("WP01", "WP01", "WP02", "WP03"),
    "at": ("2026-03-01T10:00:00.000001+00:00", "2026-03-01T10:00:00Z", "2026-03-01T10:00:00+00:00", "a", "b"),
    "event_id": (*"ABCDEFGHIJKLMNOPa", "01KJM21FXF8MHPHQ48X8EWFD7A", "01KW1T45AEKNQFXVAMVPV89NVB"),
    "from_lane": (*SOURCES, "in_review", "in_review", "for_review", "for_review"),
    "to_lane": (*LANES, "in_progress", "in_progress", "in_progress"),
    "review_ref": (None, "", "feedback://001/WP01", "review-cycle://001/WP01/1", "action-review-claim"),
}
OTHER: dict[str, tuple[Any, ...]] = {
    "work_package_id": ("WP01", "WP02"),
    "kind": ("annotation",),
    "delta": (
        {"note": "x"},
        {"subtasks": {"T001": "done"}, "agent": "claude"},
        {"tracker_refs": ["a"]},
        {"tracker_refs_replace": ["b"], "shell_pid": ""},
        {"review": {"verdict": "approved"}, "review_result": {"verdict": "rejected"}},
        {"release_runtime_claim": True, "notes": ["y"]},
        {},
    ),
    "event_type": ("WPCreated", "TasksStarted"),
    "payload": ({}, {"to_lane": "done"}),
    "aggregate_id": ("WP05",),
    "event_name": ("retrospective.completed",),
    "type": ("RetrospectiveSkipped", "RetrospectiveCaptured"),
    "actor": ("ada", {"role": "x", "profile": "y", "tool": "z", "model": "m"}),
    "force": (True, False),
    "policy_metadata": (None, {"shell_pid": 1, "agent": "claude"}),
    "review_result": (None, {"verdict": "changes_requested", "reviewer": "bo", "reference": "x"}, {"verdict": ""}),
    "evidence": (None, {"review": {"verdict": "approved", "reviewer": "bo", "reference": "x"}}),
}
ODD: dict[str, tuple[Any, ...]] = {
    "wp_id": ("WP1", "WP", "../x", "wp01", "WP01\n", "WP\u0661", "", None, 1, ["WP01"]),
    "at": ("", None, 1, "\ud800", "\U0010ffff", ["a"]),
    "event_id": ("", None, 7, "\ud800", ["A"], "A\u2028"),
    "from_lane": ("doing", "Done", " done", "", None, 3, []),
    "to_lane": ("doing", "Done", " done", "genesis", "uninitialized", "", None, 3, [], {}),
    "review_ref": (1, [], {}),
    "kind": ("surprise", None, ["annotation"]),
    "delta": (
        *(None, [], "x", {"note": None}, {"notes": 5}, {"subtasks": "x"}, {"subtasks": [1]}, {"tracker_refs": "x"}),
        *({"tracker_refs": 1}, {"tracker_refs_replace": 5}, {"tracker_refs": [[], {}]}, {"review": "x"}),
    ),
    "event_type": (1, None, "Surprise"),
    "event_name": ("other", 1, None),
    "type": ("Other", None),
    "actor": ("", None, 3),
    "force": ("yes", None),
    "policy_metadata": ({"shell_pid": "", "agent": []}, [], "x"),
    "review_result": ("x", [], {"verdict": 3}),
    "evidence": ("x", [], {"review": 1}),
    "reason": ("x\u2028y", "\ud800", "\x1b[2J", 1e400, 10**400),
}
OTHER_EVENTS = (
    ("kind", "delta", "wp_id", "at", "event_id"),
    ("kind", "delta", "wp_id", "at", "event_id"),
    ("event_type", "payload", "wp_id"),
    ("event_type", "aggregate_id"),
    ("event_name", "at"),
    ("type",),
)
ODD_LINES = (
    b"", b" ", b"\t\r", b"{}", b"[]", b"null", b"1", b'"done"', b'{"a": NaN}', b'{"a": 1e999}', b"[" * 3000,
    b'{"a": ' + b"9" * 4400 + b"}", b"<<<<<<< HEAD", b"=======", b">>>>>>> other", BOM, BOM + b"{}", b"\xff", b"\0",
    b'{"to_lane": "done", "to_lane": "planned"}', b"{'to_lane': 'done'}", b"//", b"\xc2\x85", b"\xe2\x80\xa8",
)  # fmt: skip

HEAD_LINES = (
    b"lane: doing", b'lane: "done"', b"lane: 'planned'  # DO NOT EDIT", b"lane:", b"lane: [done]", b"lane: {a: b}",
    b"lane: !!str 0012", b"lane: &x done", b"agent: *x", b"lane: |", b"lane: >-", b"lane: |2-", b"  for_review",
    b"  - timestamp: 2026-01-10T10:00:00Z", b'    lane: "planned"', b"- WP01", b"  - WP01", b"history:", b"no: no",
    b"shell_pid: 0012", b"on: 1_000", b"at: 2026-01-01", b"title: a: b", b"title: it's", b"title: 'it''s'", b"? lane",
    b": done", b"? [a, b]", b"? |", b"<<: *x", b"{lane: done}", b"{", b"}", b"[", b"]", b"# lane: done", b"...",
    b"--- {}", b"----", b" ---", b"---x", b"--- # x", b"%YAML 1.1", b"%YAML 1.99", b"%TAG ! tag:yaml.org,2002:",
    b"<<<<<<< HEAD", b"=======", b">>>>>>> b", b'"lane": done', b"'lane': done", b'"la\\x6ee": done', b'lane: "do\\',
    b'  ne"', b"\ttab: x", b"a:\tb", b"lane : done", b"lane:done", b"~: x", b"null: x",
    b"!!python/name:os.system lane: x", b"", b"  ", b"title: \xe2\x80\x93", b"k: &a [*a]", b"k: !!binary aGk=",
    b'k: "\\U00110000"', b'k: "\\ud800"', b'k: "\\N"', b"dependencies: []", b'dependencies: "[]"', b"title: - x",
    b"title: -x", b"title: @x", b"title: `x`", b"title: %x",
)  # fmt: skip
KEYS = (
    b"lane",
    b"agent",
    b"title",
    b"shell_pid",
    b"phase",
    b"k",
    b"'k'",
    b'"k"',
    b"a b",
    b"1",
    b"~",
    b"on",
    b"k:k",
    b"x-y",
)
VALUES = (
    b"done", b'"done"', b"'done'", b"in_progress  # why", b"0012", b"no", b"~", b"", b"2026-01-01", b"1e3", b"0x1F",
    b"10:00:00Z", b"it's", b"'it''s'", b'"a\\tb"', b"[a, b]", b"{a: b, c: [d]}", b"[]", b"{}", b"a, b", b"a#b", b"-1",
    b"|\n  text\n  - x: y", b">-\n  folded\n   more", b"\n  - a\n  - b: c\n    d: e", b"\n  k: v\n  l:\n    m: n",
    b"one\n  two", b'"one\n  two"', b"&a x", b"!!str 1", b"!!int 0012", b"<x>", b"\xc3\xa9\xe2\x80\x93", b"@x", b"%x",
)  # fmt: skip
PIECES = (
    b"'", b'"', b"\\", b": ", b":", b" #", b"#", b"- ", b"? ", b", ", b"[", b"]", b"{", b"}", b"&a ", b"*a", b"!",
    b"!!str ", b"!<x> ", b"|", b">", b"|-\n", b">+\n ", b"|9\n", b"\t", b"\r", b"\r\n", b"\n", b"\n\n", b"\n  ", b" ",
    b"  ", b"---", b"\n---\n", b"\n...\n", b"%", b"@", b"`", b"~", b"<<", b"=", BOM, b"\0", b"\x01", b"\x7f",
    b"\x0b", b"\x0c", b"\xff", b"\xc2\x85", b"\xc2\xa0", b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xef\xbf\xbe",
    b"\xf0\x9f\x98\x80", b"\\x41", b"\\u2028", b"\\U00110000", b"\\ud83d", b"\\_", b"\\\n", b"''", b'""', b"lane",
    b"lane: done\n", b"history:\n  - lane: done\n",
)  # fmt: skip
