"""`guardian policy`: what is in force and from where, and changing it in an editor."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kitty_guardian.rules.policy import POLICY_PATH, Policy, parse_policy
from spec_kitty_cli import policy_text

if TYPE_CHECKING:
    from cli.program import Program
    from support.repositories import Repository


def edited_by(program: Program, tmp_path: Path, script: str) -> None:
    """Make the person's editor a shell script that gets the draft as $1."""
    editor = tmp_path / "an editor"
    editor.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    editor.chmod(0o755)
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    program.environment |= {"EDITOR": f"'{editor}'", "TMPDIR": str(drafts)}


def drafts(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "drafts").iterdir())


def test_without_a_file_the_defaults_are_shown_as_toml(in_shop: Program) -> None:
    outcome = in_shop("guardian", "policy", "show")
    assert (outcome.code, outcome.err) == (0, "")
    assert parse_policy(outcome.out) == Policy.default()


def test_each_value_says_where_it_comes_from(in_shop: Program, shop: Repository) -> None:
    shop.write(POLICY_PATH, '# ours\nmode = "strict"\n\n[phases.plan]\nblock = ["src/"]\n')
    out = in_shop("guardian", "policy", "show", "--origin").out
    assert f'mode = "strict"  # {POLICY_PATH}:2\n' in out
    assert f'block = ["src/"]  # {POLICY_PATH}:5\n' in out
    assert 'transitions = "explicit"  # default\n' in out
    assert tomllib.loads(out)["mode"] == "strict"


def test_the_policy_as_json(in_shop: Program, shop: Repository) -> None:
    shop.write(POLICY_PATH, 'mode = "strict"\n')
    plain = in_shop("guardian", "policy", "show", "--json").json
    assert list(plain) == ["schema", "settings"]
    assert plain["settings"][0] == {"key": "mode", "value": "strict"}
    told = in_shop("guardian", "policy", "show", "--origin", "--json").json
    assert told["settings"][0] == {"key": "mode", "value": "strict", "origin": f"{POLICY_PATH}:1"}


def test_the_template_changes_nothing_and_names_every_key() -> None:
    template = policy_text.template()
    assert parse_policy(template) == Policy.default()
    uncommented = re.sub(r"(?m)^# (?!What)", "", template)
    assert parse_policy(uncommented) == Policy.default()
    assert "[phases.review]" in uncommented
    assert max(map(len, template.splitlines())) <= 120


def test_editing_needs_a_terminal(in_shop: Program, tmp_path: Path) -> None:
    edited_by(in_shop, tmp_path, 'echo never > "$1"')
    outcome = in_shop("guardian", "policy", "edit", "--reason", "why")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: The policy is edited on a terminal only")
    assert drafts(tmp_path) == []


def test_editing_needs_a_reason(in_shop: Program) -> None:
    assert in_shop.on_terminal("guardian", "policy", "edit").err.startswith("error: Missing option '--reason'")


@pytest.mark.parametrize("guarded", [False, True])
def test_what_the_editor_leaves_is_in_force(in_shop: Program, shop: Repository, tmp_path: Path, guarded: bool) -> None:
    if guarded:
        in_shop("guardian", "start")
    edited_by(in_shop, tmp_path, """sed -i 's/^# mode = .*/mode = "observe"/' "$1" """)
    outcome = in_shop.on_terminal("guardian", "policy", "edit", "--reason", "a first week")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"✓ {POLICY_PATH} is in force; recorded\n"
    assert parse_policy((shop.path / POLICY_PATH).read_text(encoding="utf-8")).mode == "observe"
    assert drafts(tmp_path) == []
    assert "a first week" in in_shop("guardian", "log").out
    if guarded:
        assert in_shop("guardian", "status", "--json").json["mode"] == "observe"


def test_the_editor_begins_with_what_is_there(in_shop: Program, shop: Repository, tmp_path: Path) -> None:
    shop.write(POLICY_PATH, 'mode = "strict"\n')
    edited_by(in_shop, tmp_path, f'cat "$1" > "{tmp_path}/seen"; echo \'tests = ["t/"]\' >> "$1"')
    assert in_shop.on_terminal("guardian", "policy", "edit", "--reason", "why").code == 0
    assert (tmp_path / "seen").read_text(encoding="utf-8") == 'mode = "strict"\n'
    assert (shop.path / POLICY_PATH).read_text(encoding="utf-8") == 'mode = "strict"\ntests = ["t/"]\n'


def test_visual_goes_before_editor(in_shop: Program, tmp_path: Path) -> None:
    edited_by(in_shop, tmp_path, "exit 7")
    in_shop.environment["VISUAL"] = "true"
    assert in_shop.on_terminal("guardian", "policy", "edit", "--reason", "why") == (0, "unchanged\n", "")


def test_an_invalid_draft_changes_nothing_and_is_kept(in_shop: Program, shop: Repository, tmp_path: Path) -> None:
    edited_by(in_shop, tmp_path, """printf 'mode = "strict"\\nmoed = 1\\n' > "$1" """)
    outcome = in_shop.on_terminal("guardian", "policy", "edit", "--reason", "why")
    (draft,) = drafts(tmp_path)
    assert (outcome.code, outcome.out) == (2, "")
    line, kept, error, *_ = outcome.err.splitlines()
    assert line == "   2 | moed = 1"
    assert kept == f"your draft is kept: {draft}"
    assert error.startswith(f"error: {draft}:2: moed: unknown key (did you mean mode?)")
    assert draft.read_text(encoding="utf-8").endswith("moed = 1\n")
    assert stat.S_IMODE(draft.stat().st_mode) == 0o600
    assert not (shop.path / POLICY_PATH).exists()


def test_a_draft_that_is_not_utf8_is_kept(in_shop: Program, tmp_path: Path) -> None:
    edited_by(in_shop, tmp_path, """printf '\\377' > "$1" """)
    outcome = in_shop.on_terminal("guardian", "policy", "edit", "--reason", "why")
    assert outcome.code == 2
    assert "error: The policy is not UTF-8" in outcome.err
    assert len(drafts(tmp_path)) == 1


def test_an_editor_that_fails_changes_nothing(in_shop: Program, shop: Repository, tmp_path: Path) -> None:
    edited_by(in_shop, tmp_path, """echo 'mode = "strict"' > "$1"; exit 7""")
    outcome = in_shop.on_terminal("guardian", "policy", "edit", "--reason", "why")
    assert outcome.code == 2
    assert "ended with 7; nothing was changed" in outcome.err
    assert not (shop.path / POLICY_PATH).exists()


@pytest.mark.parametrize("editor", [None, "/no/such/editor", "'unbalanced"])
def test_without_an_editor_that_starts_the_hint_is_the_variable(in_shop: Program, editor: str | None) -> None:
    in_shop.environment |= {} if editor is None else {"EDITOR": editor}
    outcome = in_shop.on_terminal("guardian", "policy", "edit", "--reason", "why")
    assert (outcome.code, outcome.out) == (2, "")
    assert "EDITOR" in outcome.err.splitlines()[-1]
    for kept in re.findall(r"your draft is kept: (\S+)", outcome.err):
        Path(kept).unlink()
