from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.overview import overview
from kitty_guardian.project.detecting import detect_phase, get_current_phase
from kitty_guardian.project.features import feature_names, read_feature, unread_folders
from kitty_guardian.project.git import Git
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.project.survey import survey
from kitty_guardian.project.trees import DiskTree, GitTree
from support import repositories
from support.reading import from_both, log_of, problems
from support.repositories import Repository, transition, work_package_text

NAME = "001-one"
HERE = f"kitty-specs/{NAME}"


def report_of(repository: Repository) -> PhaseReport:
    return from_both(repository)[NAME]


def work_package(repository: Repository, name: str, lane: str | None, *, extra: str = "", below: str = "") -> None:
    text = work_package_text(name, lane=lane, extra=extra)
    repository.write(f"{HERE}/tasks/{below}{name}-part.md", text)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    ("made", "phase", "finished"),
    [
        ("research", Phase.RESEARCH, False),
        ("specify", Phase.SPECIFY, False),
        ("plan", Phase.PLAN, False),
        ("tasks", Phase.TASKS, False),
        ("implement", Phase.IMPLEMENT, False),
        ("review", Phase.REVIEW, False),
        ("finished", Phase.TASKS, True),
    ],
)
def test_a_feature_of_every_phase_is_read_as_such(
    repository: Repository, made: repositories.Phase, phase: Phase, *, finished: bool, log: bool
) -> None:
    directory = repository.feature(NAME, made, work_packages=("WP01", "WP02"), log=log)

    report = report_of(repository)

    assert (report.feature, report.phase, report.finished) == (NAME, phase, finished)
    assert (report.problems, report.unreadable, report.malformed) == ((), (), ())
    assert report.candidates == (phase,)
    assert get_current_phase(directory) is phase
    assert detect_phase(directory) == report


@pytest.mark.parametrize(
    ("folder", "lane"),
    [("planned", Lane.PLANNED), ("doing", Lane.IN_PROGRESS), ("for_review", Lane.FOR_REVIEW), ("done", Lane.DONE)],
)
def test_a_lane_folder_decides_whatever_its_files_say(repository: Repository, folder: str, lane: Lane) -> None:
    work_package(repository, "WP01", "blocked", below=f"{folder}/")
    work_package(repository, "WP02", None, below=f"{folder}/phase-2-deep/")

    report = report_of(repository)

    assert report.work_packages == {"WP01": lane, "WP02": lane}
    assert report.problems == ()


@pytest.mark.parametrize(
    ("path", "name", "lane"),
    [
        ("tasks/Doing/wp04-x.MD", "WP04", Lane.IN_PROGRESS),
        ("tasks/FOR_REVIEW/Wp1.md", "WP1", Lane.FOR_REVIEW),
        ("tasks/Done/phase-1/WP02.Md", "WP02", Lane.DONE),
        ("tasks/wp03 part.md", "WP03", Lane.PLANNED),
    ],
)
def test_work_packages_and_lane_folders_are_known_whatever_their_case(
    repository: Repository, path: str, name: str, lane: Lane
) -> None:
    repository.write(f"{HERE}/{path}", work_package_text(name))

    report = report_of(repository)

    assert report.work_packages == {name: lane}
    assert (report.problems, report.unreadable) == ((), ())


def test_one_work_package_under_two_spellings_is_one(repository: Repository) -> None:
    repository.write(f"{HERE}/tasks/doing/WP01-part.md", work_package_text("WP01"))
    repository.write(f"{HERE}/tasks/done/wp01-part.md", work_package_text("WP01"))

    report = report_of(repository)

    assert (report.work_packages, report.unreadable) == ({}, ("WP01",))


def link(place: Path) -> None:
    place.symlink_to("/somewhere/else")


def inner(place: Path) -> None:
    Repository(place).commit()


