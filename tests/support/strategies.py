"""What Hypothesis draws paths, policies and situations from; biased towards what rules speak about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from hypothesis import strategies as st

from kitty_guardian.model.phases import Phase
from kitty_guardian.rules.policy import Mode, PhaseRules, Policy
from kitty_guardian.rules.situation import FeatureState, Situation

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

FEATURES = ("001-home", "002-away", "003-über")

# Names of the table, of features and of nothing; attacks on them; and any text at all, surrogates included.
_KNOWN = (
    "src", "tests", "spec.md", "plan.md", "research", "research.md", "data-model.md", "contracts", "checklists",
    "tasks", "tasks.md", "reviews", "kitty-specs", ".kittify", "guardian.toml", "meta.json", "status.json",
    "status.events.jsonl", "WP01-a.md", "review-cycle-1.md", "app.py", "docs", "packages", "core", "[id]",
    "__pycache__", *FEATURES,
)  # fmt: skip
_ATTACKS = (
    "SRC", "Src", "src.", "src ", "src::$DATA", "src:x", "s\u200crc", "\u017frc", "SPEC.MD", "KITTY-~1", "GUARDI~1.TOM",
    "\u212aitty-specs", "003-u\u0308ber", "..", ".", "", "...", ".. ", "x\\y", "..\\src", "C:", ".git", "\ud800", "\0",
)  # fmt: skip

names: SearchStrategy[str] = st.one_of(
    st.sampled_from(_KNOWN),
    st.sampled_from(_ATTACKS),
    st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=6),
)
"""One component, well formed or not."""

any_text: SearchStrategy[str] = st.one_of(
    st.lists(names, max_size=6).map("/".join),
    st.lists(names, max_size=6).map("\\".join),
    st.text(st.characters(), max_size=20),
)
"""Any string, most of them nearly a path."""

phases: SearchStrategy[Phase] = st.sampled_from(Phase)

_pattern_names = st.one_of(
    st.sampled_from(_KNOWN),
    st.sampled_from(("*", "*.py", "a?p*", "s*", "*-*c*s", "**", "[id]")),
)
patterns: SearchStrategy[str] = st.builds(
    lambda parts, slash: "/".join(parts) + slash,
    st.lists(_pattern_names, min_size=1, max_size=4),
    st.sampled_from(("", "/")),
)
"""A valid pattern."""

_lists = st.lists(patterns, max_size=3).map(tuple)
_phase_rules = st.one_of(
    st.just(None),
    st.builds(PhaseRules, allow=_lists, block=_lists),
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Draw the default policy with some of its phases, roots and its mode replaced."""
    default = Policy.default()
    changed = {phase: draw(_phase_rules) for phase in draw(st.sets(phases, max_size=3))}
    return attrs.evolve(
        default,
        mode=draw(st.sampled_from(Mode)),
        source=draw(st.one_of(st.just(default.source), st.lists(patterns, min_size=1, max_size=2).map(tuple))),
        phases={**default.phases, **{phase: rules for phase, rules in changed.items() if rules is not None}},
    )


_states = st.builds(
    FeatureState,
    phase=phases,
    finished=st.booleans(),
    changes_requested=st.booleans(),
    candidates=st.lists(phases, unique=True, max_size=2).map(tuple),
    malformed=st.lists(st.lists(names, min_size=1, max_size=3).map("/".join), max_size=1).map(tuple),
)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Draw a situation with some features known, some bound and perhaps an exception in force."""
    features = draw(st.dictionaries(st.sampled_from(FEATURES), _states, max_size=3))
    bound = draw(st.lists(st.sampled_from(FEATURES), unique=True, max_size=2))
    opened = draw(st.lists(st.lists(names, min_size=1, max_size=3).map("/".join), max_size=1))
    return Situation(draw(policies()), features, tuple(bound), tuple(opened), paused=draw(st.integers(0, 9)) == 0)
