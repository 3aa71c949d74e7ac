"""What the store keeps, as commands tell it: the newest events, a copy of all, and whether all are what they were."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kitty_guardian.boards.reading import boards, report
from kitty_guardian.boards.recorded import export_to, exported, head_of, recent, verified
from kitty_guardian.errors import EventStoreError, InvalidValueError, NotARepositoryError, UnknownFeatureError
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.model.events import EventType, Source, audit_stream
from kitty_guardian.project.repository import find_worktree
from support.repositories import Repository

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# A feature's phase and two moves, and another feature's phase.
RECORDED = 4


def store_of(repository: Repository) -> Path:
    return Path(find_worktree(repository.path).state.events)


def blocked(repository: Repository, number: int, **payload: str) -> None:
    """Append `number` refusals to the audit trail."""
    fields: Mapping[str, Any] = {
        "feature": "001-cart",
        "work_package": None,
        "from": "implement",
        "to": "plan",
        "gate": "one-step",
        "reason": "no",
        "hint": None,
        "actor": "ada",
        "layer": "command",
    }
    events = [
        new_event(EventType.PHASE_BLOCKED, {**fields, **payload}, metadata={"source": Source.COMMAND})
        for _ in range(number)
    ]
    with SqliteEventStore(store_of(repository)) as store:
        store.append(audit_stream("main"), events, expected_version=None)


def test_the_newest_events_come_oldest_first(shop: Repository) -> None:
    events = recent(shop.path, limit=2)

    assert [event.position for event in events] == [RECORDED - 1, RECORDED]


def test_without_a_limit_everything_comes(shop: Repository) -> None:
    blocked(shop, 1200)

    events = recent(shop.path)

    assert [event.position for event in events] == list(range(1, RECORDED + 1201))


def test_only_what_came_after_a_position_is_told(shop: Repository) -> None:
    assert [event.position for event in recent(shop.path, after=RECORDED - 1)] == [RECORDED]
    assert recent(shop.path, after=10**17) == ()


def test_events_about_one_feature_are_found_far_back(shop: Repository) -> None:
    blocked(shop, 700, feature="001-cart")

    events = recent(shop.path, feature="002", limit=5)

    assert [(event.stream, event.payload["feature"]) for event in events] == [("feature-002-pay", "002-pay")]


def test_what_was_refused_in_a_feature_is_about_it(shop: Repository) -> None:
    blocked(shop, 1, feature="002-pay")

    assert [event.event_type for event in recent(shop.path, feature="002-pay")] == [
        EventType.PHASE_ENTERED,
        EventType.PHASE_BLOCKED,
    ]


def test_a_feature_that_nobody_knows_is_an_error(shop: Repository) -> None:
    with pytest.raises(UnknownFeatureError):
        recent(shop.path, feature="009")


def test_without_a_store_there_is_nothing_and_that_is_no_error(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "new")

    assert recent(repository.path) == ()
    assert head_of(repository.path) == (0, "")
    assert verified(repository.path) is None
    assert [line["position"] for line in exported(repository.path)] == [0]
    assert not store_of(repository).exists()


def test_outside_of_a_repository_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotARepositoryError):
        recent(tmp_path)


def test_the_export_ends_with_the_head_that_the_store_has(shop: Repository) -> None:
    *events, last = exported(shop.path)

    assert [event["position"] for event in events] == list(range(1, RECORDED + 1))
    assert (last["position"], last["hash"]) == head_of(shop.path) == (RECORDED, events[-1]["hash"])


def test_an_export_follows_a_link_and_replaces_nothing_but_files(shop: Repository, tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "events.jsonl", tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(target)
    os.mkfifo(pipe)

    export_to(shop.path, link)

    assert link.is_symlink()
    assert len(target.read_text(encoding="utf-8").splitlines()) == RECORDED + 1
    for place in (pipe, tmp_path, Path("/dev/null"), tmp_path / "none" / "events.jsonl"):
        with pytest.raises(InvalidValueError):
            export_to(shop.path, place)
    assert pipe.is_fifo()


def test_an_untouched_store_is_verified_up_to_its_head(shop: Repository) -> None:
    head = head_of(shop.path)
    blocked(shop, 1)

    found = verified(shop.path, head=head)

    assert found is not None
    assert (found.ok, found.events) == (True, RECORDED + 1)


def test_events_that_were_cut_off_are_missed_by_whoever_kept_the_head(shop: Repository) -> None:
    before = store_of(shop).read_bytes()
    blocked(shop, 1)
    head = head_of(shop.path)
    store_of(shop).write_bytes(before)

    found = verified(shop.path, head=head)

    assert found is not None
    assert [each.position for each in found.breaks] == [RECORDED + 1]


def test_a_store_that_is_gone_is_missed_by_whoever_kept_the_head(shop: Repository) -> None:
    head = head_of(shop.path)
    shutil.rmtree(store_of(shop).parent)

    found = verified(shop.path, head=head)

    assert found is not None
    assert [(each.position, each.reason) for each in found.breaks] == [
        (RECORDED, "is cut off: there is no store any more")
    ]


def test_a_changed_event_is_named(shop: Repository) -> None:
    with sqlite3.connect(store_of(shop)) as connection:
        connection.execute("DROP TRIGGER events_never_change")
        connection.execute("UPDATE events SET payload = replace(payload, 'ada', 'eve') WHERE position = 2")
    connection.close()

    found = verified(shop.path)

    assert found is not None
    assert 2 in [each.position for each in found.breaks]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            '"to_lane":"in_progress"',
            '"to_lane":"in_progres_"',
            "WP01 of 001-cart is in 'in_progres_', which is no lane",
        ),
        ('"phase":"implement"', '"phase":"implemenT"', "001-cart entered 'implemenT', which is no phase"),
    ],
)
def test_a_changed_row_is_told_by_every_board(shop: Repository, before: str, after: str, said: str) -> None:
    data = store_of(shop).read_bytes()
    assert before.encode() in data
    with contextlib.suppress(FileNotFoundError):
        store_of(shop).with_name("events.db-wal").unlink()
    store_of(shop).write_bytes(data.replace(before.encode(), after.encode()))
    for look in (
        lambda: boards(shop.path),
        lambda: boards(shop.path, details=False),
        lambda: boards(shop.path, every=True),
        lambda: report(shop.path, "WP01", feature="001-cart"),
    ):
        with pytest.raises(EventStoreError, match=re.escape(said)) as refused:
            look()
        assert refused.value.hint == "spec-kitty events verify"
