"""What a reader of ``comments.sequenced`` or ``comments.fanout`` must check; the same for all readers.

Two rules make one order out of a log that crashed, repeated and paused writers share:

- *Fence*: a writer first appends a claim, and its records carry the claim's offset as their token.
  A record whose token is below the highest seen was written by a predecessor that did not know it
  had been replaced. It does not count.
- *Continuity*: per stream and epoch, records cover contiguous ranges (from, to]. What overlaps is
  trimmed, per seq: the first in the log wins. What begins beyond the position is a gap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Fence:
    """Which records of one partition count, read in offset order."""

    token: int = -1

    def admits(self, offset: int, record: Mapping[str, Any]) -> bool:
        """Whether the record counts. A claim never does: it is noted, and carries nothing."""
        if record["claim"]:
            self.token = max(self.token, offset)
            return False
        if record["token"] < self.token:
            return False
        self.token = record["token"]
        return True


@dataclass(frozen=True, slots=True)
class Step:
    """What a segment adds at a position: the part of it in (from_seq, to_seq].

    ``gap`` is the range (from, to] between the position and the segment that is missing before it;
    None when there is none.
    """

    epoch: str
    from_seq: int
    to_seq: int
    events: Sequence[Any]
    gap: tuple[int, int] | None = None


def follow(epoch: str | None, seq: int, segment: Mapping[str, Any]) -> Step | None:
    """Hold ``segment`` (`schemas.records.Segment` with events) against a reader's position.

    Args:
        epoch: of the position; None when the reader has none yet and starts where the segment does.
        seq: last seq the reader has.
        segment: one admitted record.

    Returns:
        The new part, or None when the position covers all of it. A segment of another epoch starts
        over: its position is (that epoch, 0), since within a log a later epoch is a newer one.

    """
    start, end = segment["from_seq"], segment["to_seq"]
    if epoch is None:
        return Step(segment["epoch"], start, end, segment["events"])
    if segment["epoch"] != epoch:
        seq = 0
    if end <= seq:
        return None
    if start > seq:
        return Step(segment["epoch"], start, end, segment["events"], (seq, start))
    if start == seq:
        return Step(segment["epoch"], start, end, segment["events"])
    new = [event for event in segment["events"] if event["seq"] > seq]
    return Step(segment["epoch"], seq, end, new)


def epoch_of(incarnation: str, counter: int) -> str:
    """Write an epoch: ``"k3f9-0"``."""
    return f"{incarnation}-{counter}"


def precedes(epoch: str, other: str) -> bool:
    """Whether ``epoch`` is an older one of the same incarnation."""
    made, _, counter = epoch.rpartition("-")
    other_made, _, other_counter = other.rpartition("-")
    return (
        made == other_made
        and counter.isdecimal()
        and other_counter.isdecimal()
        and (int(counter) < int(other_counter))
    )
