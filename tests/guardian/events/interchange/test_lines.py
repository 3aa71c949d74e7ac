"""Lines of ours are written as upstream writes its own, and known again however they are spelled."""

from __future__ import annotations

import functools
import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.events.interchange.ours import START, STORY, entered, moved, sha, standing_of, ulid
from kitty_guardian.events.lines import NO_LINE, is_known, line_hash, loose, own_event, render, unknown
from kitty_guardian.events.statusrecords import event_of, records
from kitty_guardian.model.events import Event, Source
from support.corpus import corpus

MOVE = (
    '{"actor": "ada", "at": "2026-07-01T10:00:04+00:00", "event_id": "01KW1T45AEKNQFXV0000000004", "evidence": null, '
    '"execution_mode": "worktree", "force": false, "from_lane": "planned", "mission_id": "01KW1JXXTH8YVMADWF0G80H7AB", '
    '"mission_slug": "034-home-guard", "policy_metadata": null, "reason": null, "review_ref": null, '
    '"to_lane": "claimed", "wp_id": "WP01"}'
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@functools.cache
def real_lines() -> tuple[bytes, ...]:
    logs = sorted(corpus("v3.2.2").glob("kitty-specs/*/status.events.jsonl"))
    return tuple(line for log in logs for line in log.read_bytes().split(b"\n") if line)


def test_a_move_is_written_in_upstreams_words_order_and_spacing() -> None:
    assert render(moved("WP01", "planned", "claimed", 4), previous=NO_LINE) == MOVE.encode()


def test_a_review_result_is_written_where_there_is_one_and_a_mission_id_likewise() -> None:
    review = {"reviewer": "grace", "verdict": "approved", "reference": "PR#1"}
    event = moved("WP01", "in_review", "approved", 9, review_result=review)
    line = json.loads(render(attrs.evolve(event, metadata={"source": "command"}), previous=NO_LINE))

    assert line["review_result"] == review
    assert "mission_id" not in line
    assert line["policy_metadata"] is None


def test_text_of_any_language_is_written_in_ascii() -> None:
    line = render(moved("WP01", "planned", "claimed", 4, actor="Zoë", reason="naïve 你好"), previous=NO_LINE)

    assert line.isascii()
    assert json.loads(line)["reason"] == "naïve 你好"


def test_a_time_of_any_offset_is_written_in_utc() -> None:
    event = attrs.evolve(moved("WP01", "planned", "claimed", 4), at=START.astimezone().replace(microsecond=7))

    assert json.loads(render(event, previous=NO_LINE))["at"] == "2026-07-01T10:00:00.000007+00:00"


def test_every_real_move_of_3_2_2_is_written_again_byte_for_byte() -> None:
    written = 0
    for record in records(enumerate(real_lines())):
        if record.move is None or not record.move.at.endswith("+00:00"):
            continue
        event = event_of(record, "any", Source.ADOPTION, event_id=record.event_id, at=_at(record.at))
        assert render(event, previous=NO_LINE) == record.raw
        written += 1

    assert written > 7000


def _at(value: Any) -> Any:  # noqa: ANN401 - narrowed here
    assert value is not None
    return value


def test_what_upstream_wrote_is_hashed_as_it_stands() -> None:
    assert all(line_hash(line) == sha(line) for line in real_lines())


def test_a_phase_is_a_lifecycle_line_that_holds_the_line_before_it() -> None:
    line = json.loads(render(entered("implement", 3, "tasks"), previous="ab" * 32))

    assert (line["event_type"], line["aggregate_type"], line["aggregate_id"]) == (
        "PhaseEntered",
        "Mission",
        "034-home-guard",
    )
    assert (line["previous"], line["event_id"]) == ("ab" * 32, ulid(3))
    assert line["payload"]["phase"] == "implement"
    assert not {"from_lane", "to_lane", "kind"} & set(line)


@given(st.dictionaries(st.text(), VALUES, max_size=5), st.booleans(), st.booleans())
def test_however_json_is_spelled_its_hash_is_the_same(document: dict[str, Any], ascii_: bool, reverse: bool) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    shuffled = dict(sorted(document.items(), reverse=reverse))
    spelled = json.dumps(shuffled, ensure_ascii=ascii_, separators=(" ,", ":  "))

    assert line_hash(b" " + spelled.encode() + b"\r") == line_hash(json.dumps(document, sort_keys=True).encode())


@pytest.mark.parametrize(
    "raw",
    [
        b'{"to_lane": "planned", "to_lane": "done"}',
        b'{"inside": {"a": 1, "a": 2}}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b"\xff\xfe",
        b"<<<<<<< HEAD",
        b'{"cut": "o',
    ],
    ids=lambda raw: raw[:20].decode("latin-1"),
)
def test_what_readers_may_understand_differently_is_hashed_byte_for_byte(raw: bytes) -> None:
    assert line_hash(b"  " + raw + b"\r") == sha(raw)


def test_a_line_of_ours_is_known_however_it_is_spelled() -> None:
    standing = standing_of(*STORY)
    for event in STORY:
        line = render(event, previous="cd" * 32)
        again = json.dumps(dict(reversed(json.loads(line).items())), ensure_ascii=False, separators=(",", ":"))
        assert own_event(line, standing) == standing.own[event.event_id]
        assert is_known(again.encode(), standing)


@pytest.mark.parametrize(
    "change",
    [
        {"to_lane": "done"}, {"actor": "mallory"}, {"at": "2026-07-01T10:00:04.000001+00:00"}, {"extra": 1},
        {"event_id": ulid(77)}, {"event_id": 7}, {"policy_metadata": {}},
    ],
    ids=str,
)  # fmt: skip
def test_a_line_of_ours_with_one_word_changed_is_not_known(change: dict[str, Any]) -> None:
    assert is_known(MOVE.encode(), standing_of(*STORY))
    assert not is_known(json.dumps(json.loads(MOVE) | change).encode(), standing_of(*STORY))


@pytest.mark.parametrize("previous", [None, 7, ["ab"], {}])
def test_a_lifecycle_line_of_ours_that_holds_no_hash_is_not_known(previous: object) -> None:
    line = json.loads(render(STORY[0], previous=NO_LINE))

    assert not is_known(json.dumps(line | {"previous": previous}).encode(), standing_of(*STORY))


def test_an_imported_line_is_known_by_its_hash() -> None:
    foreign = b'{"event_type": "TasksStarted", "event_id": "x"}'
    note = Event("StatusLineRecorded", {}, event_id=ulid(50), at=START, stream=STORY[0].stream,
                 metadata={"source": "git", "line": line_hash(foreign)})  # fmt: skip

    assert is_known(b'{"event_id":"x","event_type":"TasksStarted"}', standing_of(*STORY, note))
    assert not is_known(foreign, standing_of(*STORY))


def test_unknown_lines_come_with_their_numbers_and_blank_ones_do_not_count() -> None:
    data = b"\xef\xbb\xbf" + MOVE.encode() + b"\r\n\n  \nforged\n" + MOVE.encode() + b"\n{}"

    assert unknown(data, standing_of(*STORY)) == ((4, b"forged"), (6, b"{}"))
    assert unknown(b"", standing_of()) == ()


def test_whoever_changes_or_takes_away_a_line_loosens_the_lifecycle_line_after_it() -> None:
    lines = [render(STORY[0], previous=NO_LINE), MOVE.encode()]
    lines.append(render(STORY[3], previous=sha(lines[-1])))
    foreign = b'{"event_type": "TasksStarted", "previous": "nowhere"}'

    assert loose(b"\n".join([*lines[:2], foreign, b"[]", b"{", lines[2]])) == ()
    assert loose(b"\n".join([lines[0], lines[2]])) == (2,)
    assert loose(b"\n".join([lines[0], lines[1].replace(b"ada", b"eve"), lines[2]])) == (3,)