@pytest.mark.parametrize("place", ["tasks/doing", "tasks/Done", "tasks/done/phase-1", "tasks/for_review/a/b/c"])
@pytest.mark.parametrize(
    ("make", "what"), [(link, "symbolic link"), (inner, "repository of its own")], ids=["a link", "a repository"]
)
def test_what_stands_in_a_lane_folders_place_may_hold_anything(
    repository: Repository, place: str, make: Callable[[Path], None], what: str
) -> None:
    work_package(repository, "WP01", "done")
    target = repository.path / HERE / place
    target.parent.mkdir(parents=True, exist_ok=True)
    make(target)

    report = report_of(repository)

    assert problems(report) == [f"{HERE}/{place}: is a {what} and was not read"]
    assert report.malformed == (f"{HERE}/{place}",)
    assert report.work_packages == {"WP01": Lane.DONE}
    assert report.candidates == (Phase.TASKS, Phase.IMPLEMENT, Phase.REVIEW)
    assert not report.finished


def test_other_links_below_tasks_are_no_lanes(repository: Repository) -> None:
    work_package(repository, "WP01", "done")
    (repository.path / HERE / "tasks/notes").symlink_to("/somewhere/else")
    (repository.path / HERE / "tasks/done").mkdir()
    (repository.path / HERE / "tasks/done/notes.md").symlink_to("/somewhere/else")

    report = report_of(repository)

    assert (report.problems, report.candidates, report.finished) == ((), (Phase.TASKS,), True)


def test_the_log_decides_where_it_moves_a_work_package_and_the_file_elsewhere(repository: Repository) -> None:
    work_package(repository, "WP01", "doing")
    work_package(repository, "WP02", "doing")
    work_package(repository, "WP03", None)
    repository.write(f"{HERE}/status.events.jsonl", log_of("WP01 done", "WP07 blocked"))

    report = report_of(repository)

    assert report.work_packages == {
        "WP01": Lane.DONE,
        "WP02": Lane.IN_PROGRESS,
        "WP03": Lane.PLANNED,
        "WP07": Lane.BLOCKED,
    }
    assert report.evidence[0] == "WP02 is in_progress (tasks/WP02-part.md:4)"


def test_a_lane_with_a_trailing_comment_is_read(repository: Repository) -> None:
    repository.write(f"{HERE}/tasks/WP01.md", '---\nlane: "for_review"  # DO NOT EDIT - use: spec-kitty\n---\n')

    assert report_of(repository).work_packages == {"WP01": Lane.FOR_REVIEW}


def test_other_files_and_folders_are_no_work_packages(repository: Repository) -> None:
    for name in (
        "README.md",
        "WP.md",
        "WPS-list.md",
        "WP01x.md",
        "WP01.txt",
        "WP02-part/review-cycle-1.md",
        "WP03.md/x",
    ):
        repository.write(f"{HERE}/tasks/{name}")
    repository.write(f"{HERE}/tasks/done/notes.md")
    repository.write(f"{HERE}/tasks/WP03.md/a-directory-in-its-place")

    assert report_of(repository).phase is Phase.RESEARCH


def test_features_are_directories_with_a_file_in_them(repository: Repository) -> None:
    repository.write("kitty-specs/002-deep/research/sources/list.md")
    repository.write("kitty-specs/README.md")
    repository.write("kitty-specs/.drafts/spec.md")
    (repository.path / "kitty-specs/003-empty/tasks").mkdir(parents=True)
    (repository.path / "kitty-specs/004-link").symlink_to("002-deep")

    assert feature_names(DiskTree(repository.path)) == ("002-deep",)
    assert list(from_both(repository)) == ["002-deep"]


@pytest.mark.parametrize("archive", ["archive", "_done", "2025"])
def test_a_folder_that_only_keeps_features_is_none(repository: Repository, archive: str) -> None:
    repository.feature(NAME, "plan")
    repository.feature(f"{archive}/000-old", "implement")
    repository.write(f"kitty-specs/{archive}/README.md", "what was done long ago\n")

    assert list(from_both(repository)) == [NAME]


