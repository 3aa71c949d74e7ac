from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from kitty_guardian.errors import GuardianError
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.detecting import detect_phase
from kitty_guardian.project.pins import SCHEMA, Adoption, AdoptionError, effective_phase, states_of
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.rules.situation import FeatureState
from support.repositories import Repository, work_package_text

ADOPTION = Adoption(
    at=datetime(2026, 3, 1, 10, tzinfo=UTC),
    head="a" * 40,
    bound=("001-one",),
    every=False,
    features={
        "001-one": FeatureState(Phase.PLAN),
        "002-two": FeatureState(Phase.TASKS, finished=True, changes_requested=True),
        "003-torn": FeatureState(
            Phase.REVIEW,
            candidates=(Phase.IMPLEMENT, Phase.REVIEW),
            malformed=("kitty-specs/003-torn/status.events.jsonl",),
        ),
    },
    reasons=("taking over",),
    part="lane-a",
    scope=("WP02", "WP03"),
)


def test_files_in_the_work_tree_never_move_the_effective_phase(repository: Repository) -> None:
    directory = repository.feature("001-one", "plan")
    worktree = find_worktree(repository.path, env=repository.environment)
    assert effective_phase(ADOPTION, "001-one", worktree) is Phase.PLAN

    repository.write("kitty-specs/001-one/tasks/WP01.md", work_package_text("WP01", lane="doing"))

    assert detect_phase(directory).phase is Phase.IMPLEMENT
    assert effective_phase(ADOPTION, "001-one", worktree) is Phase.PLAN


def test_a_feature_without_a_record_is_in_research(repository: Repository) -> None:
    repository.feature("009-new", "implement")
    worktree = find_worktree(repository.path, env=repository.environment)

    assert effective_phase(ADOPTION, "009-new", worktree) is Phase.RESEARCH


def test_a_record_survives_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "spec-kitty" / "guardian" / "adoption.json"

    ADOPTION.write(path)

    assert Adoption.read(path) == ADOPTION
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert json.loads(path.read_text())["schema"] == SCHEMA == "spec-kitty/adoption/1"


def test_a_record_without_a_commit_survives_too(tmp_path: Path) -> None:
    record = Adoption(at=datetime(2026, 3, 1, tzinfo=UTC), head=None, bound=(), every=True, features={})

    record.write(tmp_path / "adoption.json")

    assert Adoption.read(tmp_path / "adoption.json") == record


def test_it_is_kept_where_the_work_tree_keeps_its_state(repository: Repository) -> None:
    place = find_worktree(repository.path, env=repository.environment).state.guardian.adoption

    ADOPTION.write(place)

    assert Path(place) == repository.path / ".git" / "spec-kitty" / "guardian" / "adoption.json"
    assert Adoption.read(place) == ADOPTION


def test_a_record_of_an_older_guardian_is_read_as_one_without_doubts(tmp_path: Path) -> None:
    old = {key: value for key, value in GOOD.items() if key not in {"part", "scope"}}
    old["features"] = {
        name: {key: value for key, value in state.items() if key not in {"candidates", "malformed"}}
        for name, state in GOOD["features"].items()
    }
    (tmp_path / "adoption.json").write_text(json.dumps(old))

    read = Adoption.read(tmp_path / "adoption.json")

    assert read is not None
    assert (read.part, read.scope) == ("", ())
    assert read.features["003-torn"] == FeatureState(Phase.REVIEW)


CERTAIN = PhaseReport("001-one", Phase.IMPLEMENT, candidates=(Phase.IMPLEMENT,), changes_requested=True)
TORN = PhaseReport(
    "001-one",
    Phase.TASKS,
    work_packages={"WP02": Lane.DONE},
    candidates=(Phase.TASKS, Phase.IMPLEMENT),
    unreadable=("WP01",),
    malformed=("kitty-specs/001-one/tasks/WP01.md",),
)


def test_what_is_certain_is_pinned_afresh_whatever_was_recorded() -> None:
    expected = {"001-one": FeatureState(Phase.IMPLEMENT, changes_requested=True)}

    assert states_of({"001-one": CERTAIN}) == states_of({"001-one": CERTAIN}, ADOPTION) == expected


def test_in_doubt_the_recorded_phase_stays_and_the_file_can_be_mended() -> None:
    assert states_of({"001-one": TORN}, ADOPTION) == {"001-one": FeatureState(Phase.PLAN, malformed=TORN.malformed)}


def test_in_doubt_what_was_finished_may_have_been_taken_up_again() -> None:
    finished = attrs.evolve(ADOPTION, features={"001-one": FeatureState(Phase.REVIEW, finished=True)})

    assert (
        states_of({"001-one": TORN}, finished)
        == states_of({"001-one": TORN})
        == {"001-one": FeatureState(Phase.TASKS, candidates=TORN.candidates, malformed=TORN.malformed)}
    )


