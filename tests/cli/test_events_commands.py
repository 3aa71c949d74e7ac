"""`events list`, `verify`, `export` and `guardian verify` through the real entry point."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kitty_guardian.errors import TransitionRefusedError, VersionConflict
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.model.events import EventType, Source, audit_stream
from kitty_guardian.project.repository import find_worktree
from spec_kitty_cli import boundary
from support.guarded import committed_beside
from support.recorded import record
from support.repositories import Repository

if TYPE_CHECKING:
    from cli.program import Program

FIELDS = [
    "schema",
    "position",
    "stream",
    "version",
    "event_id",
    "event_type",
    "at",
    "payload",
    "metadata",
    "previous",
    "hash",
]


@pytest.fixture
def recorded(in_shop: Program, shop: Repository) -> Program:
    """The program in the shop, whose features `001-cart` and `002-pay` were recorded."""
    shop.feature("002-pay", "implement", work_packages=("WP01", "WP02"), log=True)
    shop.commit()
    record(shop)
    return in_shop


def store_of(repository: Repository) -> Path:
    return Path(find_worktree(repository.path).state.events)


def change(repository: Repository, statement: str) -> None:
    """Do to the store what only somebody would do who goes around the program."""
    connection = sqlite3.connect(store_of(repository))
    for trigger in ("events_never_change", "events_never_go"):
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute(statement)
    connection.commit()
    connection.close()


def refusals(repository: Repository, number: int, **payload: Any) -> None:  # noqa: ANN401 - JSON
    """Append refusals to the audit trail."""
    fields = {
        "feature": "002-pay",
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
        new_event(EventType.PHASE_BLOCKED, fields | payload, metadata={"source": Source.COMMAND}) for _ in range(number)
    ]
    with SqliteEventStore(store_of(repository)) as store:
        store.append(audit_stream("main"), events, expected_version=None)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


# list


def test_events_are_listed_oldest_first_with_what_they_were_about(recorded: Program) -> None:
    outcome = recorded("events", "list")

    assert (outcome.code, outcome.err) == (0, "")
    rows = outcome.out.splitlines()
    assert [row.split()[0] for row in rows] == [str(position) for position in range(1, len(rows) + 1)]
    assert any("▸ plan phase" in row and row.endswith("001-cart, from adoption") for row in rows)
    assert any("● WP01 planned → in_progress" in row and "002-pay, by ada" in row for row in rows)


def test_events_are_json_lines_with_their_schema(recorded: Program) -> None:
    events = lines(recorded("events", "list", "--json").out)

    assert all(list(event) == FIELDS for event in events)
    assert {event["schema"] for event in events} == {"spec-kitty/event/1"}
    assert [event["previous"] for event in events[1:]] == [event["hash"] for event in events[:-1]]


def test_a_long_list_ends_with_the_newest_and_says_that_there_are_more(recorded: Program, shop: Repository) -> None:
    refusals(shop, 80)
    last = json.loads(recorded("events", "export", "--head", "--json").out)["position"]

    shown = recorded("events", "list")

    assert len(shown.out.splitlines()) == 50
    assert shown.out.splitlines()[-1].split()[0] == str(last)
    assert "--all" in shown.err
    assert len(recorded("events", "list", "--all").out.splitlines()) == last
    assert len(recorded("events", "list", "--limit", "3", "--json").out.splitlines()) == 3


def test_only_one_feature_or_only_what_came_later_can_be_asked_for(recorded: Program) -> None:
    cart = lines(recorded("events", "list", "--feature", "cart", "--json").out)
    later = lines(recorded("events", "list", "--after", "2", "--json").out)

    assert [event["stream"] for event in cart] == ["feature-001-cart"]
    assert later[0]["position"] == 3


def test_where_nothing_was_recorded_that_is_said(in_shop: Program) -> None:
    assert in_shop("events", "list") == (0, "", "nothing was recorded yet\n")
    assert in_shop("events", "verify").out == "nothing was recorded yet: there is no event store\n"
    assert in_shop("events", "verify", "--json").json["ok"] is True
    assert in_shop("events", "export", "--head") == (0, "", "nothing was recorded yet\n")
    assert lines(in_shop("events", "export").out) == [{"schema": "spec-kitty/events-head/1", "position": 0, "hash": ""}]


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\nb", "\x9b31m", "\u202ereversed"])
def test_nothing_that_was_recorded_can_steer_a_terminal(recorded: Program, shop: Repository, text: str) -> None:
    refusals(shop, 1, gate=text, actor=text, to=text)

    outcome = recorded("events", "list")

    assert outcome.code == 0
    assert all(letter.isprintable() for letter in outcome.out.replace("\n", ""))
    assert outcome.out.count("refused: ") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--limit", "0"),
        ("list", "--after", "-1"),
        ("list", "--after", "x"),
        ("list", "--feature", "009"),
        ("verify", "--head", "12"),
        ("verify", "--head", "12:abc"),
        ("verify", "--head", f"-1:{'0' * 64}"),
        ("verify", "--head", f"{'9' * 30}:{'0' * 64}"),
        ("export", "--output", "no/such/folder/file"),
        ("export", "--output", "src"),
    ],
)
def test_bad_arguments_end_with_2(recorded: Program, arguments: tuple[str, ...]) -> None:
    outcome = recorded("events", *arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")


# verify


def test_an_untouched_store_is_verified(recorded: Program) -> None:
    head = recorded("events", "export", "--head").out.strip()

    outcome = recorded("events", "verify", "--head", head)
    found = recorded("events", "verify", "--json").json

    assert outcome.code == 0
    assert outcome.out.startswith("✓ ")
    assert f"head {head}" in outcome.out
    assert (found["schema"], found["ok"], found["breaks"]) == ("spec-kitty/events-verify/1", True, [])
    assert f"{found['position']}:{found['head']}" == head


def test_the_first_broken_event_is_named(recorded: Program, shop: Repository) -> None:
    change(shop, "UPDATE events SET payload = replace(payload, 'in_progress', 'done') WHERE position = 4")

    outcome = recorded("events", "verify")
    found = recorded("events", "verify", "--json")

    assert outcome.code == found.code == 1
    assert "✗ position 4" in outcome.out
    assert "broken" in outcome.out
    assert 4 in [each["position"] for each in found.json["breaks"]]
    assert not found.json["ok"]


def test_events_cut_off_the_end_are_missed_with_an_exported_head(recorded: Program, shop: Repository) -> None:
    position, _, _ = (head := recorded("events", "export", "--head").out.strip()).partition(":")
    change(shop, "DELETE FROM events WHERE position = (SELECT max(position) FROM events)")

    outcome = recorded("events", "verify", "--head", head)

    assert outcome.code == 1
    assert f"position {position}" in outcome.out


def test_a_head_of_another_history_is_no_head_of_this_one(recorded: Program) -> None:
    outcome = recorded("events", "verify", "--head", f"1:{'0' * 64}")

    assert outcome.code == 1
    assert "position 1" in outcome.out


# export


def test_the_export_is_everything_and_then_the_head(recorded: Program, tmp_path: Path) -> None:
    written = recorded("events", "export", "--output", tmp_path / "events.jsonl")
    printed = recorded("events", "export")

    assert (written.code, written.out) == (0, "")
    assert (tmp_path / "events.jsonl").read_text(encoding="utf-8") == printed.out
    *events, head = lines(printed.out)
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    assert (head["position"], head["hash"]) == (len(events), events[-1]["hash"])
    assert recorded("events", "export", "--head").out == f"{head['position']}:{head['hash']}\n"


def test_an_export_that_fails_leaves_the_older_one(recorded: Program, shop: Repository, tmp_path: Path) -> None:
    place = tmp_path / "events.jsonl"
    place.write_text("an older one\n", encoding="utf-8")
    change(shop, "UPDATE events SET at = 'yesterday' WHERE position = 3")

    outcome = recorded("events", "export", "--output", place)

    assert outcome.code == 2
    assert place.read_text(encoding="utf-8") == "an older one\n"
    assert [each.name for each in tmp_path.iterdir() if "events" in each.name] == ["events.jsonl"]


def test_a_store_that_is_no_database_is_an_error_with_a_way_on(recorded: Program, shop: Repository) -> None:
    for name in ("events.db-wal", "events.db-shm"):
        store_of(shop).with_name(name).unlink(missing_ok=True)
    store_of(shop).write_bytes(b"this is no database, whatever it is called\n" * 200)

    for command in (("list",), ("export",), ("verify",)):
        outcome = recorded("events", *command)
        assert (outcome.code, outcome.out) == (2, ""), outcome
        assert str(store_of(shop)) in outcome.err


# guardian verify


def test_what_cannot_be_verified_is_null_and_said(in_shop: Program) -> None:
    outcome = in_shop("guardian", "verify", "--json")

    assert outcome.code == 0
    assert list(outcome.json)[:5] == ["schema", "chain_ok", "hooks_ok", "worktree_ok", "findings"]
    assert [outcome.json[name] for name in ("chain_ok", "hooks_ok", "worktree_ok")] == [None, None, None]
    assert [finding["code"] for finding in outcome.json["findings"]] == [
        "chain.none",
        "worktree.not-guarded",
        "hooks.none",
    ]
    shown = in_shop("guardian", "verify").out
    assert re.findall(r"^○ .*", shown, re.MULTILINE) == [
        "○ chain     not verified",
        "○ hooks     not verified",
        "○ worktree  not verified",
    ]
    assert "no guardian runs here" in shown


def test_a_line_that_was_taken_out_of_a_log_shows_in_the_line_that_named_it(
    recorded: Program, shop: Repository
) -> None:
    assert recorded("specify", "Home guard", "--actor", "ada").code == 0
    (log,) = shop.path.glob("kitty-specs/*-home-guard/status.events.jsonl")
    first, second = log.read_text().splitlines()
    assert "log.loose" not in recorded("guardian", "verify", "--json").out
    log.write_text(f"{second}\n")
    found = [each for each in recorded("guardian", "verify", "--json").json["findings"] if each["code"] == "log.loose"]

    assert "previous" in first
    assert [each["severity"] for each in found] == ["info"]
    assert f"{log.relative_to(shop.path)}:1 follows a line" in found[0]["message"]


def test_under_a_guardian_the_work_tree_is_compared(in_shop: Program) -> None:
    assert in_shop("guardian", "start").code == 0

    found = in_shop("guardian", "verify", "--json")

    assert found.code == 0, found
    assert (found.json["chain_ok"], found.json["worktree_ok"]) == (True, True)
    assert "✓ worktree" in in_shop("guardian", "verify").out


def test_what_the_guardian_finds_wrong_is_an_answer_of_no(in_shop: Program, shop: Repository) -> None:
    assert in_shop("guardian", "start").code == 0
    shop.git("update-ref", "HEAD", committed_beside(shop, {"src/app.py": "print('smuggled')\n"}))

    outcome = in_shop("guardian", "verify", "--json")

    assert (outcome.code, outcome.json["worktree_ok"]) == (1, False)
    assert outcome.json["findings"][0]["severity"] == "error"
    assert "✗ worktree  not as it should be" in in_shop("guardian", "verify").out


def test_a_broken_chain_is_an_answer_of_no(recorded: Program, shop: Repository) -> None:
    change(shop, "UPDATE events SET payload = replace(payload, 'in_progress', 'done') WHERE position = 4")

    outcome = recorded("guardian", "verify", "--json")

    assert (outcome.code, outcome.json["chain_ok"]) == (1, False)
    assert outcome.json["findings"][0]["severity"] == "error"
    assert "✗ chain     broken" in recorded("guardian", "verify").out


def test_a_store_that_cannot_be_read_is_no_proof(recorded: Program, shop: Repository) -> None:
    for name in ("events.db-wal", "events.db-shm"):
        store_of(shop).with_name(name).unlink(missing_ok=True)
    store_of(shop).write_bytes(b"no database\n" * 1000)

    outcome = recorded("guardian", "verify", "--json")

    assert (outcome.code, outcome.json["chain_ok"]) == (1, False)
    assert outcome.json["findings"][0]["code"] == "guardian.events.store"


# Refusals and conflicts, as the boundary tells them


def fail_with(error: Exception, *arguments: str) -> int:
    """Run a command that raises `error`."""
    import click

    from spec_kitty_cli.grouping import SETTINGS
    from spec_kitty_cli.options import json_option

    @click.group(context_settings=SETTINGS)
    def group() -> None: ...

    @group.command()
    @json_option
    def act() -> None:
        raise error

    return boundary.run(group, "spec-kitty", ["act", *arguments])


def test_a_refusal_names_its_gate_between_the_reason_and_the_way_on(capsys: pytest.CaptureFixture[str]) -> None:
    refusal = TransitionRefusedError("002-pay cannot enter plan", gate="gate:spec.md", hint="spec-kitty plan")

    assert fail_with(refusal) == 1
    assert capsys.readouterr().err == (
        "refused: 002-pay cannot enter plan\n  by gate:spec.md; nothing was changed\nhint: spec-kitty plan\n"
    )
    assert fail_with(refusal, "--json") == 1
    assert json.loads(capsys.readouterr().err)["gate"] == "gate:spec.md"


def test_a_conflict_shows_what_was_missed_beyond_what_its_message_names(
    recorded: Program, shop: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    del recorded
    with SqliteEventStore(store_of(shop)) as store:
        missed = tuple(store.read("workPackage-002-pay/WP01")) * 4
    stream = "workPackage-002-pay/WP01"
    conflict = VersionConflict("it is further", stream=stream, expected=-1, actual=0, missed=missed, hint="again")

    assert fail_with(conflict) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == ["error: it is further", "  what came in between:"]
    assert all("WP01 planned → in_progress" in line for line in said[2:6])
    assert said[-1] == "hint: again"
    assert fail_with(conflict, "--json") == 1
    told = json.loads(capsys.readouterr().err)
    assert (told["expected"], told["actual"], told["stream"]) == (-1, 0, stream)
    assert [event["event_id"] for event in told["missed"]] == [missed[0].event_id] * 4
