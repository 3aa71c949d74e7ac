"""One guardian's working state: everything open for one work tree, and what start-up does with it.

The session belongs to one thread. It reads the phase from HEAD once, holds the legal record, and answers requests.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from kitty_guardian.commits.changes import Change as HeadChange
from kitty_guardian.errors import (
    EventStoreError,
    GuardianError,
    InvalidValueError,
    NothingProtectedError,
    PolicyError,
    UnattestedHeadError,
)
from kitty_guardian.events.importing import adopt
from kitty_guardian.events.minting import new_event
from kitty_guardian.events.phases import as_recorded
from kitty_guardian.events.store import Write
from kitty_guardian.model.events import EventType, Source, audit_stream, feature_stream
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.handles import Handles
from kitty_guardian.project.pins import Adoption, states_of
from kitty_guardian.project.policyfile import read_policy_file, says_transitions
from kitty_guardian.project.repository import Worktree, is_upstreams
from kitty_guardian.project.survey import Survey, survey
from kitty_guardian.rules.policy import POLICY_PATH, Policy, parse_policy
from kitty_guardian.rules.situation import UNKNOWN, FeatureState, Situation
from kitty_guardian.watch.audit import AuditTrail
from kitty_guardian.watch.claims import Claim, Claims
from kitty_guardian.watch.forgeries import Forgeries
from kitty_guardian.watch.gitwork import GitWork
from kitty_guardian.watch.grants import Grant, check_grant, check_reason, dump_grants, load_grants, still_holding
from kitty_guardian.watch.guard import Guard
from kitty_guardian.watch.heads import Heads
from kitty_guardian.watch.ignored import IgnoreRules
from kitty_guardian.watch.imports import UNJUDGED, Imports
from kitty_guardian.watch.intake import Intake
from kitty_guardian.watch.quarantine import Quarantine
from kitty_guardian.watch.record import Legal, LegalRecord
from kitty_guardian.watch.request import StartRequest
from kitty_guardian.watch.requests import Requests
from kitty_guardian.watch.reserve import Reserve
from kitty_guardian.watch.sanctions import Sanctions
from kitty_guardian.watch.standings import Standings
from kitty_guardian.watch.tree import Kind, WorkTree
from kitty_guardian.watch.upkeep import Upkeep
from kitty_guardian.watch.violations import Change

_WORK = frozenset({Phase.IMPLEMENT, Phase.REVIEW})
_SITUATION = "situation"
_GRANTS = "grants"
_STOPPED = "stopped"
_YES = "yes"
_GIT_SECONDS = 3.0
_LATE_POLL_SECONDS = 0.2


@attrs.frozen
class RootCount:
    """How many files a configured source root holds.

    Attributes:
        root: The pattern, as in the policy.
        files: How many files it covers on disk.
    """

    root: str
    files: int


class Session:
    """See the module.

    Args:
        worktree: The work tree to hold.
        request: What was asked for.
        clock: Seconds, monotonic.

    Raises:
        GuardianError: The policy, the feature or the project cannot be used; nothing was changed.
    """

    def __init__(self, worktree: Worktree, request: StartRequest, clock: Callable[[], float] = time.monotonic) -> None:
        # A repository that makes git wait for ever (a FIFO for a HEAD, say) must not hold up the worker.
        self.worktree = worktree = attrs.evolve(worktree, patience=_GIT_SECONDS)
        self.request = request
        self.state = worktree.state.guardian
        Path(self.state.directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.tree = WorkTree(worktree.root)
        self.record = LegalRecord(Path(self.state.record))
        self.notes: list[str] = []
        self.audit = AuditTrail(Path(self.state.violations))
        events = Path(worktree.state.events)
        self.intake = Intake(Path(self.state.violations), events, audit_stream(worktree.name))
        self.audit.written = self.intake.offer
        self.standings = Standings(worktree, self.record)
        self.standings.begin(trust=request.accept_current is not None)
        self.quarantine = Quarantine(Path(self.state.quarantine), Path(self.state.journal), self.tree, self.record)
        self.git = GitWork(worktree, clock)
        self._ignore = IgnoreRules(worktree.git, Path(self.state.stage) / "ignored")
        sanctions = Sanctions(self.standings)
        self.heads = Heads(worktree, self.git, self.record, self._ignore, sanctions)
        self._first = self.record.fact(_SITUATION) is None
        self._policy_problem: str | None = None
        self.policy = self._first_policy()
        self.roots = tuple(RootCount(root, _count_files(worktree.root, root)) for root in self.policy.source)
        if not any(root.files for root in self.roots) and not self.policy.allow_empty_source:
            raise NothingProtectedError(
                f"no file lies below the source roots ({', '.join(self.policy.source)}), so nothing would be protected",
                hint=f'set `source = ["…/"]` (or `allow_empty_source = true`) in {POLICY_PATH}',
            )
        self.adoption = self._adoption()
        self._reserve = Reserve(Path(self.state.stage))  # last: a start that is refused leaves no ballast
        self.grants: tuple[Grant, ...] = still_holding(load_grants(self.record.fact(_GRANTS)))
        self.guard = Guard(
            tree=self.tree,
            record=self.record,
            quarantine=self.quarantine,
            audit=self.audit,
            heads=self.heads,
            git=self.git,
            reserve=self._reserve,
            situation=self._situation(),
            claim=self._claim,
            clock=clock,
        )
        self.guard.brought = self._brought
        self.forgeries = Forgeries(self.tree, self.standings, self.heads, self.audit)
        self._imports = Imports(worktree, self.standings, self.heads, self.audit, self.record)
        requests = Requests(worktree, self.standings, clock)
        self._claims = Claims(self.tree, self.record, sanctions, requests, self.follow_store, self.heads)
        self._policy_seen = b""
        self._compare_all = False
        self._due: float | None = None
        self.upkeep = Upkeep(
            worktree=worktree, tree=self.tree, record=self.record, quarantine=self.quarantine, audit=self.audit,
            standings=self.standings, reserve=self._reserve, adoption=self.adoption,
            keep_content=self.guard.keep_content_anew,
        )  # fmt: skip

    # Start-up

    def begin(self) -> tuple[Change, ...]:
        """Make the tree legal: adopt it, or compare it with the record; gives what changed while nobody watched."""
        self.quarantine.recover()
        anew = self._first or self.request.accept_current is not None
        if anew:
            if not self._first:
                self.heads.load()
                self.guard.preserve_what_differs()
            self.record.clear()
            self.heads.adopt()
            accepted = self.request.accept_current is not None
            self.record.remember(UNJUDGED, "" if accepted else self.heads.head or "")
            previous = None
        else:
            self.heads.load()
            previous = self._remembered_situation()
            self.guard.exemptions.boundaries = frozenset(json.loads(self.record.fact("boundaries") or "[]"))
        self.guard.situation = self._situation()  # what HEAD holds is known only now
        self._attest_what_was_handed_in()
        if previous is None:
            from_head = self._first and (bool(self.adoption.part) or self._was_guarded())
        else:
            from_head = self._was_clean(previous, self.guard.situation)

        def make_legal() -> None:
            self._close(previous, from_head=from_head)
            self._catch_up()

        changes = self.guard.after_downtime(make_legal)
        if self.standings.broken is not None:
            self.upkeep.tell_of_store("unresolved", self.standings.broken)
        self.audit.append(
            EventType.PHASE_ENTERED,
            {
                "features": {name: str(self.phase_of(name)) for name in self.adoption.bound},
                "head": self.adoption.head,
                "actor": actor(),
                "reason": self.request.accept_current or ("first start" if self._first else "start"),
            },
        )
        self.record.remember(_STOPPED, "")
        self.intake.take()
        return changes

    def _was_guarded(self) -> bool:
        """Whether a guardian was here before, though its record is gone."""
        return self._had_adoption or bool(self.standings.store.version(audit_stream(self.worktree.name)) >= 0)

    def _catch_up(self) -> None:
        self.guard.follow_head()
        self._imports.expect_features(self.adoption.bound)
        self._import()
        self.guard.scan()
        self.forgeries.look(self.adoption.bound)

    def _first_policy(self) -> Policy:
        """The policy to begin with: the recorded one if there is a record, since the file on disk may be anyone's."""
        data: bytes | None
        legal = self.record.get(POLICY_PATH)
        if self._first or self.request.accept_current is not None:
            data = read_policy_file(self.worktree.root)
        else:
            data = (
                b"".join(self.record.content(legal.sha256)) if legal is not None and legal.kind is Kind.FILE else None
            )
        self.policy_text = None if data is None else _text(data)
        return Policy.default() if self.policy_text is None else parse_policy(self.policy_text)

    def _adoption(self) -> Adoption:
        """What is pinned: anew after a person's stop, as recorded after a crash."""
        request, prior = self.request, Adoption.read(self.state.adoption)
        self._had_adoption = prior is not None
        stopped = self.record.fact(_STOPPED) == _YES
        if prior is not None and not (stopped or request.fresh or request.accept_current or self._first):
            handles = Handles.of(self.worktree, prior.features)
            asks_for_it = request.feature is None or handles.means_one_of(request.feature, prior.bound)
            if asks_for_it and (not request.every or prior.every):
                return prior
        if prior is not None and not (stopped or request.accept_current or self._first):
            self._refuse_unattested()
        found = survey(self.worktree, feature=request.feature, every=request.every, prior=prior, recorded=self._take_up)
        binding = found.binding
        adoption = Adoption(
            at=datetime.now(UTC),
            head=found.head,
            bound=binding.features,
            every=binding.every,
            features=states_of(found.reports, prior),
            reasons=(*(prior.reasons if prior else ()), *((request.accept_current,) if request.accept_current else ())),
            part=binding.part,
            scope=found.reports[binding.features[0]].scope if binding.part else (),
            gated=is_upstreams(self.worktree, found.head) if prior is None else prior.gated,
        )
        self.notes += [binding.reason, *found.notes]
        self.notes.extend(
            str(problem)
            for name in binding.features
            if name in found.reports
            for problem in found.reports[name].problems
        )
        adoption.write(self.state.adoption)
        return adoption

    def _take_up(self, found: Survey) -> Mapping[str, PhaseReport]:
        """What the store does not know yet is adopted as commits hold it; of all else it knows better."""
        if self.standings.broken is None:
            try:
                adopt(self.standings.store, self.worktree, found)
            except EventStoreError as error:
                if self._first:
                    raise
                self.standings.trouble = error.message
            self.standings.follow()
        return as_recorded(found.reports, self.standings.board)

    def _refuse_unattested(self) -> None:
        """No phase is taken from a HEAD that does not count, unless a person stopped the guardian before.

        Raises:
            UnattestedHeadError: It does not, by the rules that were in force.
        """
        head = self.worktree.head_commit()
        self.heads.load()
        if head is not None and not self.heads.counts(head, self._remembered_situation().judge):
            raise UnattestedHeadError(
                f"the phase cannot be taken from HEAD {head[:12]}, which breaks the rules of the recorded one",
                hint="spec-kitty guardian start keeps the recorded phase and says what is wrong with HEAD",
            )

    def phase_of(self, feature: str) -> Phase:
        """The phase of a feature that is enforced here."""
        state = self.guard.situation.features.get(feature)
        return Phase.RESEARCH if state is None else state.phase

    # What is protected

    def _states(self) -> dict[str, FeatureState]:
        states = self.standings.states(self.adoption)
        for name in self.adoption.bound:
            state = states.get(name)
            # A work package that HEAD holds and nobody has planned yet is still to be done.
            if state is not None and state.finished and self._has_more(name):
                states[name] = attrs.evolve(state, finished=False)
        return states

    def _has_more(self, feature: str) -> bool:
        standing = self.standings.board.features.get(feature)
        return standing is not None and not self.heads.work_packages(feature) <= standing.lanes().keys()

    def _situation(self) -> Situation:
        self._turn = (self.standings.turn, self.heads.head)  # what HEAD holds tells what is still to be done
        return Situation(
            policy=self.policy,
            features=self._states(),
            bound=self.adoption.bound,
            open_paths=tuple(grant.path for grant in self.grants if grant.path),
            paused=any(not grant.path for grant in self.grants),
        )

    def _remember(self) -> None:
        """Keep beside the record what it was made from: the next start compares with it."""
        self.record.remember(
            _SITUATION,
            json.dumps(
                {
                    "policy": self.policy_text,
                    "adoption": self.adoption.to_json(),
                    "open": self.guard.situation.open_paths,
                    "paused": self.guard.situation.paused,
                }
            ),
        )
        self.standings.remember(self.guard.situation.features)
        self.record.remember(_GRANTS, dump_grants(self.grants))
        self.record.remember("boundaries", json.dumps(sorted(self.guard.exemptions.boundaries)))

    def _remembered_situation(self) -> Situation:
        told = json.loads(self.record.fact(_SITUATION) or "{}")
        adoption = Adoption.from_json(told["adoption"])
        policy = Policy.default() if told["policy"] is None else parse_policy(told["policy"])
        features = {**adoption.features, **self.standings.remembered}
        return Situation(policy, features, adoption.bound, tuple(told["open"]), paused=told["paused"])

    def _resituate(self) -> None:
        """Protect what is to be protected now; paths that become protected are legal as they stand."""
        self.guard.scan()
        self._enter(self._situation())

    def _enter(self, situation: Situation, *, from_head: bool = False) -> None:
        previous = self.guard.situation
        if not from_head:
            self.guard.follow_head()  # what was committed before counts by the rules it was committed under
        self.guard.situation = situation
        self._close(previous, from_head=from_head)

    def _close(self, previous: Situation | None, *, from_head: bool) -> None:
        """Record what became protected: as it stands, or where it was found clean, as HEAD holds it."""
        if from_head and previous is not None:
            self.guard.follow_head()  # what came after the step does not count; what was handed in does
        self.guard.adopt(previous, from_head=from_head and self.heads.head is not None)
        self._compare_all |= from_head
        self._remember()

    def _attest_what_was_handed_in(self) -> None:
        """Commits that were handed in by a recorded step count, if they keep the rules of implement.

        So a work package that was accepted can be merged while its feature is in another phase again, and what was
        committed a moment before the step does not come too late.
        """
        handed_in, self.standings.handed_in = self.standings.handed_in, []
        for feature, work_package, head in handed_in:
            phase = Phase.IMPLEMENT if work_package else self.guard.situation.features.get(feature, UNKNOWN).phase
            rules = Situation(self.policy, {feature: FeatureState(phase)}, (feature,))
            self.heads.attest_if_it_counts(head, rules.judge)

    def _was_clean(self, before: Situation, after: Situation) -> bool:
        """Whether a step that closes paths here asked for a clean tree first.

        It does where work is handed in from, begins, or is left for an earlier phase. It does not in a work tree that
        only sees the lanes of others, nor between the phases before: what is written there, and was legal, stays.
        """
        moved = False
        for name in self.adoption.bound:
            was, now = before.features.get(name), after.features.get(name)
            if was is None or now is None or was.phase is now.phase:
                continue
            moved = True
            if self.adoption.part:
                continue
            by_lanes = self.standings.board.feature(name).entered in _WORK
            leaves_work = was.phase in _WORK and not by_lanes
            if now.phase is not Phase.IMPLEMENT and not leaves_work:
                return False
        return moved

    def follow_store(self) -> bool:
        """Take up what was recorded since the last look; whether that changes what is enforced.

        What stands there is not compared by the old phase first: whoever writes what the new one allows did nothing
        wrong, though this process learns of it late.
        """
        self.standings.follow()
        if self._turn == (self.standings.turn, self.heads.head):
            return False
        situation = self._situation()
        self._attest_what_was_handed_in()
        if situation == self.guard.situation:
            return False
        self._enter(situation, from_head=self._was_clean(self.guard.situation, situation))
        return True

    # What else may speak for content

    def _claim(self, path: str, st: os.stat_result | None, entry: Legal | None) -> Claim:
        return self._claims.claim(path, st, entry, situation=self.guard.situation, gated=self._is_gated())

    def _is_gated(self) -> bool:
        """Whether creating the next artifact asks for its phase (model, section 1)."""
        return says_transitions(self.policy_text, default="gated" if self.adoption.gated else "explicit") == "gated"

    def _brought(self, changes: Iterable[HeadChange]) -> None:
        """An attested HEAD brought something: lines that the store does not know are judged and imported."""
        self._imports.expect(changes)
        self._import()

    def _import(self) -> None:
        if self._imports.waiting and self.standings.broken is None:
            self._imports.run()
            self.follow_store()

    def notice(self, path: str) -> None:
        """News came of a path, whether it may be written or not."""
        self.forgeries.notice(path)

    def tick(self) -> None:
        """Do what is due."""
        if len(holding := still_holding(self.grants)) != len(self.grants):
            self.grants = holding
            self._resituate()
        self.follow_store()
        self._import()
        if self._compare_all:
            self._compare_all = False
            self.guard.scan()
        self._follow_policy()
        self._due = self.guard.tick()
        if self.quarantine.follow_late_writers():
            self._due = _LATE_POLL_SECONDS if self._due is None else min(self._due, _LATE_POLL_SECONDS)

    def next_due(self) -> float | None:
        """Seconds until the next thing is due, or None."""
        now = datetime.now(UTC)
        dues = [max(0.0, (grant.until - now).total_seconds()) for grant in self.grants]
        return min([*dues, *([] if self._due is None else [self._due])], default=None)

    def _follow_policy(self) -> None:
        """A policy that became legal by an attested HEAD takes effect; an invalid one leaves the last good one."""
        legal = self.record.get(POLICY_PATH)
        text = None
        if legal is not None and legal.kind is Kind.FILE:
            if legal.sha256 == self._policy_seen:
                return
            text = _text(b"".join(self.record.content(legal.sha256)))
        self._policy_seen = b"" if legal is None else legal.sha256
        if text == self.policy_text:
            return
        try:
            policy = Policy.default() if text is None else parse_policy(text)
        except PolicyError as error:
            self._policy_problem = error.message
            return
        self.audit.append(
            EventType.EXCEPTION,
            {"kind": "policy", "path": POLICY_PATH, "reason": f"brought by HEAD {self.heads.head}", "actor": "git"},
        )
        self.policy, self.policy_text, self._policy_problem = policy, text, None
        self._resituate()

    # Requests

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer one request of another process.

        Raises:
            GuardianError: It is refused.
        """
        match request.get("verb"):
            case "status":
                return {"status": self.status()}
            case "sync":
                self.follow_store()
                self.guard.follow_head()
                self.guard.scan()
                self.forgeries.look(self.adoption.bound)
                return {"status": self.status()}
            case "judge":
                judge = self.guard.situation.judge
                return {"decisions": [attrs.asdict(judge(path)) for path in request["paths"]]}
            case "grant":
                return self._grant(request)
            case "policy":
                return self._replace_policy(request)
            case verb:
                raise InvalidValueError(f"the guardian knows no request `{verb}`", hint="spec-kitty guardian restart")

    def _grant(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        seconds, reason = float(request["seconds"]), str(request["reason"])
        check_grant(seconds, reason)
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        grant = Grant(str(request["path"]), until, reason, str(request["actor"]))
        self._except(grant.payload())
        self.grants = (*self.grants, grant)
        self._resituate()
        return {"path": grant.path, "until": until.isoformat()}

    def _except(self, payload: Mapping[str, str]) -> None:
        """Record an exception; with the features it is made for, it goes into their logs at the next command."""
        self.audit.append(EventType.EXCEPTION, payload)
        for name in self.adoption.bound:
            metadata = {"source": str(Source.COMMAND), "feature": name, "actor": payload["actor"]}
            event = new_event(EventType.EXCEPTION, payload, metadata=metadata)
            standing = self.standings.board.feature(name)
            if standing.entered is not None:
                with contextlib.suppress(GuardianError):  # where the store cannot be written, the trail has it
                    self.standings.commit([Write(feature_stream(name), [event], standing.version)])

    def _replace_policy(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        text = str(request["text"])
        policy = parse_policy(text)
        check_reason(str(request["reason"]))
        data = text.encode()
        self._except(
            {"kind": "policy", "path": POLICY_PATH, "reason": str(request["reason"]), "actor": str(request["actor"])}
        )
        self.guard.sanction(POLICY_PATH, data)
        self.policy, self.policy_text, self._policy_problem = policy, text, None
        self._resituate()
        return {}

    def status(self) -> dict[str, Any]:
        """How the guard stands, as data; the daemon adds what it knows of its own watching."""
        bound = self.adoption.bound
        phases = sorted({str(self.phase_of(name)) for name in bound})
        return {
            "running": True,
            "pid": os.getpid(),
            "worktree": os.fspath(self.worktree.root),
            "feature": bound[0] if len(bound) == 1 else None,
            "features": {name: str(self.phase_of(name)) for name in bound},
            "phase": phases[0] if len(phases) == 1 else None,
            "mode": str(self.policy.mode),
            "violations": self.audit.violations,
            "protected_files": self.record.files(),
            "paused": self.guard.situation.paused,
            "unattested": self.heads.unattested,
            "problems": list(self._problems()),
        }

    def _problems(self) -> Iterator[str]:
        if self._policy_problem:
            yield f"the committed policy is invalid, the last good one holds: {self._policy_problem}"
        if problem := self.heads.problem():
            yield problem
        if self.standings.broken:
            yield f"{self.standings.broken}; what was in force before stays (spec-kitty events verify)"
        elif self.standings.trouble:
            yield f"the event store cannot be used, what was in force stays: {self.standings.trouble}"
        if self.intake.trouble:
            yield self.intake.trouble
        yield from self._imports.notes
        if not self.upkeep.is_at_its_place():
            yield f"{self.worktree.root} was moved or replaced; what is held is the tree that was moved"
        if self.guard.git_trouble:
            yield f"git does not answer, so HEAD is not followed: {self.guard.git_trouble}"
        for path in self.guard.storming:
            yield f"{path} is rewritten all the time; it is restored once a second"
        for path, why in self.guard.unresolved.items():
            yield f"{path}: {why}"

    def stop(self, *, reason: str, who: str, person: bool) -> None:
        """End, and record it; a person's word is remembered, a signal is not."""
        self.audit.append(EventType.STOPPED, {"reason": reason, "actor": who, "asked": person})
        if person:
            self.record.remember(_STOPPED, _YES)

    def close(self) -> None:
        """Let go of everything and leave nothing but the record, the quarantine and the trail."""
        self._ignore.close()
        self._reserve.close()
        self.quarantine.close()
        self.intake.take()
        self.standings.follow()
        with contextlib.suppress(sqlite3.Error):  # the record is gone with its work tree
            self.standings.drop_anchor()
        self.standings.close()
        self.audit.close()
        self.record.close()
        self.tree.close()


def check_request(worktree: Worktree, request: StartRequest) -> None:
    """Find what would refuse a start, without starting.

    Raises:
        PolicyError, UnknownFeatureError, UnboundFeatureError: It would be refused.
    """
    if (data := read_policy_file(worktree.root)) is not None:
        parse_policy(_text(data))
    survey(
        worktree, feature=request.feature, every=request.every, prior=Adoption.read(worktree.state.guardian.adoption)
    )


def actor() -> str:
    """Who is asking: the login name and, with one, the terminal. A claim, not a proof."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    try:
        return f"{name}@{os.ttyname(0)}"
    except OSError:
        return name


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PolicyError(f"{POLICY_PATH} is not UTF-8: {error.reason} at byte {error.start}") from error


def _count_files(root: Path, pattern: str) -> int:
    """How many files lie at or below the paths a source pattern names."""
    found: set[str] = set()
    for place in root.glob(pattern.strip("/") or "*"):
        if place.is_file():
            found.add(os.fspath(place))
        for directory, names, files in os.walk(place):
            names[:] = [name for name in names if name != ".git"]
            found.update(f"{directory}/{name}" for name in files)
    return len(found)
