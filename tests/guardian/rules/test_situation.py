"""Whose path it is, in which phase, and what a person has opened."""

from __future__ import annotations

from itertools import accumulate

import attrs
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from kitty_guardian.model.phases import Phase
from kitty_guardian.rules.decision import decide
from kitty_guardian.rules.normalise import Rejection, normalise
from kitty_guardian.rules.policy import Mode, PhaseRules, Policy
from kitty_guardian.rules.situation import FeatureState, Situation
from support import strategies

POLICY = Policy.default()
STRICT = attrs.evolve(POLICY, mode=Mode.STRICT)
FEATURES = {
    "001-home": FeatureState(Phase.PLAN),
    "002-away": FeatureState(Phase.IMPLEMENT),
    "003-done": FeatureState(Phase.REVIEW, finished=True),
    "004-fix": FeatureState(Phase.REVIEW, changes_requested=True),
}


def situation(
    *bound: str, policy: Policy = POLICY, open_paths: tuple[str, ...] = (), paused: bool = False
) -> Situation:
    return Situation(policy, FEATURES, bound, open_paths, paused=paused)


class TestFeatures:
    @pytest.mark.parametrize(
        ("path", "rule"),
        [
            ("kitty-specs/001-home/tasks/WP01.md", "plan.block:tasks/"),
            ("kitty-specs/001-home/plan.md", "plan.allow:plan.md"),
            ("kitty-specs/002-away/plan.md", "implement.block:plan.md"),
            ("kitty-specs/003-done/plan.md", "finished"),
            ("kitty-specs/003-done", "finished"),
            ("kitty-specs/005-new/plan.md", "research.block:plan.md"),
            ("kitty-specs/005-new/research.md", "research.allow:research.md"),
            ("kitty-specs/001-home", "neutral"),
            ("kitty-specs/README.md", "neutral"),
            ("kitty-specs", "neutral"),
        ],
    )
    def test_what_lies_in_a_features_folder_is_judged_by_that_feature(self, path: str, rule: str) -> None:
        for bound in ((), ("001-home",), ("002-away",)):
            judged = situation(*bound).judge(path).rule
            assert judged == rule or (path == "kitty-specs" and judged == "no-active-feature")

    def test_a_decision_names_the_feature_and_carries_its_phase(self) -> None:
        decision = situation("002-away").judge("kitty-specs/001-home/tasks/WP01.md")
        assert decision.phase is Phase.PLAN
        assert decision.reason == "001-home: tasks/ is closed in the plan phase"

    def test_a_finished_feature_keeps_only_what_is_always_protected(self) -> None:
        assert situation().judge("kitty-specs/003-done/spec.md").allowed
        assert situation().judge("kitty-specs/003-done/meta.json").rule == "always:kitty-specs/*/meta.json"
        assert situation(policy=STRICT).judge("kitty-specs/003-done/anything").rule == "finished"

    @pytest.mark.parametrize("folder", ["KITTY-SPECS/002-AWAY", "kitty-specs/002-Away", "kitty-~1/002-away"])
    def test_a_feature_is_found_under_every_spelling_of_its_folder(self, folder: str) -> None:
        assert situation().judge(f"{folder}/plan.md").rule == "implement.block:plan.md"

    def test_folders_that_differ_in_case_only_are_told_apart_where_they_are_spelled_exactly(self) -> None:
        features = {"X": FeatureState(Phase.PLAN), "x": FeatureState(Phase.IMPLEMENT, finished=True)}
        both = Situation(POLICY, features, ())
        assert both.judge("kitty-specs/X/tasks/a").rule == "plan.block:tasks/"
        assert both.judge("kitty-specs/x/tasks/a").rule == "finished"
        assert both.judge("Kitty-Specs/x/tasks/a").rule == "finished"

    def test_a_folder_that_may_be_either_of_two_features_obeys_both(self) -> None:
        features = {"Xy": FeatureState(Phase.PLAN), "xY": FeatureState(Phase.IMPLEMENT)}
        both = Situation(POLICY, features, ())
        assert both.judge("kitty-specs/XY/tasks/a").rule == "plan.block:tasks/"
        assert both.judge("kitty-specs/XY/spec.md").rule == "implement.block:spec.md"
        assert both.judge("kitty-specs/XY/notes.md").rule == "neutral"


