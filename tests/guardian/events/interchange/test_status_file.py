"""`status.json` is what upstream would derive from the log, to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guardian.events.interchange.ours import STORY, moved
from kitty_guardian.events.lines import NO_LINE, render
from kitty_guardian.events.statusfile import agrees, materialise
from support.corpus import Release, corpus

EMPTY: dict[str, Any] = {}


def logs(release: Release) -> list[Path]:
    return [log for log in sorted(corpus(release).glob("kitty-specs/*/status.events.jsonl")) if _status(log).is_file()]


def _status(log: Path) -> Path:
    return log.with_name("status.json")


def written(log: Path) -> bytes:
    meta = log.with_name("meta.json")
    return materialise(log.read_bytes(), meta=json.loads(meta.read_text("utf-8-sig")) if meta.is_file() else EMPTY)


def log_of(*lines: bytes) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def test_every_status_file_of_3_2_2_is_written_again_byte_for_byte() -> None:
    assert [log.parent.name for log in logs("v3.2.2") if written(log) != _status(log).read_bytes()] == []
    assert len(logs("v3.2.2")) == 206


@pytest.mark.parametrize(("release", "count"), [("v2.1.0", 39), ("v3.1.0", 61)])
def test_older_status_files_say_the_same_of_every_work_package(release: Release, count: int) -> None:
    # Written by older tools: no field for the mission's type and number, no `in_review` in the summary, the time of
    # writing instead of the last event's.
    compared = 0
    for log in logs(release):
        ours, theirs = json.loads(written(log)), json.loads(_status(log).read_bytes())
        for key in ("work_packages", "event_count", "last_event_id"):
            assert ours[key] == theirs[key], log
        assert {lane: ours["summary"][lane] for lane in theirs["summary"]} == theirs["summary"], log
        assert agrees(_status(log).read_bytes(), log.read_bytes())
        compared += 1

    assert compared == count


def test_without_a_single_move_everything_is_empty() -> None:
    document = json.loads(materialise(b"", meta=EMPTY))

    assert document["work_packages"] == {}
    assert (document["event_count"], document["last_event_id"], document["materialized_at"]) == (0, None, "")
    assert set(document["summary"].values()) == {0}


def test_the_mission_is_described_by_its_meta_and_else_by_its_name() -> None:
    log = log_of(*(render(event, previous=NO_LINE) for event in STORY))
    told = json.loads(materialise(log, meta={"mission_type": "research", "mission_number": 7}))
    guessed = json.loads(materialise(log, meta=EMPTY))

    assert (told["mission_type"], told["mission_number"], told["mission_slug"]) == ("research", "7", "034-home-guard")
    assert (guessed["mission_type"], guessed["mission_number"]) == ("software-dev", "34")


def test_lifecycle_lines_and_lines_that_cannot_be_read_count_for_nothing() -> None:
    moves = [render(event, previous=NO_LINE) for event in STORY if event.event_type == "WPStatusChanged"]
    noise = [render(STORY[0], previous=NO_LINE), b"{", b"<<<<<<< HEAD", b'{"to_lane": "done"}', b""]

    assert materialise(log_of(*moves, *noise), meta=EMPTY) == materialise(log_of(*moves), meta=EMPTY)


@pytest.fixture
def log() -> bytes:
    return log_of(*(render(event, previous=NO_LINE) for event in STORY))


def test_a_status_file_agrees_with_the_log_it_was_made_from(log: bytes) -> None:
    assert agrees(materialise(log, meta=EMPTY), log)


@pytest.mark.parametrize(
    "change",
    [
        {"WP01": {"lane": "done"}}, {"WP09": {"lane": "planned"}}, {"WP02": None}, {"WP02": {}}, {"WP02": {"lane": 3}},
    ],
    ids=str,
)  # fmt: skip
def test_a_status_file_with_one_other_lane_does_not_agree(log: bytes, change: dict[str, Any]) -> None:
    document = json.loads(materialise(log, meta=EMPTY))
    document["work_packages"] |= change

    assert not agrees(json.dumps(document).encode(), log)


@pytest.mark.parametrize("status", [b"", b"{", b"[]", b"{}", b'{"work_packages": []}', b"\xff", b"[" * 100_000])
def test_what_is_no_status_file_agrees_with_nothing(status: bytes, log: bytes) -> None:
    assert not agrees(status, log)


def test_a_status_file_that_lacks_the_latest_move_does_not_agree(log: bytes) -> None:
    later = render(moved("WP02", "planned", "claimed", 8), previous=NO_LINE)

    assert not agrees(materialise(log, meta=EMPTY), log_of(log.rstrip(b"\n"), later))