def test_a_feature_that_keeps_another_inside_it_is_one(repository: Repository) -> None:
    repository.feature(NAME, "implement")
    repository.feature(f"{NAME}/archive/000-old", "review")

    assert {name: report.phase for name, report in from_both(repository).items()} == {NAME: Phase.IMPLEMENT}


def test_what_is_linked_into_the_place_of_a_feature_is_told(repository: Repository) -> None:
    repository.feature(NAME, "plan")
    (repository.path / "kitty-specs/002-link").symlink_to(NAME)
    (repository.path / "kitty-specs/.hidden").symlink_to(NAME)
    inner(repository.path / "kitty-specs/003-inner")
    repository.commit()
    told = [
        "kitty-specs/002-link: is a symbolic link and was not read",
        "kitty-specs/003-inner: is a repository of its own and was not read",
    ]

    assert [str(problem) for problem in unread_folders(DiskTree(repository.path))] == told
    with GitTree(Git(repository.path, env=repository.environment), "HEAD") as tree:
        assert [str(problem) for problem in unread_folders(tree)] == told
    found = survey(find_worktree(repository.path, env=repository.environment), feature=NAME)
    assert (list(found.reports), list(found.notes)) == ([NAME], told)
    assert list(overview(repository.path, feature=NAME).notes) == told


@pytest.mark.parametrize("below", ["", f"{NAME}", f"{NAME}/tasks", f"{NAME}/tasks/doing"])
def test_folders_of_any_depth_are_read(repository: Repository, below: str) -> None:
    repository.feature(NAME, "tasks")
    place = f"kitty-specs/{below}/".replace("//", "/") + "d/" * 600
    repository.write(f"{place}WP09.md", work_package_text("WP09", lane="done"))

    reports = from_both(repository)

    assert reports[NAME].phase is (Phase.IMPLEMENT if below.endswith("doing") else Phase.TASKS)
    assert list(reports) == ([NAME] if below else [NAME, "d"])


def test_a_project_without_features_has_none(repository: Repository) -> None:
    assert from_both(repository) == {}


def test_a_feature_that_is_not_there_is_in_research_with_a_problem(tmp_path: Path) -> None:
    report = detect_phase(tmp_path / "kitty-specs" / "009-gone")

    assert (report.feature, report.phase) == ("009-gone", Phase.RESEARCH)
    assert problems(report) == ["kitty-specs/009-gone: holds nothing, or does not exist"]
    assert get_current_phase(tmp_path / "nowhere" / "at" / "all") is Phase.RESEARCH
    assert get_current_phase(Path("/")) is Phase.RESEARCH


def test_any_directory_will_do_named_in_any_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some" / "place").mkdir(parents=True)
    (tmp_path / "some" / "place" / "plan.md").write_text("plan")
    (tmp_path / "link").symlink_to(tmp_path / "some" / "place")
    monkeypatch.chdir(tmp_path / "some" / "place")

    assert get_current_phase(tmp_path / "some" / "place") is Phase.PLAN
    assert get_current_phase(tmp_path / "link") is Phase.PLAN
    assert detect_phase(Path()).feature == "place"


def test_an_artifact_must_be_a_file(repository: Repository) -> None:
    repository.write(f"{HERE}/plan.md/x")
    repository.write("elsewhere.md")
    (repository.path / HERE / "spec.md").symlink_to("../../elsewhere.md")

    assert report_of(repository).phase is Phase.RESEARCH


@pytest.mark.parametrize(
    ("name", "candidates"),
    [("spec.md", (Phase.RESEARCH, Phase.SPECIFY)), ("plan.md", (Phase.SPECIFY, Phase.PLAN))],
)
def test_an_artifact_that_is_a_link_may_be_there_or_not(
    repository: Repository, name: str, candidates: tuple[Phase, ...]
) -> None:
    repository.feature(NAME, "specify")
    repository.write("elsewhere.md")
    (repository.path / HERE / name).unlink(missing_ok=True)
    (repository.path / HERE / name).symlink_to("../../elsewhere.md")

    report = report_of(repository)

    assert problems(report) == [f"{HERE}/{name}: is a symbolic link and was not read"]
    assert (report.candidates, report.malformed) == (candidates, (f"{HERE}/{name}",))