class TestProject:
    @pytest.mark.parametrize(
        ("bound", "rule"),
        [
            ((), "no-active-feature"),
            (("001-home",), "plan.block:src/"),
            (("002-away",), "implement.allow:src/"),
            (("002-away", "001-home"), "plan.block:src/"),
            (("001-home", "002-away"), "plan.block:src/"),
            (("003-done",), "no-active-feature"),
            (("003-done", "002-away"), "implement.allow:src/"),
            (("004-fix",), "review.changes-requested:src/"),
            (("never-seen",), "research.block:src/"),
        ],
    )
    def test_source_is_closed_if_any_bound_feature_closes_it(self, bound: tuple[str, ...], rule: str) -> None:
        assert situation(*bound).judge("src/app.py").rule == rule

    @pytest.mark.parametrize("path", ["contracts/a", "research/x.py", "plan.md", "spec.md", "tasks/x", "docs/a"])
    def test_a_project_path_that_is_called_like_an_artifact_is_neutral(self, path: str) -> None:
        for name in ("001-home", "002-away", "never-seen"):
            assert situation(name).judge(path).rule == "neutral"
        # ... although the owner's function, which knows no folder, takes it for one.
        assert not decide("plan.md", Phase.IMPLEMENT).allowed

    def test_strict_holds_back_what_no_rule_allows_but_only_while_a_feature_is_active(self) -> None:
        assert situation("001-home", policy=STRICT).judge("plan.md").rule == "strict.neutral"
        assert situation("001-home", policy=STRICT).judge("docs/").rule == "strict.parent"
        assert situation(policy=STRICT).judge("plan.md").rule == "no-active-feature"

    def test_a_name_that_other_systems_read_as_source_is_closed(self) -> None:
        decision = situation("001-home").judge("SRC\\app.py")
        assert (decision.allowed, decision.path) == (False, "SRC/app.py")
        assert situation("001-home").judge("docs\\app.py").path == "docs\\app.py"

    @pytest.mark.parametrize("path", [".git", ".git/index", ".git/hooks/pre-commit"])
    def test_gits_files_are_not_the_projects(self, path: str) -> None:
        assert situation("001-home", policy=STRICT).judge(path).rule == "git"
        assert not situation("001-home", policy=STRICT).may_hold(path)

    @pytest.mark.parametrize("path", [".gitignore", ".github/workflows/ci.yml", "sub/.git/index"])
    def test_other_names_that_begin_like_gits_are_the_projects(self, path: str) -> None:
        assert situation("001-home").judge(path).rule == "neutral"

    @pytest.mark.parametrize(("path", "rule"), [("../x", "path.escapes"), ("/x", "path.absolute"), ("", "path.empty")])
    def test_what_lies_outside_is_denied_whoever_asks(self, path: str, rule: str) -> None:
        for paused in (False, True):
            decision = situation("002-away", paused=paused).judge(path)
            assert (decision.allowed, decision.rule, decision.phase) == (False, rule, Phase.IMPLEMENT)


class TestWayOut:
    @pytest.mark.parametrize("opened", ["src/app.py", "src", "src/", "./src//", "src/app.py/"])
    def test_an_exception_opens_what_it_names_and_everything_below(self, opened: str) -> None:
        decision = situation("001-home", open_paths=(opened,)).judge("src/app.py")
        assert (decision.allowed, decision.rule) == (True, f"open:{opened}")

    @pytest.mark.parametrize("opened", ["src/ap", "src/app.py/below", "SRC", "docs", "", "../src", "/src"])
    def test_an_exception_opens_nothing_else(self, opened: str) -> None:
        assert not situation("001-home", open_paths=(opened,)).judge("src/app.py").allowed

    def test_the_closest_exception_is_named(self) -> None:
        assert situation("001-home", open_paths=("src", "src/a")).judge("src/a/b").rule == "open:src/a"

    def test_what_is_always_protected_has_to_be_named_itself(self) -> None:
        policy_file = ".kittify/guardian.toml"
        assert not situation(open_paths=(".kittify",)).judge(policy_file).allowed
        assert not situation(open_paths=("kitty-specs/001-home/",)).judge("kitty-specs/001-home/meta.json").allowed
        assert situation(open_paths=(policy_file,)).judge(policy_file).rule == f"open:{policy_file}"
        assert situation(open_paths=(policy_file,)).judge(f"{policy_file}/below").allowed
        assert not situation(open_paths=(policy_file,)).judge(".KITTIFY/guardian.toml").allowed

    def test_an_oddly_named_file_can_be_opened_by_its_own_name(self) -> None:
        assert not situation("001-home").judge("src:odd").allowed
        assert situation("001-home", open_paths=("src:odd",)).judge("src:odd").allowed

    def test_a_pause_opens_everything_inside(self) -> None:
        paused = situation("001-home", policy=STRICT, paused=True)
        for path in (".kittify/guardian.toml", "src/app.py", "README.md"):
            assert paused.judge(path).rule == "paused"
        assert not paused.may_hold("")
        assert not paused.may_hold("src")


