"""The policy of one project: the owner's table with what `.kittify/guardian.toml` changes.

Pure: the text is read elsewhere. An invalid text is never "no policy" (model section 7); it raises with every problem
in it, each with line, key and, where a word is close, a suggestion.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from kitty_guardian.errors import PolicyError
from kitty_guardian.model.phases import Phase
from kitty_guardian.rules import patterns
from kitty_guardian.rules.positions import Positions
from kitty_guardian.rules.table import RULES, SOURCE, TESTS, TRANSIENTS, Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kitty_guardian.rules.matching import Matcher

POLICY_PATH: Final = ".kittify/guardian.toml"
_HINT: Final = "spec-kitty guardian policy show --origin"


class Mode(StrEnum):
    """How hard the rules bind."""

    ENFORCE = "enforce"
    """Blocked paths are undone; a path no rule speaks about is allowed."""
    STRICT = "strict"
    """As enforce, and a path no rule speaks about is undone, too."""
    OBSERVE = "observe"
    """Decides as enforce does; whoever acts on the decision records it and leaves the write alone."""


@attrs.frozen
class PhaseRules:
    """What one phase allows and blocks, as patterns (see `rules.patterns`)."""

    allow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()


def _read_only(phases: Mapping[Phase, PhaseRules]) -> Mapping[Phase, PhaseRules]:
    return MappingProxyType(dict(phases))


@attrs.frozen
class Policy:
    """Everything a project can say about enforcement.

    Attributes:
        mode: How hard the rules bind.
        transitions: Whether phases move by command only, or also by creating the next artifact.
        source: Patterns that `src/` stands for in every rule; each covers what it names and everything below.
        tests: The same for `tests/`.
        phases: The effective table, an entry for every phase.
        ownership_enforce: Whether implement is narrowed to the work package's own files.
        self_approval: What happens when the implementer approves their own work.
        allow_empty_source: Whether a guardian may start although the source roots hold no file.
        transients: Patterns of editors' swap, lock and backup files, which the watcher leaves alone.
    """

    mode: Mode = attrs.field(converter=Mode)
    transitions: Literal["explicit", "gated"]
    phases: Mapping[Phase, PhaseRules] = attrs.field(converter=_read_only, hash=False)
    source: tuple[str, ...] = (SOURCE,)
    tests: tuple[str, ...] = (TESTS,)
    ownership_enforce: bool = False
    self_approval: Literal["record", "refuse"] = "record"
    allow_empty_source: bool = False
    transients: tuple[str, ...] = TRANSIENTS
    # Compiled rules by (phase, changes requested, artifacts also at the root): derived, never part of the value.
    matchers: dict[tuple[Phase, bool, bool], Matcher] = attrs.field(factory=dict, init=False, eq=False, repr=False)

    @classmethod
    def default(cls) -> Policy:
        """The owner's table as it stands: what holds where no policy file exists."""
        return cls(mode=Mode.ENFORCE, transitions="explicit", phases=_default_phases())


@attrs.frozen
class Setting:
    """One value of a policy and where it came from.

    Attributes:
        key: Dotted, such as `phases.plan.block`.
        value: A word, a truth value or patterns.
        origin: `default`, or `file:line`.
    """

    key: str
    value: str | bool | tuple[str, ...]
    origin: str


def parse_policy(text: str, *, origin: str = POLICY_PATH) -> Policy:
    """The policy that `text` (TOML) describes; what it does not mention keeps its default.

    Args:
        text: The whole file.
        origin: What to call the file in errors.

    Raises:
        PolicyError: With every problem found, each as `origin:line: key: …`.
    """
    table = _parsed(text, origin)
    reader = _Reader(origin, Positions(text))
    values = reader.read(table)
    if reader.problems:
        raise reader.error()
    defaults = _default_phases()
    chosen = {
        phase: attrs.evolve(
            defaults[phase],
            **{effect: values[key] for effect in Effect if (key := f"phases.{phase}.{effect}") in values},
        )
        for phase in Phase
    }
    named = {_FIELDS[key]: value for key, value in values.items() if key in _FIELDS}
    return attrs.evolve(Policy.default(), phases=chosen, **named)


def describe(policy: Policy, text: str | None, *, origin: str = POLICY_PATH) -> tuple[Setting, ...]:
    """Every value of `policy` and where it came from; `text` is the file it was parsed from, None if there was none.

    Raises:
        PolicyError: `text` is not TOML.
    """
    positions = Positions(text or "")
    said = _said(_parsed(text or "", origin))
    return tuple(
        Setting(key, value, f"{origin}:{positions.line(key)}" if key in said else "default")
        for key, value in _values(policy).items()
    )


def _default_phases() -> dict[Phase, PhaseRules]:
    rows = {
        (phase, effect): tuple(r.pattern for r in RULES if r.phase is phase and r.effect is effect)
        for phase in Phase
        for effect in Effect
    }
    return {phase: PhaseRules(rows[phase, Effect.ALLOW], rows[phase, Effect.BLOCK]) for phase in Phase}


