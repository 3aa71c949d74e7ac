"""`guardian phase`: the phase a feature's files show, beside the one that is enforced."""

from __future__ import annotations

import shlex

import click

from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.phases import Phase
from kitty_guardian.overview import FeatureOverview, Overview, overview
from spec_kitty_cli import boundary, candidates, words
from spec_kitty_cli.console import Console, bad, doubtful, good, hinting, pass_console, quiet, strong
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import here, json_option
from spec_kitty_cli.words import one_line, plain

_SHOWN_PROBLEMS = 20
_ORDER = tuple(Phase)


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty guardian phase", "the feature of this worktree"),
        ("spec-kitty guardian phase --feature 034", "another one"),
        ("spec-kitty guardian phase --all", "every feature of the project"),
    ),
    help="""Show the phase a feature is in: what its files look like, and what is enforced.

    The two differ on purpose: files that anyone can write never move what is enforced. Without a guardian's record,
    the enforced phase is the one that `guardian start` would take up from HEAD now.""",
)
@click.option("--feature", metavar="F", shell_complete=candidates.features, help="Show feature F.")
@click.option("--all", "every", is_flag=True, help="Show every feature, finished or not.")
@json_option
@pass_console
def phase(console: Console, *, feature: str | None, every: bool) -> int:
    """Show where features stand."""
    if feature is not None and every:
        raise click.UsageError("--feature and --all exclude each other", click.get_current_context())
    found = overview(here(), feature=feature, every=every)
    if console.json:
        single = len(found.features) == 1 and not every
        console.emit(
            "guardian-phase",
            _fields(found.features[0]) if single else {"features": [_fields(each) for each in found.features]},
        )
    elif every or not found.is_bound or len(found.features) != 1:
        _show_table(console, found)
    else:
        _show_one(console, found, found.features[0])
    for note in found.notes:
        console.talk(f"{doubtful('note:')} {plain(note)}")
    return boundary.DONE


def _fields(seen: FeatureOverview) -> dict[str, object]:
    report = seen.detected
    return {
        "feature": report.feature,
        "phase": report.phase,
        "effective_phase": seen.effective,
        "evidence": report.evidence,
        "work_packages": dict(report.work_packages),
        "changes_requested": report.changes_requested,
        "problems": [
            {"path": problem.path, "line": problem.line, "message": problem.message} for problem in report.problems
        ],
        "finished": report.finished,
        "bound": seen.bound,
        "enforced": not seen.is_off,
        "recorded": seen.recorded,
        "effective_candidates": seen.candidates or (seen.effective,),
        "candidates": report.candidates,
        "unreadable": report.unreadable,
        "malformed": report.malformed,
        "scope": report.scope,
        "read_from": seen.read_from,
    }


def _show_one(console: Console, found: Overview, seen: FeatureOverview) -> None:
    report = seen.detected
    console.show(strong(one_line(report.feature)))
    console.table(
        [
            (quiet("detected"), _detected(seen), plain(report.evidence[0])),
            (quiet("enforced"), _enforced(seen), _why(found, seen)),
        ]
    )
    for further in report.evidence[1:]:
        console.show(f"  {quiet(plain(further))}")
    if seen.read_from != str(found.worktree):
        console.show(f"  {quiet('read from')} {plain(seen.read_from)}")
    if report.work_packages or report.unreadable:
        console.show()
        console.table(_work_packages(seen))
    _show_problems(console, [str(problem) for problem in report.problems])
    if seen.recorded and seen.bound and (seen.effective, seen.is_off) != (report.phase, report.finished):
        console.talk(f"{hinting()} files move nothing; what does: `{_command(seen)}`")