class TestDoubt:
    LOG = "kitty-specs/005-torn/status.events.jsonl"
    WORK_PACKAGE = "kitty-specs/005-torn/tasks/WP01.md"

    def torn(self, *candidates: Phase, malformed: tuple[str, ...] = (), policy: Policy = POLICY) -> Situation:
        state = FeatureState(candidates[0], candidates=candidates, malformed=malformed)
        return Situation(policy, {**FEATURES, "005-torn": state}, ("005-torn",))

    @pytest.mark.parametrize(
        ("path", "rule"),
        [
            ("src/app.py", "plan.block:src/"),
            ("kitty-specs/005-torn/spec.md", "implement.block:spec.md"),
            ("kitty-specs/005-torn/plan.md", "implement.block:plan.md"),
            ("kitty-specs/005-torn/tasks/WP01.md", "plan.block:tasks/"),
            ("kitty-specs/005-torn/notes.md", "neutral"),
            ("docs/readme.md", "neutral"),
        ],
    )
    def test_a_path_is_denied_if_any_candidate_denies_it(self, path: str, rule: str) -> None:
        phases = (Phase.PLAN, Phase.TASKS, Phase.IMPLEMENT, Phase.REVIEW)

        decision = self.torn(*phases).judge(path)

        assert decision.rule == rule
        assert decision.allowed is all(self.torn(phase).judge(path).allowed for phase in phases)
        assert self.torn(*reversed(phases)).judge(path).allowed is decision.allowed

    def test_a_denial_says_which_of_the_phases_denies(self) -> None:
        decision = self.torn(Phase.TASKS, Phase.IMPLEMENT).judge("src/app.py")

        assert decision.phase is Phase.TASKS
        assert decision.reason == "005-torn, which may be in tasks: src/ is closed in the tasks phase"

    @pytest.mark.parametrize("path", [LOG, WORK_PACKAGE])
    def test_the_malformed_file_itself_is_open_so_that_it_can_be_mended(self, path: str) -> None:
        closed = self.torn(Phase.PLAN, Phase.IMPLEMENT)
        asked = self.torn(Phase.PLAN, Phase.IMPLEMENT, malformed=(path,))

        assert not closed.judge(path).allowed
        assert (asked.judge(path).allowed, asked.judge(path).rule) == (True, "malformed")

    @pytest.mark.parametrize(
        "path",
        [
            f"{LOG}/below",
            f"{WORK_PACKAGE}/below",
            "kitty-specs/005-torn/Status.Events.jsonl",
            "kitty-specs/005-torn/tasks/wp01.md",
            "kitty-specs/005-torn/tasks/WP02.md",
            "kitty-specs/005-torn/tasks",
            "kitty-specs/005-torn/status.json",
            "kitty-specs/005-torn/meta.json",
            "kitty-specs/001-home/status.events.jsonl",
            "src/app.py",
        ],
    )
    def test_nothing_else_is_open_for_that(self, path: str) -> None:
        asked = self.torn(Phase.PLAN, Phase.IMPLEMENT, malformed=(self.LOG, self.WORK_PACKAGE))

        assert not asked.judge(path).allowed

    def test_a_directory_that_could_not_be_read_opens_nothing_below_it(self) -> None:
        asked = self.torn(Phase.PLAN, Phase.IMPLEMENT, malformed=("kitty-specs/005-torn", "kitty-specs/005-torn/tasks"))

        assert not asked.judge("kitty-specs/005-torn/tasks/WP01.md").allowed
        assert not asked.judge("kitty-specs/005-torn/meta.json").allowed

    def test_what_a_scan_visits_covers_every_candidate(self) -> None:
        asked = self.torn(Phase.IMPLEMENT, Phase.PLAN)

        assert asked.may_hold("src")
        assert asked.may_hold("kitty-specs/005-torn/tasks")
        assert not self.torn(Phase.IMPLEMENT).may_hold("kitty-specs/005-torn/tasks")


