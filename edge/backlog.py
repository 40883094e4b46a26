"""What a stream was given that not everybody was served yet: how old it is, and how long it waits. Pure.

A segment's queue delay is what it was late when it was taken, and how long after that somebody still waited
for what came before it. The time in which a large audience is served is no queue: it is what it takes.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

NEVER: Final = float("inf")


class Served(NamedTuple):
    """A segment that everybody was served. ``appended_ms``: broker's time, since 1970."""

    appended_ms: int
    queue_ms: float


@dataclass(slots=True)
class _Taken:
    from_seq: int
    to_seq: int
    appended_ms: int
    delay_ms: float
    taken_at: float
    late_at: float
    queue_ms: float | None


class Backlog:
    """One stream's. Times are in seconds, monotonic, unless they say otherwise."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: deque[_Taken] = deque()

    def take(
        self,
        span: tuple[int, int],
        appended_ms: int,
        delay_ms: float,
        now: float,
        late_ms: float = NEVER,
        *,
        served: int,
    ) -> None:
        """Take note of a segment of (from, to], so late when it came; older than ``late_ms`` it is late.

        ``served``: the seq up to which everybody is served now.
        """
        late_at = now + (late_ms - delay_ms) / 1000
        queue_ms = delay_ms if span[0] <= served else None
        self._taken.append(_Taken(*span, appended_ms, delay_ms, now, late_at, queue_ms))

    def late(self, now: float) -> int:
        """Return the seq up to which what is for single lanes is too old to be shown live; -1: nothing is."""
        upto = -1
        for taken in self._taken:
            if taken.late_at >= now:
                break
            upto = taken.to_seq
        return upto

    def served(self, seq: int, now: float) -> list[Served]:
        """Say up to where everybody was served; return the segments that this completes."""
        done: list[Served] = []
        for taken in self._taken:
            if taken.from_seq > seq:
                break
            if taken.queue_ms is None:
                taken.queue_ms = taken.delay_ms + (now - taken.taken_at) * 1000
            if taken.to_seq <= seq:
                done.append(Served(taken.appended_ms, taken.queue_ms))
        for _ in done:
            self._taken.popleft()
        return done

    def clear(self) -> None:
        """Forget all: there is nobody to be served."""
        self._taken.clear()
