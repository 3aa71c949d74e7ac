"""A person's way out: opened paths, a pause, another policy; asked for on a terminal, recorded, expiring."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import attrs

from kitty_guardian.errors import InvalidValueError, TerminalRequiredError
from kitty_guardian.project.policyfile import read_policy_file
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.rules.normalise import Rejection, normalise
from kitty_guardian.rules.policy import POLICY_PATH, Policy, parse_policy
from kitty_guardian.watch.grants import check_grant, check_reason
from kitty_guardian.watch.lifecycle import ask_guardian
from kitty_guardian.watch.session import actor

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@attrs.frozen
class Granted:
    """An exception in force.

    Attributes:
        path: What is open, relative to the work tree; empty for everything.
        until: When it ends.
    """

    path: str
    until: datetime


def parse_duration(text: str) -> float:
    """Seconds in a text such as `90s`, `15m`, `2h` or `1d`.

    Raises:
        InvalidValueError: It is no such text, or no time at all.
    """
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text.strip())
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0.0
    if not seconds:
        raise InvalidValueError(f"`{text}` is no duration", hint="write it like 90s, 15m, 2h or 1d")
    return seconds


def allow(where: Path, path: str, *, seconds: float, reason: str, terminal: bool) -> Granted:
    """Open a path, or everything below it, for a while.

    Args:
        where: Any place in the work tree; `path` is relative to it.
        path: What to open.
        seconds: For how long.
        reason: Why; recorded.
        terminal: Whether a person's terminal asks.

    Raises:
        TerminalRequiredError: No terminal asks.
        InvalidValueError: The path lies outside the work tree, or the reason is empty.
        NotRunningError: Nothing is guarded.
    """
    worktree = find_worktree(where)
    inside = _relative(worktree, where, path)
    return _grant(worktree, inside, seconds=seconds, reason=reason, terminal=terminal)


def pause(where: Path, *, seconds: float, reason: str, terminal: bool) -> Granted:
    """Let everything through for a while; arguments and errors as for `allow`."""
    return _grant(find_worktree(where), "", seconds=seconds, reason=reason, terminal=terminal)


def _grant(worktree: Worktree, path: str, *, seconds: float, reason: str, terminal: bool) -> Granted:
    _ask_person(terminal=terminal)
    check_grant(seconds, reason)
    answer = ask_guardian(worktree, "grant", path=path, seconds=seconds, reason=reason, actor=actor())
    return Granted(path, datetime.fromisoformat(answer["until"]))


def current_policy_text(where: Path) -> str | None:
    """The text of the policy file, or None if there is none.

    Raises:
        PolicyError: It is no regular file, or cannot be read.
        InvalidValueError: It is not UTF-8.
    """
    data = read_policy_file(find_worktree(where).root)
    try:
        return None if data is None else data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidValueError(f"{POLICY_PATH} is not UTF-8", hint=f"mend or remove {POLICY_PATH}") from error


def edit_policy(where: Path, *, text: str, reason: str, terminal: bool) -> Policy:
    """Make `text` the policy: written as a sanctioned write where a guardian runs, else plainly.

    Raises:
        PolicyError: The text is no valid policy; nothing was changed.
        TerminalRequiredError, InvalidValueError: As for `allow`.
    """
    policy = parse_policy(text)
    _ask_person(terminal=terminal)
    check_reason(reason)
    worktree = find_worktree(where)
    from kitty_guardian.watch.locking import is_held

    if is_held(Path(worktree.state.guardian.lock)):
        ask_guardian(worktree, "policy", text=text, reason=reason, actor=actor())
    else:
        from kitty_guardian.watch.offline import write_policy

        write_policy(worktree, text, reason=reason, actor=actor())
    return policy


def _ask_person(*, terminal: bool) -> None:
    if not terminal:
        raise TerminalRequiredError(
            "exceptions are a person's to make, and no terminal asks for this one",
            hint="run it yourself in a terminal",
        )


def _relative(worktree: Worktree, where: Path, path: str) -> str:
    """`path`, as typed at `where`, relative to the work tree."""
    place = Path(path) if Path(path).is_absolute() else where.absolute() / path
    try:
        inside = place.relative_to(worktree.root).as_posix()
    except ValueError:
        try:
            inside = (place.parent.resolve() / place.name).relative_to(worktree.root).as_posix()
        except ValueError:
            raise InvalidValueError(f"`{path}` lies outside the work tree `{worktree.root}`") from None
    readings = normalise(inside)
    if isinstance(readings, Rejection) or inside == ".":
        raise InvalidValueError(f"`{path}` names no path in the work tree", hint="spec-kitty guardian pause opens all")
    return readings[0].path
