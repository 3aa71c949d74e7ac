"""What a shell can complete: names of features, work packages and quarantine entries; never an error, never a wait.

Each function imports what it reads with: commands that only offer completion do not pay for it.
"""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from kitty_guardian.errors import GuardianError
from spec_kitty_cli.options import here


def features(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The project's feature names that begin with `incomplete`."""
    from kitty_guardian.project.features import feature_names
    from kitty_guardian.project.repository import find_worktree
    from kitty_guardian.project.trees import DiskTree

    del ctx, param
    try:
        names = feature_names(DiskTree(find_worktree(here()).root))
    except (GuardianError, OSError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def work_packages(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The ids of the work packages that begin with `incomplete`, each with its lane and title.

    Of the feature that `--feature` names, or those that the work tree is bound to.
    """
    from kitty_guardian.boards.reading import boards

    del param
    try:
        found = boards(here(), feature=ctx.params.get("feature")).features
    except (GuardianError, OSError):
        return []
    return [
        CompletionItem(package.id, help=f"{package.lane or 'unreadable'}: {package.title}".removesuffix(": "))
        for board in found
        for package in board.packages
        if package.id.startswith(incomplete.upper())
    ]


def quarantine_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The ids in quarantine that begin with `incomplete`, each with its path."""
    from kitty_guardian.watch import entries as quarantine

    del ctx, param
    try:
        entries = quarantine.list_entries(here())
    except (GuardianError, OSError):
        return []
    return [CompletionItem(entry.id, help=entry.path) for entry in entries if entry.id.startswith(incomplete)]
