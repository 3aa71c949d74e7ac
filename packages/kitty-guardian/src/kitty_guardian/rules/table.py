"""The owner's table of phase rules as data, and the few paths that stand outside it.

Sources: "Phase Enforcement Rules" in the owner's text, enforcement model section 2 for the additions. Nothing here is
code on purpose: every row is a thing a person can read, a policy file can replace and a mutation run can break.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

from kitty_guardian.model.phases import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Effect(StrEnum):
    """What a row does to the paths its pattern names."""

    ALLOW = "allow"
    BLOCK = "block"


@attrs.frozen
class Rule:
    """One row: in `phase`, paths that match `pattern` are allowed or blocked.

    Attributes:
        phase: The phase the row speaks about.
        effect: Allow or block; block beats allow.
        pattern: See `rules.patterns` for the language. `src/` and `tests/` stand for the policy's roots, artifact names
            for that name inside `kitty-specs/<feature>/`.
    """

    phase: Phase
    effect: Effect
    pattern: str

    @property
    def id(self) -> str:
        """The stable identifier that decisions carry, such as `plan.block:src/`."""
        return f"{self.phase}.{self.effect}:{self.pattern}"


SOURCE: Final = "src/"
"""Stands for the policy's source roots wherever a rule names it."""

TESTS: Final = "tests/"
"""Stands for the policy's test roots wherever a rule names it."""

FEATURES: Final = "kitty-specs"
"""The folder that holds one folder for each feature."""

# A row's order inside its phase is the order people read it in; it never changes a decision.
RULES: Final[tuple[Rule, ...]] = (
    Rule(Phase.RESEARCH, Effect.ALLOW, "research/"),
    Rule(Phase.RESEARCH, Effect.ALLOW, "research.md"),
    Rule(Phase.RESEARCH, Effect.BLOCK, "src/"),
    Rule(Phase.RESEARCH, Effect.BLOCK, "contracts/"),
    Rule(Phase.RESEARCH, Effect.BLOCK, "plan.md"),
    Rule(Phase.RESEARCH, Effect.BLOCK, "spec.md"),
    Rule(Phase.SPECIFY, Effect.ALLOW, "spec.md"),
    Rule(Phase.SPECIFY, Effect.ALLOW, "checklists/"),
    Rule(Phase.SPECIFY, Effect.BLOCK, "src/"),
    Rule(Phase.SPECIFY, Effect.BLOCK, "plan.md"),
    Rule(Phase.SPECIFY, Effect.BLOCK, "tasks/"),
    Rule(Phase.PLAN, Effect.ALLOW, "plan.md"),
    Rule(Phase.PLAN, Effect.ALLOW, "data-model.md"),
    Rule(Phase.PLAN, Effect.ALLOW, "contracts/"),
    Rule(Phase.PLAN, Effect.BLOCK, "src/"),
    Rule(Phase.PLAN, Effect.BLOCK, "tasks/"),
    Rule(Phase.TASKS, Effect.ALLOW, "tasks/"),
    Rule(Phase.TASKS, Effect.ALLOW, "tasks.md"),
    Rule(Phase.TASKS, Effect.BLOCK, "src/"),
    Rule(Phase.IMPLEMENT, Effect.ALLOW, "src/"),
    Rule(Phase.IMPLEMENT, Effect.ALLOW, "tests/"),
    Rule(Phase.IMPLEMENT, Effect.BLOCK, "spec.md"),
    Rule(Phase.IMPLEMENT, Effect.BLOCK, "plan.md"),
    # "Review comments": the two places where reviews are written (model section 2).
    Rule(Phase.REVIEW, Effect.ALLOW, "tasks/**/review-cycle-*.md"),
    Rule(Phase.REVIEW, Effect.ALLOW, "reviews/"),
    # "Lane changes": until release 2.x a lane lives in the frontmatter of the work package, in 0.9 and before in the
    # folder it lies in, so those files (and only those below `tasks/`) must stay writable in strict mode as well. We
    # never write them; upstream's commands do. Lanes of release 3 live in the status log: sanctioned writes only.
    Rule(Phase.REVIEW, Effect.ALLOW, "tasks/**/WP*.md"),
    Rule(Phase.REVIEW, Effect.BLOCK, "src/"),
)

CHANGES_REQUESTED: Final[tuple[str, ...]] = (SOURCE, TESTS)
"""What a verdict "changes requested" opens in review, in strict mode as well (model section 2)."""

ARTIFACTS: Final[tuple[str, ...]] = (
    "spec.md",
    "plan.md",
    "research/",
    "research.md",
    "data-model.md",
    "contracts/",
    "checklists/",
    "tasks/",
    "tasks.md",
    "reviews/",
)
"""Names that mean "inside a feature's folder" when a pattern begins with them."""

ALWAYS_PROTECTED: Final[tuple[str, ...]] = (
    ".kittify/guardian.toml",
    "kitty-specs/*/status.events.jsonl",
    "kitty-specs/*/status.json",
    "kitty-specs/*/meta.json",
)
"""Closed in every phase, also when no feature is active (hooks and event store lie in the git dir, not in the tree)."""

# Names that programs leave beside a file while they work on it. None reaches below a directory (`pkg~/evil.py` and
# `__pycache__/evil.py` are not exempt), and each ends in something no loader takes for source, except emacs' lock and
# GLib's copy, whose names begin with a dot and a sign that no import statement can spell.
TRANSIENTS: Final[tuple[str, ...]] = (
    "**/*~",  # backups of emacs, kate, gedit, joe; vim's undo and backup files
    "**/#*#",  # emacs auto-save
    "**/.#*",  # emacs lock
    "**/.*.swp",  # vim and nano swap, newest first in vim's order of trying
    "**/.*.swo",
    "**/.*.swn",
    "**/.*.swx",  # vim, while it finds out what the file system can do
    "**/.*.swpx",
    "**/4913",  # vim, to see whether it may create a file in this directory
    "**/.*.kate-swp",
    "**/.goutputstream-??????",  # GLib's atomic save (gedit, GNOME Text Editor)
    "**/*___jb_tmp___",  # JetBrains' safe write
    "**/*___jb_old___",
    "**/~$*.docx",  # Office locks
    "**/~$*.xlsx",
    "**/~$*.pptx",
    "**/.~lock.*#",  # LibreOffice lock
    "**/.DS_Store",
    "**/Thumbs.db",
    "**/__pycache__",
    "**/__pycache__/*.pyc",
)
"""Left alone by the watcher, never by a commit: `Situation.is_transient` asks this list, `decide` does not."""


def protected_paths(rules: Iterable[Rule]) -> Mapping[Phase, tuple[str, ...]]:
    """The blocked patterns of each phase, in the order of the table; every phase has an entry."""
    rows = tuple(rules)
    return MappingProxyType(
        {phase: tuple(r.pattern for r in rows if r.phase is phase and r.effect is Effect.BLOCK) for phase in Phase}
    )


PROTECTED_PATHS: Final[Mapping[Phase, tuple[str, ...]]] = protected_paths(RULES)
"""What each phase blocks by default (the owner's name for it); `ALWAYS_PROTECTED` comes on top."""
