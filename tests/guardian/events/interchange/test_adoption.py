"""Where a feature is seen first, what commits hold of it becomes its history, and the board says what the files say."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kitty_guardian.events.board import Board
from kitty_guardian.events.importing import adopt
from kitty_guardian.events.lines import render, unknown
from kitty_guardian.events.logfile import append_pending
from kitty_guardian.events.sqlite import SqliteEventStore
from kitty_guardian.model.events import Event
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.project.survey import Survey, survey
from support.corpus import Release, corpus
from support.repositories import Repository, transition

LOG = "status.events.jsonl"


class Adopted:
    """A repository, what was found in it, and the store that took it over."""

    def __init__(self, worktree: Worktree, database: Path) -> None:
        self.found: Survey = survey(worktree, every=True)
        with SqliteEventStore(database) as store:
            self.left_out = adopt(store, worktree, self.found)
            self.events = tuple(store.read_all())
        self.board = Board(self.events)

    def of(self, event_type: str) -> list[Event]:
        return [event for event in self.events if event.event_type == event_type]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "project")


@pytest.fixture
def take_over(repository: Repository) -> Callable[[], Adopted]:
    worktree = find_worktree(repository.path)
    return lambda: Adopted(worktree, Path(worktree.state.events))


# Real trees


@pytest.fixture(scope="module", params=["v0.9.4", "v0.16.2", "v2.1.0", "v3.1.0", "v3.2.2"])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Release, Adopted]]:
    release: Release = request.param
    repository = Repository(tmp_path_factory.mktemp("real") / "project")
    shutil.copytree(corpus(release), repository.path, dirs_exist_ok=True)
    repository.commit()
    worktree = find_worktree(repository.path)
    yield release, Adopted(worktree, Path(worktree.state.events))
    shutil.rmtree(repository.path)


def test_every_real_feature_is_adopted_with_its_lanes_and_its_phase(real: tuple[Release, Adopted]) -> None:
    _, adopted = real

    assert adopted.left_out == ()
    assert set(adopted.board.features) == set(adopted.found.reports)
    for name, report in adopted.found.reports.items():
        standing = adopted.board.feature(name)
        assert standing.lanes() == report.work_packages, name
        assert standing.phase() is report.phase, name
        assert standing.finished is report.finished, name


def test_every_real_line_is_known_afterwards(real: tuple[Release, Adopted]) -> None:
    release, adopted = real
    logs = sorted(corpus(release).glob(f"kitty-specs/*/{LOG}"))

    assert [log for log in logs if unknown(log.read_bytes(), adopted.board.feature(log.parent.name))] == []
    lines = sum(len(log.read_bytes().split()) > 0 and log.read_bytes().count(b"\n") for log in logs)
    assert sum("line" in event.metadata for event in adopted.events) >= lines


@pytest.mark.parametrize("real", ["v3.2.2"], indirect=True)
def test_real_events_keep_upstreams_ids_times_and_words(real: tuple[Release, Adopted]) -> None:
    _, adopted = real

    moves = [event for event in adopted.of("WPStatusChanged") if "line" in event.metadata]
    assert len(moves) == 8112
    assert all(set(event.metadata.get("fields", {})) <= {"mission_id", "policy_metadata", "at"} for event in moves)
    assert all(event.payload["mission_slug"] and event.payload["from_lane"] for event in moves)
    assert Counter(event.event_type for event in adopted.events) == {
        "WPStatusChanged": 8112 + 23,
        "StatusLineRecorded": 8404 - 8112,
        "PhaseEntered": 206,
    }


def test_what_was_adopted_is_not_adopted_again(repository: Repository, take_over: Callable[[], Adopted]) -> None:
    repository.feature("001-login", "implement", log=True)
    repository.commit()
    first = take_over()

    assert take_over().events == first.events


# Where the history comes from


def test_a_lane_that_only_the_work_tree_has_is_no_history(
    repository: Repository, take_over: Callable[[], Adopted]
) -> None:
    repository.feature("001-login", "tasks", log=True)
    repository.commit()
    repository.write(f"kitty-specs/001-login/{LOG}", transition("WP01", "done") + "\n")
    repository.write("kitty-specs/001-login/plan.md", "")

    assert take_over().board.feature("001-login").lanes() == {"WP01": Lane.PLANNED}


def test_a_folder_without_a_commit_is_in_research(repository: Repository, take_over: Callable[[], Adopted]) -> None:
    repository.write("README.md")
    repository.commit()
    repository.feature("002-new", "implement", log=True)
    adopted = take_over()

    assert adopted.board.feature("002-new").entered is Phase.RESEARCH
    assert [event.event_type for event in adopted.events] == ["PhaseEntered"]


def test_without_any_commit_every_feature_is_in_research(
    repository: Repository, take_over: Callable[[], Adopted]
) -> None:
    repository.feature("001-login", "review")

    assert take_over().board.phase_of("001-login") is Phase.RESEARCH


@pytest.mark.parametrize(
    ("phase", "entered"),
    [
        ("research", Phase.RESEARCH), ("specify", Phase.SPECIFY), ("plan", Phase.PLAN), ("tasks", Phase.TASKS),
        ("implement", Phase.IMPLEMENT), ("review", Phase.REVIEW), ("finished", Phase.IMPLEMENT),
    ],
)  # fmt: skip
@pytest.mark.parametrize("log", [False, True], ids=["frontmatter", "log"])
def test_the_phase_that_was_entered_follows_from_artifacts_and_lanes(
    repository: Repository, take_over: Callable[[], Adopted], phase: str, entered: Phase, *, log: bool
) -> None:
    repository.feature("001-login", phase, log=log)  # type: ignore[arg-type]
    repository.commit()
    standing = take_over().board.feature("001-login")

    assert standing.entered is entered
    assert standing.finished is (phase == "finished")


def test_a_feature_that_was_begun_in_the_main_work_tree_brings_its_log_along(
    repository: Repository, tmp_path: Path
) -> None:
    repository.feature("001-login", "plan")
    repository.commit()
    linked = repository.worktree(tmp_path / "linked", "topic")
    repository.feature("002-later", "implement", log=True)
    repository.commit()
    worktree = find_worktree(linked.path)
    adopted = Adopted(worktree, Path(worktree.state.events))

    log = (repository.path / f"kitty-specs/002-later/{LOG}").read_bytes()
    assert unknown(log, adopted.board.feature("002-later")) == ()
    assert adopted.board.feature("002-later").lanes() == {"WP01": Lane.IN_PROGRESS}


def test_moves_are_taken_in_the_order_in_which_readers_fold_them(
    repository: Repository, take_over: Callable[[], Adopted]
) -> None:
    lines = [
        transition("WP01", "for_review", number=5, from_lane="in_progress"),
        transition("WP01", "in_progress", number=7, from_lane="in_review", at="2026-03-01T10:00:06.000001+00:00"),
        transition("WP01", "in_review", number=8, from_lane="for_review", at="2026-03-01T10:00:06.000001+00:00"),
        transition("WP01", "claimed", number=1),
        "",
        json.dumps({"kind": "annotation", "wp_id": "WP01", "at": "2026", "event_id": "n1", "delta": {"note": "x"}}),
        transition("WP01", "done", number=8),  # the id of another line: readers pass over it
    ]
    repository.feature("001-login", "tasks")
    repository.write(f"kitty-specs/001-login/{LOG}", "\n".join(lines) + "\n")
    repository.commit()
    adopted = take_over()

    moves = [event.payload["to_lane"] for event in adopted.of("WPStatusChanged")]
    assert moves == ["claimed", "for_review", "in_review", "in_progress"]
    assert [event.payload["kind"] for event in adopted.of("StatusLineRecorded")] == ["annotation", None]


def test_an_id_counts_only_among_what_readers_fold(repository: Repository, take_over: Callable[[], Adopted]) -> None:
    move = transition("WP01", "claimed", number=3)
    note = json.dumps({"event_type": "TasksStarted", "event_id": json.loads(move)["event_id"]})
    repository.feature("001-login", "tasks")
    repository.write(f"kitty-specs/001-login/{LOG}", f"{note}\n{move}\n")
    repository.commit()

    assert take_over().board.feature("001-login").lanes() == {"WP01": Lane.CLAIMED}


def test_old_names_of_fields_become_todays_and_the_rest_is_kept(
    repository: Repository, take_over: Callable[[], Adopted]
) -> None:
    line = json.loads(transition("WP01", "claimed", feature_slug="001-login", force=None))
    line["work_package_id"] = line.pop("wp_id")
    line["at"] = "2026-03-01T10:00:00Z"
    line["event_id"] = "not-a-ulid"
    repository.feature("001-login", "tasks")
    repository.write(f"kitty-specs/001-login/{LOG}", json.dumps(line) + "\n")
    repository.commit()
    (event,) = take_over().of("WPStatusChanged")

    assert (event.payload["mission_slug"], event.payload["wp_id"]) == ("001-login", "WP01")
    assert event.payload["force"] is False
    assert event.metadata["fields"] == {
        "at": "2026-03-01T10:00:00Z", "event_id": "not-a-ulid", "feature_slug": "001-login", "policy_metadata": None,
        "work_package_id": "WP01",
    }  # fmt: skip


# What cannot be taken over


@pytest.mark.parametrize(
    "line",
    ["{", "<<<<<<< HEAD", transition("WP01", "nowhere", number=1), '{"from_lane": "planned", "to_lane": "done"}'],
    ids=["cut off", "conflict", "unknown lane", "no work package"],
)
def test_a_feature_that_cannot_be_read_for_certain_is_left_out_and_named(
    repository: Repository, take_over: Callable[[], Adopted], line: str
) -> None:
    repository.feature("001-login", "tasks", log=True)
    repository.feature("002-other", "tasks", log=True)
    log = repository.path / f"kitty-specs/001-login/{LOG}"
    log.write_text(log.read_text() + line + "\n")
    repository.commit()
    adopted = take_over()

    assert adopted.left_out == ("001-login",)
    assert set(adopted.board.features) == {"002-other"}


def test_a_line_that_no_store_keeps_leaves_only_its_own_feature_out(
    repository: Repository, take_over: Callable[[], Adopted]
) -> None:
    repository.feature("001-login", "tasks")
    repository.write(f"kitty-specs/001-login/{LOG}", transition("WP01", "claimed", reason="x" * (2 << 20)) + "\n")
    repository.feature("002-other", "tasks", log=True)
    repository.commit()

    assert take_over().left_out == ("001-login",)
    assert take_over().board.feature("002-other").entered is Phase.TASKS


def test_a_copied_folder_with_its_log_is_a_feature_of_its_own(
    repository: Repository, take_over: Callable[[], Adopted]
) -> None:
    repository.feature("001-login", "implement", log=True)
    repository.commit()
    take_over()
    shutil.copytree(repository.path / "kitty-specs/001-login", repository.path / "kitty-specs/002-copy")
    repository.commit()
    adopted = take_over()

    assert adopted.left_out == ()
    assert adopted.board.feature("002-copy").lanes() == {"WP01": Lane.IN_PROGRESS}
    log = (repository.path / f"kitty-specs/002-copy/{LOG}").read_bytes()
    assert unknown(log, adopted.board.feature("002-copy")) == ()


def test_many_that_adopt_at_once_record_everything_once(repository: Repository) -> None:
    for number in range(12):
        repository.feature(f"{number:03}-part", "implement", log=number % 2 == 0)
    repository.commit()
    worktree = find_worktree(repository.path)
    database = Path(worktree.state.events)
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda _: Adopted(worktree, database).left_out, range(6)))

    assert done == [()] * 6
    events = Adopted(worktree, database).of("PhaseEntered")
    assert Counter(event.payload["feature"] for event in events) == {f"{number:03}-part": 1 for number in range(12)}


# Two clones


def test_two_clones_that_see_the_same_thing_first_write_the_same_lines(
    repository: Repository, take_over: Callable[[], Adopted], tmp_path: Path
) -> None:
    repository.feature("001-login", "implement", work_packages=("WP01", "WP02"))
    repository.commit()
    repository.git("clone", "--quiet", str(repository.path), str(tmp_path / "clone"))
    here = take_over().board.feature("001-login")
    worktree = find_worktree(tmp_path / "clone")
    there = Adopted(worktree, Path(worktree.state.events)).board.feature("001-login")

    assert [render(event, previous="") for event in here.own.values()] == [
        render(event, previous="") for event in there.own.values()
    ]
    assert append_pending(worktree.root, worktree.common_dir, there)
    log = (tmp_path / f"clone/kitty-specs/001-login/{LOG}").read_bytes()
    assert log.count(b"\n") == 3
    assert unknown(log, here) == ()


def test_what_was_found_lies_before_everything_that_was_done_since(
    repository: Repository, take_over: Callable[[], Adopted]
) -> None:
    repository.feature("001-login", "implement")
    meta = {"slug": "001-login", "created_at": "2025-11-02T16:58:36+01:00"}
    repository.write("kitty-specs/001-login/meta.json", json.dumps(meta))
    repository.feature("002-undated", "implement")
    repository.feature("003-dated-ahead", "implement")
    repository.write("kitty-specs/003-dated-ahead/meta.json", '{"created_at": "2099-01-01T00:00:00+00:00"}')
    repository.commit()
    adopted = take_over()
    at = {event.payload["feature"]: event.at.isoformat() for event in adopted.of("PhaseEntered")}

    assert at == {
        "001-login": "2025-11-02T16:58:36+01:00",
        "002-undated": "2026-01-01T00:01:00+00:00",
        "003-dated-ahead": "2026-01-01T00:01:00+00:00",
    }
