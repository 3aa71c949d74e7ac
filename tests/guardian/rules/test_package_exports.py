"""`kitty_guardian` offers the contract's names and loads none of them before it is asked."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import kitty_guardian

NAMES = [
    "PROTECTED_PATHS",
    "Decision",
    "Lane",
    "Phase",
    "PhaseReport",
    "Policy",
    "__version__",
    "decide",
    "detect_phase",
    "effective_phase",
    "get_current_phase",
    "is_write_allowed",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_contract_is_there(name: str) -> None:
    assert getattr(kitty_guardian, name) == getattr(kitty_guardian, name)
    assert name in dir(kitty_guardian)


def test_the_names_are_declared_once_and_in_order() -> None:
    assert kitty_guardian.__all__ == NAMES


def test_the_version_is_the_installed_one() -> None:
    assert kitty_guardian.__version__ == version("kitty-guardian")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'is_write_alowed'"):
        _ = kitty_guardian.is_write_alowed  # type: ignore[attr-defined]


def test_importing_the_package_loads_no_other_module_of_it() -> None:
    code = (
        "import sys, kitty_guardian; print([m for m in sys.modules if m.startswith('kitty_guardian.') or m == 'attr'])"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"


def test_asking_for_a_decision_does_not_load_what_reads_repositories() -> None:
    code = "import sys; from kitty_guardian import decide; print(sorted(m for m in sys.modules if 'kitty' in m))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "kitty_guardian.rules.decision" in run.stdout
    assert "project" not in run.stdout
    assert "watch" not in run.stdout
