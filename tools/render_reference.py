"""Write the pages of `docs/reference/` that the code already knows, or check that they are current.

python tools/render_reference.py            writes them
python tools/render_reference.py --check    changes nothing; exit code 1 if a page is out of date
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import unified_diff
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import click

import kitty_guardian
import kitty_paths
import kitty_sync
import spec_kitty_cli
from kitty_guardian.errors import GuardianError
from kitty_guardian.model.phases import Phase
from kitty_guardian.rules import table
from kitty_paths import layout
from kitty_paths.errors import KittyPathsError
from kitty_paths.platforms import Platform
from kitty_paths.surface import Surface
from kitty_sync.errors import SyncError
from spec_kitty_cli import app

E = TypeVar("E", bound=Exception)

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"
NOTE = "<!-- Written by tools/render_reference.py from the code; change that, not this. -->"
WIDTH = 100  # columns of a help text


def code(text: str) -> str:
    """`text` as inline code in a table cell."""
    return "`" + text.replace("|", "\\|") + "`"


def page(title: str, *parts: str) -> str:
    """A whole page."""
    return "\n\n".join([f"# {title}", NOTE, *(part.strip("\n") for part in parts)]) + "\n"


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def prose(*lines: str) -> str:
    """One paragraph, wrapped."""
    return textwrap.fill(" ".join(lines), width=120, break_long_words=False, break_on_hyphens=False)


# State layout


def state_layout() -> str:
    """Every path of `kitty_paths.layout`."""

    def rows(layout_rows: Iterable[layout.Row]) -> Iterator[Sequence[str]]:
        for row in layout_rows:
            windows = row.relative(Platform.WIN32).replace("/", "\\")
            same = row.relative(Platform.WIN32) == row.relative(Platform.LINUX)
            mode = Surface(name=row.name, path=Path("/"), kind=row.kind, secret=row.secret).mode
            yield (
                code(row.name),
                code(row.relative(Platform.LINUX)),
                "same" if same else code(windows),
                str(row.kind),
                "yes" if row.secret else "no",
                code(f"{mode:04o}"),
            )

    header = ("name", "Linux, macOS", "Windows", "kind", "secret", "mode")
    local = [(code(row.name), code(row.posix), str(row.kind)) for row in layout.REPOSITORY.values()]
    worktree = [(code(row.name), code(row.posix), str(row.kind)) for row in layout.WORKTREE.values()]
    return page(
        "State layout",
        prose(
            "`spec-kitty state paths` prints the global ones for the current configuration, `spec-kitty state paths",
            "NAME` one of them. Below: where they lie relative to their root. Why it is so: [how isolation",
            "works](../explanation/how-isolation-works.md).",
        ),
        "## Global state",
        prose(
            f"`StateRoot`. The root is `{layout.VARIABLE}`; when that is unset or empty `~/{layout.POSIX_STATE_HOME}`,",
            f"on Windows the folder `{layout.WINDOWS_HOME}` below the user's local application data. `{{digest}}` is",
            "made of a scope: the first 16 hex digits of the SHA-256 of its parts.",
        ),
        grid(header, rows(layout.STATE.values())),
        "## The repository's state",
        "`RepositoryState`, below the git directory that all work trees of a repository share.",
        grid(("name", "path", "kind"), local),
        "## A work tree's state",
        prose(
            "`RepositoryState`, below the work tree's own git directory. It belongs to the repository, not to the",
            "state root: two roots must not mean two guardians.",
        ),
        grid(("name", "path", "kind"), worktree),
    )


# Errors


def submodules(package: ModuleType) -> Iterator[ModuleType]:
    """Every module of a package, imported; those that only run or only serve tests left out."""
    yield package
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith((".__main__", ".testing", ".pytest_plugin")):
            yield importlib.import_module(found.name)


def family(base: type[E]) -> set[type[E]]:
    """A class and everything derived from it."""
    return {base}.union(*(family(child) for child in base.__subclasses__()))


def first_paragraph(thing: object) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split()).rstrip(".")


def errors() -> str:
    """Exit codes, and every error class with its code."""
    for package in (kitty_paths, kitty_guardian, kitty_sync, spec_kitty_cli):
        list(submodules(package))
    found = {(cls.code, cls.exit_code, first_paragraph(cls)) for cls in _concrete()}
    own = {
        ("cli.usage", 2, "The command line itself is wrong: an unknown command or option, a missing argument"),
        ("cli.internal", 3, "A bug: the message names a report to paste into an issue"),
    }
    return page(
        "Errors and exit codes",
        grid(
            ("exit code", "meaning"),
            [
                ("0", "done, or yes"),
                ("1", 'the expected "no": a write is denied, a check found something, nothing is running'),
                ("2", "usage, configuration or environment is wrong"),
                ("3", "internal error; the message names a report to paste into an issue"),
                ("130", "interrupted"),
                ("141", "the reader of the output went away"),
            ],
        ),
        prose(
            "An error is one sentence and, where there is one, a hint: the command to run next. With `--json` it is",
            "one object whose `code` is stable.",
        ),
        grid(
            ("code", "exit", "when"),
            [(code(name), str(exit_code), text) for name, exit_code, text in sorted(found | own)],
        ),
    )


def _concrete() -> Iterator[type[KittyPathsError | GuardianError | SyncError]]:
    # A class that keeps its base's code only carries an error from elsewhere.
    yield from (cls for cls in family(KittyPathsError) if cls.code != KittyPathsError.code)
    yield from (cls for cls in family(GuardianError) if cls.code != GuardianError.code)
    yield from (cls for cls in family(SyncError) if cls.code != SyncError.code)


# Commands


def help_of(command: click.Command, path: tuple[str, ...]) -> str:
    """A command's help as the terminal shows it, at a fixed width and without colour."""
    context: click.Context | None = None
    for depth, name in enumerate(path, start=1):
        # Click puts the arguments of every command on the way into the usage line, so only the last may have any.
        on_the_way = command if depth == len(path) else click.Group(name)
        context = click.Context(
            on_the_way, info_name=name, parent=context, max_content_width=WIDTH, terminal_width=WIDTH
        )
    assert context is not None  # noqa: S101 (a path is never empty)
    text = command.get_help(context)
    return "\n".join(line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines())


