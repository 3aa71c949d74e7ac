"""`wp list`, `wp show` and `wp move`: where work packages stand, and the one general way to move one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from kitty_guardian.boards import reading
from kitty_guardian.events.board import actor_name
from kitty_guardian.model.lanes import Lane
from spec_kitty_cli import boundary, words
from spec_kitty_cli.console import Console, bad, doubtful, good, hinting, pass_console, quiet, strong
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import actor_option, here, json_option, reason_option, reference_option
from spec_kitty_cli.subjects import LaneName, feature_option, work_package_argument
from spec_kitty_cli.words import one_line, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kitty_guardian.boards.values import Boards, FeatureBoard, Package, PackageReport

_ORDER = {lane: number for number, lane in enumerate(Lane)}
_WORKING = (Lane.CLAIMED, Lane.IN_PROGRESS, Lane.FOR_REVIEW, Lane.IN_REVIEW, Lane.BLOCKED)
# Columns of a name: who did something says less than what it was.
_NAME = 12


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
    found = reading.boards(here(), feature=feature, every=every, details=not every)
    if console.json:
        console.emit("wp-list", {"features": [_feature_fields(board, details=not every) for board in found.features]})
    elif every or not found.is_bound or len(found.features) != 1:
        _show_features(console, found)
    else:
        _show_board(console, found.features[0])
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
        _show_report(console, found)
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


# For people


def _show_board(console: Console, board: FeatureBoard) -> None:
    finished = sum(package.lane is not None and package.lane.is_finished for package in board.packages)
    state = "finished" if board.finished else f"{board.phase} phase"
    console.show(f"{strong(one_line(board.feature))}  {state}, {finished} of {len(board.packages)} done")
    if not board.packages:
        console.talk(f"{hinting()} there is no work package yet; they are files: tasks/WP01-what-it-is.md")
        return
    console.show()
    now = datetime.now(UTC)
    rows, last = [], ""
    for package in sorted(board.packages, key=lambda package: (_rank(package), package.id)):
        lane = _lane_word(package, board)
        waiting = board.waits_for(package)
        rows.append(
            (
                _styled(package.lane, lane) if lane != last else "",
                strong(package.id),
                quiet(words.age(package.since, now)),
                quiet(_short(package.actor)),
                doubtful(f"after {', '.join(waiting)}") if waiting else _mark(package),
                one_line(package.title),
            )
        )
        last = lane
    console.table(_without_empty_columns(rows), indent=0, cut=True)


def _without_empty_columns(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    # The last one, which is cut where the terminal ends, stays.
    kept = [column for column in range(len(rows[0])) if column == len(rows[0]) - 1 or any(row[column] for row in rows)]
    return [tuple(row[column] for column in kept) for row in rows]


def _show_features(console: Console, found: Boards) -> None:
    if not found.is_bound:
        console.talk(f"{doubtful('note:')} {plain(found.binding)}; these are unfinished")
    if not found.features:
        console.show(plain(found.binding))
        return
    console.table(
        [
            (
                _sign(board),
                quiet("finished") if board.finished else strong(board.phase),
                _progress(board),
                _in_motion(board),
                one_line(board.feature),
            )
            for board in found.features
        ],
        header=("", "phase", "done", "at work", "feature"),
        indent=0,
        cut=True,
    )
    total = sum(len(board.packages) for board in found.features)
    finished = sum(board.finished for board in found.features)
    console.show(
        f"\n{words.count(len(found.features), 'feature')}, {finished} finished; {words.count(total, 'work package')}"
    )


def _sign(board: FeatureBoard) -> str:
    if any(package.lane is Lane.BLOCKED for package in board.packages):
        return doubtful("!")
    return good("✓") if board.finished else " "


def _progress(board: FeatureBoard) -> str:
    finished = sum(package.lane is not None and package.lane.is_finished for package in board.packages)
    return f"{finished}/{len(board.packages)}" if board.packages else quiet("-")


def _in_motion(board: FeatureBoard) -> str:
    lanes = Counter(package.lane for package in board.packages)
    return ", ".join(f"{lanes[lane]} {lane}" for lane in _WORKING if lanes[lane])


def _show_report(console: Console, found: PackageReport) -> None:
    board, package = found.board, found.package
    now = datetime.now(UTC)
    console.show(f"{strong(package.id)}  {one_line(package.title)}".rstrip())
    since = words.age(package.since, now)
    moved = [
        *([f"for {since}" if since != "now" else "just now"] if since else []),
        *([f"by {one_line(package.actor)}"] if package.actor else []),
    ]
    lanes = {each.id: each.lane for each in board.packages}
    needs = ", ".join(f"{name} ({lanes[name]})" if lanes.get(name) else name for name in package.dependencies)
    rows = [
        ("feature", f"{one_line(board.feature)}, {board.phase} phase"),
        ("lane", f"{_styled(package.lane, _lane_word(package, board))}  {quiet(', '.join(moved))}".rstrip()),
        *([("review", doubtful("changes are requested"))] if package.changes_requested else []),
        *([("needs", one_line(needs))] if needs else []),
        *([("file", one_line(package.path))] if package.path else []),
        *(("problem", bad(one_line(problem))) for problem in package.problems),
    ]
    console.table([(quiet(label), value) for label, value in rows])
    if not found.history:
        return
    console.show()
    for event in found.history:
        payload = event.payload
        forced = f"  {doubtful('forced')}" if payload.get("force") is True else ""
        move = f"{one_line(payload.get('from_lane'))} → {strong(one_line(payload.get('to_lane')))}"
        console.show(f"  {quiet(words.moment(event.at))}  {move}  {_short(actor_name(payload.get('actor')))}{forced}")
        if payload.get("reason"):
            console.show(f"  {' ' * 19}  {quiet(one_line(payload['reason']))}")


def _rank(package: Package) -> int:
    return -1 if package.lane is None else _ORDER[package.lane]


def _lane_word(package: Package, board: FeatureBoard) -> str:
    if package.lane is not None:
        return str(package.lane)
    return "new" if board.recorded else "unreadable"


def _styled(lane: Lane | None, word: str) -> str:
    if lane is None:
        return doubtful(word)
    return good(word) if lane.is_finished else strong(word) if lane in _WORKING else word


def _mark(package: Package) -> str:
    if package.problems and (package.lane is None or package.lane is Lane.PLANNED):
        return bad("problem")
    if package.changes_requested:
        return doubtful("changes")
    return doubtful("forced") if package.forced else ""


def _short(name: str | None) -> str:
    text = one_line(name or "")
    return text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"


def _say_what_is_not_recorded(console: Console, features: Iterable[FeatureBoard]) -> None:
    new = [board.feature for board in features if not board.recorded]
    if new:
        some = f"{one_line(new[0])} is" if len(new) == 1 else f"{len(new)} features are"
        console.talk(f"{doubtful('note:')} {some} not recorded yet; this is what the files say")
