"""The promises that `make soak` asks of very many inputs, asked of its seeds, of some hundreds and of wrong parsers."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from random import Random

import attrs
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kitty_guardian.model.lanes import Lane
from kitty_guardian.model.reports import Problem
from kitty_guardian.project.frontmatter import Field, Frontmatter, read_frontmatter
from kitty_guardian.project.statuslog import StatusLog, read_status_log
from soak import heads, logs
from soak.promises import CARRIAGE, IN_PLACE, NEVER_RAISES, SAME_TWICE, BrokenPromiseError, Promises, hold
from soak.swelling import EVENLY
from soak.targets import SEEDS, TARGETS, Target
from support.corpus import Release, corpus
from support.reducing import reduced
from support.repositories import transition

FRONTMATTER, STATUSLOG = TARGETS["frontmatter"], TARGETS["statuslog"]
FILES = [path.relative_to(SEEDS).as_posix() for path in sorted(SEEDS.glob("*/*"))]


@pytest.mark.parametrize("file", FILES)
def test_every_seed_holds_every_promise(file: str) -> None:
    assert hold(TARGETS[Path(file).parent.name].promises, (SEEDS / file).read_bytes())


@pytest.mark.parametrize("target", [FRONTMATTER, STATUSLOG], ids=lambda target: target.name)
def test_the_seeds_alone_have_every_promise_asked(target: Target) -> None:
    held = {promise for data in target.seeds() for promise, _ in target.promises(data)}

    assert target.asked - {NEVER_RAISES, EVENLY} == held


def backwards(data: bytes, longest: int) -> bytes:
    """Stands for libFuzzer's mutator of bytes."""
    return data[::-1][:longest]


@settings(max_examples=120)
@given(st.sampled_from(FRONTMATTER.seeds()), st.randoms(use_true_random=False))
def test_any_head_that_is_made_of_one_holds_every_promise(data: bytes, rng: Random) -> None:
    changed = FRONTMATTER.mutate(data, FRONTMATTER.longest, rng, backwards)

    assert hold(FRONTMATTER.promises, changed)


@settings(max_examples=120)
@given(st.sampled_from(STATUSLOG.seeds()), st.randoms(use_true_random=False))
def test_any_log_that_is_made_of_one_holds_every_promise(data: bytes, rng: Random) -> None:
    changed = STATUSLOG.mutate(data, STATUSLOG.longest, rng, backwards)

    assert hold(STATUSLOG.promises, changed)


KEYS = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
TEXTS = st.one_of(
    st.sampled_from(["0012", "no", "null", "~", "2026-01-01", "10:00:00Z", "1e3", ".inf", "0x1F", "doing", ""]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\\\"'"), max_size=12),
)


@given(st.dictionaries(KEYS, TEXTS, min_size=1, max_size=8), st.sampled_from(["'", '"']))
def test_text_between_quotes_is_read_as_it_is_written(fields: dict[str, str], quote: str) -> None:
    data = "\n".join(["---", *(f"{key}: {quote}{text}{quote}" for key, text in fields.items()), "---"]).encode()

    expected = {key: Field(text, line) for line, (key, text) in enumerate(fields.items(), start=2)}
    assert read_frontmatter(data, heads.PATH) == Frontmatter(expected)
    assert heads.SIMPLE in hold(FRONTMATTER.promises, data)


MOVES = st.builds(
    transition,
    st.sampled_from(["WP01", "WP02", "WP03"]),
    st.sampled_from([str(lane) for lane in Lane]),
    event_id=st.sampled_from("ABCDEFGHIJ"),
    at=st.sampled_from(["2026-03-01T10:00:00Z", "2026-03-01T10:00:00+00:00", "a"]),
    from_lane=st.sampled_from(["in_review", "for_review", "planned", "genesis"]),
    review_ref=st.none() | st.just("feedback://x"),
)


@given(st.lists(MOVES, max_size=12))
def test_well_formed_transitions_move_what_the_reference_reducer_says(moves: list[str]) -> None:
    data = "\n".join(moves).encode()

    found = {name: str(standing.lane) for name, standing in read_status_log(data, logs.PATH).standings.items()}
    assert found == reduced(data).lanes
    assert logs.AGREES in hold(STATUSLOG.promises, data)


