from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kitty_guardian.project import frontmatter
from kitty_guardian.project.frontmatter import Frontmatter, read_frontmatter

PATH = "kitty-specs/001-one/tasks/WP01.md"


@pytest.fixture(params=["libyaml", "pure"], autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here holds with and without libyaml."""
    if request.param == "pure":
        monkeypatch.delattr(yaml, "CBaseLoader", raising=False)


def read(head: str) -> Frontmatter:
    return read_frontmatter(f"---\n{head}\n---\n# Title\n".encode(), PATH)


def value(head: str, key: str = "lane") -> str | None:
    found = read(head)
    assert found.problems == ()
    return found.fields[key].value


def problem(data: bytes) -> tuple[int | None, str]:
    """The one problem of a file."""
    found = read_frontmatter(data, PATH)
    assert found.fields == {}
    (only,) = found.problems
    assert only.path == PATH
    return only.line, only.message


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("lane: doing", "doing"),
        ('lane: "doing"', "doing"),
        ("lane: 'doing'", "doing"),
        ('lane: "planned"  # DO NOT EDIT - use: spec-kitty agent tasks move-task WP02 --to <lane>', "planned"),
        ("lane:    doing   ", "doing"),
        ("lane:\n  doing", "doing"),
        ("lane: >-\n  doing", "doing"),
        ("{lane: doing}", "doing"),
        ("lane:", ""),
    ],
)
def test_a_lane_is_read_in_every_spelling(head: str, expected: str) -> None:
    assert value(f"title: x\n{head}" if not head.startswith("{") else head) == expected


@pytest.mark.parametrize("text", ["0012", "1e3", "yes", "null", "~", "2026-01-01", "2026-01-10T10:00:00Z", ".inf"])
def test_text_stays_text(text: str) -> None:
    assert value(f"shell_pid: {text}", "shell_pid") == text


def test_a_field_knows_its_line_in_the_file() -> None:
    found = read("work_package_id: WP01\nhistory:\n  - lane: planned\n    agent: a\nlane: doing")

    assert found.fields["lane"].line == 6
    assert found.fields["lane"].value == "doing"
    assert found.fields["history"].value is None


@pytest.mark.parametrize(
    "head",
    [
        "lane: [doing]",
        "lane: {a: b}",
        "lane: !!python/name:os.system doing",
        "lane: !mine doing",
        "a: &x doing\nlane: *x",
    ],
)
def test_what_is_not_plain_text_is_no_text(head: str) -> None:
    assert value(head) is None


def test_no_tag_is_ever_executed() -> None:
    found = read('lane: !!python/object/apply:os.system ["exit 1"]\nother: !!python/object/new:os.system [x]')

    assert found.fields["lane"].value is None
    assert found.problems == ()


def test_a_byte_order_mark_and_crlf_are_fine() -> None:
    data = b'\xef\xbb\xbf---\r\nlane: "doing"\r\nagent: a\r\n---\r\n# Title\r\n'

    found = read_frontmatter(data, PATH)

    assert (found.fields["lane"].value, found.fields["lane"].line) == ("doing", 2)
    assert found.fields["agent"].value == "a"
    assert found.problems == ()


def test_a_body_may_hold_anything_that_is_text() -> None:
    data = b"---\nlane: done\n---\n<<<<<<< HEAD\nlane: doing\n=======\n---\nlane: planned\n---\n"

    assert read_frontmatter(data, PATH).fields["lane"].value == "done"


@pytest.mark.parametrize("data", [b"---\n---\n", b"---\n# nothing yet\n---\n", b"---\n---"])
def test_an_empty_head_says_nothing(data: bytes) -> None:
    assert read_frontmatter(data, PATH) == Frontmatter()


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"", 1, "does not begin with frontmatter"),
        (b"# Title\n---\nlane: doing\n---\n", 1, "does not begin with frontmatter"),
        (b"---\nlane: doing\n# Title\n", 1, "has frontmatter without an end"),
        (b"---\nlane: doing\n ---\n", 1, "has frontmatter without an end"),
        (b"---\nlane: doing\nagent: \xff\n---\n", 3, "is not UTF-8"),
        (b"---\nlane: doing\n---\n\n\xe9t\xe9\n", 5, "is not UTF-8"),
        (b"---\nlane: do\0ing\n---\n", 2, "holds a NUL byte"),
        (b"---\nlane: doing\n---\n\0", 4, "holds a NUL byte"),
        (
            b"---\nid: WP01\n<<<<<<< HEAD\nlane: doing\n=======\nlane: done\n>>>>>>> x\n---\n",
            3,
            "unresolved merge conflict",
        ),
        (b"---\r\nid: WP01\r\n=======\r\nlane: done\r\n---\r\n", 3, "unresolved merge conflict"),
        (b"---\nlane: doing\nagent: a\nlane: done\n---\n", 4, "has the key 'lane' twice"),
        (b"---\nlane: doing\nagent: 'a\n---\n", 4, "is not valid YAML"),
        (b"---\nlane: doing\n\tagent: a\n---\n", 3, "is not valid YAML"),
        (b"---\nlane: doing\nagent: a: b\n---\n", 3, "is not valid YAML: mapping values are not allowed"),
        (b"---\nlane: doing\nagent: \x01\n---\n", 3, "is not valid YAML"),
        (b"---\n- lane\n- doing\n---\n", 2, "is not one mapping"),
        (b"---\njust words\n---\n", 2, "is not one mapping"),
        (b"---\nlane: doing\n...\nlane: done\n---\n", 4, "is not"),
        (b"---\n" + b"x: y\n" * 400_000 + b"---\n", None, "is longer than 1 MiB and was not read"),
        (b"---\n" + b"x: y\n" * 20_000 + b"---\n", 1, "has frontmatter longer than 64 KiB"),
    ],
)
def test_broken_heads_are_reported_with_their_line(data: bytes, line: int | None, message: str) -> None:
    found_line, found = problem(data)

    assert message in found
    # The two parsers differ by one line in where they notice a quotation that never ends, and libyaml gives none for
    # a character it refuses.
    assert found_line == line or (found_line is not None and line is not None and abs(found_line - line) <= 1)


def test_nested_keys_that_are_there_twice_are_reported() -> None:
    found = read("lane: done\nhistory:\n  - lane: planned\n  - lane: done\n    agent: a\n    agent: b")

    assert [(problem.line, problem.message) for problem in found.problems] == [(7, "has the key 'agent' twice")]


def test_a_key_that_only_seems_doubled_is_no_problem() -> None:
    data = b'---\nnote: "a\nlane: b\nlane: c"\nlane: done\n---\n'

    assert read_frontmatter(data, PATH).fields["lane"].value == "done"


@pytest.mark.parametrize("head", ["a: " + "[" * 20_000, "a:\n" + "- " * 20_000 + "x", "{a: " * 12_000, "? " * 20_000])
def test_deep_nesting_ends_in_a_problem_not_in_a_crash(head: str) -> None:
    (found,) = read(head).problems

    assert "nested too deeply" in found.message


def test_aliases_of_aliases_cost_nothing() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)), "lane: done"]

    assert value("\n".join(lines)) == "done"


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"---\n{text}\n---\n".encode()))
def test_no_bytes_make_it_crash(data: bytes) -> None:
    found = read_frontmatter(data, PATH)

    assert not (found.fields and found.problems)


@given(st.text("abc012:#'\"[]{}-!&* \n", max_size=80))
def test_both_parsers_read_the_same(text: str) -> None:
    data = f"---\n{text}\nlane: doing\n---\n".encode()
    fast = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "CBaseLoader", yaml.BaseLoader, raising=False)
        slow = frontmatter.read_frontmatter(data, PATH)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "CBaseLoader", fast, raising=False)
        quick = frontmatter.read_frontmatter(data, PATH)

    if not slow.problems and not quick.problems:
        assert slow.fields.keys() == quick.fields.keys()
        assert slow.fields.get("lane") == quick.fields.get("lane")
