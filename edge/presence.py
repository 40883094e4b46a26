"""What this edge says of each stream: how many watch it, who, and how late they are served. Pure.

Absolute, so that nothing has to arrive: a busy stream's report leaves every second, a small one's when its
count has changed, and every ten seconds whatever has happened (who is silent for 15 s counts for nothing).
Users go as a sketch, so that somebody on two edges counts once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from edge.stats import Stats
from schemas.records import Health
from schemas.sketch import sketch_of

BUSY_VIEWERS = 50
"""From so many on, or sampled, a stream is reported every second."""
BUSY_SECONDS = 0.95
CHANGED_SECONDS = 2.0
REST_SECONDS = 10.0
REPORTS_MAX = 2_000
"""Waiting to be sent; what comes beyond it is due again a second later."""
SAMPLES_MAX = 1_024
"""Delays of one stream between two reports."""


@dataclass(slots=True)
class Delays:
    """Of one stream's deliveries, in ms, since the last report."""

    latencies: list[float] = field(default_factory=list)
    queues: list[float] = field(default_factory=list)

    def add(self, latency_ms: float, queue_ms: float) -> None:
        """Take note of a delivery."""
        if len(self.latencies) < SAMPLES_MAX:
            self.latencies.append(max(latency_ms, 0.0))
            self.queues.append(max(queue_ms, 0.0))


@dataclass(slots=True)
class _Watched:
    """What was said of a stream. ``sketched_at``: when its users went too."""

    count: int = -1
    said_at: float = float("-inf")
    sketched_at: float = float("-inf")
    delays: Delays = field(default_factory=Delays)


class Presence:
    """Makes the reports of one edge process. ``wall``: seconds since 1970; other times are monotonic."""

    def __init__(self, edge: str, boot: str, stats: Stats, wall: Callable[[], float]) -> None:
        self._edge = edge
        self._boot = boot
        self._stats = stats
        self._wall = wall
        self._watched: dict[str, _Watched] = {}
        self._reports: list[Health] = []

    def sent(self, stream_id: str, latency_ms: float, queue_ms: float) -> None:
        """Take note that a window of a stream is written to all its sockets."""
        watched = self._watched.get(stream_id)
        if watched is not None:
            watched.delays.add(latency_ms, queue_ms)

    def watch(self, stream_id: str, count: int, users: Iterable[str], now: float, *, sampled: bool) -> None:
        """Look at a stream, about once a second; what is to be said of it is put by for `take`."""
        watched = self._watched.get(stream_id)
        if watched is None:
            if not count:
                return
            watched = self._watched[stream_id] = _Watched()
        age = now - watched.said_at
        busy = count >= BUSY_VIEWERS or sampled
        due = age >= (BUSY_SECONDS if busy else CHANGED_SECONDS if count != watched.count else REST_SECONDS)
        if not count and watched.count:
            due = True
        if not due:
            return
        if len(self._reports) >= REPORTS_MAX:
            self._stats.reports_put_off += 1
            return
        self._reports.append(self._report(stream_id, watched, count, users, now))
        if not count:
            del self._watched[stream_id]

    def take(self) -> list[Health]:
        """Return what is to be sent now."""
        reports, self._reports = self._reports, []
        return reports

    def farewell(self) -> list[Health]:
        """Return what says that nobody is here any more, for an edge that ends."""
        nobody = [
            self._report(stream_id, watched, 0, (), watched.said_at)
            for stream_id, watched in self._watched.items()
            if watched.count > 0
        ]
        self._watched.clear()
        return nobody

    def _report(
        self, stream_id: str, watched: _Watched, count: int, users: Iterable[str], now: float
    ) -> Health:
        delays, watched.delays = watched.delays, Delays()
        sketch = b""
        if now - watched.sketched_at >= REST_SECONDS:
            sketch, watched.sketched_at = sketch_of(users), now
        watched.count, watched.said_at = count, now
        return Health(
            edge=self._edge,
            boot=self._boot,
            stream_id=stream_id,
            at=int(self._wall() * 1000),
            viewers=count,
            p50_ms=_quantile(delays.latencies, 0.5),
            p99_ms=_quantile(delays.latencies, 0.99),
            # Not the least: where windows come while others are being sent, one of them is always lucky.
            queue_ms=_quantile(delays.queues, 0.5),
            sketch=sketch,
        )


def _quantile(delays: list[float], share: float) -> float:
    """Return what ``share`` of the delays do not exceed; -1: there are none."""
    delays.sort()
    return delays[min(len(delays) - 1, int(share * len(delays)))] if delays else -1.0
