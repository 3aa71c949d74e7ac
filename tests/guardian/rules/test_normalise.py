"""One path has many spellings; none of them is a way around a rule, and no text breaks the reader."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kitty_guardian.model.phases import Phase
from kitty_guardian.rules.decision import decide
from kitty_guardian.rules.normalise import Flaw, Reading, Rejection, fold, normalise
from support import strategies

SPELLINGS_OF_SOURCE = [
    "src/evil.py",
    "SRC/evil.py",
    "Src/EVIL.py",
    "src./evil.py",
    "src. . /evil.py",
    "src /evil.py",
    "src//evil.py",
    "./src/evil.py",
    ".//src/./evil.py",
    "src/../src/evil.py",
    "docs/../src/evil.py",
    "docs/a/../../src/evil.py",
    "docs/.. /src/evil.py",
    "src\\evil.py",
    "SRC\\evil.py",
    ".\\src\\evil.py",
    "docs\\..\\src\\evil.py",
    "docs/..\\src/evil.py",
    "src/evil.py:stream",
    "src/evil.py::$DATA",
    "src::$INDEX_ALLOCATION/evil.py",
    "src/evil.py.",
    "src/evil.py ",
    "src/...",
    "src/",
    "src\\",
    "src",
    "s\u200crc/evil.py",
    "\ufeffsrc/evil.py",
    "s\u202erc/\u200devil.py",
    "\u017frc/evil.py",  # long s, whose case folding is s
    "src/\u200c/evil.py",
]


@pytest.mark.parametrize("text", SPELLINGS_OF_SOURCE)
def test_every_spelling_of_source_is_source(text: str) -> None:
    decision = decide(text, Phase.PLAN)
    assert (decision.allowed, decision.rule) == (False, "plan.block:src/")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("./src//x/", "src/x"),
        ("SRC/X", "SRC/X"),
        ("src\\x", "src/x"),  # closed only as other systems read it
        ("src./x", "src/x"),
        ("docs\\x", "docs\\x"),  # open: as it is spelled
        ("docs/x:y", "docs/x:y"),
        ("docs/a/../b", "docs/b"),
    ],
)
def test_a_decision_carries_the_reading_that_decided(text: str, path: str) -> None:
    assert decide(text, Phase.PLAN).path == path


@pytest.mark.parametrize(
    "text",
    [
        "kitty-specs/001-home/plan.md",
        "KITTY-SPECS/001-home/Plan.MD",
        "kitty-specs/001-home/plan.md.",
        "kitty-specs\\001-home\\plan.md",
        "kitty-specs/001-HOME/plan.md/below",
        "KITTY-~1/001-ho~1/plan.md",
        "kitty~12/001-home/plan.md",
        "ki0a1f~1/001-home/plan.md",
        "\u212aitty-specs/001-home/plan.md",  # Kelvin sign
    ],
)
def test_every_spelling_of_an_artifact_is_that_artifact(text: str) -> None:
    assert decide(text, Phase.IMPLEMENT).rule == "implement.block:plan.md"


@pytest.mark.parametrize(
    "text",
    [
        ".KITTY/../.Kittify/GUARDIAN.toml",
        ".kittify/GUARDI~1.TOM",
        "KITTIF~1/guardian.toml",
        ".kittify\\guardian.toml::$DATA",
        ".kittify/guardian.toml ",
    ],
)
def test_every_spelling_of_the_policy_file_is_protected(text: str) -> None:
    assert decide(text, Phase.IMPLEMENT).rule == "always:.kittify/guardian.toml"


@pytest.mark.parametrize("text", ["SRC~1/evil.py", "src2/x", "asrc/x", "\uff53rc/x", "\u0455rc/x", "src\u00a0/x"])
def test_a_name_no_file_system_takes_for_source_is_not_source(text: str) -> None:
    # `src` fits 8.3 and has no short name; full-width and Cyrillic letters are other letters everywhere.
    assert decide(text, Phase.PLAN).rule == "neutral"


def test_composed_and_decomposed_names_are_one_name() -> None:
    composed, decomposed = "kitty-specs/003-\u00fcber/plan.md", "kitty-specs/003-u\u0308ber/plan.md"
    one, other = normalise(composed), normalise(decomposed)
    assert not isinstance(one, Rejection)
    assert not isinstance(other, Rejection)
    assert one[0].path != other[0].path
    assert one[0].key == other[0].key


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("", Flaw.EMPTY),
        (".", Flaw.EMPTY),
        ("./.", Flaw.EMPTY),
        ("src/..", Flaw.EMPTY),
        ("/", Flaw.ABSOLUTE),
        ("/etc/passwd", Flaw.ABSOLUTE),
        ("//server/share/x", Flaw.ABSOLUTE),
        ("\\x", Flaw.ABSOLUTE),
        ("\\\\server\\share\\x", Flaw.ABSOLUTE),
        ("\\\\?\\C:\\x", Flaw.ABSOLUTE),
        ("\\\\.\\pipe\\x", Flaw.ABSOLUTE),
        ("C:\\x", Flaw.ABSOLUTE),
        ("c:/x", Flaw.ABSOLUTE),
        ("C:x", Flaw.ABSOLUTE),
        ("docs/../C:/x", Flaw.ABSOLUTE),
        ("\u200d/etc", Flaw.ABSOLUTE),
        ("..", Flaw.ESCAPES),
        ("../x", Flaw.ESCAPES),
        ("a/../../etc", Flaw.ESCAPES),
        ("a\\..\\..\\etc", Flaw.ESCAPES),
        ("a/..\\../etc", Flaw.ESCAPES),
        (".\u200c./etc", Flaw.ESCAPES),
        ("../repo/src/x", Flaw.ESCAPES),
        ("src/x\0.md", Flaw.NUL),
        ("\0", Flaw.NUL),
    ],
)
def test_a_text_that_names_nothing_inside_the_work_tree_is_denied(text: str, flaw: Flaw) -> None:
    assert normalise(text) == Rejection(text, flaw)
    for phase in Phase:
        decision = decide(text, phase)
        assert (decision.allowed, decision.rule, decision.path) == (False, flaw.value, text)
        assert decision.reason
        assert decision.hint


def test_a_path_object_of_any_flavour_is_read_like_its_text() -> None:
    assert normalise(Path("src/x")) == normalise("src/x")
    assert normalise(PurePosixPath("src/x")) == normalise("src/x")
    assert normalise(PureWindowsPath("SRC\\x")) == normalise("SRC/x")
    assert normalise(PurePosixPath("src\\x")) == normalise("src\\x")
    assert normalise(PureWindowsPath("C:\\x")) == Rejection("C:/x", Flaw.ABSOLUTE)


def test_a_name_that_other_systems_read_differently_has_both_readings() -> None:
    assert normalise("Docs/a:b.py") == (
        Reading("Docs/a:b.py", "docs/a:b.py", directory=False),
        Reading("Docs/a", "docs/a", directory=False),
    )


def test_only_a_trailing_separator_says_directory() -> None:
    assert [normalise(text) for text in ("Docs/", "Docs")] == [
        (Reading("Docs", "docs", directory=True),),
        (Reading("Docs", "docs", directory=False),),
    ]


@settings(deadline=None, max_examples=500)
@given(strategies.any_text)
@example("\ud800/\udfff")
@example("\u0345\u0390")
def test_any_text_at_all_is_read_or_rejected(text: str) -> None:
    readings = normalise(text)
    if isinstance(readings, Rejection):
        return
    assert 1 <= len(readings) <= 2
    for reading in readings:
        parts = reading.path.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert len(reading.key.split("/")) == len(parts)
        assert reading.key == fold(reading.path)


@settings(deadline=None, max_examples=500)
@given(strategies.any_text)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    readings = normalise(text)
    if not isinstance(readings, Rejection):
        first, last = readings[0].path, readings[-1].path
        again = normalise(first)
        assert not isinstance(again, Rejection)
        assert again[0].path == first
        # What other systems read is read the same by all of them.
        assert normalise(last) == (readings[-1]._replace(directory=False),) or last == first


@settings(deadline=None)
@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_folding_ignores_how_a_text_is_composed(text: str) -> None:
    assert fold(unicodedata.normalize("NFC", text)) == fold(unicodedata.normalize("NFD", text)) == fold(text)
