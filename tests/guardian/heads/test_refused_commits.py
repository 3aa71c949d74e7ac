"""HEAD moves to commits that do not count: the record stays, the disk comes back, the status says how to get back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from kitty_guardian.watch import lifecycle
from kitty_guardian.watch.audit import read_events
from support.following import held, mate_of
from support.guarded import FEATURE, bytes_of, eventually, guarded, quarantined, snapshot
from support.repositories import Repository

SPEC = f"kitty-specs/{FEATURE}/spec.md"
PLAN = f"kitty-specs/{FEATURE}/plan.md"


@pytest.mark.parametrize("verify", [(), ("--no-verify",)])
def test_a_commit_to_the_sources_does_not_count(planned: Repository, verify: tuple[str, ...]) -> None:
    before, legal = snapshot(planned.path / "src"), planned.head()
    with held(planned) as guard:
        planned.write("src/app.py", "evil\n")
        planned.write("src/evil.py", "evil too\n")
        planned.git("add", "-A")
        planned.git("commit", "-q", *verify, "-m", "evil")
        bad = planned.head()
        guard.look()
        assert snapshot(planned.path / "src") == before  # at once: the reference has moved
        assert sorted(guard.operations()) == [
            ("src/app.py", "commit"), ("src/app.py", "write"), ("src/evil.py", "commit"), ("src/evil.py", "create"),
        ]  # fmt: skip
        commits = [event for event in guard.events() if event["operation"] == "commit"]
        assert {event["commit"] for event in commits} == {bad}
        assert {event["action"] for event in commits} == {"unattested"}
        (entry,) = quarantined(planned, "src/app.py")
        assert bytes_of(planned, entry) == b"evil\n"
        (problem,) = guard.problems()
        for word in (bad[:12], "src/app.py", "1 more path", f"git reset --soft {legal[:12]}"):
            assert word in problem


def test_the_way_back_that_status_tells_works(planned: Repository) -> None:
    with held(planned) as guard:
        planned.write("src/app.py", "evil\n")
        planned.commit("evil")
        guard.look()
        (problem,) = guard.problems()
        command = problem.rpartition("`git ")[2].removesuffix("`")
        planned.git(*command.split())
        guard.look()
        assert guard.problems() == []
        assert guard.session.heads.unattested is None


def test_it_is_told_once_for_each_commit(planned: Repository) -> None:
    with held(planned) as guard:
        planned.write("src/app.py", "evil\n")
        planned.commit("evil")
        guard.look()
        planned.write(PLAN, "good\n")
        planned.commit("good")
        guard.look()
        guard.look()
        assert [operation for operation in guard.operations() if operation[1] == "commit"] == [("src/app.py", "commit")]
        assert len(guard.problems()) == 1  # a good commit on top does not launder it


def test_a_good_commit_beside_it_counts_when_the_bad_one_is_dropped(planned: Repository) -> None:
    with held(planned) as guard:
        planned.write("src/app.py", "evil\n")
        planned.commit("evil")
        guard.look()
        planned.write(PLAN, "good\n")
        planned.commit("good")
        guard.look()
        planned.git("rebase", "-q", "--onto", "HEAD~2", "HEAD~1")
        guard.look()
        guard.later()
        assert guard.problems() == []
        assert (planned.path / PLAN).read_text() == "good\n"
        assert (planned.path / "src/app.py").read_text() == "print('legal')\n"


def test_a_branch_made_of_plumbing_and_checked_out_is_undone(planned: Repository) -> None:
    before = snapshot(planned.path / "src")
    with held(planned) as guard:
        evil = planned.git("hash-object", "-w", "--stdin", stdin=b"evil\n")
        index = {"GIT_INDEX_FILE": str(planned.path / ".git/other-index")}
        planned.git("read-tree", "HEAD", env=index)
        planned.git("update-index", "--add", "--cacheinfo", f"100644,{evil},src/app.py", env=index)
        planned.git("update-index", "--force-remove", "src/data.bin", env=index)
        tree = planned.git("write-tree", env=index)
        commit = planned.git("commit-tree", "-p", "HEAD", "-m", "x", tree)
        planned.git("update-ref", "refs/heads/side", commit)
        guard.look()
        assert guard.problems() == []
        planned.git("checkout", "-q", "side")
        guard.look()
        assert snapshot(planned.path / "src") == before
        assert {path for path, _ in guard.operations()} == {"src/app.py", "src/data.bin"}
        planned.git("checkout", "-q", "-f", "main")
        guard.look()
        guard.later()
        assert guard.problems() == []
        assert snapshot(planned.path / "src") == before


def test_a_reference_written_by_hand_is_seen(planned: Repository) -> None:
    with held(planned) as guard:
        planned.write("src/app.py", "evil\n")
        planned.git("add", "-A")
        tree = planned.git("write-tree")
        commit = planned.git("commit-tree", "-p", "HEAD", "-m", "x", tree)
        (planned.path / ".git/refs/heads/main").write_text(commit + "\n")
        guard.look()
        assert len(guard.problems()) == 1
        assert (planned.path / "src/app.py").read_text() == "print('legal')\n"


def test_an_evil_merge_of_good_branches_is_undone(planned: Repository, tmp_path: Path) -> None:
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/mate.py", "from a teammate\n")
    mate.commit("work")
    before = snapshot(planned.path / "src")
    with held(planned) as guard:
        planned.git("fetch", "-q")
        planned.git("merge", "-q", "--no-ff", "--no-commit", "origin/main")
        planned.write("src/app.py", "evil\n")
        planned.commit("Merge branch 'main'")
        guard.look()
        assert (planned.path / "src/app.py").read_text() == "print('legal')\n"
        guard.later()
        assert ("src/app.py", "commit") in guard.operations()
        assert ("src/mate.py", "commit") not in guard.operations()
        assert snapshot(planned.path / "src") == before


def test_what_came_below_it_counts_though_nobody_looked_in_between(planned: Repository, tmp_path: Path) -> None:
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/mate.py", "from a teammate\n")
    pulled = mate.commit("work")
    with held(planned) as guard:
        planned.git("pull", "-q", "--ff-only")
        planned.write("src/app.py", "evil\n")
        planned.git("commit", "-qam", "evil")
        planned.write("src/app.py", "evil again\n")
        planned.git("commit", "-qam", "evil again")
        guard.look()
        guard.later()
        assert (planned.path / "src/mate.py").read_text() == "from a teammate\n"
        assert (planned.path / "src/app.py").read_text() == "print('legal')\n"
        (problem,) = guard.problems()
        assert f"git reset --soft {pulled[:12]}" in problem
        planned.git("reset", "-q", "--soft", pulled)
        guard.look()
        assert guard.problems() == []


def test_starting_with_a_reason_makes_it_count(planned: Repository) -> None:
    with held(planned) as guard:
        planned.write("src/app.py", "wanted\n")
        planned.commit("wanted")
        guard.look()
        assert guard.problems() != []
    planned.git("checkout", "-q", "--", ".")
    with held(planned, reason="I want it") as guard:
        assert guard.problems() == []
        assert (planned.path / "src/app.py").read_text() == "wanted\n"


def test_a_commit_made_while_nobody_watched_is_judged_at_the_start(planned: Repository) -> None:
    with held(planned):
        pass
    planned.write("src/app.py", "evil\n")
    planned.commit("evil")
    with held(planned) as guard:
        assert len(guard.problems()) == 1
        assert (planned.path / "src/app.py").read_text() == "print('legal')\n"
        assert ("src/app.py", "commit") in guard.operations()


def test_a_clean_filter_named_later_cannot_pass_evil_bytes_for_legal_ones(planned: Repository, tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    evil.write_text("evil\n")
    before = snapshot(planned.path / "src")
    with held(planned) as guard:
        planned.git("config", "filter.evil.clean", f"cat {evil}")
        planned.git("config", "filter.evil.smudge", f"cat {evil}")
        planned.write(".git/info/attributes", "src/app.py filter=evil\n")
        planned.write(".gitattributes", "src/app.py filter=evil\n")
        os.utime(planned.path / "src/app.py")
        planned.commit("nothing to see here")
        assert planned.git("show", "HEAD:src/app.py") == "evil"
        guard.look()
        guard.later()
        assert ("src/app.py", "commit") in guard.operations()
        assert len(guard.problems()) == 1
        assert snapshot(planned.path / "src") == before


def test_a_broken_filter_and_a_broken_index_stop_nothing(planned: Repository) -> None:
    before = snapshot(planned.path / "src")
    planned.git("config", "filter.broken.clean", "false")
    planned.git("config", "filter.broken.required", "true")
    planned.write(".gitattributes", "*.py filter=broken\n")
    with held(planned) as guard:
        (planned.path / ".git/index").write_bytes(b"garbage")
        planned.write("src/app.py", "evil\n")
        shutil.rmtree(planned.path / "src/pkg")
        guard.look()
        guard.later()
        assert snapshot(planned.path / "src") == before


@pytest.mark.parametrize("text", ["garbage", "1" * 40, "ref: refs/heads/../../x", ""])
def test_a_head_that_cannot_be_read_stops_nothing_and_is_told(planned: Repository, text: str) -> None:
    before = snapshot(planned.path / "src")
    with held(planned) as guard:
        head = planned.path / ".git/HEAD"
        good = head.read_bytes()
        head.write_text(text)
        planned.write("src/app.py", "evil\n")
        guard.look()
        guard.later()
        assert snapshot(planned.path / "src") == before
        (problem,) = guard.problems()
        assert "HEAD cannot be judged" in problem
        head.write_bytes(good)
        guard.look()
        assert guard.problems() == []


def test_a_branch_that_names_a_missing_commit_is_judged_when_it_comes(planned: Repository, tmp_path: Path) -> None:
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/app.py", "from a teammate\n")
    later = mate.commit("work")
    main = planned.path / ".git/refs/heads/main"
    with held(planned) as guard:
        main.write_text(later + "\n")
        guard.look()
        assert "HEAD cannot be judged" in guard.problems()[0]
        planned.git("fetch", "-q")
        planned.git("reset", "-q", "--hard", later)
        guard.look()
        guard.later()
        assert guard.problems() == []
        assert (planned.path / "src/app.py").read_text() == "from a teammate\n"


def test_the_real_guardian_follows_and_refuses(planned: Repository, tmp_path: Path) -> None:
    mate = mate_of(planned, tmp_path / "mate")
    mate.write("src/mate.py", "from a teammate\n")
    mate.write("src/app.py", "from a teammate\n")
    mate.commit("work")
    with guarded(planned):
        planned.git("pull", "-q", "--ff-only")
        pulled = snapshot(planned.path / "src")
        lifecycle.settle(planned.path)
        planned.write("src/app.py", "evil\n")
        planned.git("commit", "-qam", "evil", "--no-verify")
        eventually(lambda: bool(lifecycle.status(planned.path).notes), "the status tells it")
        eventually(lambda: snapshot(planned.path / "src") == pulled, "the sources are as pulled")
        assert not lifecycle.status(planned.path).healthy
        planned.git("reset", "-q", "--soft", "HEAD~1")
        eventually(lambda: lifecycle.status(planned.path).healthy, "healthy again")
        trail = planned.path / ".git/spec-kitty/guardian/violations.jsonl"
        payloads = [event["payload"] for event in read_events(trail)]
        assert [payload["path"] for payload in payloads if payload.get("operation") == "commit"] == ["src/app.py"]
        assert not [payload for payload in payloads if payload.get("path") == "src/mate.py"]
