"""The work packages of a feature as their files have them, and which of them can be worked on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from kitty_guardian.errors import GitError
from kitty_guardian.project.features import FEATURES
from kitty_guardian.project.frontmatter import read_frontmatter
from kitty_guardian.project.trees import READ_LIMIT, Tree
from kitty_guardian.transitions.gates import is_edited
from kitty_guardian.transitions.scaffolds import FIRST_WORK_PACKAGE, scaffold

_FOLDERS: Final = ("", "/planned", "/doing", "/for_review", "/done")
"""Below `tasks`; up to 0.9 the folder was the lane."""
_FILE: Final = re.compile(r"(WP[0-9]+)(?:[^0-9A-Za-z].*)?\.md\Z", re.DOTALL | re.IGNORECASE)
_ID: Final = re.compile(r"WP[0-9]+\Z")
_HEAD: Final = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_NO_TITLE: Final = re.compile(r"\W*\Z|replace with\b|\[.*\]\Z|\{\{.*\}\}\Z", re.IGNORECASE)


@attrs.frozen
class WorkPackage:
    """One file of a work package.

    Attributes:
        id: "WP01", as in the file's name.
        path: Relative to the work tree.
        title: What its frontmatter calls it.
        dependencies: Work packages that come before it.
        subtasks: Ids of its steps, as its frontmatter lists them.
        execution_mode: `code_change` or `planning_artifact`, or empty.
        problems: Why it cannot be worked on; half sentences.
        edited: Whether somebody wrote a title or something below it.
    """

    id: str
    path: str
    title: str = ""
    dependencies: tuple[str, ...] = ()
    subtasks: tuple[str, ...] = ()
    execution_mode: str = ""
    problems: tuple[str, ...] = ()
    edited: bool = True

    @property
    def is_valid(self) -> bool:
        """Whether it can be worked on."""
        return not self.problems


def work_packages(tree: Tree, feature: str, *, others: Collection[str] = ()) -> dict[str, WorkPackage]:
    """The work packages of a feature, by id, each with what keeps it from being worked on.

    Args:
        tree: Where its files are.
        feature: Folder name below `kitty-specs/`.
        others: Work packages that are known from elsewhere and so can be depended on.

    Raises:
        GitError: A sparse checkout's index cannot be read.
    """
    by_id: dict[str, list[WorkPackage]] = {}
    for path, name in _files(tree, feature):
        found = _read(tree, path, name)
        by_id.setdefault(found.id, []).append(found)
    chosen = {name: _one_of(files) for name, files in sorted(by_id.items())}
    return dict(_related(chosen, {*chosen, *others}))


def one_work_package(tree: Tree, feature: str, name: str) -> WorkPackage | None:
    """One work package, without a look at those it depends on; None where it has no file.

    Raises:
        GitError: As for `work_packages`.
    """
    files = [_read(tree, path, each) for path, each in _files(tree, feature) if each == name]
    return _one_of(files) if files else None


def names_of(tree: Tree, feature: str) -> frozenset[str]:
    """The work packages of a feature that have a file, read or not.

    Raises:
        GitError: As for `work_packages`.
    """
    return frozenset(name for _, name in _files(tree, feature))


def work_package_id(text: str) -> str:
    """The id that a person means: "WP01", "wp1" and "1" are one; what is none is given back as it is."""
    digits = text.strip().upper().removeprefix("WP")
    return f"WP{int(digits):02}" if re.fullmatch(r"[0-9]{1,4}", digits) else text.strip()


def _files(tree: Tree, feature: str) -> Iterator[tuple[str, str]]:
    for folder in _FOLDERS:
        directory = f"{FEATURES}/{feature}/tasks{folder}"
        try:
            entries = tree.names(directory)
        except OSError:
            continue
        for entry in entries:
            if (found := _FILE.match(entry.name)) is not None and entry.kind != "directory":
                yield f"{directory}/{entry.name}", found[1].upper()


def _read(tree: Tree, path: str, name: str) -> WorkPackage:
    short = path.rpartition("/")[2]
    try:
        data = tree.read(path)
    except (OSError, GitError) as error:
        return WorkPackage(name, path, problems=(f"{short} cannot be read: {error}",))
    if data is None:
        return WorkPackage(name, path, problems=(f"{short} is no regular file",))
    head = read_frontmatter(data, short)
    if head.problems:
        return WorkPackage(name, path, problems=tuple(map(str, head.problems)))
    text = data[:READ_LIMIT].decode("utf-8-sig")
    values = _values(text)
    title = str(values.get("title") or values.get("work_package_title") or "").strip()
    titled = _NO_TITLE.match(title) is None
    problems: list[str] = []
    written = head.fields.get("work_package_id")
    said = "" if written is None else (written.value or "").strip()
    if said != name:
        problems.append(f"{short} calls itself {said or 'nothing'} and is named after {name}")
    edited = titled or is_edited(text, scaffold(FIRST_WORK_PACKAGE, ""))
    if not edited:
        problems.append(f"{short} is as it was made: nobody wrote a title or what is to be done")
    elif not titled:
        problems.append(f"{short} has no title")
    return WorkPackage(
        name,
        path,
        title,
        _names(values.get("dependencies"), problems, f"{short}: its dependencies are no list of work packages"),
        _names(values.get("subtasks"), [], ""),
        str(values.get("execution_mode") or ""),
        tuple(problems),
        edited,
    )


def _values(text: str) -> Mapping[str, Any]:
    """The frontmatter's values; it was found to be one mapping of bounded depth before."""
    import yaml  # as where frontmatter is read

    found = _HEAD.match(text)
    if found is None:
        return {}
    try:
        # BaseLoader makes texts, lists and mappings, whatever a tag says.
        values = yaml.load(found[1], Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError, TypeError):
        return {}
    return values if isinstance(values, dict) else {}


