"""Every kind of broken input: reported with its place, never guessed, never a crash (enforcement model, section 7)."""

from __future__ import annotations

import os
from collections.abc import Callable

import attrs
import pytest

from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.detecting import detect_phase
from kitty_guardian.project.features import read_feature, read_features
from kitty_guardian.project.git import Git
from kitty_guardian.project.readings import Readings
from kitty_guardian.project.trees import DiskTree, GitTree
from support.reading import from_both, log_of, problems
from support.repositories import Repository, transition, work_package_text
from support.unprivileged import as_anyone, place_for_anyone

NAME = "001-one"
HERE = f"kitty-specs/{NAME}"
LOG = f"{HERE}/status.events.jsonl"
ANY_LANE = (Phase.TASKS, Phase.IMPLEMENT, Phase.REVIEW)


def report_of(repository: Repository) -> PhaseReport:
    """The one feature's report, the same from disk and commit, and the same again for one who remembers."""
    report = from_both(repository)[NAME]
    readings = Readings()
    for tree in (DiskTree(repository.path), GitTree(Git(repository.path, env=repository.environment), "HEAD")):
        assert read_features(tree, readings) == read_features(tree, readings) == {NAME: report}
    assert detect_phase(repository.path / HERE) == report
    assert detect_phase(repository.path / HERE, commit="HEAD") == report
    return report


# Heads of work package files

BROKEN_HEADS = {
    "broken YAML": (b"---\nlane: done\nagent: a: b\n---\n", 3, "is not valid YAML: mapping values are not allowed"),
    "an unfinished quotation": (b"---\nlane: done\nagent: 'a\n---\n", 4, "is not valid YAML"),
    "a tab for an indent": (b"---\nlane: done\n\tagent: a\n---\n", 3, "is not valid YAML"),
    "a control character": (b"---\nlane: done\nagent: \x01\n---\n", None, "is not valid YAML"),
    "a list": (b"---\n- lane: done\n---\n", 2, "has frontmatter that is not one mapping"),
    "two documents": (b"---\nlane: done\n...\nlane: doing\n---\n", 4, "is not"),
    "conflict markers": (
        b"---\nid: x\n<<<<<<< HEAD\nlane: doing\n=======\nlane: done\n>>>>>>> theirs\n---\n",
        3,
        "holds the markers of an unresolved merge conflict",
    ),
    "conflict markers before it": (
        b"<<<<<<< HEAD\n---\nlane: doing\n=======\n---\nlane: done\n>>>>>>> theirs\n---\n",
        1,
        "holds the markers of an unresolved merge conflict",
    ),
    "a blank line before it": (b"\n---\nlane: done\n---\n", 1, "does not begin with frontmatter"),
    "a key twice": (b"---\nlane: doing\nagent: a\nlane: done\n---\n", 4, "has the key 'lane' twice"),
    "an unimportant key twice": (b"---\nlane: done\nagent: a\nagent: a\n---\n", 4, "has the key 'agent' twice"),
    "a nested key twice": (b"---\nlane: done\nhistory:\n- at: a\n  at: b\n---\n", 5, "has the key 'at' twice"),
    "Latin-1 in the head": (b"---\nlane: done\nagent: Ren\xe9\n---\n", 3, "is not UTF-8"),
    "Latin-1 in the body": (b"---\nlane: done\n---\n\nRen\xe9\n", 5, "is not UTF-8"),
    "UTF-16": ("---\nlane: done\n---\n".encode("utf-16"), 1, "holds a NUL byte"),
    "NUL in the head": (b"---\nlane: do\0ne\n---\n", 2, "holds a NUL byte"),
    "NUL in the body": (b"---\nlane: done\n---\n\0\0\0", 4, "holds a NUL byte"),
    "no end": (b"---\nlane: done\n# Title\n", 1, "has frontmatter without an end"),
    "cut off": (b"---\nlane: do", 1, "has frontmatter without an end"),
    "a head that is too long": (
        b"---\n" + b"# filling\n" * 7000 + b"lane: done\n---\n",
        1,
        "has frontmatter longer than 64 KiB",
    ),
    "a file that is too long": (b"---\nlane: done\n---\n" + b"x" * (1 << 20), None, "is longer than 1 MiB"),
    "too many brackets": (b"---\nx: " + b"[" * 5000 + b"\n---\n", 2, "has frontmatter that is nested too deeply"),
}
NO_LANES = {
    "a lane that never was": (b"---\nlane: dooing\n---\n", 2, "has the unknown lane 'dooing'"),
    "a source that is no lane": (b"---\nlane: genesis\n---\n", 2, "has the unknown lane 'genesis'"),
    "an empty lane": (b"---\nlane:\n---\n", 2, "has the unknown lane ''"),
    "a list of lanes": (b"---\nlane: [done]\n---\n", 2, "has a lane that is not text"),
    "a lane under a tag": (b"---\nlane: !!python/name:os.system done\n---\n", 2, "has a lane that is not text"),
    "a lane by reference": (b"---\nx: &x done\nlane: *x\n---\n", 3, "has a lane that is not text"),
}
Head = tuple[bytes, int | None, str]


