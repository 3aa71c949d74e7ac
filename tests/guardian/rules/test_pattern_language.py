"""The pattern language: anchors, wildcards, subtrees, and that no path is slow."""

from __future__ import annotations

import re
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitty_guardian.rules import patterns
from support import strategies


def matches(expression: str, path: str) -> bool:
    return re.compile(expression, re.DOTALL).match(path) is not None


ALLOW = [
    ("docs", ["docs"], ["docs/a", "docs2", "a/docs", "Docs"]),
    ("docs/", ["docs", "docs/a", "docs/a/b"], ["docs2", "docs2/a", "a/docs", "doc"]),
    ("**/docs", ["docs", "a/docs", "a/b/docs"], ["a/docs/b", "adocs", "a/bdocs"]),
    ("**/docs/", ["docs/x", "a/docs/x"], ["adocs/x"]),
    ("*.md", ["a.md", ".md", "a b.md", "a\n.md"], ["a/b.md", "a.mdx", "amd"]),
    ("a?c", ["abc", "a.c"], ["ac", "abbc", "a/c"]),
    ("a*b*c", ["abc", "aXbYc", "abcbc", "abbcc"], ["ab", "acb", "a/b/c"]),
    ("*a*a*", ["aa", "xaxax"], ["a", "xax"]),
    ("packages/*/src/", ["packages/one/src", "packages/one/src/x"], ["packages/src/x", "packages/a/b/src/x"]),
    ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/bb", "a/x/b/c", "b", "ab"]),
    ("a/**", ["a/x", "a/x/y"], ["a", "ab/x"]),
    ("a/**/", ["a/x", "a/x/y"], ["a"]),
    ("**", ["a", "a/b"], []),
    ("**/**/b", ["b", "a/b"], ["bb"]),
    ("**/a/**/b/**/c", ["a/b/c", "x/a/x/b/x/c", "a/a/b/b/c"], ["a/c/b", "b/a/c", "a/b/c/d"]),
    ("**/a/b/**/c/", ["a/x/a/b/c", "a/b/a/b/x/c/d"], ["a/x/b/c"]),
    ("[id]/{a,b}.(py)", ["[id]/{a,b}.(py)"], ["i/a.py"]),
]


@pytest.mark.parametrize(("pattern", "yes", "no"), ALLOW, ids=[row[0] for row in ALLOW])
def test_an_allow_rule_means_what_its_pattern_says(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [path for path in yes + no if matches(patterns.exact(pattern), path)] == yes


@pytest.mark.parametrize(("pattern", "yes", "no"), ALLOW, ids=[row[0] for row in ALLOW])
def test_a_block_rule_covers_no_less_than_the_allow_rule(pattern: str, yes: list[str], no: list[str]) -> None:
    assert all(matches(patterns.folded(pattern), path) for path in yes)
    assert no == [path for path in no if not matches(patterns.exact(pattern), path)]


def test_a_block_rule_covers_what_lies_below_even_without_a_slash() -> None:
    assert matches(patterns.folded("spec.md"), "spec.md/hidden.py")
    assert not matches(patterns.folded("spec.md"), "spec.md2")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("kitty-specs", ["kitty-specs", "kitty-~1", "kitty~10", "ki0af3~1"], ["kitty-~", "kitty-", "kix0af~1"]),
        (".kittify", [".kittify", "kittif~1"], [".kitti~1"]),
        ("guardian.toml", ["guardi~1.tom"], ["guardi~1.toml", "guardi~1"]),
        ("a b.md", ["ab~1.md"], ["a b~1.md"]),
        ("status.events.jsonl", ["status~1.jso"], ["status~1"]),
        ("src", ["src"], ["src~1"]),
        ("data-model.md", ["data-m~2.md"], []),
    ],
)
def test_a_block_rule_knows_the_short_names_windows_gives(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [path for path in yes + no if matches(patterns.folded(pattern), path)] == yes


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("a\0", "contains NUL"),
        ("a\\b", "contains a backslash"),
        ("/a", "is absolute"),
        ("C:/a", "is absolute"),
        ("!a", "begins with !"),
        ("a/../b", "leaves the work tree"),
        ("..", "leaves the work tree"),
        ("a//b", "has an empty or . component"),
        ("./a", "has an empty or . component"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused(pattern: str, said: str) -> None:
    assert said in (patterns.flaw(pattern) or "")


@settings(deadline=None)
@given(strategies.patterns)
def test_a_pattern_of_ordinary_names_is_not_refused(pattern: str) -> None:
    assert patterns.flaw(pattern) is None


@settings(deadline=None, max_examples=500)
@given(strategies.patterns, st.lists(st.sampled_from(["src", "a", "app.py", "kitty-specs", "tasks"]), min_size=1))
def test_a_block_rule_is_reached_from_every_directory_above_what_it_covers(pattern: str, parts: list[str]) -> None:
    path = "/".join(parts)
    if matches(patterns.folded(pattern), path):
        above = list(accumulate(parts, lambda a, b: f"{a}/{b}"))
        assert all(matches(patterns.reaching(pattern), directory) for directory in above)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("src/", ["src", "src/a"], ["docs", "sr"]),
        ("packages/*/src/", ["packages", "packages/a", "packages/a/src/b"], ["packages/a/docs", "docs"]),
        ("a/**/b", ["a", "a/x", "a/x/y"], ["b"]),
        ("**/b", ["a", "a/x"], []),
    ],
)
def test_reaching_tells_directories_that_matter_from_others(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [path for path in yes + no if matches(patterns.reaching(pattern), path)] == yes


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a/b/c.md", ["a", "a/b"], ["a/b/c.md", "b", "a/c"]),
        ("a/*/c/", ["a", "a/x"], ["a/x/c", "a/x/d"]),
        ("a/**/c.md", ["a"], ["a/x"]),
    ],
)
def test_parents_are_the_directories_a_pattern_must_lie_in(pattern: str, yes: list[str], no: list[str]) -> None:
    expression = patterns.parents(pattern)
    assert expression is not None
    assert [path for path in yes + no if matches(expression, path)] == yes


@pytest.mark.parametrize("pattern", ["a", "a/", "**/a", "**"])
def test_a_pattern_that_lies_in_no_named_directory_has_no_parents(pattern: str) -> None:
    assert patterns.parents(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("**/a/**/a/**/a/**/b", "a/" * 20_000 + "c"),
        ("*a*a*a*a*a*a*a*b", "a" * 20_000),
        ("**/*a*a*/**/*a*a*/**/b/", "aaaa/" * 10_000),
    ],
)
def test_no_path_is_slow_whatever_the_pattern(pattern: str, path: str) -> None:
    # Backtracking over every star would take hours; the suite's limit for one test is the assertion.
    assert not matches(patterns.folded(pattern), path)
    assert not matches(patterns.exact(pattern), path)