def test_in_doubt_every_candidate_counts_where_nothing_was_recorded() -> None:
    expected = {"001-one": FeatureState(Phase.TASKS, candidates=TORN.candidates, malformed=TORN.malformed)}
    other = attrs.evolve(ADOPTION, features={"002-two": FeatureState(Phase.PLAN)})

    assert states_of({"001-one": TORN}) == states_of({"001-one": TORN}, other) == expected


def test_a_doubt_that_was_recorded_stays_until_it_is_settled() -> None:
    recorded = attrs.evolve(ADOPTION, features=states_of({"001-one": TORN}))

    assert states_of({"001-one": TORN}, recorded) == recorded.features
    assert states_of({"001-one": CERTAIN}, recorded)["001-one"].candidates == ()


def test_a_malformed_file_that_doubts_nothing_can_be_mended_too() -> None:
    report = attrs.evolve(CERTAIN, malformed=("kitty-specs/001-one/tasks/WP09.md",))

    assert states_of({"001-one": report})["001-one"] == FeatureState(
        Phase.IMPLEMENT, changes_requested=True, malformed=("kitty-specs/001-one/tasks/WP09.md",)
    )


def test_no_record_is_none(tmp_path: Path) -> None:
    assert Adoption.read(tmp_path / "adoption.json") is None


def test_writing_replaces_the_old_record_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "adoption.json"
    path.write_text("old")

    ADOPTION.write(path)

    assert Adoption.read(path) == ADOPTION
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_record_and_leaves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "adoption.json"
    path.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kitty_guardian.project.pins.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        ADOPTION.write(path)

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


GOOD: dict[str, Any] = ADOPTION.to_json()
STATE = GOOD["features"]["001-one"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "document is list, not dict"),
        ({}, "schema is None"),
        (GOOD | {"schema": "spec-kitty/adoption/2"}, "schema is 'spec-kitty/adoption/2'"),
        (GOOD | {"at": "yesterday"}, "yesterday"),
        (GOOD | {"at": "2026-03-01T10:00:00"}, "needs its offset from UTC"),
        (GOOD | {"at": 3}, "at is int, not str"),
        (GOOD | {"head": 3}, "head is int, not str"),
        (GOOD | {"bound": "001-one"}, "bound is str, not list"),
        (GOOD | {"bound": [1]}, "bound is int, not str"),
        (GOOD | {"every": 1}, "every is int, not bool"),
        (GOOD | {"features": []}, "features is list, not dict"),
        (GOOD | {"features": {"x": []}}, r"features\.x is list, not dict"),
        (GOOD | {"features": {"x": STATE | {"phase": "doing"}}}, "'doing' is not a valid Phase"),
        (GOOD | {"features": {"x": STATE | {"finished": None}}}, r"features\.x\.finished is NoneType, not bool"),
        (
            GOOD | {"features": {"x": {"phase": "plan", "finished": True}}},
            r"features\.x\.changes_requested is NoneType",
        ),
        (GOOD | {"reasons": None}, "reasons is NoneType, not list"),
        (GOOD | {"part": None}, "part is NoneType, not str"),
        (GOOD | {"scope": "WP02"}, "scope is str, not list"),
        (GOOD | {"features": {"x": STATE | {"candidates": "plan"}}}, r"features\.x\.candidates is str, not list"),
        (GOOD | {"features": {"x": STATE | {"candidates": ["doing"]}}}, "'doing' is not a valid Phase"),
        (GOOD | {"features": {"x": STATE | {"malformed": [1]}}}, r"features\.x\.malformed is int, not str"),
    ],
)
def test_a_record_that_is_wrong_is_an_error_that_names_the_field(
    tmp_path: Path, document: object, message: str
) -> None:
    path = tmp_path / "adoption.json"
    path.write_text(json.dumps(document))

    with pytest.raises(GuardianError, match=message) as caught:
        Adoption.read(path)

    assert caught.value.message.startswith(f"the adoption record {path} cannot be used: ")
    assert caught.value.hint == "record it anew from HEAD with: spec-kitty guardian restart"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_record_that_is_no_json_is_an_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "adoption.json"
    path.write_bytes(data)

    with pytest.raises(GuardianError, match="cannot be used"):
        Adoption.read(path)


@pytest.mark.parametrize(
    "make",
    [os.mkdir, os.mkfifo, lambda path: path.symlink_to("elsewhere.json"), lambda path: path.symlink_to("nowhere")],
    ids=["a directory", "a pipe", "a link", "a link to nowhere"],
)
def test_a_record_that_is_no_file_is_an_error_and_no_wait(tmp_path: Path, make: Callable[[Path], None]) -> None:
    ADOPTION.write(tmp_path / "elsewhere.json")
    path = tmp_path / "adoption.json"
    make(path)

    with pytest.raises(AdoptionError, match=f"it is not a regular file|{os.strerror(21)}") as caught:
        Adoption.read(path)

    assert caught.value.exit_code == 2
