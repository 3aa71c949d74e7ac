"""The phase that is enforced: what was recorded, never what the files look like (enforcement model, section 1).

Phases are recorded in the event store. A work tree's *adoption*, kept in its git directory where no work tree write
reaches it, says what it is bound to, and where those features stood that cannot be in the store: what HEAD holds of
them could not be read.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

import attrs

from kitty_guardian.errors import GuardianError
from kitty_guardian.model.phases import Phase
from kitty_guardian.model.reports import PhaseReport
from kitty_guardian.project.regular import read_regular
from kitty_guardian.project.repository import Worktree
from kitty_guardian.rules.situation import FeatureState

_T = TypeVar("_T")

SCHEMA = "spec-kitty/adoption/1"
_LIMIT = 16 << 20


class AdoptionError(GuardianError):
    """The adoption record exists and cannot be used."""

    code: ClassVar[str] = "guardian.adoption.invalid"


class PhaseStore(Protocol):
    """Whatever recorded the phases of features: the event store, a board, an adoption."""

    def phase_of(self, feature: str, scope: Collection[str] = ()) -> Phase | None:
        """The recorded phase of `feature` (a folder name below `kitty-specs/`), or None when nothing was recorded.

        Args:
            feature: The feature.
            scope: Ask for these work packages only; empty: the whole feature.
        """


def effective_phase(store: PhaseStore, feature: str, worktree: Worktree) -> Phase:
    """The phase that is enforced for `feature` in `worktree`; files that an agent can write never move it.

    A feature without a record is in research. A work tree that was made for some of its work packages is held to where
    those stand.

    Raises:
        AdoptionError: What the work tree was bound to cannot be read.
    """
    return store.phase_of(feature, scope_in(Adoption.read(worktree.state.guardian.adoption), feature)) or Phase.RESEARCH


def scope_in(adoption: Adoption | None, feature: str) -> tuple[str, ...]:
    """The work packages of `feature` that the work tree of an adoption was made for; empty: all of them."""
    return adoption.scope if adoption is not None and adoption.part and feature in adoption.bound else ()


def states_of(reports: Mapping[str, PhaseReport], prior: Adoption | None = None) -> dict[str, FeatureState]:
    """What is to be enforced for each feature, by folder name, after it was read.

    Where not everything could be read, the last recorded phase stays; with none, every phase it may be in counts
    (enforcement model, section 7). What has to be mended stays writable.

    Args:
        reports: What was read.
        prior: What was recorded before, if anything.
    """
    return {name: _state_of(report, prior) for name, report in reports.items()}


def _state_of(report: PhaseReport, prior: Adoption | None) -> FeatureState:
    if report.is_certain:
        return FeatureState(report.phase, report.finished, report.changes_requested, malformed=report.malformed)
    recorded = None if prior is None else prior.features.get(report.feature)
    # "Finished" is no phase that could stay: whatever was done may have been taken up again.
    if recorded is not None and not recorded.finished:
        return attrs.evolve(recorded, malformed=report.malformed)
    return FeatureState(report.phase, candidates=report.candidates, malformed=report.malformed)


def _aware(_instance: object, _attribute: object, value: datetime) -> None:
    if value.tzinfo is None:
        raise ValueError("the time of an adoption needs its offset from UTC")


@attrs.frozen
class Adoption:
    """What one work tree's guardian took over as recorded truth, and from where; a `PhaseStore`.

    Attributes:
        at: When it was recorded; aware.
        head: The commit it was read from, or None when HEAD was unborn.
        bound: The features the work tree is bound to; empty when none is active.
        every: Whether every unfinished feature was asked for (`--all`).
        features: State of every feature known then, by folder name.
        reasons: What a person gave with `--accept-current`, oldest first.
        part: The part of its one feature that the work tree was made for ("WP01", "lane-a"); empty for the whole.
        scope: The work packages that this part was then; empty: all of them.
        gated: Whether HEAD held upstream's metadata: then phases move by creating the next artifact, too, unless the
            policy says otherwise.
    """

    at: datetime = attrs.field(validator=_aware)
    head: str | None
    bound: tuple[str, ...]
    every: bool
    features: Mapping[str, FeatureState]
    reasons: tuple[str, ...] = ()
    part: str = ""
    scope: tuple[str, ...] = ()
    gated: bool = False

    def phase_of(self, feature: str, scope: Collection[str] = ()) -> Phase | None:  # noqa: ARG002 - the part it is of
        """The recorded phase of `feature`, or None when it was not known at adoption."""
        state = self.features.get(feature)
        return None if state is None else state.phase

    def to_json(self) -> dict[str, Any]:
        """The record as JSON types, with its `schema`."""
        return {
            "schema": SCHEMA,
            "at": self.at.isoformat(),
            "head": self.head,
            "bound": list(self.bound),
            "every": self.every,
            "part": self.part,
            "scope": list(self.scope),
            "gated": self.gated,
            "features": {
                name: {
                    "phase": state.phase.value,
                    "finished": state.finished,
                    "changes_requested": state.changes_requested,
                    "candidates": list(state.candidates),
                    "malformed": list(state.malformed),
                }
                for name, state in sorted(self.features.items())
            },
            "reasons": list(self.reasons),
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The record that `to_json` gave.

        Raises:
            ValueError: It is not one; the message names the field.
        """
        fields = _expect(document, dict, "document")
        if fields.get("schema") != SCHEMA:
            raise ValueError(f"schema is {fields.get('schema')!r}, not {SCHEMA!r}")
        head = fields.get("head")
        features = _expect(fields.get("features"), dict, "features")
        return cls(
            at=datetime.fromisoformat(_expect(fields.get("at"), str, "at")),
            head=None if head is None else _expect(head, str, "head"),
            bound=_texts(fields.get("bound"), "bound"),
            every=_expect(fields.get("every"), bool, "every"),
            features={name: _state(name, state) for name, state in features.items()},
            reasons=_texts(fields.get("reasons"), "reasons"),
            part=_expect(fields.get("part", ""), str, "part"),
            scope=_texts(fields.get("scope", []), "scope"),
            gated=_expect(fields.get("gated", False), bool, "gated"),
        )

    @classmethod
    def read(cls, path: os.PathLike[str]) -> Self | None:
        """The record at `path`, or None when there is none.

        Raises:
            AdoptionError: It is there and cannot be used; what is enforced is not guessed.
        """
        try:
            data = read_regular(path, _LIMIT)
            if data is None:
                if not os.path.lexists(path):
                    return None
                raise _unusable(path, "it is not a regular file")
            return cls.from_json(json.loads(data.decode("utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            raise _unusable(path, error) from error

    def write(self, path: os.PathLike[str]) -> None:
        """Replaces the record at `path` in one step: a crash leaves the old one or the new one.

        Missing directories above it are made. The file is readable by its owner only.

        Raises:
            OSError: It cannot be written; the old record is untouched.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        data = json.dumps(self.to_json(), indent=2, ensure_ascii=True).encode("ascii") + b"\n"
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
        _sync_directory(target.parent)


def _expect(value: object, kind: type[_T], field: str) -> _T:
    if not isinstance(value, kind):
        raise ValueError(f"{field} is {type(value).__name__}, not {kind.__name__}")  # noqa: TRY004 - one error for bad data
    return value


def _texts(value: object, field: str) -> tuple[str, ...]:
    items: list[object] = _expect(value, list, field)
    return tuple(_expect(item, str, field) for item in items)


def _state(name: str, value: object) -> FeatureState:
    where = f"features.{name}"
    fields: dict[str, object] = _expect(value, dict, where)
    return FeatureState(
        phase=Phase(_expect(fields.get("phase"), str, f"{where}.phase")),
        finished=_expect(fields.get("finished"), bool, f"{where}.finished"),
        changes_requested=_expect(fields.get("changes_requested"), bool, f"{where}.changes_requested"),
        candidates=tuple(Phase(name) for name in _texts(fields.get("candidates", []), f"{where}.candidates")),
        malformed=_texts(fields.get("malformed", []), f"{where}.malformed"),
    )


def _unusable(path: os.PathLike[str], error: Exception | str) -> AdoptionError:
    return AdoptionError(
        f"the adoption record {os.fspath(path)} cannot be used: {error}",
        hint="record it anew from HEAD with: spec-kitty guardian restart",
    )


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