def _names(value: object, problems: list[str], otherwise: str) -> tuple[str, ...]:
    """The names in a list, or in a text such as "[]" or "WP01, WP02" (facts, section 6.4)."""
    several = [value or ""] if value is None or isinstance(value, str) else value
    if not isinstance(several, list) or not all(isinstance(each, str) for each in several):
        problems.append(otherwise)
        return ()
    words = [word.strip("[]'\"") for each in several for word in re.split(r"[,\s]+", each)]
    return tuple(dict.fromkeys(word for word in words if word not in {"", "null", "~"}))


def _one_of(files: Iterable[WorkPackage]) -> WorkPackage:
    """The one that counts; a scaffold that nobody edited gives way to a file that somebody made."""
    several = sorted(files, key=lambda each: (not each.edited, each.path))
    edited = [each for each in several if each.edited]
    if len(edited) < 2:  # noqa: PLR2004 - one, or none at all
        return several[0]
    twice = " and ".join(each.path.rpartition("/")[2] for each in edited[:3])
    return attrs.evolve(several[0], problems=(*several[0].problems, f"{several[0].id} has more than one file: {twice}"))


def _related(chosen: Mapping[str, WorkPackage], known: set[str]) -> Iterator[tuple[str, WorkPackage]]:
    for name, package in chosen.items():
        problems = list(package.problems)
        problems += [
            f"{name} depends on {other!r}, which does not exist" for other in package.dependencies if other not in known
        ]
        if (circle := _circle(chosen, name)) is not None:
            problems.append(f"{name} depends on itself: {' → '.join(circle)}")
        yield name, attrs.evolve(package, problems=tuple(problems))


def _circle(chosen: Mapping[str, WorkPackage], start: str) -> tuple[str, ...] | None:
    """The shortest way along dependencies from a work package back to itself."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    while ways:
        longer: list[tuple[str, ...]] = []
        for way in ways:
            package = chosen.get(way[-1])
            for other in () if package is None else package.dependencies:
                if other == start:
                    return (*way, other)
                if other not in seen:
                    seen.add(other)
                    longer.append((*way, other))
        ways = longer
    return None