@pytest.mark.parametrize("release", ["v2.1.0", "v3.1.0", "v3.2.2"])
def test_the_reference_reducer_says_what_upstreams_own_has_written(release: Release) -> None:
    compared = 0
    for snapshot in sorted(corpus(release).glob("kitty-specs/*/status.json")):
        log = snapshot.with_name("status.events.jsonl")
        if not log.is_file():
            continue
        written = json.loads(snapshot.read_text(encoding="utf-8"))["work_packages"]
        lanes = reduced(log.read_bytes()).lanes
        compared += len(written)
        assert {name: package["lane"] for name, package in written.items()} == lanes, snapshot
    assert compared


# A promise is worth something when a parser that breaks it is noticed. Each of these is wrong in one way.


def _last_line_wins(data: bytes, path: str) -> StatusLog:
    """Orders by lines instead of times."""
    log = read_status_log(data, path)
    latest = {move.work_package: Lane(move.to_lane) for move in reduced(data).moves}
    return attrs.evolve(
        log,
        standings={name: attrs.evolve(each, lane=latest.get(name, each.lane)) for name, each in log.standings.items()},
    )


def _times_are_compared_as_times(data: bytes, path: str) -> StatusLog:
    return read_status_log(data.replace(b"00Z", b"00+00:00"), path)


def _rollbacks_are_moves_like_others(data: bytes, path: str) -> StatusLog:
    return read_status_log(data.replace(b'"from_lane": "in_review"', b'"from_lane": "blocked"'), path)


def _ids_may_repeat(data: bytes, path: str) -> StatusLog:
    lines = [line.replace(b'"event_id": "', b'"event_id": "%d' % n, 1) for n, line in enumerate(data.split(b"\n"))]
    return read_status_log(b"\n".join(lines), path)


def _torn_lines_are_guessed(data: bytes, path: str) -> StatusLog:
    torn = data.split(b"\n")
    return read_status_log(b"\n".join(line if line.endswith(b"}") else line + b'"}' for line in torn), path)


def _problems_are_kept_to_itself(data: bytes, path: str) -> StatusLog:
    return attrs.evolve(read_status_log(data, path), problems=())


def _problems_are_of_another_file(data: bytes, path: str) -> StatusLog:
    return read_status_log(data, f"{path}~")


def _lines_are_counted_from_nought(data: bytes, path: str) -> StatusLog:
    log = read_status_log(data, path)
    return attrs.evolve(log, problems=tuple(Problem(path, each.line and each.line - 1, "") for each in log.problems))


def _a_mark_is_part_of_the_first_line(data: bytes, path: str) -> StatusLog:
    return read_status_log(b" " + data, path)


def _only_one_work_package_is_kept(data: bytes, path: str) -> StatusLog:
    log = read_status_log(data, path)
    return attrs.evolve(log, standings=dict(list(log.standings.items())[-1:]))


def _carriage_returns_are_mistakes(data: bytes, path: str) -> StatusLog:
    return read_status_log(data.replace(b"\r", b"x"), path)


def _falls_over(data: bytes, path: str) -> StatusLog:
    return read_status_log(data.decode().encode(), path)


def broken_by(promises: Promises, target: Target) -> set[str]:
    """Every promise that is broken on some seed."""
    return {promise for data in target.seeds() for promise, complaint in promises(data) if complaint is not None}


@pytest.mark.parametrize(
    ("wrong", "promise"),
    [
        (_last_line_wins, logs.AGREES),
        (_times_are_compared_as_times, logs.AGREES),
        (_rollbacks_are_moves_like_others, logs.AGREES),
        (_ids_may_repeat, logs.AGREES),
        (_torn_lines_are_guessed, logs.AGREES),
        (_problems_are_kept_to_itself, logs.REPORTED),
        (_problems_are_of_another_file, IN_PLACE),
        (_lines_are_counted_from_nought, IN_PLACE),
        (_a_mark_is_part_of_the_first_line, logs.AGREES),
        (_only_one_work_package_is_kept, logs.AGREES),
        (_carriage_returns_are_mistakes, CARRIAGE),
    ],
)
def test_a_wrong_reader_of_logs_is_noticed(wrong: logs.Reader, promise: str) -> None:
    assert promise in broken_by(functools.partial(logs.log_promises, read=wrong), STATUSLOG)


