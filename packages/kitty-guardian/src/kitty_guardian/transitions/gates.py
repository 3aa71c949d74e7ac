"""Whether an artifact was written by somebody: content counts, existence does not (enforcement model, section 1).

A file that only holds what a tool put there (our scaffold, upstream's template with its placeholders) is not edited,
however long it is. What is left of such a file without headings, comments, placeholders and forms to be filled in
is nothing.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from pathlib import Path
from typing import Final

import attrs

from kitty_guardian.project.regular import read_regular
from kitty_guardian.transitions.scaffolds import scaffold

_LIMIT: Final = 4 << 20
_WORDS: Final = 3
_CHARACTERS: Final = 20
_NESTED: Final = 4

_FRONTMATTER: Final = re.compile(r"\A---[ \t]*\n.*?^---[ \t]*$", re.DOTALL | re.MULTILINE)
_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_FENCE: Final = re.compile(r"[ \t]*(`{3,}|~{3,})")
_TABLE_HEAD: Final = re.compile(r"^[ \t]*\|.*\n(?=[ \t]*\|[-:| \t]+\|?[ \t]*$)", re.MULTILINE)
_CODE: Final = re.compile(r"`[^`\n]*`")
# "[Describe this journey]", "[DATE]", "[###-feature]", also over two lines; not "[x]", a link, a reference.
_PLACEHOLDER: Final = re.compile(r"\[(?:(?!\n[ \t]*\n)[^\[\]]){1,600}\](?![(\[:])")
_IS_PLACEHOLDER: Final = re.compile(r"[ #\n\0]|[A-Z]{3}")
_HOLE: Final = re.compile(r"\0|\{\{|\}\}|\$ARGUMENTS")
_NO_TEXT: Final = re.compile(
    r"""\s*(?:
        \#                                                     # a heading
        | (?:[-=*_|:+]\s*)+$                                   # a rule, the line below a table's head
        | >                                                    # a quotation: templates give their advice in them
        | [*_](?![*_]).*[*_]$                                  # a line in italics: likewise
        | [-*\s]*\**(?:feature\ )?                             # the form at the top of upstream's templates
          (?:branch|created|date|status|input|spec)\**\s*:
        | \**note\**\s*:\**\s*this\ template
        | the\ planner\ will\ not\ begin
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_WIDE: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # scripts without spaces


class Finding(StrEnum):
    """What stands where an artifact should be."""

    EDITED = "edited"
    MISSING = "missing"
    UNTOUCHED = "untouched"
    UNREADABLE = "unreadable"


@attrs.frozen
class Look:
    """One look at an artifact.

    Attributes:
        finding: What it is.
        why: Half a sentence for people, such as "is as `spec-kitty specify` made it".
        sha256: Of its bytes, hex; empty where there are none.
    """

    finding: Finding
    why: str
    sha256: str = ""


def look_at(root: Path, path: str, artifact: str) -> Look:
    """Look at an artifact on disk.

    Args:
        root: The top of the work tree.
        path: Where it is, relative to that; no link on the way or at its end is followed.
        artifact: Its name, as in `scaffolds.ARTIFACTS`.
    """
    data, why = _read(root, path)
    if data is None:
        return Look(Finding.MISSING if not why else Finding.UNREADABLE, why or "does not exist")
    sha = hashlib.sha256(data).hexdigest()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Look(Finding.UNREADABLE, f"is not UTF-8 (byte {error.start})", sha)
    if is_edited(text, scaffold(artifact, "")):
        return Look(Finding.EDITED, "is edited", sha)
    what = "is empty" if not text.strip() else "holds headings, comments and placeholders, and no text of its own"
    return Look(Finding.UNTOUCHED, what, sha)


def _read(root: Path, path: str) -> tuple[bytes | None, str]:
    """The bytes of an artifact, or None and why there are none; None and nothing where it does not exist."""
    place = root
    for part in Path(path).parts:
        place /= part
        if place.is_symlink():
            return None, "is, or lies behind, a symbolic link"
    try:
        data = read_regular(place, _LIMIT + 1)
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"
    if data is None:
        return None, "is no regular file" if place.exists() else ""
    return (None, f"is longer than {_LIMIT >> 20} MiB") if len(data) > _LIMIT else (data, "")


def is_edited(text: str, template: str = "") -> bool:
    """Whether somebody wrote something: a line of at least three words or twenty characters that no tool put there.

    Args:
        text: The whole file.
        template: What it began with; its lines do not count.
    """
    given = {" ".join(line.split()) for line in template.splitlines()}
    return any(
        line not in given and _says_something(line)
        for line in (" ".join(raw.split()) for raw in _bare(text).splitlines() if not _NO_TEXT.match(raw))
    )


def _bare(text: str) -> str:
    """The text without what is never content; a NUL stands where a placeholder was."""
    text = text.replace("\r\n", "\n").replace("\0", " ")
    text = _FRONTMATTER.sub("", text, count=1)
    text = _TABLE_HEAD.sub("", _without_code(_COMMENT.sub("", text)))
    text = _CODE.sub(lambda found: found[0].replace("[", "(").replace("]", ")"), text)
    for _ in range(_NESTED):  # the innermost first
        text = _PLACEHOLDER.sub(_emptied, text)
    return text


def _without_code(text: str) -> str:
    """The text without its fenced blocks: templates draw folders in them. A fence that is never closed is none."""
    kept: list[str] = []
    held: list[str] = []
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if fence:
            held.append(line)
            if found is not None and found[1].startswith(fence):
                fence, held = "", []
        elif found is not None:
            fence, held = found[1], [line]
        else:
            kept.append(line)
    return "\n".join((*kept, *held))


def _emptied(found: re.Match[str]) -> str:
    inside = found[0][1:-1]
    if _IS_PLACEHOLDER.search(inside):
        return "\0" + "\n\0" * inside.count("\n")
    return f"({inside})"  # a tick, a mark, a citation


def _says_something(line: str) -> bool:
    if _HOLE.search(line):
        return False
    words = re.findall(r"\w+", line)
    wide = len(_WIDE.findall(line))
    return len(words) >= _WORDS or sum(map(len, words)) >= _CHARACTERS or wide >= 2 * _WORDS
