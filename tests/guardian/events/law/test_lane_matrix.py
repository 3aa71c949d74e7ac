"""Upstream's matrix written a second time, as a picture: every cell of `model.moves` fails here when it is changed.

This file is what the mutation run (`tools/mutate_tables.py`) runs, so it expects literals and derives nothing.
"""

from __future__ import annotations

import pytest

from kitty_guardian.model import moves
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.moves import Guard, guards_of, lanes_after, next_lane

# Rows: from. Columns: to. "-": no such move. "free": nothing is asked for. Else what is asked for.
TABLE = """
             planned     claimed  in_progress  for_review         in_review  approved         done             blocked  canceled
genesis      free        -        -            -                  -          -                -                -        free
planned      -           actor    -            -                  -          -                -                free     free
claimed      -           -        workspace    -                  -          -                -                free     free
in_progress  reason      -        -            subtasks+evidence  -          review           -                free     free
for_review   -           -        -            -                  actor      -                -                free     free
in_review    result      -        result       -                  -          result+approval  result+approval  result   result
approved     review_ref  -        review_ref   -                  -          -                review           free     free
done         -           -        -            -                  -          -                -                -        -
blocked      -           -        free         -                  -          -                -                -        free
canceled     -           -        -            -                  -          -                -                -        -
"""  # noqa: E501 - one row, one line
COLUMNS, *ROWS = (line.split() for line in TABLE.strip().splitlines())
CELLS = [(row[0], to_lane, cell) for row in ROWS for to_lane, cell in zip(COLUMNS, row[1:], strict=True)]


def lane(word: str) -> Lane | None:
    return None if word == "genesis" else Lane(word)


def test_the_picture_is_whole() -> None:
    assert len(CELLS) == 10 * 9
    assert set(COLUMNS) == set(Lane)


@pytest.mark.parametrize(("from_lane", "to_lane", "cell"), CELLS, ids=lambda word: word)
def test_every_move_asks_for_what_upstream_asks(from_lane: str, to_lane: str, cell: str) -> None:
    found = guards_of(lane(from_lane), Lane(to_lane))
    if cell == "-":
        assert found is None
    else:
        assert found == (frozenset() if cell == "free" else frozenset(cell.split("+")))


def test_genesis_is_no_lane_that_anything_reaches() -> None:
    assert moves.GENESIS == "genesis"
    assert "genesis" not in set(Lane)


def test_a_lane_leads_on_in_the_order_work_takes() -> None:
    assert {str(here): " ".join(lanes_after(here)) for here in (None, *Lane)} == {
        "None": "planned canceled",
        "planned": "claimed blocked canceled",
        "claimed": "in_progress blocked canceled",
        "in_progress": "for_review approved planned blocked canceled",
        "for_review": "in_review blocked canceled",
        "in_review": "approved done in_progress planned blocked canceled",
        "approved": "done in_progress planned blocked canceled",
        "done": "",
        "blocked": "in_progress canceled",
        "canceled": "",
    }


@pytest.mark.parametrize(
    ("from_lane", "to_lane", "first"),
    [
        ("genesis", "done", "planned"),
        ("planned", "done", "claimed"),
        ("planned", "in_progress", "claimed"),
        ("claimed", "planned", "in_progress"),
        ("in_progress", "done", "approved"),
        ("in_progress", "in_review", "for_review"),
        ("for_review", "approved", "in_review"),
        ("for_review", "in_progress", "in_review"),
        ("in_review", "for_review", "in_progress"),
        ("approved", "in_review", "in_progress"),
        ("blocked", "planned", "in_progress"),
        ("done", "planned", None),
        ("canceled", "in_progress", None),
    ],
)
def test_the_shortest_way_begins_with_the_usual_move(from_lane: str, to_lane: str, first: str | None) -> None:
    assert next_lane(lane(from_lane), Lane(to_lane)) == first


def test_each_guard_refuses_under_a_stable_name() -> None:
    assert {guard.name: guard.gate for guard in Guard} == {
        "ACTOR": "guard:actor",
        "WORKSPACE": "guard:workspace",
        "SUBTASKS": "guard:subtasks",
        "EVIDENCE": "guard:evidence",
        "REASON": "guard:reason",
        "REVIEW_REF": "guard:review_ref",
        "REVIEW": "guard:review",
        "RESULT": "guard:review",
        "APPROVAL": "guard:review",
    }
