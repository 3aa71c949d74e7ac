"""An event that calls itself history passes no validator, so it may stand only where a feature's history begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitty_guardian.errors import TransitionRefusedError
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.events.store import Write
from kitty_guardian.events.verification import verify
from kitty_guardian.model.events import Event, EventType, Source, feature_stream, work_package_stream

FEATURE = "001-home-guard"


def entered(phase: str, source: Source = Source.ADOPTION) -> Event:
    payload = {"feature": FEATURE, "phase": phase, "from_phase": None, "actor": "ada"}
    return new_event(EventType.PHASE_ENTERED, payload, metadata={"source": str(source), "feature": FEATURE})


def moved(to_lane: str, from_lane: str = "genesis") -> Event:
    payload = {
        "mission_slug": FEATURE, "wp_id": "WP01", "from_lane": from_lane, "to_lane": to_lane, "actor": "ada",
        "execution_mode": "worktree", "force": False, "reason": None, "review_ref": None, "evidence": None,
    }  # fmt: skip
    metadata = {"source": str(Source.ADOPTION), "feature": FEATURE}
    return new_event(EventType.WP_STATUS_CHANGED, payload, metadata=metadata)


HERE, PACKAGE = feature_stream(FEATURE), work_package_stream(FEATURE, "WP01")


def test_a_features_history_is_taken_in_one_piece(tmp_path: Path) -> None:
    with SqliteEventStore(tmp_path / "events.db") as store:
        store.commit([Write(HERE, [entered("implement")], -1), Write(PACKAGE, [moved("in_progress")], -1)])

        assert verify(store).ok


@pytest.mark.parametrize(
    "later",
    [Write(HERE, [entered("implement")], 0), Write(PACKAGE, [moved("in_progress")], -1)],
    ids=["another phase", "a lane"],
)
def test_later_history_is_refused_and_found_where_it_was_written_past_the_law(tmp_path: Path, later: Write) -> None:
    with SqliteEventStore(tmp_path / "events.db") as store:
        store.commit([Write(HERE, [entered("plan")], -1)])
        stopped = new_event(EventType.STOPPED, {"reason": "stop", "actor": "ada", "asked": True})
        store.append("audit-main", [stopped], expected_version=None)
        with pytest.raises(TransitionRefusedError) as caught:
            store.commit([later])
        assert caught.value.gate == "adoption"
        assert store.head()[0] == 2

    with SqliteEventStore(tmp_path / "events.db", validators=()) as lawless:
        lawless.commit([later])
    with SqliteEventStore(tmp_path / "events.db") as store:
        (broken,) = verify(store).breaks
        assert broken.position == 3
        assert "calls itself history" in broken.reason
