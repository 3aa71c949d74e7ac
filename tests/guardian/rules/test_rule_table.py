"""The owner's table written a second time, as pictures: every row of `rules.table` fails here when it is changed.

This file is what the mutation run (`tools/mutate_tables.py`) runs, so it expects literals and derives nothing.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from kitty_guardian.model.phases import Phase
from kitty_guardian.rules import table
from kitty_guardian.rules.decision import decide, is_write_allowed
from kitty_guardian.rules.policy import Mode, Policy
from kitty_guardian.rules.situation import Situation

FEATURE = "kitty-specs/001-home/"
STRICT = attrs.evolve(Policy.default(), mode=Mode.STRICT)

# A: allowed by a row, so in strict mode as well. B: blocked. n: no row speaks about it.
# The columns are research, specify, plan, tasks, implement, review, and review after "changes requested".
PROJECT = """
src/app.py                        B B B B A B A
src/a/deep/module.py              B B B B A B A
src                               B B B B A B A
tests/test_app.py                 n n n n A n A
tests/unit/test_app.py            n n n n A n A
docs/src/app.py                   n n n n n n n
packages/one/tests/test_app.py    n n n n n n n
sources/app.py                    n n n n n n n
src.py                            n n n n n n n
README.md                         n n n n n n n
"""
ARTIFACTS = """
spec.md                           B A n n B n n
plan.md                           B B A n B n n
research.md                       A n n n n n n
research/notes.md                 A n n n n n n
research/deep/notes.md            A n n n n n n
data-model.md                     n n A n n n n
contracts/api.yaml                B n A n n n n
contracts/v1/api.yaml             B n A n n n n
checklists/ux.md                  n A n n n n n
checklists/deep/ux.md             n A n n n n n
tasks.md                          n n n A n n n
tasks/WP01-root.md                n B B A n A A
tasks/doing/WP01-root.md          n B B A n A A
tasks/WP01-root/review-cycle-1.md n B B A n A A
tasks/review-cycle-1.md           n B B A n A A
tasks/notes.md                    n B B A n n n
tasks/WP01-root/evidence.png      n B B A n n n
reviews/first.md                  n n n n n A A
reviews/deep/first.md             n n n n n A A
quickstart.md                     n n n n n n n
src/app.py                        n n n n n n n
tests/test_app.py                 n n n n n n n
old/spec.md                       n n n n n n n
old/plan.md                       n n n n n n n
old/research.md                   n n n n n n n
old/research/notes.md             n n n n n n n
old/data-model.md                 n n n n n n n
old/contracts/api.yaml            n n n n n n n
old/checklists/ux.md              n n n n n n n
old/tasks.md                      n n n n n n n
old/tasks/WP01-root.md            n n n n n n n
old/tasks/WP01/review-cycle-1.md  n n n n n n n
old/reviews/first.md              n n n n n n n
"""
COLUMNS = [*((phase, False) for phase in Phase), (Phase.REVIEW, True)]

Cell = tuple[str, Phase, bool, str]


def cells(picture: str, prefix: str = "") -> list[Cell]:
    found = []
    for line in picture.strip().splitlines():
        path, *letters = line.split()
        found += [(prefix + path, *column, letter) for column, letter in zip(COLUMNS, letters, strict=True)]
    return found


BELOW_FEATURE = cells(ARTIFACTS, FEATURE)
# Named without its folder an artifact is an artifact; `src/` and `tests/` without a folder are the project's.
BARE = [cell for cell in cells(ARTIFACTS) if not cell[0].startswith(("src/", "tests/"))]
ALL = cells(PROJECT) + BELOW_FEATURE + BARE


def test_the_picture_has_a_column_for_every_phase_in_the_owners_order() -> None:
    assert [str(phase) for phase in Phase] == ["research", "specify", "plan", "tasks", "implement", "review"]


@pytest.mark.parametrize("phase", Phase)
def test_a_write_is_allowed_exactly_where_no_row_blocks_it(phase: Phase) -> None:
    for path, column, changes_requested, letter in ALL:
        if column is phase:
            allowed = is_write_allowed(Path(path), phase, changes_requested=changes_requested)
            assert allowed == (letter != "B"), (path, phase, changes_requested)


@pytest.mark.parametrize("phase", Phase)
def test_in_strict_mode_a_write_is_allowed_exactly_where_a_row_allows_it(phase: Phase) -> None:
    for path, column, changes_requested, letter in ALL:
        if column is phase:
            decision = decide(path, phase, policy=STRICT, changes_requested=changes_requested)
            assert decision.allowed == (letter == "A"), (path, phase, changes_requested)
            assert (decision.rule == "strict.neutral") == (letter == "n"), (path, phase, changes_requested)


def test_observe_decides_as_enforce_does() -> None:
    observe = attrs.evolve(Policy.default(), mode=Mode.OBSERVE)
    for path, phase, changes_requested, _ in ALL:
        expected = decide(path, phase, changes_requested=changes_requested)
        assert decide(path, phase, policy=observe, changes_requested=changes_requested) == expected


def test_changes_requested_opens_nothing_outside_review() -> None:
    for path, phase, _, letter in ALL:
        if phase is not Phase.REVIEW:
            assert is_write_allowed(Path(path), phase, changes_requested=True) == (letter != "B"), (path, phase)


def test_src_and_tests_stand_for_the_configured_roots() -> None:
    policy = attrs.evolve(STRICT, source=("lib/",), tests=("spec/",))
    assert decide("lib/app.py", Phase.PLAN, policy=policy).rule == "plan.block:src/"
    assert decide("spec/app.py", Phase.IMPLEMENT, policy=policy).rule == "implement.allow:tests/"
    assert decide("src/app.py", Phase.IMPLEMENT, policy=policy).rule == "strict.neutral"


PROTECTED = [
    (".kittify/guardian.toml", "always:.kittify/guardian.toml"),
    ("kitty-specs/001-home/status.events.jsonl", "always:kitty-specs/*/status.events.jsonl"),
    ("kitty-specs/any-other/status.events.jsonl", "always:kitty-specs/*/status.events.jsonl"),
    ("kitty-specs/001-home/status.json", "always:kitty-specs/*/status.json"),
    ("kitty-specs/001-home/meta.json", "always:kitty-specs/*/meta.json"),
    (".KITTIFY/Guardian.TOML", "always:.kittify/guardian.toml"),
    ("kitty-specs/001-home/meta.json/inside", "always:kitty-specs/*/meta.json"),
]


@pytest.mark.parametrize(("path", "rule"), PROTECTED)
def test_what_is_always_protected_is_denied_in_every_phase(path: str, rule: str) -> None:
    for phase, changes_requested in COLUMNS:
        decision = decide(path, phase, changes_requested=changes_requested)
        assert (decision.allowed, decision.rule) == (False, rule)


@pytest.mark.parametrize(
    "path",
    [
        ".kittify/config.yaml",
        ".kittify",
        "guardian.toml",
        "sub/.kittify/guardian.toml",
        "kitty-specs/meta.json",
        "kitty-specs/001-home/lanes.json",
        "kitty-specs/001-home/deep/meta.json",
        "kitty-specs/001-home/deep/status.json",
        "kitty-specs/001-home/deep/status.events.jsonl",
        "status.events.jsonl",
        "meta.json",
    ],
)
def test_what_only_resembles_something_always_protected_is_neutral(path: str) -> None:
    assert {decide(path, phase).rule for phase in Phase} == {"neutral"}


IDS = {
    ("src/x", Phase.RESEARCH): "research.block:src/",
    ("contracts/x", Phase.RESEARCH): "research.block:contracts/",
    ("plan.md", Phase.RESEARCH): "research.block:plan.md",
    ("spec.md", Phase.RESEARCH): "research.block:spec.md",
    ("research/x", Phase.RESEARCH): "research.allow:research/",
    ("research.md", Phase.RESEARCH): "research.allow:research.md",
    ("src/x", Phase.SPECIFY): "specify.block:src/",
    ("plan.md", Phase.SPECIFY): "specify.block:plan.md",
    ("tasks/x", Phase.SPECIFY): "specify.block:tasks/",
    ("spec.md", Phase.SPECIFY): "specify.allow:spec.md",
    ("checklists/x", Phase.SPECIFY): "specify.allow:checklists/",
    ("src/x", Phase.PLAN): "plan.block:src/",
    ("tasks/x", Phase.PLAN): "plan.block:tasks/",
    ("plan.md", Phase.PLAN): "plan.allow:plan.md",
    ("data-model.md", Phase.PLAN): "plan.allow:data-model.md",
    ("contracts/x", Phase.PLAN): "plan.allow:contracts/",
    ("src/x", Phase.TASKS): "tasks.block:src/",
    ("tasks/x", Phase.TASKS): "tasks.allow:tasks/",
    ("tasks.md", Phase.TASKS): "tasks.allow:tasks.md",
    ("spec.md", Phase.IMPLEMENT): "implement.block:spec.md",
    ("plan.md", Phase.IMPLEMENT): "implement.block:plan.md",
    ("src/x", Phase.IMPLEMENT): "implement.allow:src/",
    ("tests/x", Phase.IMPLEMENT): "implement.allow:tests/",
    ("src/x", Phase.REVIEW): "review.block:src/",
    ("tasks/a/review-cycle-1.md", Phase.REVIEW): "review.allow:tasks/**/review-cycle-*.md",
    ("reviews/x", Phase.REVIEW): "review.allow:reviews/",
    ("tasks/WP01.md", Phase.REVIEW): "review.allow:tasks/**/WP*.md",
}


@pytest.mark.parametrize(("path", "phase"), IDS)
def test_a_decision_names_its_row_by_a_stable_identifier(path: str, phase: Phase) -> None:
    assert decide(path, phase).rule == IDS[path, phase]


def test_every_row_has_an_identifier_of_its_own_and_no_row_is_unknown_here() -> None:
    assert sorted(rule.id for rule in table.RULES) == sorted(IDS.values())


@pytest.mark.parametrize(
    ("path", "rule"),
    [("src/x", "review.changes-requested:src/"), ("tests/x", "review.changes-requested:tests/")],
)
def test_what_a_verdict_opens_is_named_as_such(path: str, rule: str) -> None:
    assert decide(path, Phase.REVIEW, changes_requested=True).rule == rule


def test_protected_paths_are_the_owners_blocked_column() -> None:
    assert dict(table.PROTECTED_PATHS) == {
        "research": ("src/", "contracts/", "plan.md", "spec.md"),
        "specify": ("src/", "plan.md", "tasks/"),
        "plan": ("src/", "tasks/"),
        "tasks": ("src/",),
        "implement": ("spec.md", "plan.md"),
        "review": ("src/",),
    }


TRANSIENT = [
    "src/app.py~",
    "src/.app.py.un~",
    "src/#app.py#",
    "src/.#app.py",
    "src/.app.py.swp",
    "src/.app.py.swo",
    "src/.app.py.swn",
    "src/.app.py.swx",
    "src/.app.py.swpx",
    "src/4913",
    "src/.app.py.kate-swp",
    "src/.goutputstream-XY12Z0",
    "src/app.py___jb_tmp___",
    "src/app.py___jb_old___",
    "contracts/~$model.docx",
    "contracts/~$model.xlsx",
    "contracts/~$model.pptx",
    "contracts/.~lock.model.ods#",
    "src/.DS_Store",
    "src/Thumbs.db",
    "src/deep/__pycache__",
    "src/deep/__pycache__/app.cpython-311.pyc",
    ".DS_Store",
    "__pycache__/conftest.cpython-311.pyc",
]
NOT_TRANSIENT = [
    "src/app.py",
    "src/app.tmp.py",
    "src/app.swp",
    "src/.app.swp.py",
    "src/.app.swo.py",
    "src/.app.swn.py",
    "src/.app.swx.py",
    "src/.app.swpx.py",
    "src/swp",
    "src/app.kate-swp",
    "src/.app.kate-swp.py",
    "src/backup~/evil.py",
    "src/#backup#/evil.py",
    "src/.#backup/evil.py",
    "src/.DS_Store/evil.py",
    "src/Thumbs.db/evil.py",
    "src/.goutputstream-/evil.py",
    "src/goutputstream-XY12Z0",
    "src/.goutputstream-evil_test.py",
    "src/4913/evil.py",
    "src/4913.py",
    "src/~$evil.py",
    "src/~evil.docx",
    "src/$evil.xlsx",
    "src/evil.pptx",
    "src/.~lock.evil.py",
    "src/~lock.evil#",
    "src/app___jb_tmp___.py",
    "src/app___jb_old___.py",
    "src/x___jb_tmp___/evil.py",
    "src/__pycache__/evil.py",
    "src/__pycache__/deep/evil.pyc",
    "src/evil.pyc",
    "src/pycache__/app.pyc",
    "src/#app.py",
    "src/app.py#",
    "src/.DS_Store.py",
    "src/Thumbs.db.py",
]


@pytest.mark.parametrize("path", TRANSIENT)
def test_what_programs_leave_for_a_moment_is_transient_but_no_more_writable_than_before(path: str) -> None:
    assert Situation(Policy.default(), {}, ()).is_transient(path)
    if path.startswith("src/"):
        assert not is_write_allowed(Path(path), Phase.PLAN)


@pytest.mark.parametrize("path", TRANSIENT)
def test_nothing_is_transient_for_lying_in_or_being_named_after_something_transient(path: str) -> None:
    asked = Situation(Policy.default(), {}, ())
    assert not asked.is_transient(f"{path}/evil.py")
    assert not asked.is_transient(f"{path}/__pycache__/deeper/evil.pyc")
    assert asked.is_transient(f"{path}.py") == path.startswith("src/.#")


@pytest.mark.parametrize("path", NOT_TRANSIENT)
def test_source_cannot_pass_for_something_transient(path: str) -> None:
    assert not Situation(Policy.default(), {}, ()).is_transient(path)
