"""`init` makes a project of any git work tree, once, and leaves everything that is there as it is."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from guardian.transitions.flow import Flow
from kitty_guardian import workflow
from kitty_guardian.errors import NotARepositoryError, PolicyError
from kitty_guardian.model.events import EventType
from kitty_guardian.rules.policy import parse_policy
from kitty_guardian.transitions.identity import with_identity
from kitty_guardian.transitions.policytext import policy_text
from kitty_guardian.transitions.roots import counted, proposed
from kitty_guardian.watch import lifecycle
from support.guarded import guarded, snapshot
from support.repositories import Repository


@pytest.fixture(name="plain")
def _plain(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "My Home_guard")
    repository.write("src/app.py", "print('legal')\n")
    repository.write("tests/test_app.py", "def test(): ...\n")
    repository.commit("code")
    return repository


def _policy(repository: Repository) -> str:
    return (repository.path / ".kittify/guardian.toml").read_text()


def test_a_repository_becomes_a_project(plain: Repository) -> None:
    report = workflow.init(plain.path, actor="ada")

    assert report.written == (".kittify/guardian.toml", ".kittify/config.yaml", ".gitattributes")
    assert report.transitions == "explicit"
    assert [(root.pattern, root.files) for root in (*report.source, *report.tests)] == [("src/", 1), ("tests/", 1)]
    assert report.commit.startswith("git add .kittify/guardian.toml .kittify/config.yaml .gitattributes && git commit")
    assert (plain.path / "kitty-specs").is_dir()
    assert "allow_empty_source" not in _policy(plain)
    plain.commit("a project")
    with guarded(plain, feature=None) as started:
        assert started.status.running


def test_a_second_time_changes_nothing(plain: Repository) -> None:
    workflow.init(plain.path)
    before = snapshot(plain.path / ".kittify"), (plain.path / ".gitattributes").read_bytes()
    again = workflow.init(plain.path / "src")

    assert again.written == ()
    assert again.commit == ""
    assert (snapshot(plain.path / ".kittify"), (plain.path / ".gitattributes").read_bytes()) == before


def test_without_code_a_guardian_can_start_all_the_same(tmp_path: Path) -> None:
    empty = Repository(tmp_path / "empty")
    report = workflow.init(empty.path)
    assert parse_policy(_policy(empty)).allow_empty_source
    assert any("no commit holds a file" in note for note in report.notes)
    empty.commit("a project")
    with guarded(empty, feature=None):
        assert lifecycle.status(empty.path).running


def test_where_upstream_is_at_work_artifacts_ask_for_phases(plain: Repository) -> None:
    plain.write(".kittify/metadata.yaml", "spec_kitty:\n  version: 3.2.2\n")
    plain.write(".kittify/config.yaml", "# ours\nagents:\n  available: [claude]\n")
    plain.write(".gitattributes", "kitty-specs/**/status.events.jsonl merge=spec-kitty-event-log\n")
    plain.commit("upstream")
    report = workflow.init(plain.path)

    assert report.transitions == "gated"
    assert report.kept == (".gitattributes",)
    assert (
        (plain.path / ".kittify/config.yaml")
        .read_text()
        .startswith("# ours\nagents:\n  available: [claude]\nproject:\n")
    )


def test_what_commits_hold_is_taken_over(plain: Repository) -> None:
    plain.feature("001-old", "finished")
    plain.feature("002-now", "implement", log=True)
    plain.commit("features")
    plain.write("kitty-specs/002-now/status.events.jsonl", "forged\n")
    report = workflow.init(plain.path)
    flow = Flow(plain)

    assert report.adopted == ("001-old", "002-now")
    assert workflow.init(plain.path).adopted == ()
    assert flow.board().feature("001-old").finished
    assert flow.board().feature("002-now").phase() == "implement"


def test_a_policy_that_is_there_stays_and_one_that_is_wrong_is_said(plain: Repository) -> None:
    plain.write(".kittify/guardian.toml", 'source = ["lib/"]\n')
    report = workflow.init(plain.path, source=("src/",))
    assert report.kept[0] == ".kittify/guardian.toml"
    assert "guardian policy edit" in report.notes[0]

    assert workflow.init(plain.path, source=("src/",), force_policy=True).source[0].pattern == "src/"
    plain.write(".kittify/guardian.toml", "sauce = 1\n")
    with pytest.raises(PolicyError):
        workflow.init(plain.path)


def test_a_pattern_that_is_none_changes_nothing(plain: Repository) -> None:
    before = snapshot(plain.path)
    with pytest.raises(PolicyError):
        workflow.init(plain.path, source=("/etc/",))

    assert {path: state for path, state in snapshot(plain.path).items() if not path.startswith(".git/")} == {
        path: state for path, state in before.items() if not path.startswith(".git/")
    }


def test_a_policy_that_a_guardian_holds_is_a_persons_to_change(plain: Repository) -> None:
    workflow.init(plain.path)
    plain.commit("a project")
    with guarded(plain, feature=None):
        before = _policy(plain)
        report = workflow.init(plain.path, source=("nothing/",), force_policy=True)
        assert _policy(plain) == before
        assert any("guardian policy edit" in note for note in report.notes)
        assert lifecycle.settle(plain.path).violations == 0


def test_writing_the_policy_is_on_record(plain: Repository) -> None:
    workflow.init(plain.path, actor="ada")
    (event,) = (event for event in Flow(plain).events() if event.event_type == EventType.EXCEPTION)

    assert event.stream == "audit-main"
    assert (event.payload["path"], event.payload["actor"]) == (".kittify/guardian.toml", "ada")


def test_outside_git_the_hint_is_to_begin_there(tmp_path: Path) -> None:
    with pytest.raises(NotARepositoryError) as refused:
        workflow.init(tmp_path)

    assert "git init" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("paths", "source", "tests"),
    [
        ((), ("src/",), ("tests/",)),
        (("src/a.py", "tests/t.py", "docs/x.md"), ("src/",), ("tests/",)),
        (("packages/a/src/x.py", "packages/b/tests/t.py"), ("packages/*/src/",), ("packages/*/tests/",)),
        (("packages/a/index.js", "package.json"), ("packages/",), ("tests/",)),
        (("home/__init__.py", "home/a.py", "test/t.py"), ("home/",), ("test/",)),
        (("Cargo.toml", "crates/a/src/lib.rs"), ("crates/*/src/",), ("tests/",)),
        (("go.mod", "cmd/x/main.go", "internal/a.go", "main.go"), ("cmd/", "internal/"), ("tests/",)),
        (("app/models/x.rb", "lib/y.rb", "spec/x_spec.rb"), ("lib/", "app/"), ("spec/",)),
        (("main.py", "setup.py"), ("*.py",), ("tests/",)),
        (("engine/a.c", "README.md"), ("engine/",), ("tests/",)),
        (("kitty-specs/001-x/src/a.py", ".kittify/x.py", "node_modules/a/src/i.js"), ("src/",), ("tests/",)),
    ],
)
def test_roots_are_proposed_from_what_there_is(
    paths: tuple[str, ...], source: tuple[str, ...], tests: tuple[str, ...]
) -> None:
    assert proposed(paths) == (source, tests)
    assert parse_policy(policy_text(source, tests, gated=False, allow_empty=True)).source == source


def test_what_a_root_holds_is_counted() -> None:
    paths = ["packages/a/src/x.py", "packages/b/src/y/z.py", "packages/src/no.py", "main.py", "a/main.py"]

    assert [root.files for root in counted(["packages/*/src/", "*.py", "a", "**/main.py"], paths)] == [2, 1, 1, 1]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("project:\n", "project:\n"),
        ("project:\n    slug: ours  # a name\n\nother: 1\n", "slug: ours  # a name\n"),
        ("a: 1", "a: 1\n"),
        ("project: # mine\n  uuid: 2b5b2c1e-8f5a-4f0e-9b0a-0d7c7e1f2a33\nz: [1, 2]\n", "z: [1, 2]\n"),
    ],
)
def test_an_identity_is_minted_once_and_nothing_is_lost(text: str, kept: str) -> None:
    import yaml

    first = with_identity(text, "My Home_guard")
    assert first is not None
    assert kept in first
    project = yaml.safe_load(first)["project"]
    assert set(project) == {"uuid", "slug", "node_id", "build_id"}
    assert str(uuid.UUID(project["uuid"])) == project["uuid"]
    assert project["slug"] in {"ours", "my-home-guard"}
    assert with_identity(first, "another name") == first


@pytest.mark.parametrize("text", ["project: {uuid: 1}\n", "- a\n", "a: [\n", "project: &x\n  uuid: 1\n"])
def test_a_configuration_that_cannot_be_extended_stays(text: str) -> None:
    assert with_identity(text, "x") is None
