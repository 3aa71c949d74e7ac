"""Which files of work packages can be worked on, and which of their steps are open."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitty_guardian.project.trees import DiskTree
from kitty_guardian.transitions.scaffolds import FIRST_WORK_PACKAGE, scaffold
from kitty_guardian.transitions.subtasks import open_subtasks
from kitty_guardian.transitions.workpackages import WorkPackage, work_package_id, work_packages
from support.repositories import work_package_text

_FOLDER = "kitty-specs/001-home-guard"


def _tree(root: Path, files: dict[str, str]) -> DiskTree:
    for name, text in files.items():
        target = root / _FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return DiskTree(root)


def _packages(root: Path, files: dict[str, str]) -> dict[str, WorkPackage]:
    return work_packages(_tree(root, {f"tasks/{name}": text for name, text in files.items()}), "001-home-guard")


def test_a_written_work_package_can_be_worked_on(tmp_path: Path) -> None:
    found = _packages(tmp_path, {"WP01-dog.md": work_package_text("WP01", extra="subtasks: [T001, 'T002']\n")})["WP01"]

    assert found.is_valid
    assert found.title == "Part WP01"
    assert found.subtasks == ("T001", "T002")


def test_the_scaffold_counts_for_nothing_until_it_has_a_title(tmp_path: Path) -> None:
    text = scaffold(FIRST_WORK_PACKAGE, "x")

    assert not _packages(tmp_path, {"WP01.md": text})["WP01"].is_valid
    assert _packages(tmp_path, {"WP01.md": text.replace('title: ""', "title: Dog")})["WP01"].is_valid


def test_an_unedited_scaffold_gives_way_to_a_file_that_somebody_made(tmp_path: Path) -> None:
    found = _packages(
        tmp_path, {"WP01.md": scaffold(FIRST_WORK_PACKAGE, "x"), "WP01-dog.md": work_package_text("WP01")}
    )

    assert found["WP01"].is_valid
    assert found["WP01"].path.endswith("WP01-dog.md")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no frontmatter here\n", "does not begin with frontmatter"),
        ("---\nwork_package_id: WP02\ntitle: x y\n---\nDo it well.\n", "calls itself WP02"),
        ("---\nwork_package_id: WP01\n---\nDo it all and do it well.\n", "has no title"),
        ("---\nwork_package_id: WP01\ntitle: Replace with a title\n---\n# WP01\n", "as it was made"),
        ("---\nwork_package_id: WP01\ntitle: a\ntitle: b\n---\n", "twice"),
        ("---\nwork_package_id: WP01\ntitle: a\ndependencies: {a: b}\n---\n", "no list of work packages"),
        ("---\nwork_package_id: WP01\ntitle: a\ndependencies: [WP09]\n---\n", "'WP09', which does not exist"),
        ("---\nwork_package_id: WP01\ntitle: a\ndependencies: [WP01]\n---\n", "WP01 → WP01"),
    ],
)
def test_what_keeps_a_work_package_from_being_worked_on_is_said(tmp_path: Path, text: str, said: str) -> None:
    found = _packages(tmp_path, {"WP01.md": text})["WP01"]

    assert not found.is_valid
    assert said in "; ".join(found.problems)


def test_a_circle_of_dependencies_is_found_in_each_that_is_in_it(tmp_path: Path) -> None:
    texts = {
        f"{name}.md": work_package_text(name).replace("dependencies: []", f"dependencies: [{on}]")
        for name, on in (("WP01", "WP02"), ("WP02", "WP03"), ("WP03", "WP02"), ("WP04", '"WP01, WP03"'))
    }
    found = _packages(tmp_path, texts)

    assert [name for name, package in found.items() if not package.is_valid] == ["WP02", "WP03"]
    assert found["WP04"].dependencies == ("WP01", "WP03")


@pytest.mark.parametrize(("typed", "meant"), [("WP01", "WP01"), ("wp1", "WP01"), ("7", "WP07"), ("123", "WP123")])
def test_a_work_package_is_named_in_any_spelling(typed: str, meant: str) -> None:
    assert work_package_id(typed) == meant


def test_a_step_is_done_when_it_is_ticked_anywhere(tmp_path: Path) -> None:
    package = WorkPackage("WP01", f"{_FOLDER}/tasks/WP01.md", subtasks=("T003",))
    home = _tree(
        tmp_path / "home",
        {
            "tasks/WP01.md": "- [ ] T001 one\n* [x] **T002** two\n- [ ] no number\n<!-- - [ ] T009 an example -->\n",
            "tasks.md": "## WP01\n- [ ] T004 four\n### Steps\n- [ ] T005 five\n## WP02\n- [ ] T006 six\n- [ ] T003 x\n",
            "status.events.jsonl": '{"kind": "annotation", "wp_id": "WP01", "delta": {"subtasks": {"T004": "done"}}}\n',
        },
    )
    place = _tree(tmp_path / "place", {"tasks/WP01.md": "- [X] T001 one\n- [ ] T002 two\n"})

    assert open_subtasks([home], "001-home-guard", package) == ("T001", "T003", "T005")
    assert open_subtasks([home, place], "001-home-guard", package) == ("T003", "T005")
