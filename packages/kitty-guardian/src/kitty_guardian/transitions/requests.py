"""What a transition is asked for and what it did: values that also travel over a guardian's socket."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

import attrs

from kitty_guardian.errors import InvalidValueError

Wire = str | bool | list[str]


class Command(StrEnum):
    """What can be asked for; the words of the command line."""

    SPECIFY = "specify"
    RESEARCH = "research"
    PLAN = "plan"
    TASKS = "tasks"
    IMPLEMENT = "implement"
    REVIEW = "review"
    REOPEN = "reopen"
    MOVE = "move"


@attrs.frozen
class TransitionRequest:
    """One transition as somebody asked for it.

    Attributes:
        command: What to do.
        feature: Folder name below `kitty-specs/` or another handle of it; empty: the one that the work tree is bound
            to, or the only unfinished one. For a feature to be begun: its name, as it was typed.
        work_package: "WP01"; empty where none is meant.
        to: Where to: a lane (move) or a phase (reopen).
        actor: Who asks; a claim.
        reason: Why.
        verdict: `approved`, `changes_requested` or `rejected`; empty without one.
        reference: What a verdict refers to: a review file, a pull request, a commit.
        force: Whether edges and guards are overridden; needs actor and reason.
        workspace: Absolute path of the work tree where the work package is worked on. Without one, `implement` only
            checks whether it could be.
        sandboxed: Whether it was asked for from inside the sandbox.
    """

    command: Command = attrs.field(converter=Command)
    feature: str = ""
    work_package: str = ""
    to: str = ""
    actor: str = ""
    reason: str = ""
    verdict: str = ""
    reference: str = ""
    force: bool = False
    workspace: str = ""
    sandboxed: bool = False

    def to_wire(self) -> dict[str, Wire]:
        """As arguments of a request over the socket."""
        return {name: str(value) if isinstance(value, str) else value for name, value in attrs.asdict(self).items()}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """The request in these arguments; others are ignored.

        Raises:
            InvalidValueError: They are none.
        """
        try:
            values = {
                field.name: _expect(wire[field.name], bool if field.default is False else str, field.name)
                for field in attrs.fields(cls)
                if field.name in wire
            }
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise InvalidValueError(f"no transition can be read from the request: {error}") from error


@attrs.frozen
class Outcome:
    """What a transition did.

    Attributes:
        feature: Folder name below `kitty-specs/`.
        phase: The feature's phase that is enforced now.
        work_package: The work package it was about; empty: none.
        lane: Its lane now; empty: none.
        said: Sentences for people, what was done first.
        written: Files that were written, relative to `home`.
        home: The work tree where the feature's files are kept; absolute.
        position: Of the last event in the store.
        next: The command to run next; empty where there is none.
        changed: Whether anything was recorded; False: it was so already.
    """

    feature: str
    phase: str
    work_package: str = ""
    lane: str = ""
    said: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    home: str = ""
    position: int = 0
    next: str = ""
    changed: bool = True

    def to_wire(self) -> dict[str, Any]:
        """As JSON values."""
        return {**attrs.asdict(self), "said": list(self.said), "written": list(self.written)}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """The outcome in these JSON values.

        Raises:
            InvalidValueError: They are none.
        """
        known = {field.name for field in attrs.fields(cls)}
        try:
            values = {name: value for name, value in wire.items() if name in known}
            return cls(**values | {name: tuple(values.get(name, ())) for name in ("said", "written")})
        except TypeError as error:
            raise InvalidValueError(f"no outcome can be read from the answer: {error}") from error


def _expect(value: object, kind: type, name: str) -> Any:  # noqa: ANN401 - the values of one constructor
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {type(value).__name__}, not {kind.__name__}")
    return value
