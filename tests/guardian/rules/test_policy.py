"""`.kittify/guardian.toml`: what it may say, and that every mistake is told with file, line, key and a suggestion."""

from __future__ import annotations

from contextlib import suppress

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitty_guardian.errors import PolicyError
from kitty_guardian.model.phases import Phase
from kitty_guardian.rules.decision import decide
from kitty_guardian.rules.policy import Mode, PhaseRules, Policy, Setting, describe, parse_policy
from kitty_guardian.rules.positions import Positions
from kitty_guardian.rules.table import TRANSIENTS

FULL = """\
mode = "strict"
transitions = "gated"
source = ["src/", "packages/*/src/"]
tests = []
allow_empty_source = true
transients = [
  "**/*.bak",
]

[phases.plan]
allow = ["plan.md", "docs/"]
block = ["src/", "infra/"]

[phases.review]
allow = []

[ownership]
enforce = true

[review]
self_approval = "refuse"
"""


def test_a_policy_file_can_say_all_of_this() -> None:
    policy = parse_policy(FULL)
    default = Policy.default()
    assert policy == Policy(
        mode=Mode.STRICT,
        transitions="gated",
        source=("src/", "packages/*/src/"),
        tests=(),
        phases={
            **default.phases,
            Phase.PLAN: PhaseRules(("plan.md", "docs/"), ("src/", "infra/")),
            Phase.REVIEW: PhaseRules((), default.phases[Phase.REVIEW].block),
        },
        ownership_enforce=True,
        self_approval="refuse",
        allow_empty_source=True,
        transients=("**/*.bak",),
    )


def test_an_empty_file_is_the_default_policy() -> None:
    assert parse_policy("") == Policy.default() == parse_policy("\ufeff# nothing\r\n")


def test_the_default_policy_is_what_the_model_says() -> None:
    policy = Policy.default()
    assert (policy.mode, policy.transitions, policy.source, policy.tests) == (
        "enforce",
        "explicit",
        ("src/",),
        ("tests/",),
    )
    assert (policy.ownership_enforce, policy.self_approval, policy.allow_empty_source) == (False, "record", False)
    assert policy.transients == TRANSIENTS
    assert list(policy.phases) == list(Phase)


def test_a_policy_is_a_value() -> None:
    one, other = Policy.default(), Policy.default()
    decide("src/x", Phase.PLAN, policy=one)  # compiles something inside
    assert one == other
    assert hash(one) == hash(other)
    assert attrs.evolve(one, mode=Mode.STRICT) != other
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.mode = Mode.OBSERVE  # type: ignore[misc]
    with pytest.raises(TypeError):
        one.phases[Phase.PLAN] = PhaseRules()  # type: ignore[index]


def test_a_changed_policy_does_not_decide_by_the_old_rules() -> None:
    enforce = Policy.default()
    assert decide("README.md", Phase.PLAN, policy=enforce).allowed
    assert not decide("README.md", Phase.PLAN, policy=attrs.evolve(enforce, mode=Mode.STRICT)).allowed


WRONG = [
    ("mode = 1", 1, "mode", "must be one of enforce, strict, observe, not a number"),
    ('mode = "strickt"', 1, "mode", 'must be one of enforce, strict, observe, not "strickt" (did you mean strict?)'),
    ('mode = "off"', 1, "mode", 'must be one of enforce, strict, observe, not "off"'),
    ('mod = "strict"', 1, "mod", "unknown key (did you mean mode?)"),
    ("\nzzz = 1", 2, "zzz", "unknown key; known here: mode, transitions, source, tests, allow_empty_source"),
    ('transitions = "x"', 1, "transitions", 'must be one of explicit, gated, not "x"'),
    ('source = "src/"', 1, "source", "must be a list of patterns, not a string"),
    ("source = []", 1, "source", "must name at least one root"),
    ("source = [1]", 1, "source", "must be a list of patterns, but holds a number"),
    ("source = [[]]", 1, "source", "must be a list of patterns, but holds a list"),
    ("tests = [{}]", 1, "tests", "must be a list of patterns, but holds a table"),
    ("tests = 1979-05-27", 1, "tests", "must be a list of patterns, not a date or time"),
    ("allow_empty_source = 1", 1, "allow_empty_source", "must be true or false, not a number"),
    ('allow_empty_source = "yes"', 1, "allow_empty_source", "must be true or false, not a string"),
    ("mode = true", 1, "mode", "must be one of enforce, strict, observe, not true"),
    ("mode = false", 1, "mode", "must be one of enforce, strict, observe, not false"),
    ("ownership = 1", 1, "ownership", "must be a table [ownership], not a number"),
    ("phases.plan = []", 1, "phases.plan", "must be a table [phases.plan], not a list"),
    ("[[phases.plan]]\nallow = []", 1, "phases.plan", "must be a table [phases.plan], not a list"),
    (
        "[ownership]\n\nenforced = true",
        3,
        "ownership.enforced",
        "unknown key (did you mean enforce?); known here: enforce",
    ),
    ("[review]\nself_approval = true", 2, "review.self_approval", "must be one of record, refuse, not true"),
    ("[phases.planning]\nallow = []", 1, "phases.planning", "unknown key (did you mean plan?)"),
    ("[phases.Plan]\nallow = []", 1, "phases.Plan", "unknown key (did you mean plan?)"),
    ("[phases.plan]\nallow = []\n'blok' = []", 3, "phases.plan.blok", "unknown key (did you mean block?)"),
    ("[phases]\nplan.allow = [1]", 2, "phases.plan.allow", "must be a list of patterns, but holds a number"),
    ("phases = { plan = { allow = [1] } }", 1, "phases.plan.allow", "must be a list of patterns, but holds a number"),
    ('source = [\n  "src/",\n  "/lib/",\n]', 3, "source", 'pattern "/lib/" is absolute'),
    ('source = [\n  "src/",\n  "a\\\\b",\n]', 1, "source", 'pattern "a\\b" contains a backslash'),
    ('[phases.plan]\nblock = ["a/../b"]', 2, "phases.plan.block", 'pattern "a/../b" leaves the work tree with ..'),
    ('transients = [""]', 1, "transients", 'pattern "" is empty'),
    ('transients = ["a\\u0000b"]', 1, "transients", 'pattern "a\\0b" contains NUL'),
    ('transients = ["C:/x"]', 1, "transients", 'pattern "C:/x" is absolute'),
]


