"""Everything that can go wrong in kitty_guardian, as one family of errors with stable codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from kitty_guardian.model.events import Event


class GuardianError(Exception):
    """The base of every error this package raises on purpose.

    Attributes:
        code: Stable, documented identifier for scripts.
        exit_code: What a command line exits with (contract: 2 = usage, configuration or environment).
        message: What happened and where, one sentence without a full stop.
        hint: The command to run next, or None.
    """

    code: ClassVar[str] = "guardian.error"
    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class NotARepositoryError(GuardianError):
    """There is no git work tree at the given place."""

    code = "guardian.repository.missing"


class NotAProjectError(GuardianError):
    """The work tree holds no Spec Kitty project (neither `kitty-specs/` nor `.kittify/`)."""

    code = "guardian.project.missing"


class GitError(GuardianError):
    """Git could not do what was asked of it."""

    code = "guardian.git.failed"


class GitUnresponsiveError(GitError):
    """Git did not answer in time, or would wait for something that never comes."""

    code = "guardian.git.unresponsive"


class PolicyError(GuardianError):
    """`.kittify/guardian.toml` cannot be used: not TOML, an unknown key or a wrong value.

    Attributes:
        path: The file, as the caller named it, or None.
        line: 1-based line of the first problem, or None where it has none.
        key: Dotted key of the first problem, such as `phases.plan.allow`, or None where the file is not TOML.
        problems: Every problem found, each with its place; the message holds them all.
    """

    code = "guardian.policy.invalid"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        path: str | None = None,
        line: int | None = None,
        key: str | None = None,
        problems: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.line = line
        self.key = key
        self.problems = problems or (message,)


class UnknownFeatureError(GuardianError):
    """A feature was named that the project does not have."""

    code = "guardian.feature.unknown"


class UnreadableProjectError(GuardianError):
    """The project is there and its folder of features cannot be read."""

    code = "guardian.project.unreadable"


class UnattestedHeadError(GuardianError):
    """HEAD breaks the commit rule, and a phase was to be taken from it."""

    code = "guardian.head.unattested"


class UnboundFeatureError(GuardianError):
    """The work tree is bound to no feature and unfinished features exist."""

    code = "guardian.feature.unbound"


class InvalidValueError(GuardianError):
    """An argument cannot be understood (a duration, a phase, a path)."""

    code = "guardian.value.invalid"


class TerminalRequiredError(GuardianError):
    """A person's way out was asked for by something that has no terminal."""

    code = "guardian.terminal.required"


class NotRunningError(GuardianError):
    """No guardian runs for this work tree."""

    code = "guardian.not-running"
    exit_code = 1


class NothingProtectedError(GuardianError):
    """The configured source roots match no file, so nothing would be protected."""

    code = "guardian.source.empty"
    exit_code = 1


class GuardianBusyError(GuardianError):
    """The running guardian did not answer in time."""

    code = "guardian.busy"


class QuarantineError(GuardianError):
    """A quarantine entry does not exist or cannot be brought back there."""

    code = "guardian.quarantine"


class RestoreRefusedError(GuardianError):
    """Bringing the bytes back there is not allowed in this phase."""

    code = "guardian.quarantine.refused"
    exit_code = 1


class WatchError(GuardianError):
    """The file system cannot be watched well enough to call the work tree guarded."""

    code = "guardian.watch"


class EventStoreError(GuardianError):
    """The event store cannot be used (damaged, locked, of another schema, no space); nothing was written."""

    code = "guardian.events.store"


class EventStoreReadOnlyError(EventStoreError):
    """The event store may be read here and not written: somebody else has to append."""

    code = "guardian.events.read-only"


class InvalidEventError(GuardianError):
    """What was to be appended is no event that can be kept."""

    code = "guardian.events.invalid"


class VersionConflict(GuardianError):  # noqa: N818 - the contract's name
    """A stream is further than the writer knew; nothing was written.

    Attributes:
        stream: The stream.
        expected: The version the writer had seen; -1: none.
        actual: The version it has.
        missed: The events the writer had not seen, in order.
    """

    code = "guardian.events.conflict"
    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        stream: str,
        expected: int,
        actual: int,
        missed: tuple[Event, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.stream = stream
        self.expected = expected
        self.actual = actual
        self.missed = missed


class TransitionRefusedError(GuardianError):
    """A gate or a rule of the workflow says no; nothing was changed.

    Attributes:
        gate: Stable name of what said no, such as `gate:spec.md`, `matrix`, `one-step`, `dependencies`.
    """

    code = "guardian.transition.refused"
    exit_code = 1

    def __init__(self, message: str, *, gate: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.gate = gate
