"""A command that writes the log says which of its lines no event has, and its status does not follow them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from guardian.transitions.flow import FEATURE, Flow
from support.repositories import transition

LOG = f"kitty-specs/{FEATURE}/status.events.jsonl"


def _forge(flow: Flow, *lanes: str) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    with (flow.root / LOG).open("a") as log:
        for number, lane in enumerate(lanes):
            log.write(transition("WP02", lane, number=number, actor="mallory", at=later) + "\n")


def _status(flow: Flow) -> dict[str, str]:
    found = json.loads((flow.folder / "status.json").read_text())
    return {name: each["lane"] for name, each in found["work_packages"].items()}


@pytest.mark.parametrize(
    ("lanes", "said"),
    [
        (("done",), f"1 line of {LOG} is in no event and moves nothing"),
        (("claimed", "in_progress"), f"2 lines of {LOG} are in no event and move nothing"),
    ],
)
def test_they_are_told_and_move_nothing(flow: Flow, lanes: tuple[str, ...], said: str) -> None:
    flow.work_in_main("WP01", "WP02")
    _forge(flow, *lanes)
    outcome = flow.move("WP01", "blocked", reason="a cat")

    assert said in outcome.said
    assert _status(flow) == {"WP01": "blocked", "WP02": "planned"}
    assert flow.lane("WP02") == "planned"
    again = flow.move("WP01", "blocked")
    assert again.written == ()
    assert again.said == ("WP01 is blocked already",)


def test_where_writing_is_asking_the_status_says_what_the_log_says(flow: Flow) -> None:
    flow.work_in_main("WP01", "WP02")
    policy = flow.root / ".kittify/guardian.toml"
    policy.write_text(policy.read_text().replace('transitions = "explicit"', 'transitions = "gated"'))
    flow.repository.commit("gated")
    _forge(flow, "done")
    outcome = flow.move("WP01", "blocked", reason="a cat")

    assert f"1 line of {LOG} is in no event and moves nothing" in outcome.said
    assert _status(flow) == {"WP01": "blocked", "WP02": "done"}


def test_of_a_log_that_the_store_knows_nothing_is_said(flow: Flow) -> None:
    flow.work_in_main("WP01", "WP02")
    assert flow.move("WP01", "blocked", reason="a cat").said == ("WP01 went from in_progress to blocked",)
