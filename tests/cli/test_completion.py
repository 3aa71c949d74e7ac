"""Completion: the scripts load, and what they ask back is answered."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from cli.program import BIN

if TYPE_CHECKING:
    from cli.program import Program


def completed(program: Program, *words: str) -> list[str]:
    """What bash would offer for the last word."""
    program.environment |= {
        "_SPEC_KITTY_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("spec-kitty", *words)),
        "COMP_CWORD": str(len(words)),
    }
    outcome = program()
    assert (outcome.code, outcome.err) == (0, "")
    return [line.partition(",")[2] for line in outcome.out.splitlines()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_loads_in_its_shell(spec_kitty: Program, shell: str) -> None:
    printed = spec_kitty("completion", shell)
    assert (printed.code, printed.err) == (0, "")
    if (program := shutil.which(shell)) is None:
        pytest.skip(f"{shell} is not on this machine")
    # compdef is there once zsh has loaded its completion system; the script expects that.
    prepare = "autoload -U compinit && compinit -u; " if shell == "zsh" else ""
    loaded = subprocess.run(
        [program, "-c", f"{prepare}{printed.out}"], env=spec_kitty.environment, capture_output=True, check=False
    )
    assert (loaded.returncode, loaded.stderr) == (0, b"")


def test_bash_completes_through_the_script(spec_kitty: Program) -> None:
    ask = (
        f"PATH={BIN}:$PATH; source <(spec-kitty completion bash); COMP_WORDS=(spec-kitty sta); COMP_CWORD=1; "
        '_spec_kitty_completion spec-kitty; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", ask], env=spec_kitty.environment, capture_output=True, check=True)
    assert done.stdout == b"state\n"


def test_commands_are_offered_in_the_order_people_meet_them(spec_kitty: Program) -> None:
    assert completed(spec_kitty, "guardian", "st") == ["start", "status", "stop"]


def test_options_of_a_group_are_offered(spec_kitty: Program) -> None:
    assert completed(spec_kitty, "--ver") == ["--version"]


def test_names_of_surfaces_are_offered(spec_kitty: Program) -> None:
    assert completed(spec_kitty, "state", "paths", "auth.session") == [
        "auth.session",
        "auth.session_salt",
        "auth.session_lock",
    ]


def test_an_unknown_shell_is_a_usage_error(spec_kitty: Program) -> None:
    code, out, err = spec_kitty("completion", "tcsh")
    assert (code, out) == (2, "")
    assert "bash" in err
