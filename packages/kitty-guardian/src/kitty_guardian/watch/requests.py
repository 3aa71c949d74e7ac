"""`transitions = "gated"`: writing the next artifact, or a line of the status log, asks for the transition.

Upstream's own commands know nothing of ours: they write the artifact and the line. So what they write is judged by the
same gates and validators as a command; what passes is recorded and stands, what does not is undone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from kitty_guardian.errors import EventStoreError, GuardianError, VersionConflict
from kitty_guardian.events import lines
from kitty_guardian.events.importing import judge
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.store import Write
from kitty_guardian.model.events import EventType, Source, audit_stream
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.repository import Worktree
from kitty_guardian.rules.situation import Situation
from kitty_guardian.transitions.requests import Command, TransitionRequest
from kitty_guardian.watch.standings import Standings

_PATH: Final = re.compile(r"kitty-specs/([^/]+)/([^/]+)")
_LOG: Final = "status.events.jsonl"
_ASKS: Final[Mapping[tuple[Phase, str], Command]] = {
    (Phase.RESEARCH, "spec.md"): Command.SPECIFY,
    (Phase.SPECIFY, "plan.md"): Command.PLAN,
    (Phase.PLAN, "tasks"): Command.TASKS,
    (Phase.PLAN, "tasks.md"): Command.TASKS,
}
_PHASES: Final = frozenset(Phase)
_AGAIN_SECONDS: Final = 1.0
ACTOR: Final = "gated"


class Requests:
    """Judges what is asked for by writing.

    Args:
        worktree: The work tree.
        standings: The store.
        clock: Seconds, monotonic.
    """

    def __init__(self, worktree: Worktree, standings: Standings, clock: Callable[[], float]) -> None:
        self._worktree = worktree
        self._standings = standings
        self._clock = clock
        self._refused: dict[tuple[str, str], float] = {}

    def grants(self, path: str, situation: Situation) -> bool:
        """Whether creating `path` asked for the next phase of its feature, and got it.

        Args:
            path: What came to be, relative to the work tree.
            situation: What is enforced.
        """
        found = _PATH.match(path)
        if found is None or found[1] not in situation.bound:
            return False
        state = situation.features.get(found[1])
        command = None if state is None else _ASKS.get((state.phase, found[2]))
        if command is None or self._was_refused(found[1], command):
            return False
        from kitty_guardian.transitions.performing import perform

        try:
            perform(
                self._worktree,
                self._standings.store,
                TransitionRequest(command=command, feature=found[1], actor=ACTOR, reason=f"{path} was written"),
                layer="gated",
            )
        except GuardianError:  # recorded by whoever performs transitions
            self._refused[found[1], command] = self._clock()
            return False
        return True

    def _was_refused(self, feature: str, command: str) -> bool:
        """Whether the same was refused a moment ago: a storm of writes is no storm of judgements."""
        return self._clock() - self._refused.get((feature, command), float("-inf")) < _AGAIN_SECONDS

    def takes_lines(self, path: str, data: bytes, legal: bytes) -> bool | None:
        """Whether lines that somebody appended to a status log are recorded now.

        Args:
            path: Relative to the work tree.
            data: What stands there.
            legal: What was legal before.

        Returns:
            True, or False where that is to be asked again in a moment; None: nothing speaks for them.
        """
        found = _PATH.match(path)
        if found is None or not path.endswith(f"/{_LOG}") or not data.startswith(legal.rstrip(b"\n")):
            return None
        if not data.endswith(b"\n"):
            return False if self._is_fresh(path) else None
        feature = found[1]
        unknown = lines.unknown(data, self._standings.board.feature(feature))
        judged = judge(
            feature,
            unknown,
            self._standings.board,
            source=Source.FILE,
            facts_of=lambda subject: self._facts(feature, subject),
            is_taken=self._standings.store.has,
        )
        if judged.refused:
            self._block(feature, judged.refused[0].gate, judged.refused[0].reason)
            return None
        try:
            self._standings.commit(judged.writes)
        except VersionConflict:
            return False
        except EventStoreError:
            return None
        return True

    def _facts(self, feature: str, subject: str) -> Mapping[str, Any]:
        """What there is to be found out for a move of a work package, or for entering a phase."""
        from kitty_guardian.transitions.facts import facts_about
        from kitty_guardian.transitions.gatefacts import gate_facts

        if subject in _PHASES:
            return gate_facts(self._worktree, feature, Phase(subject))
        return facts_about(self._worktree, feature, subject)

    def _is_fresh(self, path: str) -> bool:
        """Whether a log was first found cut off a moment ago: whoever writes it is not done yet."""
        since = self._refused.setdefault((path, "cut off"), self._clock())
        if self._clock() - since < _AGAIN_SECONDS:
            return True
        del self._refused[path, "cut off"]
        return False

    def _block(self, feature: str, gate: str, reason: str) -> None:
        payload: dict[str, Any] = {
            "feature": feature, "work_package": None, "from": None, "to": None, "gate": gate, "reason": reason,
            "hint": "", "actor": ACTOR, "layer": "gated",
        }  # fmt: skip
        try:
            event = new_event(EventType.PHASE_BLOCKED, payload, metadata={"source": str(Source.GUARDIAN)})
            self._standings.commit([Write(audit_stream(self._worktree.name), [event], None)])
        except GuardianError:
            return  # the write that asked for it is recorded as a violation all the same