def test_a_reader_that_falls_over_is_told_apart_by_where_it_does() -> None:
    with pytest.raises(BrokenPromiseError) as broken:
        hold(functools.partial(logs.log_promises, read=_falls_over), b"\xff")

    assert broken.value.promise == f"{NEVER_RAISES} (UnicodeDecodeError in _falls_over)"


def _constructs(data: bytes, path: str) -> Frontmatter:
    """As YAML 1.1 has it: `no` is False, `0012` is 10."""
    found = read_frontmatter(data, path)
    return Frontmatter(
        {
            key: attrs.evolve(field, value=None if field.value is None else yaml.safe_load(field.value or "''"))
            for key, field in found.fields.items()
            if field.value is None or field.value.isalnum()
        },
        found.problems,
    )


def _tells_what_it_has_before_it_fails(data: bytes, path: str) -> Frontmatter:
    found = read_frontmatter(data, path)
    return attrs.evolve(found, fields={"lane": Field("done", 2)}) if found.problems else found


def _takes_the_last_of_two_keys(data: bytes, path: str) -> Frontmatter:
    return read_frontmatter(data.replace(b"lane: doing\nlane: doing\n", b"lane: doing\n"), path)


def _needs_no_end(data: bytes, path: str) -> Frontmatter:
    return read_frontmatter(data if data.count(b"---") > 1 else data + b"\n---\n", path)


def _reads_on_into_the_body(data: bytes, path: str) -> Frontmatter:
    return attrs.evolve(read_frontmatter(data, path), fields={}) if b"<<<<<<<" in data else read_frontmatter(data, path)


def _counts_lines_without_the_fence(data: bytes, path: str) -> Frontmatter:
    found = read_frontmatter(data, path)
    return attrs.evolve(found, fields={key: Field(field.value, field.line - 1) for key, field in found.fields.items()})


def _takes_lists_for_nothing(data: bytes, path: str) -> Frontmatter:
    found = read_frontmatter(data, path)
    fields = {key: Field(field.value or "", field.line) for key, field in found.fields.items()}
    return attrs.evolve(found, fields=fields)


def _has_no_fields(data: bytes, path: str) -> Frontmatter:
    return attrs.evolve(read_frontmatter(data, path), fields={})


def _refuses_blocks(data: bytes, path: str) -> Frontmatter:
    return Frontmatter(problems=(Problem(path, 1, "|"),)) if b": |\n" in data else read_frontmatter(data, path)


class _Forgetful:
    """Says something else each time."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, data: bytes, path: str) -> Frontmatter:
        self.times += 1
        found = read_frontmatter(data, path)
        return found if self.times % 2 else attrs.evolve(found, fields={**found.fields, "x": Field("", 1)})


@pytest.mark.parametrize(
    ("wrong", "promise"),
    [
        (_constructs, heads.TEXT),
        (_tells_what_it_has_before_it_fails, heads.ALL_OR_NOTHING),
        (_takes_the_last_of_two_keys, heads.SIMPLE),
        (_needs_no_end, heads.NO_ENVELOPE),
        (_reads_on_into_the_body, heads.BODY),
        (_counts_lines_without_the_fence, heads.LINES),
        (_takes_lists_for_nothing, heads.COMPOSED),
        (_has_no_fields, heads.SIMPLE),
        (_refuses_blocks, heads.READABLE),
        (_Forgetful(), SAME_TWICE),
    ],
)
def test_a_wrong_reader_of_heads_is_noticed(wrong: heads.Reader, promise: str) -> None:
    assert promise in broken_by(functools.partial(heads.head_promises, read=wrong), FRONTMATTER)
