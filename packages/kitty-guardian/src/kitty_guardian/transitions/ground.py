"""What a transition stands on: the feature, where its files are kept, what was recorded of it, who asks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import attrs

from kitty_guardian.errors import PolicyError
from kitty_guardian.events.board import Board, FeatureStanding
from kitty_guardian.events.store import EventStore, Write
from kitty_guardian.model.phases import Phase
from kitty_guardian.project.features import FEATURES
from kitty_guardian.project.meta import parse_meta
from kitty_guardian.project.policyfile import read_policy_file, says_transitions
from kitty_guardian.project.regular import read_regular
from kitty_guardian.project.repository import Worktree, find_worktree, is_upstreams
from kitty_guardian.rules.policy import Policy
from kitty_guardian.transitions.facts import policy_of
from kitty_guardian.transitions.home import home_of

_LIMIT = 1 << 20


@runtime_checkable
class _Folded(Protocol):
    def board(self) -> Board: ...


def board_in(store: EventStore) -> Board:
    """What a store's events add up to; callers do not change it.

    Raises:
        EventStoreError: It cannot be read.
    """
    return store.board() if isinstance(store, _Folded) else Board(store.read_all())


@attrs.frozen
class Ground:
    """What a transition of one feature stands on.

    Attributes:
        worktree: Where it was asked for.
        home: The work tree where the feature's files are kept.
        store: The repository's events.
        board: What they add up to.
        feature: Folder name below `kitty-specs/`.
        actor: Who asks.
    """

    worktree: Worktree
    home: Worktree
    store: EventStore
    board: Board
    feature: str
    actor: str

    @classmethod
    def of(cls, worktree: Worktree, store: EventStore, board: Board, feature: str, actor: str) -> Ground:
        """The ground of a feature, which need not exist yet.

        Raises:
            GitError: Git could not list the work trees.
        """
        root = home_of(worktree, feature)
        home = worktree if root == worktree.root else find_worktree(root)
        return cls(worktree, home, store, board, feature, actor)

    @property
    def standing(self) -> FeatureStanding:
        """Where the feature stands."""
        return self.board.feature(self.feature)

    @property
    def entered(self) -> Phase | None:
        """The phase that was entered last."""
        return self.standing.entered

    @property
    def folder(self) -> Path:
        """The feature's folder; absolute."""
        return self.home.root / FEATURES / self.feature

    @cached_property
    def head(self) -> str | None:
        """The commit that HEAD is at where it was asked for; None before there is one.

        Raises:
            GitError: Git could not tell.
        """
        return self.worktree.head_commit()

    @cached_property
    def meta(self) -> Mapping[str, Any]:
        """Its `meta.json`; empty where there is none that can be read."""
        try:
            return parse_meta(read_regular(self.folder / "meta.json", _LIMIT))
        except OSError:
            return {}

    @cached_property
    def policy(self) -> Policy:
        """The project's policy.

        Raises:
            PolicyError: It is invalid.
        """
        return policy_of(self.home.root)

    @cached_property
    def is_explicit(self) -> bool:
        """Whether phases move by command only; where the policy is invalid, nobody can say so.

        Raises:
            GitError: Git could not read HEAD.
        """
        try:
            data = read_policy_file(self.home.root)
            said = says_transitions(None if data is None else data.decode("utf-8-sig"), default="")
        except (PolicyError, ValueError):
            return False
        return said == "explicit" or (not said and not is_upstreams(self.home, self.home.head_commit()))

    def anew(self) -> Ground:
        """The same after events were appended."""
        return attrs.evolve(self, board=board_in(self.store))


@attrs.frozen
class Step:
    """What a transition is going to do.

    Attributes:
        writes: What is to be recorded; empty: nothing, it is so already.
        said: Sentences for people.
        next: The command to run after it.
        work_package: The work package it is about; empty: none.
        refill: Whether what the phase begins with is made where it is missing.
    """

    writes: tuple[Write, ...]
    said: tuple[str, ...]
    next: str = ""
    work_package: str = ""
    refill: bool = False
