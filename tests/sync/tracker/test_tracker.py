"""Trackers: credentials in their own tables, a tracker that works offline, and which issue a work package is."""

from __future__ import annotations

import sqlite3
import tomllib
import traceback
from pathlib import Path

import pytest

from kitty_paths import StateRoot, TrackerScope
from kitty_sync.errors import (
    DamagedFileError,
    InvalidCredentialError,
    InvalidMappingError,
    MappingConflictError,
    MissingCredentialError,
    NotConnectedError,
    ProviderOfflineError,
    StateError,
    SyncError,
    UnknownIssueError,
    UnknownProviderError,
    WrongSchemaError,
)
from kitty_sync.queue.scope import enter_scope, leave_scope
from kitty_sync.secret import Secret
from kitty_sync.tracker.connection import (
    add_issue,
    connect,
    connection_to,
    connections,
    disconnect,
    issues,
    map_issue,
    mappings,
    unmap_issue,
)
from kitty_sync.tracker.credentials import TrackerCredentials, read_credential_file
from kitty_sync.tracker.providers import PROVIDERS
from sync.operations import ADA
from sync.states import everything

HUSH = "hush-hush-7f3a"
OTHERS = """\
# not ours
[tokens]
access = "theirs"   # keep

[user]
username = "ada@example.org"

[tracker.providers.beads]
command = "bd"

[tracker.other]
x = 1
"""


def written(root: StateRoot, text: str | bytes) -> Path:
    root.base.mkdir(exist_ok=True)
    path = Path(root.tracker.credentials)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_only_the_trackers_own_table_changes(root: StateRoot) -> None:
    path = written(root, OTHERS)
    before = tomllib.loads(OTHERS)

    connect(root, "linear", workspace="Acme", credentials={"token": Secret(HUSH)})

    text = path.read_text()
    assert text.startswith(OTHERS[: OTHERS.index("[tracker.other]")].rstrip())
    after = tomllib.loads(text)
    assert after["tracker"]["providers"].pop("linear") == {"workspace": "Acme", "token": HUSH}
    assert after == before

    assert disconnect(root, "linear")
    assert not disconnect(root, "linear")
    assert tomllib.loads(path.read_text()) == before
    assert "# not ours" in path.read_text()


def test_what_was_kept_before_is_replaced_whole(root: StateRoot) -> None:
    connect(root, "jira", workspace="a", credentials={"token": Secret("1"), "email": Secret("ada@example.org")})
    connect(root, "jira", workspace="b", credentials={"token": Secret("2")})

    kept = tomllib.loads(Path(root.tracker.credentials).read_text())["tracker"]["providers"]
    assert kept == {"jira": {"workspace": "b", "token": "2"}}


def test_a_connection_shows_names_and_never_a_secret(root: StateRoot) -> None:
    made = connect(root, "linear", workspace="acme", credentials={"token": Secret(HUSH), "url": Secret(HUSH)})

    (listed,) = connections(root)
    assert listed == made == connection_to(root, "Linear ")
    assert (made.provider, made.workspace, made.offline, made.credential_names, made.mappings) == (
        "linear", "acme", False, ("token", "url"), 0,
    )  # fmt: skip
    assert HUSH not in repr(made)
    assert HUSH not in repr(TrackerCredentials(root).load("linear"))


@pytest.mark.parametrize(
    "data", [b"token = " + HUSH.encode(), b'[tracker.providers.linear]\ntoken = "' + HUSH.encode() + b"\n", b"\xff" * 9]
)
def test_credentials_that_are_no_toml_are_refused_kept_and_not_quoted(root: StateRoot, data: bytes) -> None:
    path = written(root, data)
    uses = (
        lambda: connections(root),
        lambda: connect(root, "linear", workspace="acme", credentials={"token": Secret("new-" + HUSH)}),
        lambda: disconnect(root, "linear"),
    )

    for use in uses:
        with pytest.raises(DamagedFileError) as caught:
            use()
        assert str(path) in caught.value.message
        said = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=False).format())
        assert HUSH not in said

    assert path.read_bytes() == data


@pytest.mark.parametrize("text", ["tracker = 1", "[tracker]\nproviders = []", "[tracker.providers]\nlinear = 'x'"])
def test_tables_of_another_shape_are_refused_and_kept(root: StateRoot, text: str) -> None:
    path = written(root, text)

    with pytest.raises(DamagedFileError):
        connect(root, "linear", workspace="acme", credentials={"token": Secret(HUSH)})

    assert path.read_text() == text


def test_a_tracker_without_what_it_needs_is_refused(root: StateRoot) -> None:
    with pytest.raises(MissingCredentialError) as caught:
        connect(root, "github", workspace="acme", credentials={"token": Secret("")})

    assert caught.value.names == ("token",)
    assert caught.value.hint is not None
    assert "token=-" in caught.value.hint
    assert not root.base.exists()


