"""Any environment, on any platform, with any home: a sound root or a clear refusal, and never anything else."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath

from hypothesis import example, given
from hypothesis import strategies as st

from kitty_paths import AssetHome, InvalidStateRootError, QueueScope, StateRoot, Surface, TrackerScope

PIECES = st.sampled_from(
    ["/", "//", "\\", "~", ".", "..", " ", "\n", "\0", "C:", "c:\\", "\\\\?\\", "a", "b c", "é", "\ud800", "\udcff"]
)
PATHS = st.one_of(
    st.text(),
    st.text(alphabet=st.characters(codec=None)),
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(PIECES, max_size=8).map(lambda pieces: "/" + "".join(pieces)),
    st.lists(PIECES, max_size=8).map(lambda pieces: "C:\\" + "".join(pieces)),
    st.lists(PIECES, max_size=8).map(lambda pieces: "~/" + "".join(pieces)),
)
ENVIRONMENTS = st.dictionaries(
    st.sampled_from(["SPEC_KITTY_HOME", "HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_STATE_HOME"]), PATHS
)
PLATFORMS = st.sampled_from(["linux", "linux2", "darwin", "win32", "cygwin", "freebsd14"])
SCOPES = st.builds(QueueScope, st.text(), st.text(), st.text())
TRACKERS = st.builds(TrackerScope, st.text(), st.text(), st.text(), st.text(), st.text())
# Absolute on each platform: a root at /a/…, with names that occur in the layout, so that roots lie inside each other.
NESTED = st.lists(
    st.sampled_from(["auth", "daemon", "sync", "tracker", "trackers", "queues", "guardian", "credentials", "x"]),
    max_size=4,
).map(lambda names: "/".join(["/a", *names]))


def children(root: StateRoot, queue: QueueScope, tracker: TrackerScope) -> tuple[Surface, ...]:
    return (*root.surfaces(), root.queues.scoped(queue), root.tracker.store(tracker))


def resolved(environ: dict[str, str], platform: str, home: str | None) -> StateRoot | InvalidStateRootError:
    try:
        return StateRoot.resolve(environ, platform=platform, home=home)
    except InvalidStateRootError as error:
        return error


@given(ENVIRONMENTS, PLATFORMS, st.none() | PATHS, SCOPES, TRACKERS)
@example({"SPEC_KITTY_HOME": "~//x"}, "linux", "/home/ada", QueueScope("", "", ""), TrackerScope("", ""))
@example({"SPEC_KITTY_HOME": "~\\\\x"}, "win32", "/home/ada", QueueScope("", "", ""), TrackerScope("", ""))
@example({"SPEC_KITTY_HOME": "//./x/y"}, "win32", "/home/ada", QueueScope("", "", ""), TrackerScope("", ""))
def test_children_are_absolute_normalised_distinct_and_below_the_base(
    environ: dict[str, str], platform: str, home: str | None, queue: QueueScope, tracker: TrackerScope
) -> None:
    root = resolved(environ, platform, home)
    if isinstance(root, InvalidStateRootError):
        assert root.exit_code == 2
        assert root.variable is not None
        assert root.variable in root.message
        assert not root.value or repr(root.value) in root.message
        assert root.hint
        return
    paths = [child.path for child in children(root, queue, tracker)]
    assert len(set(paths)) == len(paths) == 25
    for path in (root.base, *paths):
        assert isinstance(path, Path)
        assert path.is_absolute()
        assert ".." not in path.parts
        assert "." not in path.parts
        assert "\0" not in str(path)
        assert "//" not in str(path)
        assert str(path) == str(type(path)(str(path)))
    assert all(root.base in path.parents for path in paths)
    # The host's view agrees with ours wherever the path is one of the host's.
    if not isinstance(root.base, PureWindowsPath):
        assert os.path.normpath(root.base) == str(root.base)
    assert StateRoot.at(root.base, platform=platform) == root
    assert AssetHome.resolve(environ, platform=platform, home=home).platform == root.platform


@given(NESTED, NESTED, st.sampled_from(["linux", "darwin", "win32"]), SCOPES, SCOPES, TRACKERS, TRACKERS)
def test_distinct_roots_share_no_child_even_one_inside_the_other(
    first: str, second: str, platform: str, q1: QueueScope, q2: QueueScope, t1: TrackerScope, t2: TrackerScope
) -> None:
    # Truthfully: they share no *path*. A root in another's directory (`/a` and `/a/auth`) still lies inside it.
    one, two = (StateRoot.resolve({"SPEC_KITTY_HOME": base}, platform=platform) for base in (first, second))
    shared = {child.path for child in children(one, q1, t1)} & {child.path for child in children(two, q2, t2)}
    assert bool(shared) == (first == second)


@given(ENVIRONMENTS, PLATFORMS, st.none() | PATHS)
def test_resolution_is_deterministic_and_leaves_its_arguments_alone(
    environ: dict[str, str], platform: str, home: str | None
) -> None:
    before = dict(environ)

    assert repr(resolved(environ, platform, home)) == repr(resolved(environ, platform, home))
    assert environ == before