@pytest.mark.parametrize("status", ["has_feedback", "changes_requested", "Acknowledged"])
@pytest.mark.parametrize(
    ("lane", "expected"),
    [("planned", True), ("doing", True), ("for_review", False), ("in_review", False), ("done", False)],
)
def test_frontmatter_asks_for_changes_until_handed_in_again(
    repository: Repository, status: str, lane: str, *, expected: bool
) -> None:
    work_package(repository, "WP01", lane, extra=f'review_status: "{status}"\n')

    assert report_of(repository).changes_requested is expected


def test_other_review_states_ask_for_nothing(repository: Repository) -> None:
    work_package(repository, "WP01", "doing", extra="review_status: approved\n")
    work_package(repository, "WP02", "doing", extra='review_status: ""\n')
    work_package(repository, "WP03", "doing", extra="review_status: [has_feedback]\n")

    assert not report_of(repository).changes_requested


def test_the_log_asks_for_changes_and_frontmatter_then_does_not(repository: Repository) -> None:
    work_package(repository, "WP01", None)
    work_package(repository, "WP02", None, extra="review_status: has_feedback\n")
    asking = transition("WP01", "in_progress", review_ref="feedback://x", from_lane="for_review")
    repository.write(f"{HERE}/status.events.jsonl", asking + "\n" + transition("WP02", "planned", number=1))

    report = report_of(repository)

    assert report.changes_requested
    assert report.evidence[-1] == "changes are requested for WP01"


def test_an_unknown_lane_is_reported_and_its_work_package_has_none(repository: Repository) -> None:
    work_package(repository, "WP01", "dooing")
    repository.write(f"{HERE}/tasks/WP02.md", "---\nlane: [doing]\n---\n")
    repository.write(f"{HERE}/tasks/WP03.md", "---\nlane:\n---\n")
    work_package(repository, "WP04", "done")

    report = report_of(repository)

    assert problems(report) == [
        f"{HERE}/tasks/WP01-part.md:4: has the unknown lane 'dooing'",
        f"{HERE}/tasks/WP02.md:2: has a lane that is not text",
        f"{HERE}/tasks/WP03.md:2: has the unknown lane ''",
    ]
    assert report.work_packages == {"WP04": Lane.DONE}
    assert report.unreadable == ("WP01", "WP02", "WP03")
    assert report.evidence == (
        "work packages exist and none is being worked on or reviewed",
        "work packages: 1 done, 3 unreadable",
        "WP01: tasks/WP01-part.md:4 names no lane",
        "WP02: tasks/WP02.md:2 names no lane",
        "WP03: tasks/WP03.md:2 names no lane",
        "not everything can be read: it may be in tasks, implement or review",
    )
    assert not report.finished


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"---\nlane: doing\nlane: done\n---\n", ":3: has the key 'lane' twice"),
        (b"---\nlane: \xff\n---\n", ":2: is not UTF-8"),
        (b"---\nlane: doing\0\n---\n", ":2: holds a NUL byte"),
        (b"---\n<<<<<<< HEAD\nlane: doing\n---\n", ":2: holds the markers of an unresolved merge conflict"),
        (b"---\nlane: doing\n", ":1: has frontmatter without an end (a second line of three dashes)"),
        (b"x" * (1 << 21), ": is longer than 1 MiB and was not read"),
    ],
)
def test_a_broken_work_package_has_no_lane_and_its_problem(repository: Repository, text: bytes, problem: str) -> None:
    repository.write(f"{HERE}/tasks/WP01.md", text)
    work_package(repository, "WP02", "done")

    report = report_of(repository)

    assert report.work_packages == {"WP02": Lane.DONE}
    assert (report.unreadable, report.malformed) == (("WP01",), (f"{HERE}/tasks/WP01.md",))
    assert problems(report) == [f"{HERE}/tasks/WP01.md{problem}"]
    assert report.phase is Phase.TASKS
    assert report.candidates == (Phase.TASKS, Phase.IMPLEMENT, Phase.REVIEW)
    assert not report.finished


