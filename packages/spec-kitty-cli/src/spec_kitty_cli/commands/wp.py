"""`wp list`, `wp show` and `wp move`: where work packages stand, and the one general way to move one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kitty_guardian.boards import reading
from kitty_guardian.model.lanes import Lane
from spec_kitty_cli import boardview, boundary
from spec_kitty_cli.console import Console, doubtful, pass_console
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import actor_option, here, json_option, reason_option, reference_option
from spec_kitty_cli.subjects import LaneName, feature_option, work_package_argument
from spec_kitty_cli.words import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kitty_guardian.boards.values import FeatureBoard, Package, PackageReport


@click.command(
    "list",
    cls=Command,
    examples=(
        ("spec-kitty wp list", "the feature of this worktree"),
        ("spec-kitty wp list --feature 034", "another one"),
        ("spec-kitty wp list --all", "every feature, in one line each"),
    ),
    help="""Show which lane each work package is in, who moved it there, and how long ago.

    What the event store recorded counts; of a feature it does not know, the files speak, and that is said.""",
)
@feature_option("Show feature F.")
@click.option("--all", "every", is_flag=True, help="Show every feature, finished or not.")
@json_option
@pass_console
def list_(console: Console, *, feature: str | None, every: bool) -> int:
    """Show the board."""
    if feature is not None and every:
        raise click.UsageError("--feature and --all exclude each other", click.get_current_context())
    found = reading.boards(here(), feature=feature, every=every, details=not every, titles=console.json)
    if console.json:
        console.emit("wp-list", {"features": [_feature_fields(board, details=not every) for board in found.features]})
    elif every or not found.is_bound or len(found.features) != 1:
        boardview.show_features(console, found)
    else:
        boardview.show_board(console, found.features[0])
    _say_what_is_not_recorded(console, found.features)
    return boundary.DONE


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty wp show WP01", "of the feature of this worktree"),
        ("spec-kitty wp show WP01 --feature 034", "of another one"),
    ),
    help="Show one work package: where it stands, what it waits for, and every move that was recorded.",
)
@work_package_argument
@feature_option("The feature it belongs to.")
@json_option
@pass_console
def show(console: Console, *, work_package: str, feature: str | None) -> int:
    """Show one work package."""
    found = reading.report(here(), work_package, feature=feature)
    if console.json:
        console.emit("wp-show", _report_fields(found))
    else:
        boardview.show_report(console, found)
    _say_what_is_not_recorded(console, (found.board,))
    return boundary.DONE


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty wp move WP01 for_review", "hand it in"),
        ("spec-kitty wp move WP01 in_review --actor ben", "begin its review"),
        ('spec-kitty wp move WP01 blocked --reason "no key yet"', ""),
    ),
    help="""Move a work package to another lane, if the rules allow it; recorded.

    The edges and what each asks for are upstream's. --force overrides them; it needs --reason, is recorded as forced,
    and is refused inside the sandbox. Exits 1 if the move is refused; nothing is changed then.""",
)
@work_package_argument
@click.argument("lane", metavar="LANE", type=LaneName())
@feature_option("The feature it belongs to.")
@actor_option
@reason_option(required=False)
@click.option(
    "--verdict",
    metavar="V",
    type=click.Choice(["approved", "changes_requested", "rejected"]),
    help="What the review came to: approved, changes_requested or rejected; for moves out of in_review.",
)
@reference_option
@click.option("--force", is_flag=True, help="Override edge and guards; needs --reason.")
@json_option
@pass_console
def move(  # noqa: PLR0913 - one for each option
    console: Console,
    *,
    work_package: str,
    lane: Lane,
    feature: str | None,
    actor: str | None,
    reason: str | None,
    verdict: str | None,
    reference: str | None,
    force: bool,
) -> int:
    """Move one work package."""
    from kitty_guardian import workflow
    from spec_kitty_cli import transitionview

    if force and reason is None:
        raise click.UsageError("--force needs --reason TEXT: it goes into the record", click.get_current_context())
    outcome = workflow.move(
        here(),
        work_package,
        lane.value,
        feature=feature,
        actor=actor,
        reason=reason,
        verdict=verdict,
        reference=reference,
        force=force,
    )
    transitionview.show(console, "wp-move", outcome)
    return boundary.DONE


# JSON


def _feature_fields(board: FeatureBoard, *, details: bool) -> dict[str, object]:
    return {
        "feature": board.feature,
        "phase": board.phase,
        "finished": board.finished,
        "recorded": board.recorded,
        "work_packages": [_package_fields(board, package, details=details) for package in board.packages],
    }


def _package_fields(board: FeatureBoard, package: Package, *, details: bool = True) -> dict[str, object]:
    fields: dict[str, object] = {"id": package.id, "lane": package.lane, "title": package.title}
    if details:
        fields |= {
            "actor": package.actor,
            "since": package.since or None,
            "dependencies": package.dependencies,
            "waits_for": board.waits_for(package),
            "changes_requested": package.changes_requested,
            "forced": package.forced,
            "path": package.path or None,
            "problems": package.problems,
        }
    return fields


def _report_fields(found: PackageReport) -> dict[str, object]:
    board = found.board
    about = {"feature": board.feature, "phase": board.phase, "recorded": board.recorded}
    moves = [
        {
            "at": event.at,
            "from": event.payload.get("from_lane"),
            "to": event.payload.get("to_lane"),
            "actor": event.payload.get("actor"),
            "reason": event.payload.get("reason"),
            "forced": event.payload.get("force") is True,
            "source": event.metadata.get("source"),
            "event_id": event.event_id,
            "position": event.position,
        }
        for event in found.history
    ]
    return about | _package_fields(board, found.package) | {"moves": moves}


def _say_what_is_not_recorded(console: Console, features: Iterable[FeatureBoard]) -> None:
    new = [board.feature for board in features if not board.recorded]
    if new:
        some = f"{one_line(new[0])} is" if len(new) == 1 else f"{len(new)} features are"
        console.talk(f"{doubtful('note:')} {some} not recorded yet; this is what the files say")