@pytest.mark.parametrize(("text", "line", "key", "said"), WRONG, ids=[f"{row[2]}: {row[3][:40]}" for row in WRONG])
def test_a_mistake_is_told_with_file_line_key_and_what_would_be_right(
    text: str, line: int, key: str, said: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    error = caught.value
    assert error.message.startswith(f".kittify/guardian.toml:{line}: {key}: {said}")
    assert (error.path, error.line, error.key, error.exit_code) == (".kittify/guardian.toml", line, key, 2)
    assert error.hint == "spec-kitty guardian policy show --origin"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("mode = strict", 1, "not TOML: Invalid value"),
        ('mode = "strict"\nmode = "enforce"', 2, "not TOML: Cannot overwrite a value"),
        ("a = 1\nb = [\n", 2, "not TOML: Invalid value"),
        ("a = 1\n\n= 2", 3, "not TOML: "),
        ("\0", 1, "not TOML: "),
        ("a = " + "[" * 5000, 1, "not TOML: "),
        ("a = " + "9" * 5000, 1, "not TOML: "),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, origin="policy.toml")
    assert caught.value.message.startswith(f"policy.toml:{line}: {said}")
    assert (caught.value.line, caught.value.key) == (line, None)
    assert caught.value.problems == (caught.value.message,)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy('[review]\nself_aproval = "x"\n[phases.plan]\nblock = "src/"\n[phases.tusks]\n', origin="p.toml")
    assert caught.value.message.splitlines() == [
        "p.toml:2: review.self_aproval: unknown key (did you mean self_approval?); known here: self_approval",
        "p.toml:4: phases.plan.block: must be a list of patterns, not a string",
        f"p.toml:5: phases.tusks: unknown key (did you mean tasks?); known here: {', '.join(Phase)}",
    ]
    assert len(caught.value.problems) == 3
    assert (caught.value.line, caught.value.key) == (2, "review.self_aproval")


def test_every_setting_is_described_with_where_it_came_from() -> None:
    settings_ = {setting.key: setting for setting in describe(parse_policy(FULL), FULL, origin="g.toml")}
    assert settings_["mode"] == Setting("mode", "strict", "g.toml:1")
    assert settings_["transients"] == Setting("transients", ("**/*.bak",), "g.toml:6")
    assert settings_["phases.plan.block"] == Setting("phases.plan.block", ("src/", "infra/"), "g.toml:12")
    assert settings_["review.self_approval"] == Setting("review.self_approval", "refuse", "g.toml:21")
    assert settings_["phases.review.block"] == Setting("phases.review.block", ("src/",), "default")
    assert len(settings_) == 8 + 2 * len(Phase)


def test_without_a_file_every_setting_is_a_default() -> None:
    assert {setting.origin for setting in describe(Policy.default(), None)} == {"default"}


@pytest.mark.parametrize(
    ("key", "item", "line"),
    [
        ("top", None, 1),
        ("a.b", None, 3),
        ("a.b.c", None, 4),
        ("a.b.quoted key", None, 5),
        ("a.b.d.e", None, 6),
        ("a.b.list", "x", 9),
        ("a.b.list", "elsewhere", 7),
        ("a.b.nothing", None, 3),
        ("nothing", None, 1),
        ("last.only", "only", 13),
    ],
)
def test_a_key_is_found_on_its_line(key: str, item: str | None, line: int) -> None:
    text = """\
top = 1
# a.b = 2
[a . "b"]
c = 1
"quoted key" = 2
d.e = 3
list = [
  "y",
  'x',
]
other = "elsewhere"
[[last]]
only = ["only"]
"""
    assert Positions(text).line(key, item=item) == line


@settings(deadline=None)
@given(st.text())
def test_a_text_is_a_policy_or_a_policy_error(text: str) -> None:
    with suppress(PolicyError):
        assert isinstance(parse_policy(text), Policy)
