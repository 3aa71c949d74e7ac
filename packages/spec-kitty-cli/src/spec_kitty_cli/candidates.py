"""What a shell can complete: feature names and quarantine ids, read cheaply; never an error, never a wait."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from kitty_guardian.errors import GuardianError
from kitty_guardian.project import features as project_features
from kitty_guardian.project.repository import find_worktree
from kitty_guardian.project.trees import DiskTree
from kitty_guardian.watch import entries as quarantine
from spec_kitty_cli.options import here


def features(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The project's feature names that begin with `incomplete`."""
    del ctx, param
    try:
        names = project_features.feature_names(DiskTree(find_worktree(here()).root))
    except (GuardianError, OSError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def quarantine_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The ids in quarantine that begin with `incomplete`, each with its path."""
    del ctx, param
    try:
        entries = quarantine.list_entries(here())
    except (GuardianError, OSError):
        return []
    return [CompletionItem(entry.id, help=entry.path) for entry in entries if entry.id.startswith(incomplete)]
