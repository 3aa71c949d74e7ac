"""What `read_frontmatter` promises of any bytes: every sentence is checked on every input that it speaks about."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator

import attrs
import yaml

from kitty_guardian.project.frontmatter import Frontmatter, read_frontmatter
from soak.promises import (
    BOM,
    CARRIAGE,
    EVERYWHERE,
    MARKED,
    SAME_TWICE,
    Verdict,
    Watch,
    problems_in_place,
    unlike,
)

PATH = "kitty-specs/001-one/tasks/WP01.md"

ALL_OR_NOTHING = "a head with problems has no fields"
NO_ENVELOPE = "without both fences, in UTF-8, there are problems and no fields"
BODY = "the body changes nothing"
TEXT = "a value is text or None"
AS_TYPED = "every word of a key or a value stands in the head as it was typed"
LINES = "a field's line is one of the head's, with its key on it"
SIMPLE = "a head of simple lines is read as it is written, line by line"
COMPOSED = "fields are the top level of the tree that YAML's composer makes"
READABLE = "a head that is one YAML mapping without double keys has no problems"
TWICE = "a key that is there twice, at any depth, leaves no fields"
PURE = "without libyaml fields are the same"

PROMISES = frozenset(
    {
        *(*EVERYWHERE, ALL_OR_NOTHING, NO_ENVELOPE, BODY, TEXT, AS_TYPED, LINES, SIMPLE, COMPOSED, READABLE, TWICE),
        *([PURE] if hasattr(yaml, "CBaseLoader") else []),
    }
)
"""Every one that is to be asked of some input."""

Reader = Callable[[bytes, str], Frontmatter]


@attrs.frozen
class Envelope:
    """The head between two fences, as facts, section 6.4 have it.

    Attributes:
        head: The text between the fences.
        end: How many lines the file has up to its second fence.
    """

    head: str
    end: int


def envelope(data: bytes) -> Envelope | bool | None:
    """The head of a file; None where there is none; False where the facts do not say."""
    try:
        lines = data.removeprefix(BOM).decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return None
    if b"\0" in data or not _fences(lines[0]):
        return None
    ends = [number for number, line in enumerate(lines) if number and _fences(line)]
    if not ends:
        return None
    if not (_FENCE.fullmatch(lines[0]) and _FENCE.fullmatch(lines[ends[0]])):
        return False
    return Envelope("".join(f"{line}\n" for line in lines[1 : ends[0]]), ends[0] + 1)


_FENCE = re.compile(r"---[ \t]*\r?")


def _fences(line: str) -> bool:
    return line.startswith("---") and line.strip() == "---"


def head_promises(data: bytes, read: Reader = read_frontmatter) -> Iterator[Verdict]:
    """Each promise that can be asked of this file."""
    watch = Watch(len(data))
    found = watch(lambda: read(data, PATH))
    yield watch.verdict()
    yield SAME_TWICE, unlike(read(data, PATH), found)
    yield problems_in_place(found.problems, PATH, data)
    yield ALL_OR_NOTHING, f"{found!r:.300}" if found.fields and found.problems else None
    where = envelope(data)
    if where is None:
        yield NO_ENVELOPE, None if found.problems and not found.fields else f"{found!r:.300}"
    if not data.startswith(BOM):
        yield MARKED, unlike(read(BOM + data, PATH), found)
    if b"\r" not in data and len(data) < _SMALL:
        dressed = read(data.replace(b"\n", b"\r\n"), PATH)
        yield CARRIAGE, unlike(dressed.fields, found.fields) or unlike(bool(dressed.problems), bool(found.problems))
    if isinstance(where, Envelope):
        kept = b"\n".join(data.split(b"\n")[: where.end])
        for body in (b"", b"\n", b"\n---\nlane: other\n<<<<<<< HEAD\n---\n\t'\n"):
            yield BODY, unlike(read(kept + body, PATH), found)
        yield from _as_text(found, where.head)
        yield from _simple(found, where.head)
        if len(where.head) < _SMALL:
            yield from _composed(found, where.head)
            yield from _without_libyaml(data, found, read)


_SMALL = 1024
"""Characters; what follows is slow, and YAML's composer recurses in C."""


def _as_text(found: Frontmatter, head: str) -> Iterator[Verdict]:
    if not found.fields:
        return
    values: list[object] = [field.value for field in found.fields.values()]
    other = [value for value in (*values, *found.fields) if value is not None and type(value) is not str]
    yield TEXT, f"{other[0]!r}" if other else None
    typed = [*found.fields, *(str(value) for value in values if value is not None)]
    if "\\" not in head:
        invented = [word for text in typed for word in text.split() if "'" not in word and word not in head]
        yield AS_TYPED, f"{invented[0]!r:.100} does not" if invented else None
    lines = head.split("\n")
    for key, field in found.fields.items():
        there = 2 <= field.line <= len(lines)
        # Keys may be spelled with escapes, and `?` sets them apart from the line they begin on.
        if there and re.fullmatch(r"\w+", key) and "\\" not in head and "?" not in head:
            there = key in lines[field.line - 2]
        if not there:
            yield LINES, f"{key!r} is not on line {field.line}"
            return
    yield LINES, None