def test_a_tracker_that_nobody_knows_is_refused(root: StateRoot) -> None:
    with pytest.raises(UnknownProviderError) as caught:
        connect(root, "azure_devops", workspace="acme", credentials={})

    assert caught.value.hint is not None
    assert "local" in caught.value.hint


@pytest.mark.parametrize("name", ["", "to ken", "to.ken", f"token={HUSH}", "a\nb", "x" * 65])
def test_a_credential_cannot_have_any_name(root: StateRoot, name: str) -> None:
    with pytest.raises(InvalidCredentialError) as caught:
        connect(root, "local", workspace="acme", credentials={name: Secret(HUSH)})

    assert HUSH not in caught.value.message
    assert not root.base.exists()


@pytest.mark.parametrize("workspace", ["", "  ", "a\nb", "x" * 1_001])
def test_a_workspace_is_one_line(root: StateRoot, workspace: str) -> None:
    with pytest.raises(InvalidMappingError):
        connect(root, "local", workspace=workspace, credentials={})


def test_secrets_of_any_text_come_back_as_they_went_in(root: StateRoot) -> None:
    odd = "quotes \" ' and \\ and \n lines, # signs, ünï\tcode"
    connect(root, "local", workspace="acme", credentials={"token": Secret(odd)})

    kept = TrackerCredentials(root).load("local")
    assert kept is not None
    assert kept["token"] == Secret(odd)


def test_a_secret_that_is_no_unicode_is_refused_and_not_shown(root: StateRoot) -> None:
    with pytest.raises(StateError) as caught:
        connect(root, "local", workspace="acme", credentials={"token": Secret(f"{HUSH}\udcff")})

    assert HUSH not in "".join(traceback.format_exception(caught.value))
    assert not Path(root.tracker.credentials).exists()


def test_the_local_tracker_needs_nothing_and_works_offline(root: StateRoot) -> None:
    connect(root, "local", workspace="acme", credentials={})

    assert issues(root, "local") == ()
    assert [add_issue(root, "local", title).issue_id for title in ("First", "  Second ")] == ["local-1", "local-2"]
    assert [(issue.issue_id, issue.payload) for issue in issues(root, "local")] == [
        ("local-1", {"title": "First", "status": "open"}),
        ("local-2", {"title": "Second", "status": "open"}),
    ]
    with pytest.raises(InvalidMappingError):
        add_issue(root, "local", " ")

    map_issue(root, "local", "WP01", "local-2", key="L2", url="https://kitty.example/2")
    (mapping,) = mappings(root, "local")
    assert (mapping.wp_id, mapping.system, mapping.workspace, mapping.external_id, mapping.external_key) == (
        "WP01", "local", "acme", "local-2", "L2",
    )  # fmt: skip
    with pytest.raises(UnknownIssueError):
        map_issue(root, "local", "WP02", "local-3")


def test_a_work_package_is_one_issue_and_an_issue_one_work_package(root: StateRoot) -> None:
    connect(root, "linear", workspace="acme", credentials={"token": Secret(HUSH)})
    first = map_issue(root, "linear", "WP01", "ACME-1")
    again = map_issue(root, "linear", "WP01", "ACME-2")
    assert (again.external_id, again.created_at) == ("ACME-2", first.created_at)

    with pytest.raises(MappingConflictError) as caught:
        map_issue(root, "linear", "WP02", "ACME-2")

    assert "WP01" in caught.value.message
    map_issue(root, "linear", "WP02", "ACME-1")
    assert [(each.wp_id, each.external_id) for each in mappings(root, "linear")] == [
        ("WP01", "ACME-2"),
        ("WP02", "ACME-1"),
    ]
    assert unmap_issue(root, "linear", "WP01")
    assert not unmap_issue(root, "linear", "WP01")
    assert [each.wp_id for each in mappings(root, "linear")] == ["WP02"]


def test_issues_on_a_server_are_not_asked_for(root: StateRoot) -> None:
    connect(root, "github", workspace="acme", credentials={"token": Secret(HUSH)})

    for ask in (lambda: issues(root, "github"), lambda: add_issue(root, "github", "x")):
        with pytest.raises(ProviderOfflineError):
            ask()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_not_connected_says_so_with_exit_code_1(root: StateRoot, provider: str) -> None:
    for use in (
        lambda: map_issue(root, provider, "WP01", "X-1"),
        lambda: mappings(root, provider),
        lambda: issues(root, provider),
        lambda: connection_to(root, provider),
    ):
        with pytest.raises(NotConnectedError) as caught:
            use()
        assert caught.value.exit_code == 1
    assert not root.base.exists()


def test_mappings_outlive_a_disconnection(root: StateRoot) -> None:
    connect(root, "linear", workspace="acme", credentials={"token": Secret(HUSH)})
    map_issue(root, "linear", "WP01", "ACME-1")

    disconnect(root, "linear")
    assert connections(root) == ()
    connect(root, "linear", workspace="acme", credentials={"token": Secret("new")})

    assert connections(root)[0].mappings == 1


