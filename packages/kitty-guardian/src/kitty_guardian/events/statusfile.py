"""`status.json`: the board as upstream derives it from a feature's status log (facts, section 6.6)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from kitty_guardian.events.lines import numbered
from kitty_guardian.model.lanes import Lane
from kitty_guardian.project.reducer import reduce
from kitty_guardian.project.statuslines import LineError, Move, read_line

_NUMBERED: Final = re.compile(r"([0-9]{3})-")


def materialise(log: bytes, *, meta: Mapping[str, Any]) -> bytes:
    """The bytes of `status.json` for a log.

    Args:
        log: The whole log; lines that cannot be read are left out.
        meta: The feature's `meta.json`.
    """
    moves = _moves(log)
    last = max(moves, key=lambda move: (move.at, move.event_id), default=None)
    standings = {name: each for name, each in reduce(moves).items() if each.lane is not None}
    slug = _slug(log)
    document = {
        "event_count": len(moves),
        "last_event_id": None if last is None else last.event_id,
        "materialized_at": "" if last is None else last.at,
        "mission_number": _number(meta, slug),
        "mission_slug": slug,
        "mission_type": meta.get("mission_type") or meta.get("mission") or "software-dev",
        "summary": {lane.value: sum(each.lane is lane for each in standings.values()) for lane in Lane},
        "work_packages": {
            name: {
                "actor": each.actor,
                "force_count": each.force_count,
                "lane": each.lane,
                "last_event_id": each.event_id,
                "last_transition_at": each.at,
            }
            for name, each in standings.items()
        },
    }
    return json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False).encode() + b"\n"


def agrees(status: bytes, log: bytes) -> bool:
    """Whether a `status.json` has every work package of a log in the log's lane, and no other one."""
    try:
        document = json.loads(status)
    except (ValueError, RecursionError):
        return False
    found = document.get("work_packages") if isinstance(document, dict) else None
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        return False
    lanes = {name: each.lane for name, each in reduce(_moves(log)).items() if each.lane is not None}
    return {name: each.get("lane") for name, each in found.items()} == lanes


def _number(meta: Mapping[str, Any], slug: str) -> str:
    """The mission's number, from its name where `meta.json` has none."""
    number = meta.get("mission_number")
    if number is None and (found := _NUMBERED.match(slug)) is not None:
        number = int(found[1])
    return "" if number is None else str(number)


def _slug(log: bytes) -> str:
    """The feature as its first transition names it: upstream takes it from there."""
    for number, raw in numbered(log):
        try:
            if not isinstance(read_line(raw, number), Move):
                continue
        except LineError:
            continue
        fields = json.loads(raw)
        return str(fields.get("mission_slug") or fields.get("feature_slug") or "")
    return ""


def _moves(log: bytes) -> list[Move]:
    """The transitions of a log; of those with one event id the first."""
    found: dict[str, Move | None] = {}
    for number, raw in numbered(log):
        try:
            read = read_line(raw, number)
        except LineError:
            continue
        if read is not None:
            found.setdefault(read.event_id, read if isinstance(read, Move) else None)
    return [move for move in found.values() if move is not None]
