"""What holds for every path, phase and policy, and what a decision tells the person who reads it."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kitty_guardian.model.phases import Phase
from kitty_guardian.rules.decision import decide, is_write_allowed
from kitty_guardian.rules.policy import Mode, PhaseRules, Policy
from kitty_guardian.rules.table import PROTECTED_PATHS
from support import strategies


def policy_with(
    *,
    mode: Mode = Mode.ENFORCE,
    source: tuple[str, ...] = ("src/",),
    tests: tuple[str, ...] = ("tests/",),
    **phases: PhaseRules,
) -> Policy:
    default = Policy.default()
    changed = {Phase(name): rules for name, rules in phases.items()}
    return attrs.evolve(default, mode=mode, source=source, tests=tests, phases={**default.phases, **changed})


class TestRoots:
    def test_src_stands_for_the_configured_roots_and_for_nothing_else(self) -> None:
        policy = policy_with(source=("packages/*/src/", "lib"))
        blocked = ["packages/one/src/x.py", "PACKAGES/One/SRC/x.py", "lib", "lib/x.py"]
        neutral = ["src/x.py", "packages/one/tests/x.py", "packages/src/x.py", "lib2/x.py", "a/lib/x.py"]
        assert [decide(path, Phase.PLAN, policy=policy).rule for path in blocked] == ["plan.block:src/"] * 4
        assert [decide(path, Phase.PLAN, policy=policy).rule for path in neutral] == ["neutral"] * 5

    def test_a_root_without_a_slash_is_opened_with_everything_below(self) -> None:
        strict = policy_with(mode=Mode.STRICT, source=("lib",), tests=("spec",))
        assert decide("lib/deep/x.py", Phase.IMPLEMENT, policy=strict).rule == "implement.allow:src/"
        assert decide("spec/deep/x.py", Phase.IMPLEMENT, policy=strict).rule == "implement.allow:tests/"

    def test_a_root_that_begins_with_a_wildcard_does_not_reach_into_a_features_folder(self) -> None:
        policy = policy_with(source=("**/*.py", "*/lib/"))
        assert not decide("x.py", Phase.PLAN, policy=policy).allowed
        assert not decide("a/b/x.py", Phase.PLAN, policy=policy).allowed
        assert not decide("kitty-specs/x.py", Phase.PLAN, policy=policy).allowed
        assert decide("kitty-specs/001-home/contracts/x.py", Phase.PLAN, policy=policy).rule == "plan.allow:contracts/"
        assert decide("kitty-specs/001-home/lib/x", Phase.PLAN, policy=policy).rule == "neutral"
        assert decide("kitty-specs/lib/x", Phase.PLAN, policy=policy).rule == "neutral"

    def test_a_foreign_name_does_not_hide_a_file_from_a_wildcard(self) -> None:
        policy = policy_with(source=("*.py",))
        for name in ("docs\\evil.py", "x:evil.py"):
            decision = decide(name, Phase.PLAN, policy=policy)
            assert (decision.allowed, decision.path) == (False, name)

    def test_roots_can_be_closed_where_they_are_open_by_default(self) -> None:
        policy = policy_with(implement=PhaseRules(allow=("src",), block=("tests",)))
        assert decide("src/x", Phase.IMPLEMENT, policy=policy).rule == "implement.allow:src"
        assert decide("tests/x", Phase.IMPLEMENT, policy=policy).rule == "implement.block:tests"


class TestPatterns:
    def test_patterns_of_a_policy_are_anchored_unless_they_begin_with_any_depth(self) -> None:
        policy = policy_with(plan=PhaseRules(block=("infra/", "**/secret.txt")))
        assert not decide("infra/x", Phase.PLAN, policy=policy).allowed
        assert decide("a/infra/x", Phase.PLAN, policy=policy).allowed
        assert not decide("a/b/secret.txt", Phase.PLAN, policy=policy).allowed
        assert not decide("kitty-specs/001-home/secret.txt", Phase.PLAN, policy=policy).allowed

    def test_other_files_of_a_feature_are_named_with_their_folder(self) -> None:
        policy = policy_with(plan=PhaseRules(block=("kitty-specs/*/quickstart.md",)))
        assert not decide("kitty-specs/001-home/quickstart.md", Phase.PLAN, policy=policy).allowed
        assert decide("quickstart.md", Phase.PLAN, policy=policy).allowed

    def test_a_blocked_file_inside_an_allowed_directory_is_blocked(self) -> None:
        policy = policy_with(plan=PhaseRules(allow=("contracts/",), block=("contracts/frozen.yaml",)))
        assert decide("contracts/free.yaml", Phase.PLAN, policy=policy).rule == "plan.allow:contracts/"
        assert decide("contracts/frozen.yaml", Phase.PLAN, policy=policy).rule == "plan.block:contracts/frozen.yaml"

    def test_changes_requested_lifts_only_the_roots(self) -> None:
        policy = policy_with(review=PhaseRules(block=("src", "tests/", "src/generated/")))
        opened = [decide(p, Phase.REVIEW, policy=policy, changes_requested=True) for p in ("src/x", "tests/x")]
        assert [decision.rule for decision in opened] == [
            "review.changes-requested:src/",
            "review.changes-requested:tests/",
        ]
        assert not decide("src/generated/x", Phase.REVIEW, policy=policy, changes_requested=True).allowed

    def test_allow_compares_the_name_as_it_is_spelled(self) -> None:
        strict = policy_with(mode=Mode.STRICT)
        for path in ("research.md", "kitty-specs/001-home/research/a.md"):
            assert decide(path, Phase.RESEARCH, policy=strict).allowed
        for path in ("Research.md", "kitty-specs\\001-home\\research\\a.md", "research.md.", "RESEARCH/a.md"):
            assert decide(path, Phase.RESEARCH, policy=strict).rule == "strict.neutral"


class TestStrict:
    @pytest.mark.parametrize("path", ["kitty-specs", "kitty-specs/001-home", "kitty-specs/001-home/", "docs/", "a/b/"])
    def test_directories_are_not_held_back_for_being_neutral(self, path: str) -> None:
        assert decide(path, Phase.PLAN, policy=policy_with(mode=Mode.STRICT)).rule == "strict.parent"

    @pytest.mark.parametrize("path", ["docs", "kitty-specs/001-home/notes", "README.md", "KITTY-SPECS"])
    def test_what_may_be_a_file_is_held_back(self, path: str) -> None:
        assert decide(path, Phase.PLAN, policy=policy_with(mode=Mode.STRICT)).rule == "strict.neutral"

    def test_a_blocked_directory_is_blocked(self) -> None:
        assert decide("src/", Phase.PLAN, policy=policy_with(mode=Mode.STRICT)).rule == "plan.block:src/"

    def test_a_phase_that_allows_nothing_says_so(self) -> None:
        policy = policy_with(mode=Mode.STRICT, plan=PhaseRules())
        decision = decide("README.md", Phase.PLAN, policy=policy)
        assert decision.hint.startswith("Writable in plan: nothing of its own.")
        assert not decide("kitty-specs/001-home", Phase.PLAN, policy=policy).allowed


class TestWords:
    def test_a_denial_says_why_what_is_writable_and_what_to_run(self) -> None:
        decision = decide("src/app.py", Phase.PLAN)
        assert decision.reason == "src/ is closed in the plan phase"
        assert decision.hint == (
            "Writable in plan: plan.md, data-model.md, contracts/. "
            "Exception: spec-kitty guardian allow src/app.py --for 15m --reason TEXT"
        )

    def test_a_path_in_a_command_is_quoted_where_a_shell_needs_it(self) -> None:
        assert "guardian allow 'src/a b'\"'\"'c.py' --for" in decide("src/a b'c.py", Phase.PLAN).hint

    def test_an_allowed_write_has_a_reason_and_no_hint(self) -> None:
        for path in ("plan.md", "README.md"):
            decision = decide(path, Phase.PLAN)
            assert decision.reason
            assert decision.hint == ""

    def test_the_reason_names_the_configured_root(self) -> None:
        policy = policy_with(source=("packages/*/src/",))
        assert (
            decide("packages/a/src/x", Phase.PLAN, policy=policy).reason
            == "packages/*/src/ is closed in the plan phase"
        )

    def test_the_policy_file_points_to_its_own_command(self) -> None:
        assert decide(".kittify/guardian.toml", Phase.PLAN).hint.endswith("spec-kitty guardian policy edit")
        assert "guardian allow" in decide("kitty-specs/001-home/meta.json", Phase.PLAN).hint


@settings(deadline=None, max_examples=400)
@given(strategies.any_text, strategies.phases, strategies.policies(), st.booleans())
def test_any_text_gets_a_decision_and_always_the_same(text: str, phase: Phase, policy: Policy, requested: bool) -> None:
    decision = decide(text, phase, policy=policy, changes_requested=requested)
    assert decision.phase is phase
    assert decision.rule
    assert decision.reason
    assert bool(decision.hint) is not decision.allowed
    fresh = attrs.evolve(policy)  # nothing compiled yet
    assert decide(text, phase, policy=fresh, changes_requested=requested) == decision


@settings(deadline=None)
@given(strategies.any_text, strategies.phases, st.booleans())
def test_the_owners_function_is_the_decision(text: str, phase: Phase, requested: bool) -> None:
    assume("\0" not in text)
    allowed = is_write_allowed(Path(text), phase, changes_requested=requested)
    assert allowed is decide(Path(text), phase, changes_requested=requested).allowed


@settings(deadline=None, max_examples=400)
@given(strategies.any_text, strategies.phases, strategies.policies(), strategies.patterns)
def test_block_beats_allow(text: str, phase: Phase, policy: Policy, pattern: str) -> None:
    rules = policy.phases[phase]
    blocking = attrs.evolve(policy, phases={**policy.phases, phase: attrs.evolve(rules, block=(*rules.block, pattern))})
    both = attrs.evolve(
        policy,
        phases={**policy.phases, phase: PhaseRules(allow=(*rules.allow, pattern), block=(*rules.block, pattern))},
    )
    if decide(text, phase, policy=blocking).rule == f"{phase}.block:{pattern}":
        assert decide(text, phase, policy=both).rule == f"{phase}.block:{pattern}"


@settings(deadline=None)
@given(strategies.any_text, strategies.phases, strategies.policies())
def test_the_order_of_rows_changes_no_answer(text: str, phase: Phase, policy: Policy) -> None:
    shuffled = {
        p: PhaseRules(allow=tuple(reversed(rules.allow)), block=tuple(reversed(rules.block)))
        for p, rules in policy.phases.items()
    }
    reordered = attrs.evolve(policy, phases=shuffled)
    assert decide(text, phase, policy=reordered).allowed is decide(text, phase, policy=policy).allowed


def respellings(path: str) -> list[str]:
    return [
        path.upper(),
        path.swapcase(),
        path.replace("/", "\\"),
        path.replace("/", "//"),
        f"./{path}",
        path.replace("/", "/./"),
        f"x/../{path}",
        f"{path}.",
        f"{path} ",
        f"{path}::$DATA",
        f"{path}/",
        path.replace("/", "./"),
        "\u200c".join(path),
    ]


@st.composite
def blocked_paths(draw: st.DrawFn) -> tuple[str, Phase]:
    """Draw a path the owner's table blocks, plainly spelled, and the phase."""
    phase = draw(strategies.phases)
    pattern = draw(st.sampled_from(PROTECTED_PATHS[phase]))
    folder = "" if pattern == "src/" else draw(st.sampled_from(["", "kitty-specs/001-home/", "kitty-specs/003-über/"]))
    below = draw(st.lists(st.from_regex(r"[a-zA-Zäß\u0130\u017f0-9_-]{1,6}", fullmatch=True), max_size=3))
    return "/".join([folder + pattern.removesuffix("/"), *below]), phase


@settings(deadline=None, max_examples=400)
@given(blocked_paths(), st.sampled_from(Mode))
def test_what_is_blocked_is_blocked_however_it_is_spelled(blocked: tuple[str, Phase], mode: Mode) -> None:
    path, phase = blocked
    policy = attrs.evolve(Policy.default(), mode=mode)
    expected = decide(path, phase, policy=policy)
    assert ".block:" in expected.rule
    for spelling in respellings(path):
        assert not decide(spelling, phase, policy=policy).allowed, spelling
        assert decide(spelling, phase).rule == expected.rule, spelling


@settings(deadline=None)
@given(st.sampled_from(["src/a/b.py", "kitty-specs/001-home/tasks/WP01.md", ".kittify/guardian.toml"]), st.data())
def test_mixed_case_and_separators_never_open_what_is_closed(path: str, data: st.DataObject) -> None:
    mixed = "".join(
        data.draw(st.sampled_from(["/", "\\", "//", "/./"])) if c == "/" else data.draw(st.sampled_from([c, c.upper()]))
        for c in path
    )
    assert decide(mixed, Phase.PLAN).rule == decide(path, Phase.PLAN).rule
