"""The board of work packages as people see it: aligned, short, and without a word that only a colour says."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kitty_guardian.events.board import actor_name
from kitty_guardian.model.lanes import Lane
from spec_kitty_cli import words
from spec_kitty_cli.console import Console, bad, doubtful, good, hinting, quiet, strong
from spec_kitty_cli.words import one_line, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kitty_guardian.boards.values import Boards, FeatureBoard, Package, PackageReport

_ORDER = {lane: number for number, lane in enumerate(Lane)}
_WORKING = (Lane.CLAIMED, Lane.IN_PROGRESS, Lane.FOR_REVIEW, Lane.IN_REVIEW, Lane.BLOCKED)
# Columns of a name: who did something says less than what it was.
_NAME = 12


def show_board(console: Console, board: FeatureBoard) -> None:
    """The work packages of one feature, grouped by lane."""
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


def show_features(console: Console, found: Boards) -> None:
    """Features, one line each."""
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


def show_report(console: Console, found: PackageReport) -> None:
    """One work package and what happened to it."""
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
