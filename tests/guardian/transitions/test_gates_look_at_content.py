"""A gate opens for what somebody wrote, never for a file that only exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitty_guardian.transitions.gates import Finding, is_edited, look_at
from kitty_guardian.transitions.scaffolds import ARTIFACTS, scaffold
from support.repositories import work_package_text

_FORM = """\
# Feature Specification: [FEATURE NAME]

**Feature Branch**: `[###-feature-name]`
**Created**: 2026-01-01
**Status**: Draft
**Input**: User description: "$ARGUMENTS"

### User Story 1 - [Brief Title] (Priority: P1)

[Describe this user journey in plain language]

**Independent Test**: [Can be tested by [specific action] and delivers [specific value]]

1. **Given** [initial state], **When** [action], **Then** [expected outcome]

| ID | What is asked for | Who asks for it |
|----|-------------------|-----------------|
| FR-001 | [Short title] | As a [role], I want [goal] so that [benefit]. |

*GATE: must pass before the next thing is done*

> Advice on how this form is to be filled in by whoever reads it.

```
src/
└── models and other things that are drawn here
```

**Structure Decision**: [Document the selected structure and reference the real
directories captured above]
"""


@pytest.mark.parametrize("artifact", [name for names in ARTIFACTS.values() for name in names])
def test_nothing_that_a_transition_makes_counts_as_written(artifact: str) -> None:
    text = scaffold(artifact, "A home guard for every night")

    assert not is_edited(text)
    assert not is_edited(text.replace("\n", "\r\n"), scaffold(artifact, ""))


def test_a_form_that_nobody_filled_in_does_not_count() -> None:
    assert not is_edited(_FORM)


@pytest.mark.parametrize(
    "line",
    [
        "It guards the home.",
        "- [x] guards the home",
        "- **FR-001**: it rings [a bell](bell.md) at night",
        "Reference [1] says more than that.",
        "| FR-001 | A bell | As a sleeper, I want to be woken. |",
        "Größenänderungsmaßnahmen",
        "家を夜の間守ること",
        "An array is `list[str]` in code here",
    ],
)
def test_one_line_of_text_opens_a_form(line: str) -> None:
    assert is_edited(f"{_FORM}\n{line}\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n  \n",
        "# A heading with a lot of words in it\n",
        "<!-- a comment with many words that is never closed\nand goes on\n",
        "TODO\n\nLater.\n",
        "---\ntitle: Only the frontmatter says a thing\n---\n",
        "System must do [NEEDS CLARIFICATION: nobody knows what it must do]\n",
        "- ...\n- ...\n",
    ],
)
def test_what_says_nothing_does_not_open_a_gate(text: str) -> None:
    assert not is_edited(text)


def test_an_open_question_does_not_make_a_form_of_what_was_written() -> None:
    assert is_edited("It guards the home.\n\nWho feeds the dog? [NEEDS CLARIFICATION: who does]\n")


def test_a_text_of_a_megabyte_of_brackets_is_judged_soon() -> None:
    assert not is_edited("[" * 500_000 + "]" * 500_000)


def test_what_cannot_be_read_is_not_edited(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "real.md").write_text("It guards the home.\n")
    (tmp_path / "link.md").symlink_to("real.md")
    (tmp_path / "bytes.md").write_bytes(b"It guards the home \xff\xfe.\n")
    (tmp_path / "bom.md").write_bytes(b"\xef\xbb\xbfIt guards the home.\n")

    assert look_at(tmp_path, "none.md", "spec.md").finding is Finding.MISSING
    assert look_at(tmp_path, "folder", "spec.md").finding is Finding.UNREADABLE
    assert look_at(tmp_path, "link.md", "spec.md").finding is Finding.UNREADABLE
    assert look_at(tmp_path, "bytes.md", "spec.md").finding is Finding.UNREADABLE
    assert look_at(tmp_path, "real.md", "spec.md").finding is Finding.EDITED
    assert look_at(tmp_path, "bom.md", "spec.md").finding is Finding.EDITED


def test_work_packages_of_tests_are_valid_ones() -> None:
    assert "title: Part WP01" in work_package_text("WP01")  # what the other tests here rely on
