"""How an edge sends its viewers away: slowly enough for those who take them in. Pure."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

STEP_SECONDS = 0.05
RECONNECTS_PER_SECOND = 1_000
"""What another edge takes in beside its work."""
AT_ONCE_MAX = 50
"""So few viewers are no load for anybody: they go at once."""

T = TypeVar("T")


def spread_seconds(viewers: int, others: int, least_seconds: float) -> float:
    """Return over which time ``viewers`` are to be spread that ``others``, edges, take in."""
    if viewers <= AT_ONCE_MAX:
        return 0.0
    return max(least_seconds, viewers / (max(1, others) * RECONNECTS_PER_SECOND))


def steps(everybody: Sequence[T], seconds: float) -> Iterator[Sequence[T]]:
    """Cut into as many parts, as even as can be, as there are steps in ``seconds``; at least one."""
    count = max(1, round(seconds / STEP_SECONDS))
    for step in range(count):
        yield everybody[len(everybody) * step // count : len(everybody) * (step + 1) // count]