def only_problem(report: PhaseReport, path: str, line: int | None, message: str) -> None:
    """The report has this one problem; parsers differ by a line in where they notice some, and tell none for others."""
    (found,) = report.problems
    assert (found.path, found.message.startswith(message)) == (path, True), str(found)
    assert found.line == line or (line is None and message == "is not valid YAML")


@pytest.mark.parametrize("head", [*BROKEN_HEADS.values(), *NO_LANES.values()], ids=[*BROKEN_HEADS, *NO_LANES])
def test_a_work_package_with_a_broken_head_may_be_in_any_lane(repository: Repository, head: Head) -> None:
    data, line, message = head
    repository.feature(NAME, "finished", work_packages=("WP02", "WP03"))
    repository.write(f"{HERE}/tasks/WP01-part.md", data)

    report = report_of(repository)

    only_problem(report, f"{HERE}/tasks/WP01-part.md", line, message)
    assert report.work_packages == {"WP02": Lane.DONE, "WP03": Lane.DONE}
    assert (report.phase, report.candidates) == (Phase.TASKS, ANY_LANE)
    assert report.unreadable == ("WP01",)
    assert report.malformed == (f"{HERE}/tasks/WP01-part.md",)
    assert not report.finished


@pytest.mark.parametrize(
    ("lane", "phase", "candidates"),
    [
        ("planned", Phase.TASKS, ANY_LANE),
        ("blocked", Phase.TASKS, ANY_LANE),
        ("for_review", Phase.REVIEW, (Phase.IMPLEMENT, Phase.REVIEW)),
        ("in_review", Phase.REVIEW, (Phase.IMPLEMENT, Phase.REVIEW)),
        ("claimed", Phase.IMPLEMENT, (Phase.IMPLEMENT,)),
        ("doing", Phase.IMPLEMENT, (Phase.IMPLEMENT,)),
    ],
)
def test_what_the_others_are_in_bounds_the_doubt(
    repository: Repository, lane: str, phase: Phase, candidates: tuple[Phase, ...]
) -> None:
    repository.feature(NAME, "finished", work_packages=("WP01",))
    repository.write(f"{HERE}/tasks/WP02.md", work_package_text("WP02", lane=lane))
    repository.write(f"{HERE}/tasks/WP03.md", "---\nlane: 'done\n---\n")

    report = report_of(repository)

    assert (report.phase, report.candidates) == (phase, candidates)
    assert report.is_certain is (len(candidates) == 1)
    assert report.unreadable == ("WP03",)
    assert not report.finished


