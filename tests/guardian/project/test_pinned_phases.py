from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kitty_guardian.errors import GuardianError
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.features import detect_phase
from kitty_guardian.project.pins import SCHEMA, Adoption, effective_phase
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
    },
    reasons=("taking over",),
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


def test_a_record_that_is_a_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GuardianError, match=os.strerror(21)):
        Adoption.read(tmp_path)
