"""The tracker store: issues and which work package each belongs to, in upstream's tables (FR-008)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs

from kitty_paths import StateRoot, Surface
from kitty_sync.errors import DamagedFileError, MappingConflictError, WrongSchemaError
from kitty_sync.storage.databases import read, transaction, writing
from kitty_sync.storage.faults import aside_hint

_TABLES: Final = {
    "tracker_issues": """
        identity TEXT PRIMARY KEY,
        system TEXT NOT NULL,
        workspace TEXT NOT NULL,
        issue_id TEXT NOT NULL,
        payload TEXT NOT NULL,
        updated_at TEXT
    """,
    "tracker_checkpoints": """
        checkpoint_key TEXT PRIMARY KEY,
        cursor TEXT,
        updated_since TEXT
    """,
    "tracker_mappings": """
        wp_id TEXT NOT NULL,
        system TEXT NOT NULL,
        workspace TEXT NOT NULL,
        external_id TEXT NOT NULL,
        external_key TEXT,
        external_url TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        PRIMARY KEY (wp_id, system),
        UNIQUE (system, workspace, external_id)
    """,
}
_NEEDED: Final = {
    "tracker_issues": {"identity", "system", "workspace", "issue_id", "payload", "updated_at"},
    "tracker_mappings": {
        "wp_id", "system", "workspace", "external_id", "external_key", "external_url", "created_at", "updated_at",
    },
}  # fmt: skip


@attrs.frozen
class IssueMapping:
    """Which issue a work package is.

    Attributes:
        wp_id: The work package, such as `WP01`.
        system: The tracker's name.
        workspace: The tracker's workspace.
        external_id: The issue, as the tracker names it to programs.
        external_key: The issue, as the tracker names it to people; None where nobody said.
        external_url: Where to look at it; None where nobody said.
        created_at: When it was mapped, ISO 8601 in UTC.
        updated_at: When it was last changed, ISO 8601 in UTC.
    """

    wp_id: str
    system: str
    workspace: str
    external_id: str
    external_key: str | None
    external_url: str | None
    created_at: str
    updated_at: str


@attrs.frozen
class Issue:
    """One issue as the store keeps it.

    Attributes:
        issue_id: Its name in its tracker and workspace.
        payload: What the tracker says about it.
        updated_at: When that was, ISO 8601 in UTC; None where another program did not say.
    """

    issue_id: str
    payload: dict[str, Any]
    updated_at: str | None


def _utc() -> str:
    return datetime.now(UTC).isoformat()


class TrackerStore:
    """One tracker store: the issues and mappings of one tracker, workspace and identity.

    Args:
        root: The root.
        surface: The database, below that root.
        system: The tracker's name.
        workspace: The tracker's workspace.
        now: Tells the time, ISO 8601 in UTC.
    """

    def __init__(
        self, root: StateRoot, surface: Surface, *, system: str, workspace: str, now: Callable[[], str] = _utc
    ) -> None:
        self._root = root
        self._system = system
        self._workspace = workspace
        self._now = now
        self.surface = surface

    def mappings(self) -> tuple[IssueMapping, ...]:
        """Give every mapping, by work package; creates nothing.

        Raises:
            StateError: The store cannot be read.
        """
        rows = self._ask(
            "SELECT wp_id, system, workspace, external_id, external_key, external_url, created_at, updated_at"
            " FROM tracker_mappings WHERE system = ? AND workspace = ? ORDER BY wp_id"
        )
        return tuple(IssueMapping(*row) for row in rows)

    def map(self, wp_id: str, external_id: str, key: str | None, url: str | None) -> IssueMapping:
        """Record that a work package is this issue, in place of the one it was; on disk when this returns.

        Raises:
            MappingConflictError: The issue is another work package's; nothing was changed.
            StateError: The store cannot be written; nothing was changed.
        """
        at = self._now()
        with self._writing() as connection, transaction(connection):
            taken = connection.execute(
                "SELECT wp_id FROM tracker_mappings"
                " WHERE system = ? AND workspace = ? AND external_id = ? AND wp_id != ?",
                (self._system, self._workspace, external_id, wp_id),
            ).fetchone()
            if taken:
                raise MappingConflictError(
                    f"the issue {external_id} of {self._system} is {taken[0]} already",
                    hint=f"remove that mapping first, or map {wp_id} to another issue",
                )
            row = connection.execute(
                "INSERT INTO tracker_mappings VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (wp_id, system) DO UPDATE SET workspace = excluded.workspace,"
                " external_id = excluded.external_id, external_key = excluded.external_key,"
                " external_url = excluded.external_url, updated_at = excluded.updated_at"
                " RETURNING wp_id, system, workspace, external_id, external_key, external_url, created_at, updated_at",
                (wp_id, self._system, self._workspace, external_id, key, url, at, at),
            ).fetchone()
        return IssueMapping(*row)

    def unmap(self, wp_id: str) -> bool:
        """Forget which issue a work package is, and say whether it was any.

        Raises:
            StateError: The store cannot be written.
        """
        if not any(mapping.wp_id == wp_id for mapping in self.mappings()):
            return False
        with self._writing() as connection, transaction(connection):
            found = connection.execute(
                "DELETE FROM tracker_mappings WHERE wp_id = ? AND system = ? AND workspace = ?",
                (wp_id, self._system, self._workspace),
            ).rowcount
        return bool(found)

    def issues(self) -> tuple[Issue, ...]:
        """Give every issue kept here, in the order they were made; creates nothing.

        Raises:
            StateError: The store cannot be read.
        """
        rows = self._ask(
            "SELECT issue_id, payload, updated_at FROM tracker_issues WHERE system = ? AND workspace = ? ORDER BY rowid"
        )
        return tuple(Issue(name, self._object(name, payload), at) for name, payload, at in rows)

    def _object(self, name: str, text: str) -> dict[str, Any]:
        try:
            payload = json.loads(text)
        except (ValueError, RecursionError):
            payload = None
        if isinstance(payload, dict):
            return payload
        path = self.surface.path
        raise DamagedFileError(
            f"cannot understand {path}: what it says about the issue {name} is no JSON object",
            path=path,
            hint=aside_hint(path),
        )

    def add_issue(self, name: Callable[[int], str], payload: dict[str, Any]) -> Issue:
        """Keep a new issue; on disk when this returns.

        Args:
            name: Gives the id of the n-th issue, n counted from 1.
            payload: What is known about it, JSON.

        Raises:
            StateError: The store cannot be written; nothing was kept.
        """
        at, text = self._now(), json.dumps(payload)
        with self._writing() as connection, transaction(connection):
            (number,) = connection.execute(
                "SELECT count(*) FROM tracker_issues WHERE system = ? AND workspace = ?",
                (self._system, self._workspace),
            ).fetchone()
            issue_id = name(number + 1)
            connection.execute(
                "INSERT INTO tracker_issues VALUES (?, ?, ?, ?, ?, ?)",
                (f"{self._system}:{self._workspace}:{issue_id}", self._system, self._workspace, issue_id, text, at),
            )
        return Issue(issue_id, payload, at)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        path = self.surface.path
        with writing(self._root, self.surface, check=lambda connection: _check(connection, path)) as connection:
            if not _tables(connection) >= set(_TABLES):
                with transaction(connection):
                    for name, columns in _TABLES.items():
                        connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
            yield connection

    def _ask(self, question: str) -> list[tuple[Any, ...]]:
        def ask(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            _check(connection, self.surface.path)
            if not _tables(connection) >= set(_NEEDED):
                return []  # its maker was stopped before it came to that
            return connection.execute(question, (self._system, self._workspace)).fetchall()

        return read(self._root, self.surface, ask) or []


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _check(connection: sqlite3.Connection, path: Path) -> None:
    present = _tables(connection)
    problem = "it has none of its tables" if present and not present & set(_NEEDED) else None
    for table in present & set(_NEEDED):
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if missing := sorted(_NEEDED[table] - columns):
            problem = f"its table `{table}` lacks {', '.join(missing)}"
    if problem:
        raise WrongSchemaError(
            f"{path} is a database, but no tracker store: {problem}", path=path, hint=aside_hint(path)
        )
