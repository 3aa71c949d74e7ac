"""What was read of one feature, before anything is concluded from it."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.reports import Problem


@attrs.frozen
class WorkPackage:
    """Where one work package stands.

    Attributes:
        lane: Its lane; one that is written nowhere is planned: still to be done. None: it cannot be read.
        source: Where the lane was read: a place for people, such as `status.events.jsonl:12`.
        in_doubt: Whether something that could not be read may have moved it elsewhere.
    """

    lane: Lane | None
    source: str
    in_doubt: bool = False


@attrs.frozen
class FeatureFacts:
    """One feature as its files show it.

    Attributes:
        feature: Folder name below `kitty-specs/`.
        work_packages: By id ("WP01"), in the order of their ids.
        artifacts: Which of `spec.md` and `plan.md` exist as regular files.
        unseen: Which of `spec.md`, `plan.md` and `tasks` may hold more than could be read.
        changes_requested: Ids of the work packages whose latest review asks for changes.
        problems: What could not be read.
        malformed: Paths of the files that have to be mended before everything can be read.
    """

    feature: str
    work_packages: Mapping[str, WorkPackage] = attrs.field(factory=dict)
    artifacts: frozenset[str] = frozenset()
    unseen: frozenset[str] = frozenset()
    changes_requested: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()
    malformed: frozenset[str] = frozenset()
