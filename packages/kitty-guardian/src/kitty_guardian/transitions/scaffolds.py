"""What a phase begins with: short files that say what belongs in them and count for nothing until somebody writes.

Everything in them is a heading, a comment or empty, so that whatever else is found in one was written by somebody.
"""

from __future__ import annotations

from typing import Final

from kitty_guardian.model.phases import Phase
from kitty_guardian.project.features import FEATURES

_SPEC: Final = """\
# {title}

<!-- What it is to do, for whom and why; not how. `spec-kitty plan` opens once something is written below: headings
     and comments count for nothing. -->

## Why

## What it does

<!-- One line for each requirement that can be checked: FR-001, FR-002 … -->

## How we can tell that it is done

## What it does not do
"""

_PLAN: Final = """\
# Plan: {title}

<!-- How the specification is met. `spec-kitty tasks` opens once something is written below. -->

## Approach

## What changes where

<!-- Files and folders, with the reason. -->

## Risks

## How it is tested
"""

_RESEARCH: Final = """\
# Research: {title}

<!-- What has to be known before the specification can be written. `spec-kitty specify` goes on from here. -->

## Questions

## What was found

<!-- With its source. -->

## What follows from it
"""

_TASKS: Final = """\
# Tasks: {title}

<!-- The plan cut into work packages, each small enough to be reviewed at once and with a file of its own in tasks/
     (WP01-a-short-name.md, WP02-…). `spec-kitty implement WP01` opens once one of them has a title or something
     written in it. -->

## WP01

<!-- - [ ] T001 A step. A work package is handed in when none of its steps is open. -->
"""

_WORK_PACKAGE: Final = """\
---
work_package_id: WP01
title: ""  # a few words; until then, or until something is written below, this file counts for nothing
dependencies: []  # work packages that have to be accepted before this one starts: [WP02]
---

# WP01

<!-- Give the file a name that tells, such as WP01-login-form.md. -->

## What is to be done

## How we can tell that it is done

## Steps

<!-- - [ ] T001 A step -->
"""

FIRST_WORK_PACKAGE: Final = "tasks/WP01.md"

ARTIFACTS: Final = {
    Phase.RESEARCH: ("research.md",),
    Phase.SPECIFY: ("spec.md",),
    Phase.PLAN: ("plan.md",),
    Phase.TASKS: ("tasks.md", FIRST_WORK_PACKAGE),
}
"""What each phase begins with, by name inside the feature's folder; implement and review bring nothing of their own."""

_TEXTS: Final = {
    "research.md": _RESEARCH,
    "spec.md": _SPEC,
    "plan.md": _PLAN,
    "tasks.md": _TASKS,
    FIRST_WORK_PACKAGE: _WORK_PACKAGE,
}


def scaffold(artifact: str, title: str) -> str:
    """The text that an artifact begins with.

    Args:
        artifact: One of the names in `ARTIFACTS`.
        title: What the feature is called.
    """
    return _TEXTS[artifact].replace("{title}", title)


def path_of(feature: str, artifact: str) -> str:
    """Where an artifact lies, relative to the work tree."""
    return f"{FEATURES}/{feature}/{artifact}"