def _command(seen: FeatureOverview) -> str:
    """The command that moves what is enforced towards what is detected."""
    here, there = _ORDER.index(seen.effective), _ORDER.index(seen.detected.phase)
    feature = f"--feature {shlex.quote(seen.detected.feature)}"
    if seen.is_off or seen.detected.finished or here >= _ORDER.index(Phase.IMPLEMENT):
        return f"spec-kitty wp move WP01 LANE {feature}"
    if there < here:
        return f"spec-kitty reopen {seen.detected.phase} {feature} --reason TEXT"
    following = _ORDER[here + 1]
    if following is Phase.IMPLEMENT:
        return f"spec-kitty implement WP01 {feature}"
    if following is Phase.SPECIFY:
        return f"spec-kitty specify {shlex.quote(seen.detected.feature)}"
    return f"spec-kitty {following} {feature}"


def _why(found: Overview, seen: FeatureOverview) -> str:
    how = found.binding if seen.recorded else "as `guardian start` would take it up from HEAD now"
    return plain(f"every work package was done; {how}" if seen.is_off else how)


def _detected(seen: FeatureOverview) -> str:
    report = seen.detected
    return quiet("finished") if report.finished else _phases(report.phase, report.candidates)


def _enforced(seen: FeatureOverview) -> str:
    return quiet("nothing") if seen.is_off else _phases(seen.effective, seen.candidates)


def _phases(phase: Phase, candidates: tuple[Phase, ...]) -> str:
    if len(candidates) <= 1:
        return strong(phase)
    return doubtful(" or ".join(candidates))


def _work_packages(seen: FeatureOverview) -> list[tuple[str, str, str]]:
    report = seen.detected
    rows = []
    for name in sorted({*report.work_packages, *report.unreadable}):
        lane = report.work_packages.get(name)
        said = _lane(lane) if lane is not None else doubtful("unreadable")
        if lane is not None and name in report.unreadable:
            said = f"{doubtful(lane)}{doubtful('?')}"
        asked = "this worktree's" if name in report.scope else ""
        rows.append((strong(name) if asked else name, said, quiet(asked)))
    return rows


def _lane(lane: Lane) -> str:
    if lane.is_finished:
        return good(lane)
    return str(lane) if lane in {Lane.PLANNED, Lane.BLOCKED} else strong(lane)


def _show_table(console: Console, found: Overview) -> None:
    if not found.is_bound:
        console.talk(f"{doubtful('note:')} {found.binding}; these are unfinished")
    if not found.features:
        console.show(plain(found.binding))
        return
    console.table(
        [
            (_sign(seen), _detected(seen), _enforced(seen), _progress(seen), one_line(seen.detected.feature))
            for seen in found.features
        ],
        header=("", "detected", "enforced", "done", "feature"),
        indent=0,
        cut=True,
    )
    asking = [seen.detected.feature for seen in found.features if seen.detected.changes_requested]
    if asking:
        console.show(f"\n{doubtful('changes are requested')} in {one_line(', '.join(asking))}")
    _show_problems(console, [str(problem) for seen in found.features for problem in seen.detected.problems])
    finished = sum(seen.detected.finished for seen in found.features)
    console.show(f"\n{words.count(len(found.features), 'feature')}, {finished} finished")


def _sign(seen: FeatureOverview) -> str:
    if seen.detected.problems:
        return doubtful("!")
    return good("✓") if seen.detected.finished else strong("●") if seen.bound else " "


def _progress(seen: FeatureOverview) -> str:
    """How many work packages are finished, of how many; a question mark where some cannot be read."""
    report = seen.detected
    total = len({*report.work_packages, *report.unreadable})
    finished = sum(lane.is_finished for lane in report.work_packages.values())
    return f"{finished}/{total}{doubtful('?') if report.unreadable else ''}" if total else quiet("-")


def _show_problems(console: Console, problems: list[str]) -> None:
    if not problems:
        return
    console.show()
    for problem in problems[:_SHOWN_PROBLEMS]:
        console.show(f"{bad('✗')} {one_line(problem)}")
    if len(problems) > _SHOWN_PROBLEMS:
        console.show(quiet(f"  and {len(problems) - _SHOWN_PROBLEMS} more; all with --json"))
