"""One phase of one policy, compiled: a reading of a path in, the row that decides it out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from kitty_guardian.model.phases import Phase
from kitty_guardian.rules import patterns, table
from kitty_guardian.rules.policy import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kitty_guardian.rules.normalise import Reading
    from kitty_guardian.rules.policy import Policy

PATH: Final = "{path}"
"""Stands in a verdict's hint for the path, as one pastes it into a shell."""

FOLDER: Final = f"{table.FEATURES}/*"
_ALLOW: Final = f"Exception: spec-kitty guardian allow {PATH} --for 15m --reason TEXT"
_NEVER: Final = r"(?!)"


@attrs.frozen
class Verdict:
    """What one row says, everything but the path written out.

    Attributes:
        allowed: Whether the write may stand.
        rule: The row's stable identifier.
        reason: One sentence without a full stop.
        hint: What to do instead, with `PATH` where the path belongs; empty when allowed.
    """

    allowed: bool
    rule: str
    reason: str
    hint: str = ""


@attrs.frozen
class Place:
    """What a rule's pattern stands for under one policy.

    Attributes:
        pattern: Anchored at the work tree, for an artifact at the feature's folder.
        artifact: Whether it lies in a feature's folder.
        root: Whether it is a configured root: it covers everything below and never reaches into a feature's folder.
    """

    pattern: str
    artifact: bool = False
    root: bool = False

    @property
    def anchored(self) -> str:
        """The pattern, anchored at the work tree."""
        return f"{FOLDER}/{self.pattern}" if self.artifact else self.pattern

    def expression(self, *, folded: bool) -> str:
        """What a block rule (`folded`) or an allow rule compares."""
        if folded:
            expression = patterns.folded(self.pattern)
        elif self.root:
            expression = patterns.covering(self.pattern)
        else:
            expression = patterns.exact(self.pattern)
        if self.root and self.pattern[0] in "*?":
            return f"(?!{patterns.below(FOLDER, short_names=folded)}){expression}"
        return expression


def places(policy: Policy, pattern: str) -> tuple[Place, ...]:
    """What `pattern` of a rule stands for: configured roots, an artifact of every feature, or itself."""
    roots = {table.SOURCE: policy.source, table.TESTS: policy.tests}.get(token(pattern))
    if roots is not None:
        return tuple(Place(root, root=True) for root in roots)
    return (Place(pattern, artifact=patterns.components(pattern)[0] in _ARTIFACT_NAMES),)


def token(pattern: str) -> str:
    """`pattern` with the slash that makes `src` the name of the source roots, too."""
    return f"{pattern.removesuffix('/')}/"


class Rows:
    """Places with their verdicts as one expression; artifacts come first, otherwise the first that matches decides."""

    __slots__ = ("_match", "_verdicts")

    def __init__(self, rows: Iterable[tuple[Place, Verdict]], *, folded: bool, bare: bool = False) -> None:
        """Compile `rows` for keys (`folded`) or for paths as spelled; see `Matcher` for `bare`."""
        ordered = sorted(rows, key=lambda row: not row[0].artifact)
        artifacts = [f"({place.expression(folded=folded)})" for place, _ in ordered if place.artifact]
        branches = [f"({place.expression(folded=folded)})" for place, _ in ordered if not place.artifact]
        if artifacts:
            folder = patterns.below(FOLDER, short_names=folded)
            branches.insert(0, f"{f'(?:{folder})?' if bare else folder}(?:{'|'.join(artifacts)})")
        self._match = re.compile("|".join(branches) or _NEVER, re.DOTALL).match
        self._verdicts = tuple(verdict for _, verdict in ordered)

    def find(self, path: str) -> Verdict | None:
        """The verdict of the row that `path` matches, or None."""
        found = self._match(path)
        return None if found is None else self._verdicts[(found.lastindex or 0) - 1]