@pytest.mark.parametrize("head", BROKEN_HEADS.values(), ids=BROKEN_HEADS)
def test_beside_a_log_that_moves_it_a_broken_head_is_reported_and_doubts_nothing(
    repository: Repository, head: Head
) -> None:
    data, line, message = head
    repository.feature(NAME, "plan")
    repository.write(f"{HERE}/tasks/WP01-part.md", data)
    repository.write(LOG, log_of("WP01 for_review", "WP02 done"))

    report = report_of(repository)

    only_problem(report, f"{HERE}/tasks/WP01-part.md", line, message)
    assert report.work_packages == {"WP01": Lane.FOR_REVIEW, "WP02": Lane.DONE}
    assert (report.phase, report.candidates, report.unreadable) == (Phase.REVIEW, (Phase.REVIEW,), ())
    assert report.malformed == (f"{HERE}/tasks/WP01-part.md",)


@pytest.mark.parametrize("head", BROKEN_HEADS.values(), ids=BROKEN_HEADS)
def test_in_a_lanes_folder_a_broken_head_is_reported_and_doubts_nothing(repository: Repository, head: Head) -> None:
    data, line, message = head
    repository.feature(NAME, "plan")
    repository.write(f"{HERE}/tasks/doing/WP01-part.md", data)

    report = report_of(repository)

    only_problem(report, f"{HERE}/tasks/doing/WP01-part.md", line, message)
    assert report.work_packages == {"WP01": Lane.IN_PROGRESS}
    assert (report.phase, report.candidates, report.unreadable) == (Phase.IMPLEMENT, (Phase.IMPLEMENT,), ())


@pytest.mark.parametrize(
    ("data", "lane"),
    [
        (b"\xef\xbb\xbf---\nlane: done\n---\n", Lane.DONE),
        (b"---\r\nlane: done\r\n---\r\n", Lane.DONE),
        (b'\xef\xbb\xbf---\r\nlane: "done"\r\n---\r\n# Title\r\n', Lane.DONE),
        (b"--- \nlane: done\n---\t\n", Lane.DONE),
        (b"---\nlane: done\n---", Lane.DONE),
        (b"---\nlane:  DONE  # DO NOT EDIT\n---\n<<<<<<< HEAD\nlane: doing\n", Lane.DONE),
        (b"---\nlane: >-\n  done\n---\n", Lane.DONE),
        (b"---\nshell_pid: 0012\ncreated_at: 2026-13-45\n---\n", Lane.PLANNED),
        (b"---\n---\n", Lane.PLANNED),
    ],
)
def test_heads_that_only_look_odd_are_read(repository: Repository, data: bytes, lane: Lane) -> None:
    repository.write(f"{HERE}/tasks/WP01.md", data)

    report = report_of(repository)

    assert report.work_packages == {"WP01": lane}
    assert (report.problems, report.candidates, report.malformed) == ((), (Phase.TASKS,), ())


@pytest.mark.parametrize("data", [b"", b"# WP01\n\nDo it.\n", b"lane: doing\n", b"\xef\xbb\xbf# WP01\r\n"])
def test_without_any_head_no_lane_is_written_and_nothing_is_in_doubt(repository: Repository, data: bytes) -> None:
    repository.write(f"{HERE}/tasks/WP01.md", data)

    report = report_of(repository)

    only_problem(report, f"{HERE}/tasks/WP01.md", 1, "does not begin with frontmatter")
    assert report.work_packages == {"WP01": Lane.PLANNED}
    assert (report.candidates, report.unreadable, report.malformed) == ((Phase.TASKS,), (), ())


def test_a_checkout_with_other_line_ends_than_the_commit_reads_the_same(repository: Repository) -> None:
    repository.write(".gitattributes", "*.md text eol=crlf\n*.jsonl text eol=crlf\n")
    repository.feature(NAME, "implement", work_packages=("WP01", "WP02"))
    repository.write(LOG, log_of("WP01 for_review"))
    repository.commit()
    repository.git("rm", "--quiet", "--cached", "-r", "kitty-specs")
    repository.git("reset", "--quiet", "--hard")
    assert b"\r\n" in (repository.path / LOG).read_bytes()

    assert report_of(repository).work_packages == {"WP01": Lane.FOR_REVIEW, "WP02": Lane.IN_PROGRESS}