def _values(policy: Policy) -> dict[str, str | bool | tuple[str, ...]]:
    rules = {f"phases.{p}.{e}": getattr(policy.phases[p], e) for p in Phase for e in Effect}
    return {key: getattr(policy, field) for key, field in _FIELDS.items()} | rules


def _parsed(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        # tomllib gives the place only inside its sentence, and none where the document ends too early.
        said = re.sub(r" \(at (?:line \d+, column \d+|end of document)\)$", "", str(error).partition("\n")[0])
        place = re.search(r"at line (\d+), column \d+\)$", str(error))
        line = int(place[1]) if place else max(1, len(text.splitlines()))
        raise PolicyError(f"{origin}:{line}: not TOML: {said}", hint=_HINT, path=origin, line=line) from None


def _said(table: Mapping[str, Any]) -> frozenset[str]:
    """The dotted keys of every value in `table`."""
    return frozenset(
        f"{key}.{below}" if below else key
        for key, value in table.items()
        for below in (_said(value) if isinstance(value, dict) else ("",))
    )


def _close(word: str, words: tuple[str, ...]) -> str:
    found = difflib.get_close_matches(word.lower(), words, n=1)
    return f" (did you mean {found[0]}?)" if found else ""


class _Reader:
    """Walks one parsed policy along `_SCHEMA` and collects values and problems."""

    def __init__(self, origin: str, positions: Positions) -> None:
        self.origin = origin
        self.positions = positions
        self.problems: list[tuple[int, str, str]] = []

    def read(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """The valid values of `table` by dotted key."""
        values: dict[str, Any] = {}
        self._walk(table, "", values)
        return values

    def error(self) -> PolicyError:
        """Every problem as one error, in the order of the file."""
        self.problems.sort(key=lambda problem: problem[0])
        line, key, _ = self.problems[0]
        texts = tuple(f"{self.origin}:{line}: {key}: {said}" for line, key, said in self.problems)
        return PolicyError("\n".join(texts), hint=_HINT, path=self.origin, line=line, key=key, problems=texts)

    def _walk(self, table: Mapping[str, Any], prefix: str, values: dict[str, Any]) -> None:
        names = tuple(
            dict.fromkeys(key.removeprefix(prefix).partition(".")[0] for key in _SCHEMA if key.startswith(prefix))
        )
        for name, value in table.items():
            key = prefix + name
            if name not in names:
                self._problem(key, f"unknown key{_close(name, names)}; known here: {', '.join(names)}")
            elif key in _SCHEMA:
                said = _SCHEMA[key](value)
                if said is None:
                    values[key] = tuple(value) if isinstance(value, list) else value
                else:
                    self._problem(key, said, value)
            elif isinstance(value, dict):
                self._walk(value, f"{key}.", values)
            else:
                self._problem(key, f"must be a table [{key}], not {_kind(value)}")

    def _problem(self, key: str, said: str, value: object = None) -> None:
        wrong = next((v for v in value if not _is_pattern(v)), None) if isinstance(value, list) else None
        self.problems.append((self.positions.line(key, item=wrong if isinstance(wrong, str) else None), key, said))


def _one_of(*words: str) -> Callable[[object], str | None]:
    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return f"must be one of {', '.join(words)}, not {_kind(value)}"
        if value in words:
            return None
        return f'must be one of {", ".join(words)}, not "{value}"{_close(value, words)}'

    return check


def _boolean(value: object) -> str | None:
    return None if isinstance(value, bool) else f"must be true or false, not {_kind(value)}"


def _patterns(value: object) -> str | None:
    if not isinstance(value, list):
        return f"must be a list of patterns, not {_kind(value)}"
    for item in value:
        if not isinstance(item, str):
            return f"must be a list of patterns, but holds {_kind(item)}"
        said = patterns.flaw(item)
        if said is not None:
            return f'pattern "{item}" {said}'.replace("\0", "\\0")
    return None


def _roots(value: object) -> str | None:
    if value == []:
        return "must name at least one root"
    return _patterns(value)


def _is_pattern(value: object) -> bool:
    return isinstance(value, str) and patterns.flaw(value) is None


def _kind(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"


_FIELDS: Final[Mapping[str, str]] = {
    "mode": "mode",
    "transitions": "transitions",
    "source": "source",
    "tests": "tests",
    "allow_empty_source": "allow_empty_source",
    "transients": "transients",
    "ownership.enforce": "ownership_enforce",
    "review.self_approval": "self_approval",
}
_SCHEMA: Final[Mapping[str, Callable[[object], str | None]]] = {
    "mode": _one_of(*Mode),
    "transitions": _one_of("explicit", "gated"),
    "source": _roots,
    "tests": _patterns,
    "allow_empty_source": _boolean,
    "transients": _patterns,
    "ownership.enforce": _boolean,
    "review.self_approval": _one_of("record", "refuse"),
    **{f"phases.{phase}.{effect}": _patterns for phase in Phase for effect in Effect},
}