class Matcher:
    """The rules of one phase; asking costs two expressions at most.

    Artifacts match below `kitty-specs/<feature>/`; with `bare` also at the root, for callers that name an artifact
    without its folder (`is_write_allowed(Path("spec.md"), phase)`). Source and test roots that begin with a wildcard do
    not reach into a feature's folder: what lies there is the feature's.
    """

    __slots__ = ("_allow", "_block", "_neutral", "_parent", "phase", "reaches")

    def __init__(self, policy: Policy, phase: Phase, *, changes_requested: bool, bare: bool) -> None:
        """Compile the rules of `phase`."""
        rules = policy.phases[phase]
        opened = table.CHANGES_REQUESTED if changes_requested and phase is Phase.REVIEW else ()
        blocked = tuple(pattern for pattern in rules.block if token(pattern) not in opened)
        writable = ", ".join(place.pattern for pattern in (*rules.allow, *opened) for place in places(policy, pattern))
        hint = f"Writable in {phase}: {writable or 'nothing of its own'}."
        block = [
            (place, _blocking(f"{phase}.block:{pattern}", f"{place.pattern} is closed in the {phase} phase", hint))
            for pattern in blocked
            for place in places(policy, pattern)
        ]
        allow = [
            (place, _allowing(f"{phase}.allow:{pattern}", f"{place.pattern} is written in the {phase} phase"))
            for pattern in rules.allow
            for place in places(policy, pattern)
        ] + [
            (place, _allowing(f"{phase}.changes-requested:{pattern}", f"a review asked for changes in {place.pattern}"))
            for pattern in opened
            for place in places(policy, pattern)
        ]
        self.phase = phase
        self._block = Rows((*_ALWAYS, *block), folded=True, bare=bare)
        self._allow = Rows(allow, folded=False, bare=bare)
        self.reaches = any_of(patterns.reaching(place.anchored) for place, _ in block)
        self._neutral = _allowing("neutral", f"no rule of the {phase} phase speaks about it")
        self._parent: Callable[[str], object] | None = None
        if policy.mode is Mode.STRICT:
            self._neutral = _blocking(
                "strict.neutral", f"no rule of the {phase} phase allows it and the mode is strict", hint
            )
            spellings = {place.anchored for place, _ in allow} | (
                {place.pattern for place, _ in allow} if bare else set()
            )
            self._parent = any_of(e for s in sorted(spellings) if (e := patterns.parents(s)) is not None)

    def verdict(self, reading: Reading) -> Verdict:
        """The row that decides `reading`: the always-protected and block, then allow, then none."""
        path, key, directory = reading
        found = self._block.find(key) or self._allow.find(path)
        if found is not None:
            return found
        if self._parent is not None and (directory or self._parent(path)):
            return _PARENT
        return self._neutral


def gravity(verdict: Verdict) -> int:
    """Sorts the verdicts about a path that is judged in several ways; the first one stands.

    Denials come before the rest, and among them the one that people can do most with: a row before "no row".
    """
    if verdict.allowed:
        return 3
    return 2 if verdict.rule == "strict.neutral" else not verdict.rule.startswith("always:")


def matcher_of(policy: Policy, phase: Phase, *, changes_requested: bool, bare: bool) -> Matcher:
    """The compiled rules of `phase`, kept with the policy; `bare` as in `Matcher`."""
    key = (phase, changes_requested, bare)
    found = policy.matchers.get(key)
    if found is None:
        found = policy.matchers[key] = Matcher(policy, phase, changes_requested=changes_requested, bare=bare)
    return found


def any_of(expressions: Iterable[str]) -> Callable[[str], re.Match[str] | None]:
    """One `match` for all `expressions`; for none of them it never matches."""
    return re.compile("|".join(f"(?:{e})" for e in expressions) or _NEVER, re.DOTALL).match


def _allowing(rule: str, reason: str) -> Verdict:
    return Verdict(allowed=True, rule=rule, reason=reason)


def _blocking(rule: str, reason: str, hint: str) -> Verdict:
    return Verdict(allowed=False, rule=rule, reason=reason, hint=f"{hint} {_ALLOW}")


def _always(pattern: str) -> Verdict:
    rule, reason = f"always:{pattern}", f"{pattern} is protected in every phase"
    if pattern.startswith(table.FEATURES):
        return _blocking(rule, reason, "Spec Kitty's own commands write it.")
    return Verdict(
        allowed=False, rule=rule, reason=reason, hint="Change the policy with: spec-kitty guardian policy edit"
    )


_ARTIFACT_NAMES: Final = frozenset(name.removesuffix("/") for name in table.ARTIFACTS)
_PARENT: Final = _allowing("strict.parent", "directories are never held back, only what lies in them")
_ALWAYS: Final = tuple((Place(pattern), _always(pattern)) for pattern in table.ALWAYS_PROTECTED)
ALWAYS: Final = Rows(_ALWAYS, folded=True)
"""What holds in every phase; asked with keys."""
ALWAYS_REACHES: Final = any_of(patterns.reaching(pattern) for pattern in table.ALWAYS_PROTECTED)
"""Whether something always protected can lie at or below a directory's key."""