# Logs

GOOD = log_of("WP01 claimed", "WP02 done")
"""WP01 in implement, WP02 done; what is wrong is added in line 3."""


def with_third(line: str | bytes, *further: str) -> bytes:
    return b"".join(
        (each if isinstance(each, bytes) else each.encode()) + b"\n"
        for each in (GOOD.removesuffix("\n"), line, *further)
    )


def moved(lane: str = "done", number: int = 5, **fields: object) -> str:
    return transition("WP01", lane, number=number, **fields)


@attrs.frozen
class Broken:
    """A log in which something is wrong.

    Attributes:
        data: Its bytes.
        found: Lines with what is said of them.
        doubted: Work packages it puts in doubt.
        lanes: What it says nevertheless.
    """

    data: bytes
    found: tuple[tuple[int | None, str], ...]
    doubted: tuple[str, ...] = ("WP01", "WP02")
    lanes: tuple[Lane, Lane] = (Lane.CLAIMED, Lane.DONE)


REPEATED = "repeats event 01KJM21FXF8MHPHQ4800000000 of line 1; left out"
BROKEN_LOGS = {
    # Which of the work packages it was about, nobody can tell.
    "a last line cut off": Broken(with_third(moved())[:-40], ((3, "is not JSON: "),)),
    "a last line cut off early": Broken(with_third("{")[:-1], ((3, "is not JSON: Expecting property name"),)),
    "a line cut off and continued": Broken(with_third(moved()[:-30] + moved("planned", 6)), ((3, "is not JSON: "),)),
    "conflict markers": Broken(
        with_third("<<<<<<< HEAD", moved("done", 6), "=======", moved("in_review", 5), ">>>>>>> theirs"),
        tuple((line, "is a marker of an unresolved merge conflict") for line in (3, 5, 7)),
        lanes=(Lane.DONE, Lane.DONE),
    ),
    "conflict markers with their base": Broken(
        with_third("<<<<<<< HEAD\r", "||||||| 1a2b3c4\r", "=======\r", ">>>>>>> theirs\r"),
        tuple((line, "is a marker of an unresolved merge conflict") for line in (3, 4, 5, 6)),
    ),
    "Latin-1": Broken(with_third(b'{"actor": "Ren\xe9", "wp_id": "WP01"}'), ((3, "is not UTF-8"),)),
    "NUL in a line": Broken(
        with_third(moved().replace("ada", "a\0a")), ((3, "is not JSON: Invalid control character"),)
    ),
    "a block of NULs": Broken(with_third(b"\0" * 512), ((3, "is not JSON: "),)),
    "a byte order mark inside": Broken(with_third("\ufeff" + moved()), ((3, "is not JSON: "),)),
    "a line of words": Broken(with_third("moved WP01 to done"), ((3, "is not JSON: "),)),
    "a list": Broken(with_third(f"[{moved()}]"), ((3, "is not a JSON object"),)),
    "NaN": Broken(with_third(moved(force=float("nan"))), ((3, "is not JSON: NaN is no JSON value"),)),
    "too many brackets": Broken(with_third("[" * 100_000), ((3, "is not JSON: "),)),
    "a number too long": Broken(with_third('{"a": ' + "9" * 5000 + "}"), ((3, "is not JSON: "),)),
    "a key twice": Broken(
        with_third(moved()[:-1] + ', "to_lane": "planned"}'), ((3, "is not JSON: the key 'to_lane' is there twice"),)
    ),
    "two work packages": Broken(
        with_third(moved()[:-1] + ', "wp_id": "WP02"}'), ((3, "is not JSON: the key 'wp_id' is there twice"),)
    ),
    "something that is no work package": Broken(
        with_third(moved(wp_id="WP01 and WP02")), ((3, "moves 'WP01 and WP02', which is no work package id"),)
    ),
    "no work package": Broken(with_third(moved(wp_id=None)), ((3, "moves None, which is no work package id"),)),
    "an unknown kind of nothing": Broken(
        with_third('{"kind": "surprise"}'), ((3, "is of the unknown kind 'surprise'"),)
    ),
    "an unknown shape": Broken(
        with_third('{"a": 1}'), ((3, "is neither a lane transition nor of another known kind"),)
    ),
    # It says which.
    "an unknown lane": Broken(with_third(moved("doone")), ((3, "enters the unknown lane 'doone'"),), ("WP01",)),
    "an alias, which logs have not": Broken(
        with_third(moved("doing")), ((3, "enters the unknown lane 'doing'"),), ("WP01",)
    ),
    "a lane that is not text": Broken(
        with_third(moved().replace('"to_lane": "done"', '"to_lane": 3')), ((3, "enters the unknown lane 3"),), ("WP01",)
    ),
    "an unknown lane it left": Broken(
        with_third(moved(from_lane="nowhere")), ((3, "leaves the unknown lane 'nowhere'"),), ("WP01",)
    ),
    "an unknown kind": Broken(
        with_third(moved(kind="surprise")), ((3, "is of the unknown kind 'surprise'"),), ("WP01",)
    ),
    "an unknown shape of one": Broken(
        with_third('{"wp_id": "WP01", "lane": "done"}'),
        ((3, "is neither a lane transition nor of another known kind"),),
        ("WP01",),
    ),
    "no time": Broken(with_third(moved(at=None)), ((3, "has no text under 'at'"),), ("WP01",)),
    "no id": Broken(with_third(moved(event_id="")), ((3, "has no text under 'event_id'"),), ("WP01",)),
    # It moved nothing, or what it did was undone since.
    "an unknown lane since left": Broken(
        with_third(moved("doone"), moved("for_review", 6)),
        ((3, "enters the unknown lane 'doone'"),),
        (),
        (Lane.FOR_REVIEW, Lane.DONE),
    ),
    "an unknown lane left before it is told": Broken(
        with_third(moved("for_review", 6), moved("doone")),
        ((4, "enters the unknown lane 'doone'"),),
        (),
        (Lane.FOR_REVIEW, Lane.DONE),
    ),
    "the same event again": Broken(with_third(GOOD.splitlines()[0]), ((3, REPEATED),), ()),
    "another event of the same id": Broken(with_third(moved(number=0)), ((3, REPEATED),), ()),
    "an unknown kind of event": Broken(
        with_third('{"event_name": "Surprise"}'), ((3, "is neither a lane transition nor of another known kind"),), ()
    ),
    "an annotation of nothing": Broken(
        with_third('{"kind": "annotation", "wp_id": "WP01"}'),
        ((3, "is an annotation without a work package or without its delta"),),
        (),
    ),
}


