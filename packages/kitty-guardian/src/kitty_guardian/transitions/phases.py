"""Entering a phase: one step forward through a gate, or back for a reason (enforcement model, section 1)."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import attrs

from kitty_guardian.errors import InvalidValueError, TransitionRefusedError
from kitty_guardian.events.board import ORDER
from kitty_guardian.events.identifiers import next_ulid
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.store import Write
from kitty_guardian.events.validators import phase_command
from kitty_guardian.model.events import Event, EventType, Source, feature_stream
from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.detecting import detect_phase
from kitty_guardian.project.repository import Worktree, find_worktree
from kitty_guardian.transitions.choosing import title_of
from kitty_guardian.transitions.facts import history_of, uncommitted, work_space
from kitty_guardian.transitions.gates import Finding, look_at
from kitty_guardian.transitions.ground import Ground, Step
from kitty_guardian.transitions.scaffolds import path_of

GATES: Final[Mapping[Phase, str]] = {Phase.PLAN: "spec.md", Phase.TASKS: "plan.md"}
"""What has to be edited before a phase is entered."""

_WORKING: Final = frozenset({Phase.IMPLEMENT, Phase.REVIEW})
_SHOWN: Final = 5


def begin(ground: Ground, phase: Phase, name: str, reason: str) -> Step:
    """Begin a feature, in research or (with both entries in one append) in specify; its `meta.json` is sanctioned.

    Args:
        ground: Of a feature that was not recorded yet.
        phase: RESEARCH or SPECIFY.
        name: What a person called it.
        reason: Why, if somebody said so.

    Raises:
        TransitionRefusedError: Its folder holds work that nobody took over.
    """
    _refuse_unadopted(ground, phase)
    at, event_id = datetime.now(UTC), next_ulid()
    facts: dict[str, Any] = {"gate": None}
    sanctions: dict[str, str] = {}
    if not (ground.folder / "meta.json").exists():
        document = _meta(ground, name, at, event_id)
        facts["meta"] = document
        path = f"{path_of(ground.feature, 'meta.json')}"
        sanctions[path] = hashlib.sha256(meta_bytes(document)).hexdigest()
    first = entry(ground, Phase.RESEARCH, None, facts, reason=reason)
    if sanctions:
        first = attrs.evolve(first, metadata={**first.metadata, "sanctions": sanctions})
    events = [attrs.evolve(first, at=at, event_id=event_id)]
    if phase is Phase.SPECIFY:
        events.append(entry(ground, Phase.SPECIFY, Phase.RESEARCH, {"gate": None}, reason=reason))
    return _entering(ground, phase, events, [f"{ground.feature} is in {phase}"])


def forward(ground: Ground, phase: Phase, reason: str) -> Step:
    """Enter the next phase; nothing where it was entered already.

    Args:
        ground: The feature's.
        phase: RESEARCH, SPECIFY, PLAN or TASKS.
        reason: Why, if somebody said so.

    Raises:
        TransitionRefusedError: It is not the next one, or its gate is closed.
    """
    entered = ground.entered
    if entered is phase:
        return _entering(ground, phase, [], [f"{ground.feature} is in {phase} already"])
    if entered is None:
        if phase in {Phase.RESEARCH, Phase.SPECIFY}:
            return begin(ground, phase, ground.feature, reason)
        _refuse_unadopted(ground, phase)
    here = -1 if entered is None else ORDER.index(entered)
    there = ORDER.index(phase)
    if there < here:
        _refuse(
            ground,
            phase,
            "reopen",
            f"it is further, in {entered}; going back takes a reason",
            f"spec-kitty reopen {phase} --feature {_quoted(ground.feature)} --reason TEXT",
        )
    if there > here + 1:
        stands = f"it is in {entered}" if entered else "nothing was recorded of it yet"
        _refuse(
            ground,
            phase,
            "one-step",
            f"{stands}, and the next phase is {ORDER[here + 1]}",
            phase_command(ORDER[here + 1], ground.feature),
        )
    event = entry(ground, phase, entered, {"gate": _pass(ground, phase)}, reason=reason)
    return _entering(ground, phase, [event], [f"{ground.feature} went from {entered} to {phase}"])


def reopen(ground: Ground, phase: Phase, reason: str) -> Step:
    """Go back to an earlier phase.

    Raises:
        TransitionRefusedError: It is not an earlier one, nobody says why, or what was implemented is not committed.
        InvalidValueError: No phase that can be reopened.
    """
    if phase in _WORKING:
        raise InvalidValueError(
            f"{phase} is not reopened: it follows the lanes of the work packages",
            hint="spec-kitty wp move WP01 in_progress --force --reason TEXT",
        )
    if not reason.strip():
        _refuse(ground, phase, "reopen", "going back takes a reason", f"spec-kitty reopen {phase} --reason TEXT")
    entered = ground.entered
    if entered is None or ORDER.index(phase) >= ORDER.index(entered):
        following = ORDER[0 if entered is None else min(ORDER.index(entered) + 1, len(ORDER) - 1)]
        stands = f"it is in {entered}" if entered else "it is in no phase yet"
        _refuse(
            ground, phase, "reopen", f"only an earlier phase is reopened, and {stands}",
            phase_command(following, ground.feature),
        )  # fmt: skip
    if entered in _WORKING:
        for place in _places_at_work(ground):
            refuse_uncommitted(ground, place, phase, f"{ground.feature} cannot enter {phase}")
    event = entry(ground, phase, entered, {"gate": None}, reason=reason, reopened=True)
    return _entering(ground, phase, [event], [f"{ground.feature} went back from {entered} to {phase}: {reason}"])


def _places_at_work(ground: Ground) -> list[Worktree]:
    """The feature's home, and every work tree where one of its work packages is being implemented."""
    places = [ground.home]
    for name, package in ground.standing.work_packages.items():
        if package.lane in {Lane.CLAIMED, Lane.IN_PROGRESS}:
            history = history_of(ground.store, ground.feature, name)
            root = work_space(ground.worktree, ground.home.root, ground.feature, name, history)
            if root is not None and all(root != place.root for place in places):
                places.append(find_worktree(root))
    return places