class TestScanning:
    def test_only_directories_that_can_hold_something_closed_are_worth_a_visit(self) -> None:
        plan = situation("001-home")
        worth = ["", "src", "SRC", "src/deep", "kitty-specs", "kitty-specs/001-home", "kitty-specs/001-home/tasks/a"]
        worth += [".kittify", "kitty-specs/005-new/contracts", "kitty-specs/003-done", "src.", "..", "/x"]
        waste = ["node_modules", "docs/src", ".kittify/missions", "kitty-specs/001-home/research", "tests", ".git/x"]
        waste += ["kitty-specs/003-done/tasks", "kitty-specs/001-home/tasks2", "packages"]
        assert [directory for directory in worth + waste if plan.may_hold(directory)] == worth

    def test_without_an_active_feature_only_the_always_protected_matter(self) -> None:
        assert not situation().may_hold("src")
        assert situation().may_hold(".kittify")

    def test_in_strict_mode_everything_of_an_active_feature_matters(self) -> None:
        strict = situation("001-home", policy=STRICT)
        assert strict.may_hold("docs/deep")
        assert strict.may_hold("kitty-specs/001-home/notes")
        assert not strict.may_hold("kitty-specs/003-done/notes")

    def test_roots_with_wildcards_are_reached(self) -> None:
        policy = attrs.evolve(POLICY, source=("packages/*/src/", "**/vendor/*.c"))
        assert situation("001-home", policy=policy).may_hold("docs")
        policy = attrs.evolve(POLICY, source=("packages/*/src/",))
        reached = situation("001-home", policy=policy)
        assert [d for d in ("packages", "packages/a", "packages/a/docs", "src") if reached.may_hold(d)] == [
            "packages",
            "packages/a",
        ]

    def test_transients_come_from_the_policy_and_never_cover_what_is_always_protected(self) -> None:
        greedy = attrs.evolve(POLICY, transients=("**/*.bak", "cache/", "**/*.json", ".kittify/"))
        asked = situation(policy=greedy)
        assert [p for p in ("a.bak", "cache/a/b", "x.json", "a.swp~", "a.BAK") if asked.is_transient(p)] == [
            "a.bak",
            "cache/a/b",
            "x.json",
        ]
        for path in ("kitty-specs/001-home/meta.json", ".kittify/guardian.toml", "..", "kitty-specs/x/META.json"):
            assert not asked.is_transient(path)


def test_a_situation_is_a_value() -> None:
    assert situation("001-home") == situation("001-home")
    assert situation("001-home") != situation("002-away")
    assert "_opened" not in repr(situation("001-home", open_paths=("src",)))


def climbs(name: str) -> bool:
    """Whether other systems read `name` as leaving the directory it is in."""
    readings = normalise(f"a/here/{name}")
    return isinstance(readings, Rejection) or not all(r.path.startswith("a/here") for r in readings)


@settings(deadline=None, max_examples=400)
@given(strategies.situations(), st.lists(strategies.names, min_size=1, max_size=5))
@example(Situation(POLICY, FEATURES, ("001-home",)), ["docs", "x\\y", "src"])
def test_a_scan_never_skips_a_directory_that_holds_something_closed(asked: Situation, parts: list[str]) -> None:
    assume(not any(part in {"", ".", ".."} or "\0" in part or climbs(part) for part in parts))
    decision = asked.judge("/".join(parts))
    if not decision.allowed and not decision.rule.startswith("path."):
        above = ["", *accumulate(parts[:-1], lambda a, b: f"{a}/{b}")]
        assert all(asked.may_hold(directory) for directory in above)


@settings(deadline=None, max_examples=200)
@given(strategies.situations(), strategies.any_text)
def test_any_text_can_be_asked_about(asked: Situation, text: str) -> None:
    decision = asked.judge(text)
    assert bool(decision.hint) is not decision.allowed
    assert asked.judge(text) == decision
    assert asked.may_hold(text) in {True, False}
    assert asked.is_transient(text) in {True, False}
    if asked.paused or isinstance(normalise(text), Rejection):
        assert decision.rule == "paused" or decision.rule.startswith(("path.", "git"))


@settings(deadline=None, max_examples=300)
@given(strategies.phases, strategies.policies(), strategies.any_text, st.booleans())
def test_one_feature_is_judged_as_decide_decides(phase: Phase, policy: Policy, text: str, requested: bool) -> None:
    # Below its folder there is nothing to map, so both must say the same.
    path = f"kitty-specs/001-home/{text}"
    readings = normalise(path)
    if isinstance(readings, Rejection):
        return
    assume(all(reading.path.startswith("kitty-specs/001-home/") for reading in readings))
    one = Situation(policy, {"001-home": FeatureState(phase, changes_requested=requested)}, ("001-home",))
    expected = decide(path, phase, policy=policy, changes_requested=requested)
    judged = one.judge(path)
    assert (judged.allowed, judged.path, judged.rule) == (expected.allowed, expected.path, expected.rule)


def test_rules_of_a_phase_apply_below_the_feature_as_the_policy_says() -> None:
    rules = PhaseRules(block=("infra/", "tasks/WP*.md"))
    policy = attrs.evolve(POLICY, phases={**POLICY.phases, Phase.PLAN: rules})
    asked = situation("001-home", policy=policy)
    assert not asked.judge("infra/x").allowed
    assert not asked.judge("kitty-specs/001-home/tasks/WP01.md").allowed
    assert asked.judge("kitty-specs/001-home/tasks/notes.md").allowed
    assert asked.judge("tasks/WP01.md").allowed
