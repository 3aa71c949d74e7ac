"""`implement` frees the place of a work tree by renaming: what a guardian kept and what people wrote stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardian.transitions.flow import FEATURE, Flow
from kitty_guardian import workflow
from kitty_guardian.errors import NothingProtectedError, TransitionRefusedError
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch import lifecycle
from support.repositories import Repository


def _place(flow: Flow, name: str) -> Path:
    return flow.root / ".worktrees" / f"{FEATURE}-{name}"


def _ready(flow: Flow, *names: str) -> None:
    flow.reach("tasks")
    flow.plan_packages(*names)


def _given_up(flow: Flow, name: str, at: Path) -> Path:
    """A work tree with something in quarantine, moved away without git; the quarantine."""
    flow.repository.git("worktree", "add", "-q", "-b", f"{FEATURE}-{name}", str(_place(flow, name)))
    kept = find_worktree(_place(flow, name)).git_dir / "spec-kitty/guardian/quarantine"
    kept.mkdir(parents=True)
    (kept / "precious").write_text("three hours\n")
    _place(flow, name).rename(at)
    return kept


def _unfinished(flow: Flow, name: str) -> None:
    """A work tree that git was ended over after the checkout, with what somebody wrote there since."""
    flow.repository.git("worktree", "add", "-q", "-b", f"{FEATURE}-{name}", str(_place(flow, name)))
    (find_worktree(_place(flow, name)).git_dir / "locked").write_text("initializing")
    (_place(flow, name) / "notes.txt").write_text("two hours\n")


def _kept(flow: Flow) -> list[str]:
    found = sorted((flow.root / ".git/spec-kitty").glob("kept-*/guardian/quarantine/precious"))
    return [path.read_text() for path in found]


def test_another_work_trees_directory_is_not_touched(flow: Flow, tmp_path: Path) -> None:
    _ready(flow, "WP01", "WP02")
    kept = _given_up(flow, "WP02", tmp_path / "moved")
    workflow.implement(flow.root, "WP01", actor="ada")

    assert (kept / "precious").read_text() == "three hours\n"
    assert Repository(tmp_path / "moved", init=False).git("status", "--porcelain") == ""


def test_what_the_guardian_of_a_lost_one_kept_is_put_aside_and_said(flow: Flow, tmp_path: Path) -> None:
    _ready(flow, "WP01")
    _given_up(flow, "WP01", tmp_path / "moved")
    report = workflow.implement(flow.root, "WP01", actor="ada")

    assert report.created
    assert _kept(flow) == ["three hours\n"]
    assert any("kept-" in said and str(_place(flow, "WP01")) in said for said in report.outcome.said)


def test_what_stands_in_an_unfinished_one_is_put_aside_and_said(flow: Flow) -> None:
    _ready(flow, "WP01")
    _unfinished(flow, "WP01")
    report = workflow.implement(flow.root, "WP01", actor="ada")
    (aside,) = _place(flow, "WP01").parent.glob("*.unfinished-*")

    assert (aside / "notes.txt").read_text() == "two hours\n"
    assert (aside / "src/app.py").is_file()
    assert not (aside / ".git").exists()
    assert not (_place(flow, "WP01") / "notes.txt").exists()
    assert any(str(aside) in said for said in report.outcome.said)


def test_what_was_put_aside_is_said_where_nothing_comes_of_it(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    _ready(flow, "WP01")
    _unfinished(flow, "WP01")

    def failing(*_: object, **__: object) -> None:
        raise NothingProtectedError("nothing is protected")

    monkeypatch.setattr(lifecycle, "start", failing)
    with pytest.raises(NothingProtectedError) as refused:
        workflow.implement(flow.root, "WP01", actor="ada")
    (aside,) = _place(flow, "WP01").parent.glob("*.unfinished-*")

    assert str(aside) in refused.value.message
    assert (aside / "notes.txt").read_text() == "two hours\n"


def test_a_lost_one_that_a_person_locked_is_left_to_that_person(flow: Flow, tmp_path: Path) -> None:
    _ready(flow, "WP01")
    kept = _given_up(flow, "WP01", tmp_path / "moved")
    flow.repository.git("worktree", "lock", "--reason", "on the other disk", str(_place(flow, "WP01")))
    with pytest.raises(TransitionRefusedError, match="on the other disk") as refused:
        workflow.implement(flow.root, "WP01", actor="ada")

    assert (refused.value.gate, flow.blocked()[-1]["gate"]) == ("workspace", "workspace")
    assert "git worktree unlock" in (refused.value.hint or "")
    assert (kept / "precious").exists()
