"""The owner record: what a daemon says about itself in a file, in upstream's keys and with a marker of our own.

Another program's daemon may keep its record at the same place. It is told from ours by the marker; it is reported, and
never changed (facts, section 1.5).
"""

from __future__ import annotations

import os
import shlex
from enum import StrEnum

import attrs

from kitty_paths.layout import VARIABLE
from kitty_sync.errors import ForeignDaemonError, StateError
from kitty_sync.storage import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from kitty_paths import StateRoot

MARKER = "kitty-sync"


class Whose(StrEnum):
    """Whose owner record lies at a root."""

    NOBODY = "nobody"  # there is none
    OURS = "ours"
    FOREIGN = "foreign"  # it has no marker of ours, or a state file lies there without any record
    UNREADABLE = "unreadable"  # it cannot be read or understood, so it may be anybody's


@attrs.frozen
class OwnerRecord:
    """What the owner record at a root says; it says nothing about who runs now.

    Attributes:
        whose: Whose it is.
        pid: The process it names, or None.
        port: The port it names, or None.
        version: The version it names, or None.
        executable: The program it names, absolute, or None.
        started_at: When that process began, ISO 8601, or None.
        problem: Why it cannot be understood, or None.
    """

    whose: Whose
    pid: int | None = None
    port: int | None = None
    version: str | None = None
    executable: str | None = None
    started_at: str | None = None
    problem: str | None = None

    @property
    def bars(self) -> bool:
        """Whether no daemon of ours may be started beside it."""
        return self.whose in {Whose.FOREIGN, Whose.UNREADABLE}


def read_owner(root: StateRoot) -> OwnerRecord:
    """Give the owner record at a root; reads only, and fails for nothing."""
    import json

    try:
        data = files.read_bytes(root, root.daemon.owner)
        # A daemon of ours writes its record before its state file and removes it after.
        lonely = data is None and files.read_bytes(root, root.daemon.state) is not None
    except StateError as error:
        return OwnerRecord(Whose.UNREADABLE, problem=error.message)
    if data is None:
        return OwnerRecord(Whose.FOREIGN if lonely else Whose.NOBODY)
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return OwnerRecord(Whose.UNREADABLE, problem=f"`{root.daemon.owner}` is not JSON")
    if not isinstance(fields, dict):
        return OwnerRecord(Whose.UNREADABLE, problem=f"`{root.daemon.owner}` holds no JSON object")
    return OwnerRecord(
        whose=Whose.OURS if fields.get("marker") == MARKER else Whose.FOREIGN,
        pid=_number(fields.get("pid")),
        port=_number(fields.get("port")),
        version=_text(fields.get("package_version")),
        executable=_text(fields.get("executable_path")),
        started_at=_text(fields.get("started_at")),
    )


def explain(record: OwnerRecord, root: StateRoot) -> tuple[str, str]:
    """Say whose record lies at a root, and what a person can do about it, for one that bars a daemon of ours."""
    if record.whose is Whose.UNREADABLE:
        message = f"the owner record of a daemon at this root cannot be understood: {record.problem}"
    else:
        named = "" if record.pid is None else f", which names process {record.pid}"
        made_by = "" if record.version is None else f" of version {record.version}"
        place = root.daemon.owner if record.pid is not None or record.version else root.daemon.state
        message = f"another program's daemon{made_by} keeps its record at this root: {place}{named}"
    away = " && ".join(
        f"mv {shlex.quote(str(each))} {shlex.quote(f'{each}.old')}"
        for each in (root.daemon.owner, root.daemon.state)
        if os.path.lexists(each)
    )
    start = "stop that daemon with the program that started it, then:"
    return message, f"{start} {away or 'try again'}; or set {VARIABLE} to another root"


def refuse_foreign(root: StateRoot) -> None:
    """Let nothing of ours be done beside another program's daemon.

    Raises:
        ForeignDaemonError: The root has an owner record that is not ours, whether its process lives or not.
    """
    record = read_owner(root)
    if record.bars:
        message, hint = explain(record, root)
        raise ForeignDaemonError(message, hint=hint)


def write_owner(root: StateRoot, fields: Mapping[str, str | int | None]) -> None:
    """Write our record; the caller holds the daemon's lock.

    Args:
        root: The root.
        fields: Upstream's keys but `token`. That one stays empty: the file is not declared secret, the state file is.

    Raises:
        StateError: It cannot be written.
    """
    import json

    record = {**fields, "marker": MARKER, "token": None}
    files.replace(root, root.daemon.owner, json.dumps(record, indent=2, sort_keys=True).encode() + b"\n")


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