@pytest.mark.parametrize("broken", BROKEN_LOGS.values(), ids=BROKEN_LOGS)
def test_a_broken_line_puts_what_it_may_have_moved_in_doubt_and_nothing_else(
    repository: Repository, broken: Broken
) -> None:
    repository.feature(NAME, "tasks", work_packages=("WP01", "WP02"))
    repository.write(LOG, broken.data)

    report = report_of(repository)

    assert [(each.path, each.line) for each in report.problems] == [(LOG, line) for line, _ in broken.found]
    for each, (_, message) in zip(report.problems, broken.found, strict=True):
        assert each.message.startswith(message), each
    assert report.work_packages == dict(zip(("WP01", "WP02"), broken.lanes, strict=True))
    assert report.unreadable == broken.doubted
    assert report.malformed == ((LOG,) if broken.doubted else ())
    certain = {Lane.CLAIMED: Phase.IMPLEMENT, Lane.FOR_REVIEW: Phase.REVIEW, Lane.DONE: Phase.TASKS}[broken.lanes[0]]
    assert report.phase is certain
    assert report.candidates == (ANY_LANE if broken.doubted else (certain,))
    assert not report.finished


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(),
        GOOD.removesuffix("\n").encode(),
        b"\n \n\r\n" + GOOD.replace("\n", "\n\n").encode() + b"\t\n",
        with_third(
            '{"event_type": "WPCreated", "aggregate_id": "x"}',
            '{"event_type": "Surprise"}',
            '{"type": "RetrospectiveSkipped"}',
        ),
        with_third(moved("planned", -1, at="2026-01-01")),
        with_third('{"kind": "annotation", "wp_id": "WP01", "at": "z", "event_id": "z", "delta": {"lane": "done"}}'),
        with_third('{"event_name": "retrospective.done", "wp_id": "WP01", "lane": "done"}'),
    ],
)
def test_logs_that_only_look_odd_are_read(repository: Repository, data: bytes) -> None:
    repository.feature(NAME, "tasks", work_packages=("WP01", "WP02"))
    repository.write(LOG, data)

    report = report_of(repository)

    assert report.work_packages == {"WP01": Lane.CLAIMED, "WP02": Lane.DONE}
    assert (report.problems, report.unreadable, report.malformed) == ((), (), ())
    assert report.candidates == (Phase.IMPLEMENT,)


