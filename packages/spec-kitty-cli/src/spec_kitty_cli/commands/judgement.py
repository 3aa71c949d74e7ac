"""`guardian check` and `guardian explain`: what the rules say about a path, now or in another phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kitty_guardian import judgement
from kitty_guardian.model.decisions import Decision
from kitty_guardian.model.phases import Phase
from spec_kitty_cli import boundary, candidates
from spec_kitty_cli.console import Console, bad, good, hinting, pass_console, quiet, strong
from spec_kitty_cli.grouping import Command
from spec_kitty_cli.options import here, json_option
from spec_kitty_cli.words import plain

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command(
    cls=Command,
    examples=(
        ("spec-kitty guardian check src/app.py", "may it be written now?"),
        ("spec-kitty guardian check src/app.py --phase implement", "and in that phase?"),
        ("spec-kitty guardian check", "everything that differs from HEAD"),
    ),
    help="Decide about paths without touching them. Exits 1 if any is denied.",
)
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path())
@click.option("--phase", metavar="P", type=click.Choice([phase.value for phase in Phase]), help="Judge in this phase.")
@click.option("--feature", metavar="F", shell_complete=candidates.features, help="Judge for this feature.")
@json_option
@pass_console
def check(console: Console, *, paths: tuple[str, ...], phase: str | None, feature: str | None) -> int:
    """Decide about each path and say so."""
    decisions = judgement.check(here(), paths, phase=Phase(phase) if phase else None, feature=feature)
    if console.json:
        console.emit("guardian-check", _fields(decisions, phase))
    else:
        _show(console, decisions)
    return _answer(decisions)


@click.command(
    cls=Command,
    examples=(("spec-kitty guardian explain src/app.py", "the decision, the rule, and what to do instead"),),
    help="""Say whether a path may be written now, by which rule, and what may be written instead.

    Exits 1 if it may not.""",
)
@click.argument("path", type=click.Path())
@json_option
@pass_console
def explain(console: Console, *, path: str) -> int:
    """Decide about one path and say why."""
    explanation = judgement.explain(here(), path)
    decision = explanation.decision
    if console.json:
        console.emit("guardian-explain", _fields([decision], None))
        return _answer([decision])
    _show(console, [decision])
    if decision.allowed:
        console.show(f"    {plain(decision.reason)}")
    source = "as recorded" if explanation.recorded else "as HEAD reads; no guardian was started here yet"
    for feature, phase in explanation.features:
        console.show(f"    {quiet(f'{feature} is in {phase} phase, {source}')}")
    return _answer([decision])


def _answer(decisions: Sequence[Decision]) -> int:
    return boundary.DONE if all(decision.allowed for decision in decisions) else boundary.NO


def _fields(decisions: Sequence[Decision], phase: str | None) -> dict[str, object]:
    # Several features can be judged at once; `phase` is then what was asked for, or null where they differ.
    phases = {decision.phase.value for decision in decisions}
    return {
        "allowed": all(decision.allowed for decision in decisions),
        "phase": phase or (phases.pop() if len(phases) == 1 else None),
        "decisions": [
            {name: getattr(decision, name) for name in ("path", "allowed", "rule", "reason", "hint")}
            for decision in decisions
        ],
    }


def _show(console: Console, decisions: Sequence[Decision]) -> None:
    if not decisions:
        console.show("nothing to judge: no path was named and nothing differs from HEAD")
        return
    for decision in decisions:
        sign, verdict = (good("✓"), "allowed") if decision.allowed else (bad("✗"), bad("denied"))
        console.show(f"{sign} {strong(plain(decision.path))}  {verdict} in {decision.phase}  {quiet(decision.rule)}")
        if not decision.allowed:
            console.show(f"    {plain(decision.reason)}")
            if decision.hint:
                console.show(f"    {hinting()} {plain(decision.hint)}")
    denied = sum(not decision.allowed for decision in decisions)
    if len(decisions) > 1:
        console.show(f"{len(decisions) - denied} allowed, {denied} denied")
