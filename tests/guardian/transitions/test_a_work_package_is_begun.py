"""`implement` makes the work tree, has it guarded, and only then moves the lane; or leaves nothing behind."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from guardian.transitions.flow import FEATURE, Flow
from kitty_guardian import workflow
from kitty_guardian.errors import EventStoreReadOnlyError, GuardianError, NothingProtectedError, TransitionRefusedError
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.transitions import performing
from kitty_guardian.transitions.checkouts import checkouts
from kitty_guardian.watch import lifecycle
from kitty_guardian.watch.locking import holding
from kitty_guardian.workflow import asking
from support.guarded import eventually, guarded, snapshot
from support.repositories import Repository
from support.unprivileged import as_anyone, place_for_anyone


def _place(flow: Flow, name: str) -> Path:
    return flow.root / ".worktrees" / f"{FEATURE}-{name}"


def _ready(flow: Flow, *names: str) -> None:
    flow.reach("tasks")
    flow.plan_packages(*names)


def test_a_work_tree_of_its_own_is_made_and_guarded(flow: Flow) -> None:
    _ready(flow, "WP01", "WP02")
    report = workflow.implement(flow.root, "1", actor="ada")
    place = _place(flow, "WP01")

    assert report.created
    assert (report.worktree, report.branch) == (str(place), f"{FEATURE}-WP01")
    assert report.outcome.lane == "in_progress"
    assert report.guardian.status.running
    assert report.guardian.status.phase == "implement"
    assert (flow.lane("WP01"), flow.lane("WP02")) == ("in_progress", "planned")
    assert flow.repository.git("status", "--porcelain", "--", ".worktrees") == ""
    assert flow.is_whole()


def test_each_work_tree_is_held_to_its_own_phase(flow: Flow) -> None:
    _ready(flow, "WP01", "WP02")
    places = [_place(flow, name) for name in ("WP01", "WP02")]
    for name in ("WP01", "WP02"):
        workflow.implement(flow.root, name, actor="ada")
    one, two = (Repository(place, init=False) for place in places)
    one.write("src/dog.py", "bark = 1\n")
    one.commit("dog")
    workflow.move(one.path, "WP01", "for_review", actor="ada")

    eventually(lambda: lifecycle.status(one.path).phase == "review", "the first is in review")
    assert lifecycle.status(two.path).phase == "implement"
    one.write("src/dog.py", "bark = 2\n")
    two.write("src/cat.py", "purr = 1\n")
    eventually(lambda: (one.path / "src/dog.py").read_text() == "bark = 1\n", "what review forbids is undone")
    lifecycle.settle(two.path)
    assert (two.path / "src/cat.py").read_text() == "purr = 1\n"

    workflow.review(two.path, "WP01", actor="bob", verdict="changes_requested", reference="r.md")
    eventually(lambda: lifecycle.status(one.path).phase == "implement", "the first is opened again")
    one.write("src/dog.py", "bark = 3\n")
    lifecycle.settle(one.path)
    assert (one.path / "src/dog.py").read_text() == "bark = 3\n"
    assert flow.is_whole()


def test_going_on_is_no_error_and_taking_over_needs_force(flow: Flow) -> None:
    _ready(flow, "WP01")
    workflow.implement(flow.root, "WP01", actor="ada")
    lifecycle.stop(_place(flow, "WP01"))
    again = workflow.implement(_place(flow, "WP01"), "WP01", actor="ada")

    assert not again.created
    assert not again.outcome.changed
    assert again.guardian.status.running
    with pytest.raises(TransitionRefusedError, match="by ada") as refused:
        workflow.implement(flow.root, "WP01", actor="bob")
    assert refused.value.gate == "claimed"

    taken = workflow.implement(flow.root, "WP01", actor="bob", force=True, reason="ada is on holiday")
    assert taken.outcome.changed
    assert flow.board().feature(FEATURE).work_packages["WP01"].implementer == "bob"


def test_the_plan_has_to_be_committed(flow: Flow) -> None:
    _ready(flow, "WP01")
    flow.write("plan.md", "# Plan\n\nWith one dog and three cats.\n")
    with pytest.raises(TransitionRefusedError, match=r"plan\.md") as refused:
        workflow.implement(flow.root, "WP01", actor="ada")

    assert refused.value.gate == "committed"
    assert f"git -C {flow.root} add kitty-specs/{FEATURE}" in (refused.value.hint or "")
    assert flow.lane("WP01") is None
    assert not _place(flow, "WP01").exists()


def test_what_cannot_be_guarded_is_not_begun(flow: Flow) -> None:
    _ready(flow, "WP01")
    flow.repository.git("rm", "-q", "-r", "src")
    flow.repository.commit("no code")
    branches = flow.repository.git("branch", "--list")
    before = snapshot(flow.root / "kitty-specs")
    with pytest.raises(GuardianError) as refused:
        workflow.implement(flow.root, "WP01", actor="ada")

    assert refused.value.code == NothingProtectedError.code
    assert flow.lane("WP01") is None
    assert flow.repository.git("branch", "--list") == branches
    assert [each.root for each in checkouts(find_worktree(flow.root))] == [flow.root]
    assert snapshot(flow.root / "kitty-specs") == before


def test_what_is_refused_at_last_is_undone_with_its_guardian(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    _ready(flow, "WP01")
    real = asking.ask

    def refusing(*arguments: object) -> object:
        request = arguments[1]
        if getattr(request, "workspace", ""):
            raise TransitionRefusedError("somebody was faster", gate="continuity")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(asking, "ask", refusing)
    with pytest.raises(TransitionRefusedError, match="faster"):
        workflow.implement(flow.root, "WP01", actor="ada")

    assert not _place(flow, "WP01").exists()
    assert flow.repository.git("branch", "--list", f"{FEATURE}-WP01") == ""


def test_what_was_there_before_is_never_undone(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    _ready(flow, "WP01")
    flow.repository.git("worktree", "add", "-q", "-b", f"{FEATURE}-WP01", str(_place(flow, "WP01")))
    (_place(flow, "WP01") / "notes.txt").write_text("mine\n")

    def failing(*_: object, **__: object) -> None:
        raise NothingProtectedError("nothing")

    monkeypatch.setattr(lifecycle, "start", failing)
    with pytest.raises(NothingProtectedError):
        workflow.implement(flow.root, "WP01", actor="ada")

    assert (_place(flow, "WP01") / "notes.txt").read_text() == "mine\n"


def test_another_thing_in_its_place_is_named(flow: Flow) -> None:
    _ready(flow, "WP01")
    _place(flow, "WP01").mkdir(parents=True)
    with pytest.raises(TransitionRefusedError) as refused:
        workflow.implement(flow.root, "WP01", actor="ada")

    assert refused.value.gate == "workspace"
    assert flow.blocked()[-1]["gate"] == "workspace"


def test_a_work_tree_that_git_was_ended_over_is_made_anew(flow: Flow) -> None:
    _ready(flow, "WP01")
    place = _place(flow, "WP01")
    flow.repository.git("worktree", "add", "-q", "--no-checkout", "-b", f"{FEATURE}-WP01", str(place))
    flow.repository.git("worktree", "lock", "--reason", "initializing", str(place))
    report = workflow.implement(flow.root, "WP01", actor="ada")

    assert report.created
    assert (place / "src/app.py").is_file()


def test_the_guardian_of_the_main_work_tree_does_it_when_it_runs(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    _ready(flow, "WP01")
    monkeypatch.setattr(performing, "perform", None)  # this process does no transition itself
    monkeypatch.setattr(asking, "perform", None)
    with guarded(flow.repository, feature=FEATURE):
        with pytest.raises(TransitionRefusedError) as refused:
            workflow.plan(flow.root, actor="ada")
        assert refused.value.gate == "reopen"
        assert workflow.reopen(flow.root, "plan", reason="a cat more", actor="ada").phase == "plan"
        assert lifecycle.status(flow.root).phase == "plan"
        assert workflow.tasks(flow.root, actor="ada").changed
        report = workflow.implement(flow.root, "WP01", actor="ada")
        assert report.outcome.lane == "in_progress"
        assert lifecycle.status(flow.root).violations == 0
    assert flow.is_whole()


def test_what_a_guarded_command_writes_is_no_violation(flow: Flow) -> None:
    flow.reach("specify")
    flow.repository.commit("begun")
    with guarded(flow.repository, feature=FEATURE):
        flow.write("spec.md", "# Spec\n\nIt guards the home by night.\n")
        workflow.plan(flow.root, actor="ada")
        flow.write("plan.md", "# Plan\n\nWith one dog and two cats.\n")
        workflow.tasks(flow.root, actor="ada")
        workflow.specify(flow.root, "another one", actor="ada")
        status = lifecycle.settle(flow.root)
        assert (status.phase, status.violations) == ("tasks", 0)
        assert (flow.root / "kitty-specs/002-another-one/meta.json").is_file()


def test_where_the_store_may_only_be_read_the_command_to_run_outside_is_named() -> None:
    def work() -> None:
        flow = Flow(Repository(place / "work"))
        flow.begin()
        _ready(flow, "WP01")
        store = Path(find_worktree(flow.root).state.events)
        for path in store.parent.iterdir():
            path.chmod(0o400)
        store.parent.chmod(0o500)
        before = snapshot(flow.root / "kitty-specs")
        for command, typed in (
            (lambda: workflow.reopen(flow.root, "plan", reason="two cats", actor="ada"), "reopen plan"),
            (lambda: workflow.implement(flow.root, "WP01", actor="ada"), "implement WP01"),
        ):
            with pytest.raises(EventStoreReadOnlyError) as refused:
                command()
            assert (refused.value.hint or "").startswith(f"run it outside: cd {flow.root} && spec-kitty {typed}")
            assert refused.value.exit_code == 2
        assert snapshot(flow.root / "kitty-specs") == before
        assert not (flow.root / ".worktrees").exists()

    with place_for_anyone() as place:
        as_anyone(work)


def test_whoever_is_later_waits_until_the_work_tree_is_made(flow: Flow) -> None:
    _ready(flow, "WP01")
    lock = Path(find_worktree(flow.root).state.events).parent / f"implement-{FEATURE}-WP01.lock"
    place = _place(flow, "WP01")
    found: list[str] = []

    def later() -> None:
        try:
            found.append(workflow.implement(flow.root, "WP01", actor="bob").outcome.lane)
        except GuardianError as error:
            found.append(f"{error.message} {error.hint}")

    with holding(lock, timeout=10):
        place.mkdir(parents=True)  # as git does before it registers the place
        thread = threading.Thread(target=later)
        thread.start()
        thread.join(1.0)
        assert found == []
        place.rmdir()
        flow.repository.git("worktree", "add", "-q", "-b", f"{FEATURE}-WP01", str(place))
    thread.join(60)

    assert found == ["in_progress"]
    assert flow.blocked() == []