def commands() -> str:
    """The help of every command."""
    parts: list[str] = []

    def add(command: click.Command, path: tuple[str, ...]) -> None:
        if command.hidden:
            return
        parts.append(f"## {' '.join(path)}\n\n```text\n{help_of(command, path)}\n```")
        if isinstance(command, click.Group):
            context = click.Context(command, info_name=path[-1])
            for name in command.list_commands(context):
                member = command.get_command(context, name)
                assert member is not None  # noqa: S101 (it is in the list)
                add(member, (*path, name))

    add(app.spec_kitty(), ("spec-kitty",))
    return page(
        "Commands",
        prose(
            "`spec-kitty-guardian` is the guardian group alone: `spec-kitty-guardian start` is `spec-kitty guardian",
            "start`. Reading commands take `--json`: one object with a `schema` on stdout, all talk on stderr.",
        ),
        *parts,
    )


# Rules


def rules() -> str:
    """The owner's table and what surrounds it, with the identifiers that decisions carry."""

    def cell(phase: Phase, effect: table.Effect) -> str:
        return "<br>".join(code(rule.pattern) for rule in table.RULES if rule.phase is phase and rule.effect is effect)

    def listed(patterns: Iterable[str]) -> str:
        return "\n".join(f"- {code(pattern)}" for pattern in patterns)

    effects = (table.Effect.ALLOW, table.Effect.BLOCK)
    return page(
        "Rules",
        prose(
            "What is in force without a policy file. Block beats allow; what neither list names is free in mode",
            "`enforce` and blocked in `strict`. [The policy file](policy.md) replaces any cell, says what `src/` and",
            "`tests/` stand for, and explains patterns.",
        ),
        "## By phase",
        grid(
            ("phase", "may be written", "may not be written"),
            [(str(phase), *(cell(phase, effect) for effect in effects)) for phase in Phase],
        ),
        "Inside a feature's folder: " + ", ".join(map(code, table.ARTIFACTS)) + ".",
        "In review, a verdict that requests changes opens "
        + " and ".join(map(code, table.CHANGES_REQUESTED))
        + " until that work package is for review again.",
        "A decision names its rule: the phase, `allow` or `block`, and the pattern, as in "
        + code(table.RULES[2].id)
        + "; or `always:` and the pattern.",
        "## Always protected",
        "In every phase, and when no feature is active. A file that is absent stays absent.",
        listed(table.ALWAYS_PROTECTED),
        "## Transients",
        prose(
            "What editors and interpreters leave beside a file: the watcher leaves it alone; a commit of it is judged",
            "like any other path. Never what is always protected.",
        ),
        listed(table.TRANSIENTS),
    )


PAGES: dict[str, Callable[[], str]] = {
    "state-layout.md": state_layout,
    "rules.md": rules,
    "errors.md": errors,
    "commands.md": commands,
}


def main(arguments: Sequence[str]) -> int:
    check = list(arguments) == ["--check"]
    if arguments and not check:
        print(__doc__, file=sys.stderr)
        return 2
    stale = 0
    for name, render in PAGES.items():
        file = REFERENCE / name
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        after = render()
        if before == after:
            continue
        stale += 1
        if check:
            difference = unified_diff(
                before.splitlines(), after.splitlines(), f"{name} as it is", "as the code says", n=0
            )
            print("\n".join(list(difference)[:40]))
        else:
            file.write_text(after, encoding="utf-8")
            print(f"wrote docs/reference/{name}")
    if check and stale:
        print("\nrun: python tools/render_reference.py")
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
