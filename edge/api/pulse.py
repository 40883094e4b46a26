"""What is going on on a stream now, as the live board and the end of its window say. Pure."""

import json
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
    """``viewers`` (connections), ``users`` and latencies None: not known.

    ``events_per_second``: by numbers, so that sampling hides nothing; ``rate``: comments a second that one
    viewer of a sampled stream is shown.
    """

    epoch: str | None = None
    seq: int = 0
    events_per_second: float = 0.0
    viewers: int | None = None
    users: int | None = None
    sampled: bool = False
    why: str | None = None
    rate: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    reactions: Mapping[str, int] = field(default_factory=dict)


def pulse(
    head: Head | None, segments: Sequence[Mapping[str, Any]], live: Mapping[str, str], now_ms: int
) -> Pulse:
    """Read ``segments``, the newest first, of the epoch of ``head``; and the row of the live board."""
    epoch, seq = (head.epoch, head.seq) if head is not None else (None, 0)
    if segments:
        seq = max(seq, segments[0]["to_seq"])
    rate = _rate(segments, now_ms)
    if live:
        sampled = live.get("sampled") == "1"
        return Pulse(
            epoch,
            seq,
            rate,
            viewers=viewers_of(live),
            users=int(live.get("users", 0)),
            sampled=sampled,
            why=live.get("why") or None,
            rate=float(live.get("rate", 0)) if sampled else None,
            p50_ms=float(live.get("p50_ms", 0)),
            p99_ms=float(live.get("p99_ms", 0)),
            reactions=json.loads(live.get("reactions", "{}")),
        )
    newest = segments[0] if segments else None
    return Pulse(
        epoch,
        seq,
        rate,
        viewers=newest["viewers"] if newest and newest["viewers"] >= 0 else None,
        sampled=bool(newest and newest["sampled"]),
        why=newest["why"] if newest else None,
        reactions=(newest["reactions"] or {}) if newest else {},
    )


def viewers_of(live: Mapping[str, str]) -> int:
    """Return how many connections watch."""
    return int(live.get("viewers", 0))


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
    count: int = segments[0]["to_seq"] - first
    return round(count / max((now_ms - oldest) / 1000, SPAN_SECONDS_MIN), 2)