def test_broken_yaml_beside_a_log_is_reported_and_changes_nothing(repository: Repository) -> None:
    repository.write(f"{HERE}/tasks/WP01.md", "---\nlane: 'doing\n---\n")
    repository.write(f"{HERE}/tasks/WP02.md", "---\nlane: doing\n")
    repository.write(f"{HERE}/status.events.jsonl", log_of("WP01 done", "WP02 done"))

    report = report_of(repository)

    assert report.work_packages == {"WP01": Lane.DONE, "WP02": Lane.DONE}
    assert report.finished
    assert len(report.problems) == 2
    assert report.malformed == (f"{HERE}/tasks/WP01.md", f"{HERE}/tasks/WP02.md")


def test_a_broken_log_line_is_reported_and_the_rest_is_read(repository: Repository) -> None:
    work_package(repository, "WP01", None)
    repository.write(f"{HERE}/status.events.jsonl", transition("WP01", "for_review") + "\n{")

    report = report_of(repository)

    assert report.phase is Phase.REVIEW
    assert report.work_packages == {"WP01": Lane.FOR_REVIEW}
    assert report.unreadable == ("WP01",)
    assert len(report.problems) == 1
    assert problems(report)[0].startswith(f"{HERE}/status.events.jsonl:2: is not JSON")


def test_a_log_that_is_a_link_is_refused(repository: Repository) -> None:
    work_package(repository, "WP01", "doing")
    repository.write("elsewhere", transition("WP01", "done"))
    (repository.path / HERE / "status.events.jsonl").symlink_to("../../elsewhere")

    report = report_of(repository)

    assert report.work_packages == {"WP01": Lane.IN_PROGRESS}
    assert report.unreadable == ("WP01",)
    assert report.candidates == (Phase.TASKS, Phase.IMPLEMENT, Phase.REVIEW)
    assert problems(report) == [f"{HERE}/status.events.jsonl: is a symbolic link and was not read"]


def test_linked_work_packages_and_tasks_are_refused(repository: Repository) -> None:
    repository.write("elsewhere/WP01.md", work_package_text("WP01", lane="doing"))
    (repository.path / HERE / "tasks" / "doing").mkdir(parents=True)
    (repository.path / HERE / "tasks" / "WP01.md").symlink_to("../../../elsewhere/WP01.md")
    (repository.path / HERE / "tasks" / "doing" / "WP02.md").symlink_to("../../../../elsewhere/WP01.md")
    (repository.path / "kitty-specs" / "002-two").mkdir()
    (repository.path / "kitty-specs" / "002-two" / "tasks").symlink_to("../../elsewhere")

    reports = from_both(repository)

    assert (reports[NAME].work_packages, reports[NAME].unreadable) == ({}, ("WP01", "WP02"))
    assert problems(reports[NAME]) == [
        f"{HERE}/tasks/WP01.md: is a symbolic link and was not read",
        f"{HERE}/tasks/doing/WP02.md: is a symbolic link and was not read",
    ]
    assert reports["002-two"].phase is Phase.RESEARCH
    assert problems(reports["002-two"]) == ["kitty-specs/002-two/tasks: is a symbolic link and was not read"]
    assert reports["002-two"].candidates == (Phase.RESEARCH, Phase.TASKS, Phase.IMPLEMENT, Phase.REVIEW)