def test_a_store_belongs_to_a_workspace_and_to_who_is_logged_in(root: StateRoot) -> None:
    connect(root, "linear", workspace="Acme", credentials={"token": Secret(HUSH)})
    connect(root, "local", workspace="acme", credentials={})
    anonymous = connection_to(root, "linear").store
    assert anonymous == root.tracker.store(TrackerScope("linear", "acme"))

    enter_scope(root, ADA)
    assert connection_to(root, "linear").store.path.name == "433b4dd278370a61.db"
    assert connection_to(root, "local").store == root.tracker.store(TrackerScope("local", "acme"))
    map_issue(root, "linear", "WP01", "ACME-1")

    leave_scope(root)
    assert mappings(root, "linear") == ()


def test_entries_of_trackers_nobody_knows_are_not_listed_and_kept(root: StateRoot) -> None:
    written(root, OTHERS)
    connect(root, "local", workspace="acme", credentials={})

    assert [each.provider for each in connections(root)] == ["local"]
    assert TrackerCredentials(root).providers() == ("beads", "local")


def test_a_store_that_is_damaged_or_another_database_is_refused_and_kept(root: StateRoot) -> None:
    store = connect(root, "linear", workspace="acme", credentials={"token": Secret(HUSH)}).store.path
    store.parent.mkdir()
    for data, error in ((b"no database at all", DamagedFileError), (None, WrongSchemaError)):
        if data is None:
            store.unlink()
            with sqlite3.connect(store) as connection:
                connection.execute("CREATE TABLE other (x)")
            connection.close()
        else:
            store.write_bytes(data)
        before = everything(root.base)
        uses: tuple[object, ...] = (lambda: connections(root), lambda: map_issue(root, "linear", "WP01", "ACME-1"))
        for use in uses:
            assert callable(use)
            with pytest.raises(error) as caught:
                use()
            assert isinstance(caught.value, StateError)
            assert str(store) in caught.value.message
        assert everything(root.base) == before


def test_the_stores_tables_are_upstreams(root: StateRoot) -> None:
    connect(root, "local", workspace="acme", credentials={})
    add_issue(root, "local", "first")
    with sqlite3.connect(connection_to(root, "local").store) as connection:
        tables = {
            table: [row[1:] for row in connection.execute(f"PRAGMA table_info({table})")]
            for table in ("tracker_issues", "tracker_checkpoints", "tracker_mappings")
        }
        unique = connection.execute(
            "SELECT name FROM pragma_index_list('tracker_mappings') WHERE origin = 'u'"
        ).fetchall()
        of = [row[2] for row in connection.execute(f"PRAGMA index_info({unique[0][0]})")]
    connection.close()

    def text(name: str, *, needed: bool, key: int = 0) -> tuple[object, ...]:
        return (name, "TEXT", int(needed), None, key)

    assert tables == {
        "tracker_issues": [
            text("identity", needed=False, key=1),
            *(text(name, needed=True) for name in ("system", "workspace", "issue_id", "payload")),
            text("updated_at", needed=False),
        ],
        "tracker_checkpoints": [
            text("checkpoint_key", needed=False, key=1),
            text("cursor", needed=False),
            text("updated_since", needed=False),
        ],
        "tracker_mappings": [
            text("wp_id", needed=True, key=1),
            text("system", needed=True, key=2),
            text("workspace", needed=True),
            text("external_id", needed=True),
            text("external_key", needed=False),
            text("external_url", needed=False),
            text("created_at", needed=True),
            text("updated_at", needed=True),
        ],
    }
    assert of == ["system", "workspace", "external_id"]


def test_an_issue_that_is_no_json_is_named_and_kept(root: StateRoot) -> None:
    connect(root, "local", workspace="acme", credentials={})
    add_issue(root, "local", "first")
    store = connection_to(root, "local").store
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE tracker_issues SET payload = '[1', updated_at = NULL")
    connection.close()

    with pytest.raises(DamagedFileError, match="local-1"):
        issues(root, "local")


def test_credentials_come_from_a_file_of_ones_own(root: StateRoot, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f'token = "{HUSH}"\nurl = "https://jira.example"\n')

    given = read_credential_file(file)
    connect(root, "jira", workspace="acme", credentials=given)

    assert connections(root)[0].credential_names == ("token", "url")
    assert file.read_text().startswith("token")


@pytest.mark.parametrize(
    "data",
    [
        f"token = {HUSH}".encode(),
        f'[table]\ntoken = "{HUSH}"'.encode(),
        b"token = 5",
        b"\xff",
        f'"{HUSH} x" = "a"'.encode(),
        b"#" * 2_000_000,
    ],
)
def test_a_file_that_holds_no_credentials_is_refused_and_not_quoted(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(data)

    with pytest.raises(InvalidCredentialError) as caught:
        read_credential_file(file)

    assert HUSH not in "".join(traceback.format_exception(caught.value))


def test_a_credential_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SyncError) as caught:
        read_credential_file(tmp_path / "nowhere")

    assert caught.value.exit_code == 2
    assert str(tmp_path / "nowhere") in caught.value.message
