"""What is going on on a stream now, as the last segments of its window say. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.stores import Head

RATE_SECONDS = 10
SEGMENTS = 50
"""Read for it; where they do not reach back `RATE_SECONDS`, the rate is over what they cover."""
SPAN_SECONDS_MIN = 0.5


@dataclass(frozen=True, slots=True)
class Pulse:
    """``viewers`` None: not known. ``events_per_second``: by numbers, so sampling hides nothing."""

    epoch: str | None = None
    seq: int = 0
    viewers: int | None = None
    sampled: bool = False
    reactions: Mapping[str, int] = field(default_factory=dict)
    events_per_second: float = 0.0


def pulse(head: Head | None, segments: Sequence[Mapping[str, Any]], now_ms: int) -> Pulse:
    """Read ``segments``, the newest first, of the epoch of ``head``."""
    if head is None:
        return Pulse()
    if not segments:
        return Pulse(head.epoch, head.seq)
    newest = segments[0]
    return Pulse(
        epoch=head.epoch,
        seq=max(head.seq, newest["to_seq"]),
        viewers=newest["viewers"] if newest["viewers"] >= 0 else None,
        sampled=newest["sampled"],
        reactions=newest["reactions"] or {},
        events_per_second=_rate(segments, now_ms),
    )


def _rate(segments: Sequence[Mapping[str, Any]], now_ms: int) -> float:
    since = now_ms - RATE_SECONDS * 1000
    first: int | None = None
    oldest = now_ms
    for segment in segments:
        at = segment["events"][0]["at"] if segment["events"] else oldest
        if at < since:
            oldest = since
            break
        first, oldest = segment["from_seq"], min(oldest, at)
    if first is None:
        return 0.0
    span = max((now_ms - oldest) / 1000, SPAN_SECONDS_MIN)
    count: int = segments[0]["to_seq"] - first
    return round(count / span, 2)