def test_a_broken_line_about_one_leaves_a_finished_other_and_the_feature_unfinished(repository: Repository) -> None:
    repository.feature(NAME, "tasks", work_packages=("WP01", "WP02"))
    repository.write(LOG, log_of("WP01 done", "WP02 approved") + moved("doone") + "\n")

    report = report_of(repository)

    assert report.work_packages == {"WP01": Lane.DONE, "WP02": Lane.APPROVED}
    assert report.unreadable == ("WP01",)
    assert not report.finished


@pytest.mark.parametrize(
    "line",
    [
        transition("WP09", "in_progress", at=None),
        transition("WP09", "in_progress", kind="surprise"),
        '{"wp_id": "WP09"}',
    ],
)
def test_a_work_package_that_only_a_broken_line_names_may_be_in_any_lane(repository: Repository, line: str) -> None:
    repository.feature(NAME, "finished")
    repository.write(LOG, line + "\n")

    report = report_of(repository)

    assert report.work_packages == {"WP01": Lane.DONE}
    assert (report.unreadable, report.candidates) == (("WP09",), ANY_LANE)
    assert not report.finished


def test_a_log_of_a_feature_without_work_packages_leaves_open_whether_there_are_any(repository: Repository) -> None:
    repository.feature(NAME, "plan")
    repository.write(LOG, "<<<<<<< HEAD\n")

    report = report_of(repository)

    assert (report.phase, report.candidates) == (Phase.PLAN, (Phase.PLAN, *ANY_LANE))
    assert report.malformed == (LOG,)


def test_a_torn_log_may_have_moved_work_packages_that_nobody_has_heard_of(repository: Repository) -> None:
    """So it is in doubt for those who ask for a work package that the log does not name, too."""
    repository.feature(NAME, "tasks", work_packages=("WP01", "WP02"))
    repository.write(LOG, with_third("<<<<<<< HEAD"))
    repository.commit()

    for scope in ("WP01", "WP02", "WP09"):
        report = read_feature(DiskTree(repository.path), HERE, work_packages=(scope,))
        assert report.candidates == ANY_LANE, scope


def test_a_work_package_of_an_odd_name_is_one_that_has_to_be_finished(repository: Repository) -> None:
    repository.feature(NAME, "tasks")
    repository.write(LOG, log_of("WP01 done", "../x in_progress"))

    report = report_of(repository)

    assert report.work_packages == {"../x": Lane.IN_PROGRESS, "WP01": Lane.DONE}
    assert (report.phase, report.problems, report.finished) == (Phase.IMPLEMENT, (), False)


def elsewhere(repository: Repository) -> None:
    repository.write("elsewhere.jsonl", log_of("WP01 in_progress"))
    (repository.path / LOG).symlink_to("../../elsewhere.jsonl")


