"""The logs of release 3.2.2 beside the law. They are history: adopted, they are judged by nothing and fold as written.

The counts say how far the matrix describes what that release did, and what a teammate who still uses it would meet.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from guardian.events.law.asking import event, gate
from kitty_guardian.events.board import Board
from kitty_guardian.model.events import work_package_stream
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.moves import guards_of
from support.corpus import corpus
from support.reducing import reduced

FIELDS = ("wp_id", "from_lane", "to_lane", "actor", "execution_mode", "force", "reason", "review_ref", "evidence")


@functools.cache
def logs() -> tuple[tuple[str, bytes], ...]:
    found = sorted(corpus("v3.2.2").glob("kitty-specs/*/status.events.jsonl"))
    return tuple((path.parent.name, path.read_bytes()) for path in found)


def transitions(log: bytes) -> Iterator[dict[str, Any]]:
    """The transitions of one log in the order in which they are folded."""
    lines = [json.loads(line) for line in log.splitlines() if line.strip()]
    moves = [line for line in lines if "to_lane" in line and "kind" not in line and "event_type" not in line]
    yield from sorted(moves, key=lambda line: (line["at"], is_rollback(line), line["event_id"]))


def is_rollback(line: dict[str, Any]) -> bool:
    if line["to_lane"] != "in_progress":
        return False
    return line["from_lane"] == "in_review" or (line["from_lane"] == "for_review" and line["review_ref"] is not None)


def replayed(source: str) -> Iterator[tuple[str, bytes, Board, Counter[str]]]:
    """Each log on a board of its own, whatever the law says of its lines, and what it says."""
    for feature, log in logs():
        board, said = Board(), Counter[str]()
        seen: set[str] = set()
        for line in transitions(log):
            if line["event_id"] in seen:
                continue
            seen.add(line["event_id"])
            payload = {"mission_slug": feature, **{field: line[field] for field in FIELDS}}
            stream = work_package_stream(feature, line["wp_id"])
            said[gate(event("WPStatusChanged", stream, payload, {"source": source}), board) or "accepted"] += 1
            board.apply(event("WPStatusChanged", stream, payload, {"source": "adoption"}))
        yield feature, log, board, said


def test_adopted_history_passes_and_folds_to_where_upstream_has_it() -> None:
    for feature, log, board, said in replayed("adoption"):
        assert set(said) <= {"accepted"}
        lanes = {name: str(lane) for name, lane in board.feature(feature).lanes().items()}
        assert lanes == reduced(log).lanes


def test_most_unforced_moves_are_edges_and_the_others_were_edges_once() -> None:
    edges: Counter[tuple[str, str]] = Counter()
    for _, log in logs():
        edges.update((line["from_lane"], line["to_lane"]) for line in transitions(log) if not line["force"])
    outside = {edge: number for edge, number in edges.items() if not is_edge(*edge)}
    assert outside == {("for_review", "approved"): 61, ("for_review", "done"): 23}
    assert sum(edges.values()) - sum(outside.values()) == 5506


def is_edge(from_lane: str, to_lane: str) -> bool:
    return guards_of(None if from_lane == "genesis" else Lane(from_lane), Lane(to_lane)) is not None


def test_most_of_what_a_teammate_on_that_release_did_would_be_taken_over() -> None:
    total: Counter[str] = Counter()
    for *_, said in replayed("git"):
        total += said
    # The rest: what the matrix no longer has; what old bugs wrote beside where the work package stood; and one approval
    # that names no reviewer.
    assert total == {"accepted": 7961, "matrix": 84, "continuity": 66, "guard:review": 1}
