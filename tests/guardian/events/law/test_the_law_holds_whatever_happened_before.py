"""Properties: on any board that accepted events led to, and for events of any shape."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.events.law.asking import AT, CHANGES, FACTS, FEATURE, REVIEW, entering, event, gate, move
from kitty_guardian.errors import TransitionRefusedError
from kitty_guardian.events.board import Board
from kitty_guardian.events.validators import check
from kitty_guardian.model.events import Event, EventType
from kitty_guardian.model.lanes import Lane

# Upstream's edges once more, by hand: who may go where without force.
EDGES: Mapping[str, str] = {
    "genesis": "planned canceled",
    "planned": "claimed blocked canceled",
    "claimed": "in_progress blocked canceled",
    "in_progress": "for_review approved planned blocked canceled",
    "for_review": "in_review blocked canceled",
    "in_review": "approved done in_progress planned blocked canceled",
    "approved": "done in_progress planned blocked canceled",
    "blocked": "in_progress canceled",
    "done": "",
    "canceled": "",
}
PHASES = ("research", "specify", "plan", "tasks", "implement")
GATES = (
    {"artifact": "spec.md", "edited": True},
    {"artifact": "plan.md", "edited": True},
    {"work_packages": 3, "problems": []},
    None,
)
WORK_PACKAGES = ("WP01", "WP02", "WP03")
NEEDED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("planned", "claimed"): ("dependencies",),
    ("claimed", "in_progress"): ("dependencies", "workspace"),
    ("blocked", "in_progress"): ("dependencies",),
    ("in_progress", "for_review"): ("subtasks_open", "implementation"),
}

people = st.sampled_from(("ada", "grace", " Ada", ""))
texts = st.sampled_from((None, "", "reviews/1.md"))
reviews = st.sampled_from((None, REVIEW, CHANGES, {**REVIEW, "reviewer": "ada"}, {**REVIEW, "verdict": ""}))
bools = st.booleans()


@st.composite
def asked(draw: st.DrawFn, where: Board) -> Event:
    """Draw a move or a phase that is asked for on a board, more often than not in order."""
    source = draw(st.sampled_from(("command", "command", "command", "file", "git")))
    standing = where.feature(FEATURE)
    if draw(st.integers(0, 3)) == 0 or standing.entered is None:
        following = PHASES.index(standing.entered) + 1 if standing.entered is not None else 0
        phase = draw(st.sampled_from((*PHASES, *[PHASES[min(following, 4)]] * 9)))
        back = draw(bools)
        return entering(
            phase, from_phase=standing.entered, gate=draw(st.sampled_from(GATES)), source=source,
            reopened=back and PHASES.index(phase) < following, reason=draw(texts),
        )  # fmt: skip
    work_package = draw(st.sampled_from(WORK_PACKAGES))
    package = standing.work_packages.get(work_package)
    here = "genesis" if package is None or package.lane is None else str(package.lane)
    to_lane = draw(st.sampled_from([*EDGES[here].split(), *EDGES[here].split(), *Lane]))
    fields: dict[str, Any] = {"actor": draw(people), "reason": draw(texts), "review_ref": draw(texts)}
    review = draw(reviews)
    fields["review_result"] = review
    if draw(bools):
        fields["evidence"] = {"review": review}
    fields["force"] = draw(st.integers(0, 5)) == 0
    facts: dict[str, Any] = {
        "dependencies": draw(st.lists(st.sampled_from((*WORK_PACKAGES, "WP77")), max_size=1)),
        "sandboxed": draw(bools),
    }
    for self_approval in ("self_approval", "policy_self_approval"):
        facts[self_approval] = draw(st.sampled_from((True, False, "record", "refuse")))
    return move(here, to_lane, work_package=work_package, source=source, facts=facts, **fields)


@st.composite
def histories(draw: st.DrawFn, *, begun: bool = False) -> tuple[Board, list[Event]]:
    """Draw events; the board they led to, and those that were accepted, each checked as it went by."""
    taken: list[Event] = []
    if begun or draw(bools):
        for last, phase, found in zip((None, *PHASES), PHASES, (None, None, *GATES), strict=False):
            taken.append(entering(phase, from_phase=last, gate=found))
            check(taken[-1], Board(taken[:-1]))
    where = Board(taken)
    for _ in range(draw(st.integers(1, 30))):
        what = draw(asked(where))
        if gate(what, where) == "":
            before = lanes_of(where)
            where.apply(what)
            is_lawful(what, before, where)
            taken.append(what)
    return where, taken


def lanes_of(where: Board) -> dict[str, str]:
    packages = where.feature(FEATURE).work_packages
    return {name: str(package.lane) for name, package in packages.items() if package.lane is not None}


def is_lawful(what: Event, before: Mapping[str, str], after: Board) -> None:
    payload, facts = what.payload, what.metadata.get("facts", {})
    source = what.metadata["source"]
    standing = after.feature(FEATURE)
    if what.event_type == EventType.PHASE_ENTERED:
        assert standing.entered == payload["phase"]
        return
    name, from_lane, to_lane = payload["wp_id"], payload["from_lane"], payload["to_lane"]
    assert lanes_of(after) == {**before, name: to_lane}
    assert before.get(name, "genesis") == from_lane
    forced = payload["force"] and source != "file"
    if forced:
        assert payload["actor"].strip()
        assert (payload["reason"] or "").strip()
        assert not (source == "command" and facts["sandboxed"])
    else:
        assert to_lane in EDGES[from_lane].split()
    if source != "git":
        assert standing.entered in {"implement", "review"} or (
            (from_lane, to_lane) == ("genesis", "planned") and standing.entered == "tasks"
        )
    starts = to_lane in {"claimed", "in_progress"} and from_lane not in {"in_review", "approved"}
    if starts and not forced and source != "git":
        assert all(before.get(name) in {"approved", "done"} for name in facts["dependencies"])
    if from_lane == "in_review" and not forced:
        assert all(payload["review_result"][key].strip() for key in ("reviewer", "verdict", "reference"))


@given(histories())
def test_whatever_is_accepted_is_an_edge_or_forced_and_the_fold_follows_it(history: tuple[Board, list[Event]]) -> None:
    where, taken = history
    again = Board(taken)
    assert again.features == where.features


@given(st.data())
def test_nothing_is_accepted_without_a_fact_that_it_depends_on(data: st.DataObject) -> None:
    where, _ = data.draw(histories(begun=True))
    lanes = {name: lanes_of(where).get(name, "genesis") for name in WORK_PACKAGES}
    moves = [(name, edge) for name, here in lanes.items() for edge in NEEDED if edge[0] == here]
    forced = not moves or data.draw(bools)
    name, (from_lane, to_lane) = data.draw(
        st.sampled_from(
            [(name, (here, str(there))) for name, here in lanes.items() for there in Lane] if forced else moves
        )
    )
    said: dict[str, Any] = {"force": forced, "reason": "so", "actor": "mary"}
    assert gate(move(from_lane, to_lane, work_package=name, **said), where) in {"", "phase"}
    fact = data.draw(st.sampled_from(("sandboxed",) if forced else NEEDED[from_lane, to_lane]))
    refusal = gate(move(from_lane, to_lane, work_package=name, without=(fact,), **said), where)
    assert refusal in {"facts", "phase"}


@given(st.data())
def test_the_same_event_on_the_same_board_gets_the_same_answer(data: st.DataObject) -> None:
    where, taken = data.draw(histories())
    what = data.draw(asked(where))
    assert gate(what, where) == gate(what, where) == gate(what, Board(taken))


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | bools | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(("planned", "claimed", "genesis", "doing", "plan", "command", "git", "file", FEATURE, "WP01")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
types = st.sampled_from(tuple(EventType)).map(str) | st.text(max_size=8)
streams = st.sampled_from(
    (f"feature-{FEATURE}", f"workPackage-{FEATURE}/WP01", "audit-main", "feature-", "workPackage-/", "")
) | st.text(max_size=12)


def passes_or_is_refused(what: Event, where: Board) -> None:
    with suppress(TransitionRefusedError):
        check(what, where)
        if what.stream.partition("-")[0] == "audit" or what.metadata["source"] != "adoption":
            where.apply(what)  # whatever the law lets pass can be folded


@settings(max_examples=500)
@given(types, streams, json_values, json_values)
def test_an_event_of_any_shape_passes_or_is_refused(event_type: str, stream: str, payload: Any, metadata: Any) -> None:  # noqa: ANN401
    passes_or_is_refused(event(event_type, stream, payload, metadata), Board())


@settings(max_examples=500)
@given(st.data())
def test_a_good_event_of_which_one_thing_is_anything_passes_or_is_refused(data: st.DataObject) -> None:
    where = Board([entering("implement", from_phase=None, source="adoption")])
    for lane in ("in_progress", data.draw(st.sampled_from(tuple(Lane)))):
        where.apply(move("genesis", lane, source="adoption"))
    here = str(where.feature(FEATURE).work_packages["WP01"].lane)
    good = data.draw(
        st.sampled_from(
            (
                move(here, data.draw(st.sampled_from(tuple(Lane))), review_result=REVIEW, reason="so"),
                move(here, "planned", force=True, reason="so", source=data.draw(st.sampled_from(("file", "git")))),
                entering("plan", from_phase="implement", reopened=True, reason="so"),
                entering("implement", from_phase="tasks", gate={"work_packages": 1, "problems": []}),
            )
        )
    )
    payload, metadata = dict(good.payload), dict(good.metadata)
    facts = dict(metadata.get("facts", {}))
    place = data.draw(st.sampled_from((payload, metadata, facts)))
    key = data.draw(st.sampled_from((*place, "sanctions", "line", "review_result", "evidence", *FACTS, "gate")))
    place[key] = data.draw(json_values)
    if place is not metadata:
        metadata["facts"] = facts
    passes_or_is_refused(event(good.event_type, good.stream, payload, metadata), where)


def test_what_python_cannot_write_down_is_refused_like_anything_else() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    huge = 10**5000
    for value in (deep, huge, float("inf"), "\ud800", {"tool": deep}, {"tool": huge}, b"bytes", object()):
        for field in ("to_lane", "actor", "reason", "evidence", "review_result", "force", "wp_id"):
            whole = move("genesis", "planned")
            passes_or_is_refused(
                event(whole.event_type, whole.stream, {**whole.payload, field: value}, whole.metadata), Board()
            )
        for fact in ("gate", "dependencies", "implementation"):
            what = entering("plan", from_phase="specify", gate={"artifact": "spec.md", "edited": value, fact: value})
            passes_or_is_refused(what, Board([entering("specify", from_phase=None, source="adoption")]))
    assert AT.tzinfo is not None
