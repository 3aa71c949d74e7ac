"""The workflow, one command for each step: every one a transition that a gate and the rules let pass, or refuse."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from kitty_guardian import workflow
from kitty_guardian.model.phases import Phase
from spec_kitty_cli import boundary, transitionview, words
from spec_kitty_cli.console import Console, doubtful, pass_console
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import actor_option, here, in_one_line, json_option, reason_option, reference_option
from spec_kitty_cli.subjects import feature_option, work_package_argument
from spec_kitty_cli.words import one_line

if TYPE_CHECKING:
    from kitty_guardian.workflow import ImplementReport

_feature = feature_option("The feature; by default the one of this worktree, or the only unfinished one.")


@click.command(
    cls=Command,
    examples=(
        ('spec-kitty specify "Home guard"', "begin a feature"),
        ("spec-kitty specify 034-home-guard", "move one on that is in research"),
    ),
    help="""Begin a feature called NAME, or move one that is in research on to specify.

    Writes its spec.md, to be edited. Exits 1 if that is refused; nothing is changed then.""",
)
@click.argument("name", callback=in_one_line)
@actor_option
@json_option
@pass_console
def specify(console: Console, *, name: str, actor: str | None) -> int:
    """Begin a feature."""
    transitionview.show(console, "specify", workflow.specify(here(), name, actor=actor))
    return boundary.DONE


@click.command(
    cls=Command,
    examples=(
        ('spec-kitty research "Home guard"', "begin a feature with research"),
        ("spec-kitty research --feature 034", "research for one that is new"),
    ),
    help="""Begin a feature called NAME in research, or take up research of one that nothing was recorded of.

    Writes its research.md. Exits 1 if that is refused; nothing is changed then.""",
)
@click.argument("name", required=False, callback=in_one_line)
@_feature
@actor_option
@json_option
@pass_console
def research(console: Console, *, name: str | None, feature: str | None, actor: str | None) -> int:
    """Begin with research."""
    if name is not None and feature is not None:
        raise click.UsageError("NAME begins a feature, --feature names one: give one", click.get_current_context())
    transitionview.show(console, "research", workflow.research(here(), name or "", feature=feature, actor=actor))
    return boundary.DONE


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty plan", "once spec.md says what is wanted"),
        ("spec-kitty plan --feature 034", "of another feature"),
    ),
    help="""Move a feature on to plan: its spec.md has to be edited.

    Writes its plan.md, to be edited. Exits 1 if the gate refuses; nothing is changed then.""",
)
@_feature
@actor_option
@json_option
@pass_console
def plan(console: Console, *, feature: str | None, actor: str | None) -> int:
    """Move on to plan."""
    transitionview.show(console, "plan", workflow.plan(here(), feature=feature, actor=actor))
    return boundary.DONE


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty tasks", "once plan.md says how it is done"),
        ("spec-kitty tasks --feature 034", "of another feature"),
    ),
    help="""Move a feature on to tasks: its plan.md has to be edited.

    Writes tasks.md and a first work package, tasks/WP01….md, to be edited; add WP02 and further ones beside it.
    Exits 1 if the gate refuses; nothing is changed then.""",
)
@_feature
@actor_option
@json_option
@pass_console
def tasks(console: Console, *, feature: str | None, actor: str | None) -> int:
    """Move on to tasks."""
    transitionview.show(console, "tasks", workflow.tasks(here(), feature=feature, actor=actor))
    return boundary.DONE


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty implement WP01", "begin it, or go on with it"),
        ('spec-kitty implement WP01 --force --reason "ben is ill"', "take it over"),
    ),
    help="""Begin a work package: its own worktree, guarded, and the lane in_progress.

    Work goes on in that worktree; the last line says how to get there. Its dependencies have to be done. Exits 1 if
    that is refused; nothing is changed then.""",
)
@work_package_argument
@_feature
@actor_option
@click.option("--force", is_flag=True, help="Take over from another actor; needs --reason.")
@reason_option(required=False)
@json_option
@pass_console
def implement(
    console: Console,
    *,
    work_package: str,
    feature: str | None,
    actor: str | None,
    force: bool,
    reason: str | None,
) -> int:
    """Begin a work package."""
    _force_needs_a_reason(force=force, reason=reason)
    report = workflow.implement(here(), work_package, feature=feature, actor=actor, force=force, reason=reason)
    guardian = report.guardian.status
    transitionview.show(
        console,
        "implement",
        report.outcome,
        before_next=f"cd {shlex.quote(report.worktree)}",
        details=[
            ("worktree", f"{one_line(report.worktree)}{'' if report.created else '  (it was there)'}"),
            ("branch", one_line(report.branch)),
            ("guardian", _guardian(report)),
        ],
        more={
            "worktree": report.worktree,
            "branch": report.branch,
            "created": report.created,
            "guardian": {
                name: getattr(guardian, name)
                for name in ("running", "pid", "phase", "mode", "healthy", "level", "protected_files")
            },
        },
    )
    if report.guardian.changed:
        taken = words.count(len(report.guardian.changed), "path")
        console.talk(f"{doubtful('note:')} {taken} had changed there: spec-kitty guardian quarantine list")
    return boundary.DONE


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty review WP01", "take it into review"),
        ("spec-kitty review WP01 --verdict approved --reference PR-7", "and that is the verdict"),
    ),
    help="""Take a work package that was handed in into review, or give the verdict, or both at once.

    `approved` moves it to approved; `changes_requested` and `rejected` move it back to in_progress. A verdict needs
    --reference. Exits 1 if that is refused; nothing is changed then.""",
)
@work_package_argument
@_feature
@actor_option
@click.option(
    "--verdict",
    metavar="V",
    type=click.Choice(["approved", "changes_requested", "rejected"]),
    help="What the review came to: approved, changes_requested or rejected.",
)
@reference_option
@reason_option(required=False)
@json_option
@pass_console
def review(
    console: Console,
    *,
    work_package: str,
    feature: str | None,
    actor: str | None,
    verdict: str | None,
    reference: str | None,
    reason: str | None,
) -> int:
    """Review a work package."""
    if verdict is not None and reference is None:
        raise click.UsageError(
            "--verdict needs --reference REF: what was reviewed or written", click.get_current_context()
        )
    if reference is not None and verdict is None:
        raise click.UsageError("--reference belongs to --verdict", click.get_current_context())
    outcome = workflow.review(
        here(), work_package, feature=feature, actor=actor, verdict=verdict, reference=reference, reason=reason
    )
    transitionview.show(console, "review", outcome)
    return boundary.DONE


@click.command(
    cls=Command,
    examples=(('spec-kitty reopen plan --reason "the API has changed"', ""),),
    help="Go back to an earlier phase, so that its artifacts can be written again. Recorded with the reason.",
)
@click.argument("phase", metavar="PHASE", type=click.Choice([phase.value for phase in Phase]))
@reason_option(required=True)
@_feature
@actor_option
@json_option
@pass_console
def reopen(console: Console, *, phase: str, reason: str, feature: str | None, actor: str | None) -> int:
    """Go back to an earlier phase."""
    transitionview.show(console, "reopen", workflow.reopen(here(), phase, reason=reason, feature=feature, actor=actor))
    return boundary.DONE


def _force_needs_a_reason(*, force: bool, reason: str | None) -> None:
    if force and reason is None:
        raise click.UsageError("--force needs --reason TEXT: it goes into the record", click.get_current_context())


def _guardian(report: ImplementReport) -> str:
    status = report.guardian.status
    if not status.running:
        return doubtful("does not run")
    state = "" if status.healthy else f", {doubtful('not healthy')}"
    return f"{status.level}, holds {words.count(status.protected_files, 'file')}{state}"
