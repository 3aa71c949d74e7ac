"""The YAML head of a work package file (facts, section 6.4).

Text stays text: `0012`, `no` and dates are what was typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from kitty_guardian.model.reports import Problem
from kitty_guardian.project.trees import READ_LIMIT

HEAD_LIMIT = 1 << 16
"""Characters; the longest real head has about 10 000. Parsing time is bounded by this."""

_BOM = b"\xef\xbb\xbf"
_FENCE = "---"
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?: |\r?$)", re.MULTILINE)
_END = re.compile(r"^---[ \t]*\r?$", re.MULTILINE)
_IN_CONFLICT = "holds the markers of an unresolved merge conflict"
_DEEPEST = 64
_PLAIN_TAGS = (None, "tag:yaml.org,2002:str")
_NO_MAPPING = "has frontmatter that is not one mapping"


@attrs.frozen
class Field:
    """One top-level value.

    Attributes:
        value: The scalar's text as it was typed, without quotes; None for anything that is not plain text: a list, a
            mapping, an alias, a value under a tag.
        line: 1-based line in the file.
    """

    value: str | None
    line: int


@attrs.frozen
class Frontmatter:
    """What the head of one file says.

    Attributes:
        fields: Its top-level values by key.
        problems: Why it, or a part of it, could not be read.
        exists: Whether there is a head at all, readable or not.
    """

    fields: Mapping[str, Field] = attrs.field(factory=dict)
    problems: tuple[Problem, ...] = ()
    exists: bool = True

    @property
    def is_malformed(self) -> bool:
        """Whether there is a head and what it says cannot be known before it is mended."""
        return self.exists and bool(self.problems)


class _UnreadableError(Exception):
    """Why a head could not be read: 1-based line or None, and what is wrong there; `absent`: there is none."""

    def __init__(self, line: int | None, message: str, *, absent: bool = False) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.absent = absent


def read_frontmatter(data: bytes, path: str) -> Frontmatter:
    """Parses the head of a work package file. No tag is ever acted on, and nothing is read from a broken head.

    Args:
        data: The whole file; a byte order mark and CRLF line ends are fine.
        path: Where it is, for problems.
    """
    try:
        fields, doubled = _parse(_head(data))
    except _UnreadableError as error:
        return Frontmatter(problems=(Problem(path, error.line, error.message),), exists=not error.absent)
    # With a key twice, which of the two is meant is anyone's guess: nothing of the head counts (as upstream has it).
    if doubled:
        return Frontmatter(
            problems=tuple(Problem(path, key.line, f"has the key {key.value!r} twice") for key in doubled)
        )
    return Frontmatter(fields)


def _head(data: bytes) -> str:
    """The text between the fences.

    Raises:
        _UnreadableError: There is none, or it should not be parsed.
    """
    if len(data) > READ_LIMIT:
        raise _UnreadableError(None, f"is longer than {READ_LIMIT >> 20} MiB and was not read")
    if (nul := data.find(b"\0")) >= 0:
        raise _UnreadableError(_line_at(data, nul), "holds a NUL byte")
    body = data.removeprefix(_BOM)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _UnreadableError(_line_at(body, error.start), "is not UTF-8") from error
    first, _, rest = text.partition("\n")
    if first.rstrip() != _FENCE:
        if _CONFLICT.match(text) is not None:
            raise _UnreadableError(1, _IN_CONFLICT)
        meant = text.lstrip().startswith(_FENCE)  # a blank line before it is all that is wrong
        raise _UnreadableError(1, "does not begin with frontmatter (a line of three dashes)", absent=not meant)
    if (end := _END.search(rest)) is None:
        raise _UnreadableError(1, "has frontmatter without an end (a second line of three dashes)")
    head = rest[: end.start()]
    if len(head) > HEAD_LIMIT:
        raise _UnreadableError(1, f"has frontmatter longer than {HEAD_LIMIT >> 10} KiB, which was not read")
    if (mark := head.find("\ufeff")) >= 0:  # libyaml drops it, others take it for a letter of the key
        raise _UnreadableError(_line_in(head, mark), "holds a byte order mark that is not at its beginning")
    if (conflict := _CONFLICT.search(head)) is not None:
        raise _UnreadableError(_line_in(head, conflict.start()), _IN_CONFLICT)
    return head


def _parse(head: str) -> tuple[dict[str, Field], list[Field]]:
    """Fields by key, and every key that its mapping, at any depth, has already.

    Works on parser events: nothing is constructed, aliases are not followed, and depth is bounded (libyaml's own
    composer recurses in C, where 30 000 brackets end the process).

    Raises:
        _UnreadableError: It is not YAML, not one mapping, or nested too deeply.
    """
    import yaml  # here, since it costs 40 ms and many readings need none

    loader = None
    outline = _Outline(head)
    try:
        loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)(head)
        # An event for every scalar of every head of a project: this loop is what reading a project costs.
        next_event, node = loader.get_event, outline.node
        scalar, alias, end = yaml.ScalarEvent, yaml.AliasEvent, yaml.StreamEndEvent
        begins = {yaml.MappingStartEvent: True, yaml.SequenceStartEvent: False}
        ends = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
        while (kind := type(event := next_event())) is not end:
            if kind is scalar:
                node(event.value if event.tag in _PLAIN_TAGS else None, event.start_mark.index)
            elif kind in begins:
                outline.begin(event.start_mark.index, mapping=begins[kind])
            elif kind in ends:
                outline.end()
            elif kind is alias:
                node(None, event.start_mark.index)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 2 if mark is None else _line_in(head, mark.index)
        raise _UnreadableError(line, f"is not valid YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = _line_in(head, error.position)
        raise _UnreadableError(line, f"is not valid YAML: {error.reason}") from error
    except (ValueError, OverflowError) as error:  # PyYAML without libyaml, on numbers that are none
        raise _UnreadableError(None, f"is not valid YAML: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()
    return outline.fields, outline.doubled


class _Outline:
    """Follows where in the document the parser is; places are characters from the head's beginning."""

    def __init__(self, head: str) -> None:
        self.fields: dict[str, Field] = {}
        self.doubled: list[Field] = []
        self._head = head
        self._counted = (0, 2)  # up to which character, and the line there
        self._levels: list[_Mapping | None] = []  # None: a sequence
        self._inner: _Mapping | None = None
        self._has_root = False

    def node(self, text: str | None, at: int) -> None:
        """A node: `text` if it is a plain scalar."""
        if not self._levels:
            raise _UnreadableError(self._line(at), _NO_MAPPING)
        if (mapping := self._inner) is None:
            return
        if mapping.at_value:
            mapping.at_value = False
            if len(self._levels) == 1 and mapping.key is not None:
                self.fields[mapping.key] = Field(text, self._line(mapping.at))
        else:
            mapping.at_value, mapping.key, mapping.at = True, text, at
            if text in mapping.seen and text is not None:
                self.doubled.append(Field(text, self._line(at)))
            mapping.seen.add(text)

    def begin(self, at: int, *, mapping: bool) -> None:
        """A mapping or a sequence begins; what follows is in it."""
        if self._levels:
            self.node(None, at)
        elif self._has_root or not mapping:
            raise _UnreadableError(self._line(at), _NO_MAPPING)
        if len(self._levels) == _DEEPEST:
            raise _UnreadableError(self._line(at), "has frontmatter that is nested too deeply")
        self._has_root = True
        self._inner = _Mapping() if mapping else None
        self._levels.append(self._inner)

    def end(self) -> None:
        """The innermost mapping or sequence ends."""
        self._levels.pop()
        self._inner = self._levels[-1] if self._levels else None

    def _line(self, at: int) -> int:
        """The line of a place. YAML has more kinds of line ends than files, git and editors count."""
        counted, line = self._counted
        if at < counted:
            counted, line = 0, 2
        line += self._head.count("\n", counted, at)
        self._counted = (at, line)
        return line


@attrs.define
class _Mapping:
    seen: set[str | None] = attrs.field(factory=set)
    key: str | None = None
    at: int = 0
    at_value: bool = False


def _line_at(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _line_in(head: str, position: int) -> int:
    return head.count("\n", 0, max(position, 0)) + 2  # the fence is line 1
