"""Promise 5: stop, allow, pause, policy edit, observe and restore work from the first day, and none is silent."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from kitty_guardian.errors import (
    InvalidValueError,
    NotRunningError,
    PolicyError,
    QuarantineError,
    RestoreRefusedError,
    TerminalRequiredError,
)
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.watch import lifecycle, wayout
from kitty_guardian.watch.audit import read_events
from kitty_guardian.watch.entries import drop, find_entry, list_entries, restore
from support.guarded import bytes_of, eventually, guarded, legal_again, quarantined, snapshot
from support.repositories import Repository

_POLICY = ".kittify/guardian.toml"


def _granted(repository: Repository) -> list[dict[str, str]]:
    events = read_events(Path(find_worktree(repository.path).state.guardian.violations))
    return [event["payload"] for event in events if event["event_type"] == "ExceptionGranted"]


def test_an_allowed_path_may_be_written_and_stays_what_it_became(planned: Repository) -> None:
    source = planned.path / "src/app.py"
    with guarded(planned):
        wayout.allow(planned.path, "src/app.py", seconds=1.5, reason="hotfix", terminal=True)
        source.write_text("hotfix\n")
        lifecycle.settle(planned.path)
        assert source.read_text() == "hotfix\n"

        time.sleep(1.6)  # the exception ends; what it made is the legal state now
        lifecycle.settle(planned.path)
        assert source.read_text() == "hotfix\n"
        source.write_text("evil\n")
        eventually(lambda: source.read_text() == "hotfix\n", "the hotfix is what is legal")


def test_an_allowed_path_opens_nothing_beside_it(planned: Repository) -> None:
    before = (planned.path / "src/data.bin").read_bytes()
    with guarded(planned):
        wayout.allow(planned.path, "src/app.py", seconds=60, reason="hotfix", terminal=True)
        (planned.path / "src/data.bin").write_bytes(b"evil")
        eventually(lambda: (planned.path / "src/data.bin").read_bytes() == before, "the neighbour is held")


def test_an_allowed_folder_opens_what_is_below_it(planned: Repository) -> None:
    with guarded(planned):
        wayout.allow(planned.path, "src/", seconds=60, reason="spike", terminal=True)
        planned.write("src/new/spike.py", "spike\n")
        lifecycle.settle(planned.path)
        assert (planned.path / "src/new/spike.py").read_text() == "spike\n"


def test_a_pause_opens_everything_and_ends(planned: Repository) -> None:
    with guarded(planned):
        wayout.pause(planned.path, seconds=1.5, reason="lunch", terminal=True)
        (planned.path / "src/app.py").write_text("mine\n")
        assert lifecycle.settle(planned.path).level == "paused"
        assert (planned.path / "src/app.py").read_text() == "mine\n"

        time.sleep(1.6)
        eventually(lambda: lifecycle.status(planned.path).level == "watching", "the pause ended")
        after = snapshot(planned.path / "src")
        (planned.path / "src/app.py").write_text("evil\n")
        legal_again(planned.path / "src", after)


def test_exceptions_are_recorded_with_reason_actor_and_end(planned: Repository) -> None:
    with guarded(planned):
        wayout.allow(planned.path, "src/app.py", seconds=60, reason="hotfix 42", terminal=True)
        wayout.pause(planned.path, seconds=60, reason="demo", terminal=True)

    allowed, paused = _granted(planned)
    assert (allowed["kind"], allowed["path"], allowed["reason"]) == ("allow", "src/app.py", "hotfix 42")
    assert (paused["kind"], paused["reason"]) == ("pause", "demo")
    assert allowed["actor"]
    assert allowed["until"]


def test_an_exception_outlives_a_crash_but_not_its_end(planned: Repository) -> None:
    with guarded(planned):
        wayout.allow(planned.path, "src/app.py", seconds=60, reason="hotfix", terminal=True)
        lifecycle.restart(planned.path)
        (planned.path / "src/app.py").write_text("hotfix\n")
        lifecycle.settle(planned.path)
        assert (planned.path / "src/app.py").read_text() == "hotfix\n"


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", ".", ""])
def test_only_paths_in_the_work_tree_can_be_allowed(planned: Repository, path: str) -> None:
    with guarded(planned), pytest.raises(InvalidValueError):
        wayout.allow(planned.path, path, seconds=60, reason="no", terminal=True)


def test_exceptions_need_a_terminal_a_reason_and_a_guardian(planned: Repository) -> None:
    with pytest.raises(NotRunningError):
        wayout.allow(planned.path, "src/app.py", seconds=60, reason="x", terminal=True)
    with guarded(planned):
        with pytest.raises(TerminalRequiredError):
            wayout.allow(planned.path, "src/app.py", seconds=60, reason="x", terminal=False)
        with pytest.raises(TerminalRequiredError):
            wayout.pause(planned.path, seconds=60, reason="x", terminal=False)
        with pytest.raises(TerminalRequiredError):
            wayout.edit_policy(planned.path, text="mode = 'observe'\n", reason="x", terminal=False)
        with pytest.raises(InvalidValueError):
            wayout.pause(planned.path, seconds=60, reason="  ", terminal=True)
        with pytest.raises(InvalidValueError):
            wayout.pause(planned.path, seconds=8 * 86_400, reason="for ever", terminal=True)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("30d", 2_592_000)])
def test_durations_are_written_as_people_say_them(text: str, seconds: float) -> None:
    assert wayout.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-5m", "5", "5 minutes", "1e3s", "٣m"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(InvalidValueError) as raised:
        wayout.parse_duration(text)
    assert raised.value.hint


def test_the_policy_can_be_edited_to_observe(planned: Repository) -> None:
    with guarded(planned):
        wayout.edit_policy(planned.path, text='mode = "observe"\n', reason="trial", terminal=True)
        made = planned.path.parent / "made"
        made.write_text("seen\n")
        made.replace(planned.path / "src/app.py")  # at once: a file that is emptied and then written is told twice
        status = lifecycle.settle(planned.path)

        assert (status.mode, status.level) == ("observe", "observing")
        assert (planned.path / _POLICY).read_text() == 'mode = "observe"\n'
        assert (planned.path / "src/app.py").read_text() == "seen\n"
        assert status.violations == 1
        lifecycle.settle(planned.path)
        assert lifecycle.settle(planned.path).violations == 1, "the same bytes are told once"
    assert [granted["kind"] for granted in _granted(planned)] == ["policy"]


def test_an_edited_policy_is_protected_as_it_now_is(planned: Repository) -> None:
    text = "source = ['src/', 'lib/']\n"
    planned.write("lib/a.py", "legal\n")
    planned.commit("lib")
    with guarded(planned):
        (planned.path / "lib/a.py").write_text("still neutral\n")
        lifecycle.settle(planned.path)
        wayout.edit_policy(planned.path, text=text, reason="lib is source", terminal=True)
        (planned.path / "lib/a.py").write_text("evil\n")
        (planned.path / _POLICY).write_text("mode = 'observe'\n")

        eventually(lambda: (planned.path / "lib/a.py").read_text() == "still neutral\n", "lib is held as it was")
        eventually(lambda: (planned.path / _POLICY).read_text() == text, "the policy is held")


def test_an_invalid_policy_changes_nothing(planned: Repository) -> None:
    with guarded(planned):
        with pytest.raises(PolicyError):
            wayout.edit_policy(planned.path, text="mode = 'lax'\n", reason="x", terminal=True)
        assert not (planned.path / _POLICY).exists()
        assert lifecycle.status(planned.path).mode == "enforce"


def test_the_policy_can_be_edited_while_no_guardian_runs(planned: Repository) -> None:
    with guarded(planned):
        pass
    wayout.edit_policy(planned.path, text='mode = "observe"\n', reason="trial", terminal=True)

    with guarded(planned, feature=None) as report:
        assert report.status.mode == "observe"
        assert report.changed == ()
    assert wayout.current_policy_text(planned.path) == 'mode = "observe"\n'


def test_what_was_taken_comes_back_where_the_phase_allows(planned: Repository, tmp_path: Path) -> None:
    before = snapshot(planned.path / "src")
    written = bytes(range(256)) * 100
    with guarded(planned):
        (planned.path / "src/app.py").write_bytes(written)
        legal_again(planned.path / "src", before)
        eventually(lambda: bool(quarantined(planned, "src/app.py")), "an entry")
        (entry,) = quarantined(planned, "src/app.py")

        assert entry.sha256 == hashlib.sha256(written).hexdigest()
        assert restore(planned.path, entry.id, to=tmp_path / "mine.py").read_bytes() == written
        with pytest.raises(RestoreRefusedError) as refused:
            restore(planned.path, entry.id)
        assert "--to" in str(refused.value.hint)
        with pytest.raises(RestoreRefusedError):
            restore(planned.path, entry.id, to=planned.path / "src/elsewhere.py")
        with pytest.raises(QuarantineError):
            restore(planned.path, entry.id, to=tmp_path / "mine.py")
        assert quarantined(planned, "src/app.py") == [entry], "bringing back a copy keeps the entry"


def test_a_deleted_then_allowed_path_takes_its_bytes_back(planned: Repository) -> None:
    with guarded(planned):
        (planned.path / "src/new.py").write_text("mine\n")
        eventually(lambda: bool(quarantined(planned, "src/new.py")), "an entry")
        wayout.allow(planned.path, "src/new.py", seconds=60, reason="keep it", terminal=True)

        restore(planned.path, quarantined(planned, "src/new.py")[0].id)
        lifecycle.settle(planned.path)
        assert (planned.path / "src/new.py").read_text() == "mine\n"


def test_a_taken_folder_and_a_taken_link_come_back_whole(planned: Repository, tmp_path: Path) -> None:
    with guarded(planned):
        planned.write("src/new/deep/a.py", "a\n")
        (planned.path / "src/evil.py").symlink_to("nowhere")
        eventually(lambda: bool(quarantined(planned, "src/new") and quarantined(planned, "src/evil.py")), "entries")

        folder = restore(planned.path, quarantined(planned, "src/new")[0].id, to=tmp_path / "folder")
        link = restore(planned.path, quarantined(planned, "src/evil.py")[0].id, to=tmp_path / "link")
        assert (folder / "deep/a.py").read_text() == "a\n"
        assert str(link.readlink()) == "nowhere"
        assert bytes_of(planned, quarantined(planned, "src/new")[0]) == b"deep/\ndeep/a.py\n"


def test_nothing_is_dropped_but_what_is_asked_for(planned: Repository) -> None:
    with guarded(planned):
        (planned.path / "src/new.py").write_text("mine\n")
        eventually(lambda: bool(quarantined(planned, "src/new.py")), "an entry")

    assert drop(planned.path, older_than=3600) == ()
    assert len(list_entries(planned.path)) == 1
    (dropped,) = drop(planned.path, older_than=0)
    assert dropped.path == "src/new.py"
    assert list_entries(planned.path) == ()
    with pytest.raises(QuarantineError):
        find_entry(planned.path, dropped.id)


def test_an_unknown_entry_is_told(planned: Repository) -> None:
    with pytest.raises(QuarantineError) as raised:
        find_entry(planned.path, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert raised.value.hint == "spec-kitty guardian quarantine list"
