"""The documents tell the truth: links lead somewhere, commands exist, generated pages are current."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from kitty_guardian.rules.policy import parse_policy
from spec_kitty_cli import app
from support.checkout import ROOT, documents, sources, tracked

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
DECISION = re.compile(r"\bADR[ -](\d{4})\b")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(document: Path) -> set[str]:
    """The fragment of every heading, as code hosts form it."""
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", documents(), ids=named)
def test_every_link_inside_the_project_leads_somewhere(document: Path) -> None:
    broken = []
    for target in LINK.findall(FENCE.sub("", document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        aim = (document.parent / name).resolve() if name else document
        if not aim.exists() or (fragment and aim.suffix == ".md" and fragment not in anchors(aim)):
            broken.append(target)
    assert not broken


def test_every_decision_record_that_is_cited_exists() -> None:
    numbers = {path.name[:4] for path in (ROOT / "docs" / "adr").glob("[0-9]*.md")}
    cited = {
        number: named(path)
        for path in [*documents(), *sources(), ROOT / "pyproject.toml", *ROOT.glob("packages/*/pyproject.toml")]
        for number in DECISION.findall(path.read_text(encoding="utf-8"))
    }
    assert set(cited) <= numbers, cited


def test_decision_records_are_numbered_without_gaps_and_say_context_decision_consequences() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [path.name[:4] for path in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for path in records:
        headings = re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings[:3] == ["Context", "Decision", "Consequences"], named(path)


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document in reached or document.suffix != ".md" or not document.is_file():
            continue
        reached.add(document)
        links = LINK.findall(document.read_text(encoding="utf-8"))
        waiting += [(document.parent / link.partition("#")[0]).resolve() for link in links if ":" not in link]
    unreached = {path for path in documents() if "docs" in path.parts} - reached
    assert not sorted(map(named, unreached))


def command_lines(document: Path) -> list[str]:
    """The shell lines that a document tells its reader to type, comments dropped."""
    blocks = [
        body for language, body in FENCE.findall(document.read_text(encoding="utf-8")) if language in {"sh", "console"}
    ]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    # In a console block only lines behind a prompt are typed; in a sh block all of them are.
    return [line.strip().removeprefix("$ ") for line in lines if line.strip()]


def check_spec_kitty(words: list[str]) -> str | None:
    """What is wrong with one `spec-kitty` command line, or None; no command is run."""
    command: click.Command = app.spec_kitty_guardian() if words[0] == "spec-kitty-guardian" else app.spec_kitty()
    context = click.Context(command, info_name=words[0])
    rest = words[3:] if words[1:2] == ["-C"] else words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        if found is None:
            return f"no command {rest[0]}"
        command, context, rest = found, click.Context(found, info_name=rest[0], parent=context), rest[1:]
    if isinstance(command, click.Group) and rest == []:
        return None
    known = {name for parameter in command.get_params(context) for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in rest if word.startswith("-") and word != "--" and word.partition("=")[0] not in known]
    return f"no option {unknown}" if unknown else None


@pytest.mark.parametrize("document", documents(), ids=named)
def test_every_command_a_document_shows_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    wrong = []
    for line in command_lines(document):
        words = shlex.split(re.split(r" (?:\|\||\||&&|>|<<) ?", line)[0], comments=True)
        while words and "=" in words[0]:  # VARIABLE=value in front
            words = words[1:]
        if words[:2] == ["uv", "run"]:
            words = words[2:]
        if words[:1] == ["make"]:
            wrong += [f"{line}: no target {word}" for word in words[1:] if "=" not in word and word not in targets]
        elif words and words[0] in {"spec-kitty", "spec-kitty-guardian"}:
            problem = check_spec_kitty(words)
            wrong += [f"{line}: {problem}"] if problem else []
    assert not wrong


def test_every_policy_a_document_shows_is_accepted() -> None:
    for document in documents():
        for language, body in FENCE.findall(document.read_text(encoding="utf-8")):
            if language == "toml" and named(document) != "CONTRIBUTING.md":
                parse_policy(body, origin=named(document))


@pytest.mark.parametrize("script", sorted((ROOT / "tools").glob("render_*.py")), ids=named)
def test_generated_reference_is_current(script: Path) -> None:
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_scripts_that_are_run_by_name_can_be_run() -> None:
    shell = [path for path in tracked() if path.suffix == ".sh" or named(path) == ".ci/run"]
    for path in shell:
        assert path.read_bytes().startswith(b"#!"), named(path)
        assert (
            subprocess.run(["sh", "-n", path], check=False, capture_output=True).returncode == 0
            or b"bash" in path.read_bytes()[:30]
        )
