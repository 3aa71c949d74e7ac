"""Starting the program: fast, honest about its version, and nothing loaded that the command does not need."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import spec_kitty_cli
from spec_kitty_cli import app
from spec_kitty_cli.grouping import Lazy, LazyGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.program import Program

# Runs one invocation and tells on stderr which modules it loaded that are not the standard library's.
LOADED = """
import sys
started = set(sys.modules)
from spec_kitty_cli.__main__ import main
sys.argv = ["spec-kitty", *sys.argv[1:]]
main()
import json
foreign = {name.partition(".")[0] for name in set(sys.modules) - started} - set(sys.stdlib_module_names)
print(json.dumps(sorted(name for name in foreign if not name.startswith("_"))), file=sys.stderr)
"""


def loaded_by(program: Program, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        cwd=program.where,
        env={k: v for k, v in program.environment.items() if not k.startswith("COVERAGE")},
        capture_output=True,
        check=True,
    )
    names = json.loads(done.stderr.splitlines()[-1])
    assert isinstance(names, list)
    return names


def test_the_version_is_the_one_of_the_package(spec_kitty: Program) -> None:
    assert spec_kitty("--version") == (0, f"spec-kitty {importlib.metadata.version('spec-kitty-cli')}\n", "")
    assert spec_kitty_cli.__version__ == importlib.metadata.version("spec-kitty-cli")


def test_the_guardian_alone_has_the_same_version(spec_kitty: Program) -> None:
    outcome = spec_kitty.run("--version", program="spec-kitty-guardian")
    assert outcome.out == f"spec-kitty-guardian {spec_kitty_cli.__version__}\n"


def test_the_version_loads_no_third_party_module_but_click(spec_kitty: Program) -> None:
    assert loaded_by(spec_kitty, "--version") == ["click", "spec_kitty_cli"]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["guardian", "--help"], ["state", "-h"], ["guardian", "policy", "-h"]]
)
def test_help_of_a_group_loads_no_command(spec_kitty: Program, arguments: list[str]) -> None:
    assert loaded_by(spec_kitty, *arguments) == ["click", "spec_kitty_cli"]


def test_state_commands_load_nothing_of_the_guardian(spec_kitty: Program) -> None:
    assert "kitty_guardian" not in loaded_by(spec_kitty, "state", "paths")


def test_the_module_can_be_run(spec_kitty: Program) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spec_kitty_cli", "--version"],
        env=spec_kitty.environment,
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == f"spec-kitty {spec_kitty_cli.__version__}\n"


def lazies(group: LazyGroup, path: str) -> Iterator[tuple[str, Lazy]]:
    for name, member in group.members.items():
        if isinstance(member, Lazy):
            yield f"{path} {name}", member
        else:
            yield from lazies(member, f"{path} {name}")


ALL = dict(lazies(app.spec_kitty(), "spec-kitty"))


@pytest.mark.parametrize("path", ALL)
def test_every_command_in_the_table_can_be_loaded_and_carries_its_name(path: str) -> None:
    command = ALL[path].load()
    assert command.name == path.rpartition(" ")[2]
    assert command.callback is not None


@pytest.mark.parametrize("path", ALL)
def test_every_summary_fits_on_one_line_of_a_narrow_terminal(path: str) -> None:
    assert len(ALL[path].summary) <= 66
    assert ALL[path].summary.endswith(".")


def test_a_table_row_that_names_no_command_is_a_bug(spec_kitty: Program) -> None:
    del spec_kitty
    with pytest.raises(TypeError, match="is no command"):
        Lazy("completion:Command", "").load()
