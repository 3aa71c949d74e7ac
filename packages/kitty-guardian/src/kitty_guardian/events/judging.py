"""Holding new events to the law, each on the board as everything before it leaves it, its own commit included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from kitty_guardian.events.board import Board, FeatureStanding
from kitty_guardian.events.history import History
from kitty_guardian.model.events import Category, Event, Source, category_of, subject_of

if TYPE_CHECKING:
    from kitty_guardian.events.validators import Validator


class Bench:
    """The validators, loaded when there is something to judge.

    Args:
        validators: None: the law (`validators.DEFAULT`).
    """

    def __init__(self, validators: Sequence[Validator] | None) -> None:
        self._is_law = validators is None
        self._validators = None if validators is None else tuple(validators)

    def has_to_judge(self, stream: str, metadata: Iterable[Mapping[str, Any]]) -> bool:
        """Whether one of the events of a stream with this metadata has to pass a validator."""
        if category_of(stream) == Category.AUDIT:
            return False
        return any(about.get("source") != Source.ADOPTION for about in metadata) and bool(self._law())

    def check_history(self, events: Iterable[Event], history: History | None = None) -> None:
        """Hold what calls itself history to the one rule it has; a part of the law, and of nothing else.

        Args:
            events: At their places, in order; without a `history`, all of one commit.
            history: Follows events over several calls.

        Raises:
            TransitionRefusedError: One of them does not come first.
        """
        if self._is_law:
            history = history or History()
            for event in events:
                history.check(event)

    def judge(self, events: Sequence[Event], board: Board) -> None:
        """Ask every validator about every event.

        Args:
            events: At their places, in order.
            board: Everything before them; it stays as it is.

        Raises:
            TransitionRefusedError: One says no.
        """
        law = self._law()
        for place, event in enumerate(events):
            if place == 1:
                board = trial_of(board, events)
                board.apply(events[0])
            elif place > 1:
                board.apply(events[place - 1])
            if is_judged(event.stream, event.metadata):
                for validator in law:
                    validator(event, board)

    def _law(self) -> Sequence[Validator]:
        if self._validators is None:
            from kitty_guardian.events.validators import DEFAULT

            self._validators = DEFAULT
        return self._validators


def is_judged(stream: str, metadata: Mapping[str, Any]) -> bool:
    """Whether an event has to pass the validators: neither history nor a guardian's own note."""
    return metadata.get("source") != Source.ADOPTION and category_of(stream) != Category.AUDIT


def trial_of(board: Board, events: Sequence[Event]) -> Board:
    """A board that can take `events` while `board` stays as it is; what they do not touch is shared."""
    trial = Board()
    trial.position, trial.head = board.position, board.head
    trial.features = dict(board.features)
    for feature in {subject_of(event.stream)[0] for event in events}:
        standing = board.features.get(feature)
        if standing is not None:
            trial.features[feature] = _copy(standing)
    return trial


def _copy(standing: FeatureStanding) -> FeatureStanding:
    return attrs.evolve(
        standing,
        work_packages={name: attrs.evolve(package) for name, package in standing.work_packages.items()},
        lines=set(standing.lines),
        own=dict(standing.own),
        sanctions={path: list(several) for path, several in standing.sanctions.items()},
    )
