"""The pattern language of the rules: a pattern in, regular expressions out.

- A pattern is anchored at the work tree's root; one that begins with `**/` is found at any depth.
- `name/` covers `name` itself and everything below. In block rules, `name` does as well: a file that is turned into a
  directory does not open what was closed.
- `*` and `?` stay inside one component; `**` as a whole component spans any number of them, also none. Nothing else is
  special: `[id]` is a folder's name.

No pattern makes a long path slow: all but the last star of a component, and all but the last `**`, are matched
atomically at their first place, which is enough because what stands between stars has a fixed length.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from kitty_guardian.rules.normalise import fold

_ANY_DEPTH: Final = "**"
_END: Final = r"\Z"
_END_OR_BELOW: Final = r"(?:/|\Z)"
_DRIVE: Final = re.compile("[A-Za-z]:").match
_FITS: Final = re.compile(r"[^. ]{1,8}(?:\.[^. ]{1,3})?").fullmatch


def components(pattern: str) -> tuple[str, ...]:
    """The components of `pattern`; a trailing slash makes none."""
    return tuple(pattern.removesuffix("/").split("/"))


def flaw(pattern: str) -> str | None:
    """What makes `pattern` unusable, as the end of a sentence, or None."""
    names = components(pattern)
    flaws = {
        "is empty": not pattern.strip(),
        "contains NUL": "\0" in pattern,
        "contains a backslash; separate with /": "\\" in pattern,
        "is absolute; patterns are relative to the work tree": pattern.startswith("/") or _DRIVE(pattern) is not None,
        "begins with !; there is no negation, use allow and block": pattern.startswith("!"),
        "leaves the work tree with ..": ".." in names,
        "has an empty or . component": "" in names or "." in names,
    }
    return next((said for said, wrong in flaws.items() if wrong), None)


def exact(pattern: str) -> str:
    """Expression for an allow rule: compared with the path as spelled."""
    return _sequence(components(pattern), end=_END_OR_BELOW if pattern.endswith("/") else _END)


def covering(pattern: str) -> str:
    """Expression for what `pattern` names and everything below it, compared with the path as spelled."""
    return _sequence(components(pattern), end=_END_OR_BELOW)


def folded(pattern: str) -> str:
    """Expression for a block rule: compared with the key; covers the subtree and Windows' short names."""
    return _sequence(_folded_components(pattern), end=_END_OR_BELOW, short_names=True)


def below(pattern: str, *, short_names: bool) -> str:
    """Expression for the beginning of a path that lies below what `pattern` names, up to its last separator."""
    return _sequence(components(pattern), end="/", short_names=short_names)


def reaching(pattern: str) -> str:
    """Expression for the keys of directories at or below which `folded(pattern)` can match something."""
    expression = r"(?:/.*)?"
    for name in reversed(_folded_components(pattern)):
        # Whatever stands before `**`, below it anything may lie.
        expression = r"/.*" if name == _ANY_DEPTH else rf"/{_component(name, short_names=True)}(?:{expression})?"
    return f"(?:{expression.removeprefix('/')}){_END}"


def parents(pattern: str) -> str | None:
    """Expression for the directories, as spelled, that `exact(pattern)` must lie in; None if there are none."""
    names = components(pattern)
    if _ANY_DEPTH in names:
        names = (*names[: names.index(_ANY_DEPTH)], "")
    expression = ""
    for name in reversed(names[:-1]):
        expression = rf"/{_component(name)}(?:{expression})?"
    return f"(?:{expression.removeprefix('/')}){_END}" if expression else None


def _folded_components(pattern: str) -> tuple[str, ...]:
    return tuple(fold(name) for name in components(pattern))


def _sequence(names: tuple[str, ...], *, end: str, short_names: bool = False) -> str:
    runs: list[list[str]] = [[]]
    for name, following in pairwise((*names, None)):
        if name != _ANY_DEPTH:
            runs[-1].append(_component(str(name), short_names=short_names))
        elif following != _ANY_DEPTH:  # `**/**` says nothing that `**` does not
            runs.append([])
    first, *rest = ("/".join(run) for run in runs)
    if not rest:
        return first + end
    expression = f"{first}/" if first else ""
    for run in rest[:-1]:
        expression += rf"(?>(?:[^/]+/)*?{run}/)"
    # A trailing `**` needs something below, whatever it is.
    return expression + (rf"(?:[^/]+/)*{rest[-1]}{end}" if rest[-1] else ".")


def _component(name: str, *, short_names: bool = False) -> str:
    first, *rest = ("".join("[^/]" if c == "?" else re.escape(c) for c in piece) for piece in re.split(r"\*+", name))
    if not rest:
        aliases = _short_names(name) if short_names and "?" not in name else ()
        return f"(?:{'|'.join((first, *aliases))})" if aliases else first
    return first + "".join(rf"(?>[^/]*?{piece})" for piece in rest[:-1]) + rf"[^/]*{rest[-1]}"


def _short_names(name: str) -> tuple[str, ...]:
    """Expressions for the 8.3 names NTFS and FAT give to `name` (folded): `kitty-specs` is also `KITTY-~1`."""
    if _FITS(name):
        return ()
    stem, _, extension = name.lstrip(".").rpartition(".")
    if not stem:
        stem, extension = extension, ""
    stem = re.sub("[. ]", "", stem)
    tail = rf"\.{re.escape(extension[:3])}" if extension else ""
    # With a digit more the stem is a character shorter; after some collisions it is two characters and a checksum.
    return (
        rf"{re.escape(stem[:6])}~[0-9]{tail}",
        rf"{re.escape(stem[:5])}~[0-9][0-9]{tail}",
        rf"{re.escape(stem[:2])}[0-9a-f]{{4}}~[0-9]{tail}",
    )
