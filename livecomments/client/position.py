"""Where a viewer is in a stream, and what a publication means there; as ``web/src/position.js``. Pure.

A publication covers the range (from, to]. One that starts at the position is applied, one that overlaps it
is trimmed, one that starts beyond it is a gap: what lies between has to be asked for, or announced.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Position:
    """Everything up to ``seq`` is known. ``joined``: came anew, and what is shown first may be older."""

    epoch: str
    seq: int
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Hole:
    """A range (from_seq, to_seq] that is not shown; ``reason``: the edge's, or ``gap``: not announced."""

    from_seq: int
    to_seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Applied:
    """New events, ascending; ``omitted``: new numbers that are not for this viewer."""

    position: Position
    events: Sequence[Event]
    hole: Hole | None = None
    omitted: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """What lies in (from_seq, to_seq] was not told."""

    from_seq: int
    to_seq: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """The publication makes no sense."""


def subscribed(position: Position | None, epoch: str, offset: int) -> Position:
    """Take the reply to a subscribe. In the same epoch a position never goes back."""
    if position is not None and position.epoch == epoch:
        return position
    return Position(epoch, offset, joined=True)


def apply(position: Position, publication: Any) -> Applied | Gap | Malformed:
    """Hold a publication against the position."""
    if not _well_formed(publication):
        return Malformed()
    start, end, events = publication["from"], publication["to"], publication["events"]
    after = min(start, position.seq) if position.joined else position.seq
    if start > after:
        return Gap(after, start)
    fresh, last = [], after
    for event in events:
        if event["seq"] > last:
            last = event["seq"]
            fresh.append(event)
    seq = max(after, end)
    hole = _hole(publication.get("hole"), after)
    held = max(0, min(hole.to_seq, seq) - hole.from_seq) if hole else 0
    return Applied(Position(position.epoch, seq), fresh, hole, max(0, seq - after - len(fresh) - held))


def skip(position: Position, gap: Gap) -> Position:
    """Give up on a gap that nobody could fill: go on behind it."""
    return Position(position.epoch, max(position.seq, gap.to_seq))


def _well_formed(publication: Any) -> bool:
    match publication:
        case {"from": int(start), "to": int(end), "events": list(events)} if 0 <= start <= end:
            return all(isinstance(event, dict) and isinstance(event.get("seq"), int) for event in events)
        case _:
            return False


def _hole(announced: Any, after: int) -> Hole | None:
    """Return the part of a hole that is news. An empty one (a doubt, a new epoch) stays as it is."""
    match announced:
        case {"from": int(start), "to": int(end), "reason": str(reason)}:
            if start == end:
                return Hole(start, end, reason) if end >= after else None
            start = max(start, after)
            return Hole(start, end, reason) if start < end else None
        case _:
            return None