_PLAIN = r"[A-Za-z0-9_./+~](?:[A-Za-z0-9_./+~-]|:(?=[A-Za-z0-9_])|[ ]+(?=[A-Za-z0-9_./+~]))*"
_LINE = re.compile(
    r"(?P<key>[a-z_]{1,60}):"
    rf"(?P<said>[ ]+(?:\"(?P<double>[ !#-\[\]-~]*)\"|'(?P<single>[ -&(-~]*)'|(?P<plain>{_PLAIN})))?"
    r"[ ]*(?:(?<=[ ])#[ -~]*)?"
)
_ITEM = re.compile(r"(?P<indent>[ ]*)- [A-Za-z0-9]+")
_NOTHING = re.compile(r"[ ]*(?:#[ -~]*)?")


def simple(head: str) -> dict[str, tuple[str | None, int]] | bool | None:
    """Fields (text, line) of a head in simple lines only; None where a key is there twice; False: other lines too."""
    fields: dict[str, tuple[str | None, int]] = {}
    doubled = False
    open_key: str | None = None
    indent: str | None = None
    for number, line in enumerate(
        head.removesuffix("\n").replace("\r\n", "\n").removesuffix("\r").split("\n"), start=2
    ):
        if _NOTHING.fullmatch(line):
            continue
        if (item := _ITEM.fullmatch(line)) and open_key is not None and indent in (None, item["indent"]):
            indent = item["indent"]
            fields[open_key] = (None, fields[open_key][1])
            continue
        if (match := _LINE.fullmatch(line)) is None:
            return False
        doubled = doubled or match["key"] in fields
        texts = [text for text in (match["double"], match["single"], match["plain"]) if text is not None]
        fields[match["key"]] = (texts[0] if texts else "", number)
        open_key, indent = (None if match["said"] else match["key"]), None
    return None if doubled else fields


def _simple(found: Frontmatter, head: str) -> Iterator[Verdict]:
    expected = simple(head)
    if expected is None:
        yield SIMPLE, None if found.problems and not found.fields else f"{found!r:.300} with a key twice"
    elif isinstance(expected, dict) and len(head) < _LONGEST:
        fields = {key: (field.value, field.line) for key, field in found.fields.items()}
        yield SIMPLE, unlike((fields, found.problems), (expected, ()))


_LONGEST = 1 << 15
_CONFLICT = re.compile(r"^([<=>|])\1{6}(?: |\r?$)", re.MULTILINE)


def _composed(found: Frontmatter, head: str) -> Iterator[Verdict]:
    if re.search("[!&*\ufeff]", head):
        return  # tags, anchors, aliases and stray byte order marks are the reader's own affair
    try:
        tree = yaml.compose(head, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):
        return
    if tree is None:
        yield COMPOSED, unlike(found, Frontmatter())
        return
    if not isinstance(tree, yaml.MappingNode):
        yield COMPOSED, None if found.problems else f"{tree.tag} is no mapping"
        return
    if _has_doubles(tree):
        yield TWICE, None if found.problems else f"{found!r:.300}"
        return
    if _CONFLICT.search(head) is None and _depth(tree) < _DEEP:
        yield READABLE, f"{found.problems!r:.300}" if found.problems else None
    if not found.problems:
        expected = {
            key.value: value.value if isinstance(value, yaml.ScalarNode) else None
            for key, value in tree.value
            if isinstance(key, yaml.ScalarNode)
        }
        yield COMPOSED, unlike({key: field.value for key, field in found.fields.items()}, expected)


_DEEP = 60


def _has_doubles(node: yaml.Node) -> bool:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        return len(keys) != len(set(keys)) or any(_has_doubles(part) for pair in node.value for part in pair)
    return isinstance(node, yaml.SequenceNode) and any(map(_has_doubles, node.value))


def _depth(node: yaml.Node) -> int:
    if isinstance(node, yaml.MappingNode):
        return 1 + max((_depth(part) for pair in node.value for part in pair), default=0)
    return 1 + max(map(_depth, node.value), default=0) if isinstance(node, yaml.SequenceNode) else 0


def _without_libyaml(data: bytes, found: Frontmatter, read: Reader) -> Iterator[Verdict]:
    with without_libyaml():
        pure = read(data, PATH)
    yield ALL_OR_NOTHING, f"{pure!r:.300}" if pure.fields and pure.problems else None
    yield problems_in_place(pure.problems, PATH, data)
    if not pure.problems and not found.problems:
        yield PURE, unlike(pure.fields, found.fields)


@contextlib.contextmanager
def without_libyaml() -> Iterator[None]:
    """PyYAML as it is where it was built without libyaml."""
    fast = getattr(yaml, "CBaseLoader", None)
    if fast is None:
        yield
        return
    del yaml.CBaseLoader
    try:
        yield
    finally:
        setattr(yaml, "CBaseLoader", fast)  # noqa: B010 - mypy takes the plain form for a change of a type