def refuse_uncommitted(ground: Ground, place: Worktree, phase: Phase, said: str) -> None:
    """Leaving implement requires that what is protected afterwards is committed.

    Raises:
        TransitionRefusedError: Something is not.
    """
    paths = uncommitted(place, ground.feature, phase, ground.policy)
    if paths:
        root = _quoted(str(place.root))
        shown = ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
        raise TransitionRefusedError(
            f"{said}: not committed in {place.root}: {shown}",
            gate="clean",
            hint=f'git -C {root} add --all && git -C {root} commit -m "{ground.feature}"',
        )


def entry(
    ground: Ground,
    phase: Phase,
    from_phase: Phase | None,
    facts: Mapping[str, Any],
    *,
    reason: str = "",
    reopened: bool = False,
) -> Event:
    """The event of entering a phase."""
    gate = GATES.get(phase) if not reopened else None
    payload: dict[str, Any] = {
        "feature": ground.feature,
        "phase": str(phase),
        "from_phase": None if from_phase is None else str(from_phase),
        "actor": ground.actor,
        "reason": reason or None,
        "gate": f"gate:{gate}" if gate else ("gate:work-packages" if phase is Phase.IMPLEMENT else None),
        "head": ground.home.head_commit(),
    }
    if reopened:
        payload["reopened"] = True
    metadata: dict[str, Any] = {
        "source": str(Source.COMMAND), "feature": ground.feature, "actor": ground.actor, "facts": dict(facts),
    }  # fmt: skip
    return new_event(EventType.PHASE_ENTERED, payload, metadata=metadata)


def writing(ground: Ground, events: Sequence[Event]) -> tuple[Write, ...]:
    """The append of phase entries; none for none."""
    return (Write(feature_stream(ground.feature), events, ground.standing.version),) if events else ()


def meta_bytes(document: Mapping[str, Any]) -> bytes:
    """The bytes of a `meta.json` (facts, section 6.3)."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _meta(ground: Ground, name: str, at: datetime, mission_id: str) -> dict[str, Any]:
    feature = ground.feature
    number = feature.partition("-")[0]
    return {
        "created_at": at.isoformat(),
        "flattened": False,
        "friendly_name": title_of(name),
        "mission_id": mission_id,
        "mission_number": int(number) if number.isdecimal() else None,
        "mission_slug": feature,
        "mission_type": "software-dev",
        "slug": feature,
        "status_phase": "1",
        "target_branch": ground.home.head_branch() or "main",
        "vcs": "git",
    }


def _entering(ground: Ground, phase: Phase, events: Sequence[Event], said: list[str]) -> Step:
    following = {Phase.RESEARCH: Phase.SPECIFY, Phase.SPECIFY: Phase.PLAN, Phase.PLAN: Phase.TASKS}.get(phase)
    command = "spec-kitty implement WP01" if following is None else phase_command(following, ground.feature)
    return Step(writing(ground, events), tuple(said), command, refill=True)


def _pass(ground: Ground, phase: Phase) -> dict[str, Any] | None:
    """What was found at the gate of a phase.

    Raises:
        TransitionRefusedError: It is closed.
    """
    artifact = GATES.get(phase)
    if artifact is None:
        return None
    path = path_of(ground.feature, artifact)
    look = look_at(ground.home.root, path, artifact)
    if look.finding is not Finding.EDITED:
        where = ground.home.root / path
        _refuse(
            ground, phase, f"gate:{artifact}", f"{path} {look.why}",
            f"write {where}, then: {phase_command(phase, ground.feature)}",
        )  # fmt: skip
    return {"artifact": artifact, "edited": True, "sha256": look.sha256}


def _refuse_unadopted(ground: Ground, phase: Phase) -> None:
    """A feature that commits hold in a later phase is taken over first, not begun anew.

    Raises:
        TransitionRefusedError: It is one.
        GitError: HEAD cannot be read.
    """
    if ground.home.head_commit() is None or not ground.folder.is_dir():
        return
    detected = detect_phase(ground.folder, commit="HEAD").phase
    if detected not in {Phase.RESEARCH, phase}:
        _refuse(
            ground, phase, "adoption", f"its files look like {detected}, and nothing was recorded of it yet",
            "spec-kitty init",
        )  # fmt: skip


def _refuse(ground: Ground, phase: Phase, gate: str, why: str, hint: str) -> NoReturn:
    raise TransitionRefusedError(f"{ground.feature} cannot enter {phase}: {why}", gate=gate, hint=hint)


def _quoted(word: str) -> str:
    return shlex.quote(word)