def nowhere(repository: Repository) -> None:
    (repository.path / LOG).symlink_to("gone")


def directory(repository: Repository) -> None:
    repository.write(f"{LOG}/status.events.jsonl", log_of("WP01 in_progress"))


def huge(repository: Repository) -> None:
    repository.write(LOG, log_of("WP01 in_progress") + "\n" * (8 << 20))


def inner(repository: Repository) -> None:
    Repository(repository.path / LOG).commit()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (elsewhere, "is a symbolic link and was not read"),
        (nowhere, "is a symbolic link and was not read"),
        (directory, "is a directory and was not read"),
        (huge, "is longer than 8 MiB and was not read"),
        (inner, "is a repository of its own and was not read"),
    ],
)
def test_a_log_that_is_no_log_puts_every_work_package_in_doubt(
    repository: Repository, make: Callable[[Repository], None], message: str
) -> None:
    repository.feature(NAME, "finished", work_packages=("WP01", "WP02"))
    make(repository)

    report = report_of(repository)

    assert problems(report) == [f"{LOG}: {message}"]
    assert report.work_packages == {"WP01": Lane.DONE, "WP02": Lane.DONE}
    assert report.unreadable == ("WP01", "WP02")
    assert (report.phase, report.candidates, report.malformed) == (Phase.TASKS, ANY_LANE, (LOG,))
    assert not report.finished


def test_a_linked_feature_is_none_and_a_linked_project_holds_none(repository: Repository) -> None:
    Repository(repository.path.parent / "other").feature("002-two", "implement")
    repository.feature(NAME)
    (repository.path / "kitty-specs/002-two").symlink_to("../../other/kitty-specs/002-two")
    assert list(from_both(repository)) == [NAME]

    (repository.path / "kitty-specs").rename(repository.path / "real")
    (repository.path / "kitty-specs").symlink_to("real")
    assert from_both(repository) == {}


def without_permission(repository: Repository, path: str) -> PhaseReport:
    """What is read where `path` may not be; read as an ordinary user, who cannot read it, even if we are root."""
    place = repository.path / path
    mode = place.stat().st_mode
    place.chmod(0)
    try:
        return read_feature(DiskTree(repository.path), HERE)
    finally:
        place.chmod(mode)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("path", "reported", "lanes", "candidates", "unreadable"),
    [
        ("tasks/WP01-part.md", "tasks/WP01-part.md", {"WP02": Lane.DONE}, ANY_LANE, ("WP01",)),
        (
            "status.events.jsonl",
            "status.events.jsonl",
            {"WP01": Lane.DONE, "WP02": Lane.PLANNED},
            ANY_LANE,
            ("WP01", "WP02"),
        ),
        ("tasks", "tasks", {"WP02": Lane.DONE}, ANY_LANE, ()),
        ("", "", {}, (Phase.RESEARCH, Phase.SPECIFY, Phase.PLAN, *ANY_LANE), ()),
    ],
)
def test_what_may_not_be_read_is_in_doubt(
    path: str, reported: str, lanes: dict[str, Lane], candidates: tuple[Phase, ...], unreadable: tuple[str, ...]
) -> None:
    def look() -> None:
        os.environ["HOME"] = str(place)
        repository = Repository(place / "work")
        repository.feature(NAME, "finished", work_packages=("WP01",))
        repository.write(f"{HERE}/tasks/WP02.md", "# nothing\n")
        repository.write(LOG, log_of("WP02 done"))
        where = f"{HERE}/{path}".removesuffix("/")

        report = without_permission(repository, where)

        told = [text for text in problems(report) if "Permission" in text]
        assert told == [f"{HERE}/{reported}".removesuffix("/") + ": cannot be read: Permission denied"]
        assert report.work_packages == lanes
        assert report.candidates == candidates
        assert report.unreadable == unreadable
        assert report.malformed == (where,)
        assert not report.finished

    with place_for_anyone() as place:
        as_anyone(look)