def test_two_files_that_disagree_are_reported_and_two_that_agree_are_not(repository: Repository) -> None:
    work_package(repository, "WP01", None, below="doing/")
    work_package(repository, "WP01", None, below="done/")
    work_package(repository, "WP02", None, below="done/")
    work_package(repository, "WP02", "done")

    report = report_of(repository)

    assert (report.work_packages, report.unreadable) == ({"WP02": Lane.DONE}, ("WP01",))
    assert problems(report) == [f"{HERE}/tasks/done/WP01-part.md: says otherwise of WP01 than tasks/doing/WP01-part.md"]
    assert "WP01: its 2 files disagree about its lane" in report.evidence


def test_a_third_file_does_not_settle_what_two_disagree_about(repository: Repository) -> None:
    for folder in ("doing/", "done/", "planned/"):
        work_package(repository, "WP01", None, below=folder)

    report = report_of(repository)

    assert (report.work_packages, report.unreadable) == ({}, ("WP01",))
    assert report.malformed == tuple(f"{HERE}/tasks/{folder}/WP01-part.md" for folder in ("doing", "done", "planned"))


def test_an_object_that_git_lost_is_a_problem_of_its_file(repository: Repository) -> None:
    work_package(repository, "WP01", "doing")
    work_package(repository, "WP02", "done")
    repository.commit()
    name = repository.git("rev-parse", f"HEAD:{HERE}/tasks/WP01-part.md")
    (repository.path / ".git" / "objects" / name[:2] / name[2:]).unlink()

    with GitTree(Git(repository.path, env=repository.environment), "HEAD") as tree:
        report = read_feature(tree, HERE)

    assert (report.work_packages, report.unreadable) == ({"WP02": Lane.DONE}, ("WP01",))
    assert len(report.problems) == 1
    assert problems(report)[0].startswith(f"{HERE}/tasks/WP01-part.md: cannot be read: HEAD:{HERE}/tasks/WP01-part.md")


class Unreliable(DiskTree):
    """A disk on which something happens just before a file is read."""

    def __init__(self, root: Path, happens: Callable[[str], None]) -> None:
        super().__init__(root)
        self.happens = happens

    def read(self, path: str, limit: int = 1) -> bytes | None:
        self.happens(path)
        return super().read(path, limit)


def test_a_file_that_vanishes_while_reading_is_a_problem(repository: Repository) -> None:
    repository.feature(NAME, "implement", log=True)

    report = read_feature(Unreliable(repository.path, lambda path: (repository.path / path).unlink()), HERE)

    assert (report.work_packages, report.unreadable) == ({}, ("WP01",))
    assert problems(report) == [
        f"{HERE}/status.events.jsonl: was taken away while it was read",
        f"{HERE}/tasks/WP01-part.md: was taken away while it was read",
    ]


def test_a_file_that_the_disk_refuses_is_a_problem(repository: Repository) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    repository.feature(NAME, "implement")

    report = read_feature(Unreliable(repository.path, refuse), HERE)

    assert problems(report) == [f"{HERE}/tasks/WP01-part.md: cannot be read: Permission denied"]


def test_a_directory_that_the_disk_refuses_is_a_problem(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = repository.feature(NAME, "implement")
    scandir = os.scandir

    def refusing(path: str | Path) -> object:
        if os.fspath(path) == os.fspath(directory / "tasks"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr("kitty_guardian.project.trees.os.scandir", refusing)

    report = detect_phase(directory)

    assert report.phase is Phase.PLAN
    assert report.candidates == (Phase.PLAN, Phase.TASKS, Phase.IMPLEMENT, Phase.REVIEW)
    assert problems(report) == [f"{HERE}/tasks: cannot be read: Permission denied"]


def test_a_pipe_in_place_of_the_log_does_not_block(repository: Repository) -> None:
    directory = repository.feature(NAME, "implement")
    os.mkfifo(directory / "status.events.jsonl")

    assert get_current_phase(directory) is Phase.IMPLEMENT
