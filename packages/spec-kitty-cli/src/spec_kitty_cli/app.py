"""The tree of commands. A command stands here only once it works (contract, "Commands")."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from spec_kitty_cli import __version__, environment
from spec_kitty_cli.console import Console
from spec_kitty_cli.grouping import Lazy, LazyGroup

if TYPE_CHECKING:
    from collections.abc import Callable

_STATE = LazyGroup(
    "state",
    summary="Where local state is kept, and whether it is in order.",
    members={
        "doctor": Lazy("state:doctor", "Report the root, every surface and what is wrong with them."),
        "paths": Lazy("state:paths", "Print every path, or the one that is named."),
    },
    examples=(
        ("spec-kitty state doctor", "is everything in order?"),
        ("spec-kitty state paths auth.session", "one path, for a script"),
    ),
)

_DAEMON = LazyGroup(
    "daemon",
    summary="The sync daemon of this state root: one, and no other root's.",
    members={
        "start": Lazy("syncdaemon:start", "Start it; returns once it answers."),
        "stop": Lazy("syncdaemon:stop", "Stop it, and see that it ended."),
        "status": Lazy("syncdaemon:status", "Whether it runs, and what it sees."),
        "run": Lazy("syncdaemon:run", "Be it, in this terminal, until Ctrl-C."),
    },
    examples=(
        ("spec-kitty sync daemon start", "watch this root's queues"),
        ("spec-kitty sync daemon status", "does it run, and for which root?"),
    ),
)

_SYNC = LazyGroup(
    "sync",
    summary="Events for a server: where they go, what waits, who sends them.",
    members={
        "server": Lazy("sync:server", "Print or set the server that events are meant for."),
        "status": Lazy("sync:status", "How syncing stands below this state root."),
        "enqueue": Lazy("sync:enqueue", "Put events of a file into the queue."),
        "daemon": _DAEMON,
    },
    examples=(
        ("spec-kitty sync server https://kitty.example", "choose the server"),
        ("spec-kitty sync status", "what waits? does the daemon run?"),
        ("spec-kitty sync daemon start", "start this root's daemon"),
    ),
)

_TRACKER = LazyGroup(
    "tracker",
    summary="Issue trackers: whose issues belong to which work package.",
    members={
        "connect": Lazy("tracker:connect", "Connect a tracker; secrets never on the command line."),
        "disconnect": Lazy("tracker:disconnect", "Forget a tracker's credentials; mappings stay."),
        "status": Lazy("tracker:status", "Which trackers are connected below this state root."),
        "map": Lazy("tracker:map_", "Say which issue a work package belongs to, or list it."),
    },
    examples=(
        ("spec-kitty tracker connect local", "the one that works offline"),
        ("spec-kitty tracker connect linear", "asks for its token, and does not show it"),
        ("spec-kitty tracker map WP01 ACME-7", "work package WP01 is issue ACME-7"),
    ),
)

_QUARANTINE = LazyGroup(
    "quarantine",
    summary="What the guardian took away, and the way to get it back.",
    members={
        "list": Lazy("quarantine:list_", "List what was taken away, newest first."),
        "show": Lazy("quarantine:show", "Write the bytes of one entry to stdout."),
        "restore": Lazy("quarantine:restore", "Bring one entry back."),
        "drop": Lazy("quarantine:drop", "Delete entries older than a given time."),
    },
    examples=(
        ("spec-kitty guardian quarantine list", "what is there?"),
        ("spec-kitty guardian quarantine restore ID --to ../mine.py", "bring it back, beside the project"),
    ),
)

_POLICY = LazyGroup(
    "policy",
    summary="The rules in force here, and the way to change them.",
    members={
        "show": Lazy("policy:show", "Print the policy in force."),
        "edit": Lazy("policy:edit", "Change the policy in your editor; recorded."),
    },
    examples=(
        ("spec-kitty guardian policy show --origin", "each value and where it comes from"),
        ('spec-kitty guardian policy edit --reason "tests move to spec/"', "change it, on a terminal"),
    ),
)

_WP = LazyGroup(
    "wp",
    summary="Work packages: which lane each is in, and moving one.",
    members={
        "list": Lazy("wp:list_", "The board of a feature, or every feature in one line."),
        "show": Lazy("wp:show", "One work package and every move of it."),
        "move": Lazy("wp:move", "Move one to another lane, by the rules."),
    },
    examples=(
        ("spec-kitty wp list", "the board of this worktree's feature"),
        ("spec-kitty wp move WP01 for_review", "hand it in"),
    ),
)

_EVENTS = LazyGroup(
    "events",
    summary="The event store: what was recorded, and the proof of it.",
    members={
        "list": Lazy("events:list_", "What was recorded, the newest at the end."),
        "verify": Lazy("events:verify", "Check that every event is as it was recorded."),
        "export": Lazy("events:export", "Everything as JSON lines, or only its head."),
    },
    examples=(
        ("spec-kitty events list", "what happened?"),
        ("spec-kitty events verify", "was anything changed afterwards?"),
    ),
)

_WORKFLOW: dict[str, Lazy | LazyGroup] = {
    "init": Lazy("init:init", "Make this repository a Spec Kitty project."),
    "specify": Lazy("workflow:specify", "Begin a feature; writes spec.md."),
    "research": Lazy("workflow:research", "Begin a feature with research; writes research.md."),
    "plan": Lazy("workflow:plan", "Move on to plan, once spec.md is edited."),
    "tasks": Lazy("workflow:tasks", "Move on to tasks, once plan.md is edited."),
    "implement": Lazy("workflow:implement", "Begin a work package in a guarded worktree of its own."),
    "review": Lazy("workflow:review", "Review a work package that was handed in."),
    "reopen": Lazy("workflow:reopen", "Go back to an earlier phase, with a reason."),
}

_GUARDIAN_MEMBERS: dict[str, Lazy | LazyGroup] = {
    "start": Lazy("lifecycle:start", "Guard this worktree; returns once it is watched."),
    "status": Lazy("lifecycle:status", "Whether this worktree is guarded, and how."),
    "stop": Lazy("lifecycle:stop", "Stop guarding this worktree; recorded."),
    "restart": Lazy("lifecycle:restart", "Stop and start again; what changes meanwhile is judged."),
    "phase": Lazy("phase:phase", "The phase a feature's files show, and the one that is enforced."),
    "check": Lazy("judgement:check", "Would these writes stand? Exit code 1 if one would not."),
    "explain": Lazy("judgement:explain", "Why a path may or may not be written now."),
    "verify": Lazy("integrity:verify", "Compare the record and the worktree with what they should be."),
    "log": Lazy("audit:log", "What the guardian did, as it was recorded."),
    "quarantine": _QUARANTINE,
    "allow": Lazy("wayout:allow", "Open one path for a while; on a terminal, recorded."),
    "pause": Lazy("wayout:pause", "Let every write stand for a while; on a terminal, recorded."),
    "policy": _POLICY,
}
_GUARDIAN_SUMMARY = "Hold writes to a feature's phase; undo the others, keep the bytes."
_GUARDIAN_EXAMPLES = (
    ("spec-kitty guardian start", "guard the feature of this worktree"),
    ("spec-kitty guardian explain src/app.py", "why can't I write this?"),
    ("spec-kitty guardian quarantine list", "what was undone, and is kept"),
)


def spec_kitty() -> LazyGroup:
    """The whole command line."""
    return LazyGroup(
        "spec-kitty",
        summary="Spec Kitty, enforced: phases decide what may be written, whoever writes.",
        members={
            "demo": Lazy("demo:demo", "See a forbidden write undone, in a throw-away repository."),
            **_WORKFLOW,
            "wp": _WP,
            "events": _EVENTS,
            "guardian": LazyGroup(
                "guardian", summary=_GUARDIAN_SUMMARY, members=_GUARDIAN_MEMBERS, examples=_GUARDIAN_EXAMPLES
            ),
            "sync": _SYNC,
            "tracker": _TRACKER,
            "state": _STATE,
            "completion": Lazy("completion:completion", "Print the completion script of a shell."),
        },
        examples=(
            ("spec-kitty demo", "three seconds that show what it does"),
            ("spec-kitty init", "make this repository a project"),
            ('spec-kitty specify "Home guard"', "begin a feature"),
            ("spec-kitty guardian start", "guard the worktree you are in"),
            ("spec-kitty state doctor", "where local state lives, and is it in order"),
        ),
        params=_top_options("spec-kitty"),
    )


def spec_kitty_guardian() -> LazyGroup:
    """The guardian group alone, as a program of its own."""
    return LazyGroup(
        "spec-kitty-guardian",
        summary=_GUARDIAN_SUMMARY,
        members=_GUARDIAN_MEMBERS,
        examples=tuple((line.replace(" ", "-", 1), why) for line, why in _GUARDIAN_EXAMPLES),
        params=_top_options("spec-kitty-guardian"),
    )


def _top_options(program: str) -> list[click.Parameter]:
    return [
        click.Option(
            ["-C", "directories"],
            metavar="DIR",
            multiple=True,
            type=click.Path(),
            expose_value=False,
            callback=_change_directory,
            help="Run as if started in DIR.",
        ),
        click.Option(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            is_eager=True,
            expose_value=False,
            callback=_choose_colour,
            help="Colours: on a terminal (auto), always or never. NO_COLOR and FORCE_COLOR are honoured.",
        ),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version(program),
            help="Print the version.",
        ),
    ]


def _change_directory(ctx: click.Context, param: click.Parameter, directories: tuple[str, ...]) -> None:
    # Several follow each other, as git's do. The process moves, so that every relative path means what it says.
    for directory in directories:
        try:
            os.chdir(directory)
        except OSError as error:
            raise click.BadParameter(f"cannot change to `{directory}`: {error.strerror}", ctx, param) from None


def _choose_colour(ctx: click.Context, param: click.Parameter, choice: str) -> None:
    del param
    # --color beats NO_COLOR beats FORCE_COLOR beats "is it a terminal".
    colour = {"always": True, "never": False}.get(choice, environment.colour_wish())
    ctx.color = colour
    ctx.ensure_object(Console).colour = colour


def _version(program: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def show(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
        del param
        if wanted and not ctx.resilient_parsing:
            click.echo(f"{program} {__version__}")
            ctx.exit()

    return show
