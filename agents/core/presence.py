"""Who watches, and how late what they see is: the edges' reports, summed a stream. Pure.

A report is absolute, replaces the edge's last one, and is forgotten after 15 s; so the sums are right again
by themselves after any loss. A later boot of an edge replaces an earlier one at once: its viewers are not
counted twice. What cannot be is ignored, and counted by its reason: ``unknown`` (no such edge is
registered), ``impossible`` (numbers), ``past`` (an older report than the last, or of an earlier boot).
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import isfinite
from typing import Final

from schemas.records import Health

TTL_MS: Final = 15_000
DELAY_MS_MAX: Final = 600_000.0
"""A longer one is the fault of a clock."""

Estimate = Callable[[Iterable[bytes]], int]
"""Sketches → how many different users are in any of them; -1: cannot be said."""


@dataclass(frozen=True, slots=True)
class Audience:
    """A stream over all edges. Delays in ms, -1: unknown; ``edges``: how many report."""

    viewers: int = -1
    users: int = -1
    p50_ms: float = -1.0
    p99_ms: float = -1.0
    queue_ms: float = -1.0
    edges: int = 0


NOBODY: Final = Audience()


@dataclass(slots=True)
class _Report:
    boot: str
    at: int
    until: float
    viewers: int
    p50_ms: float
    p99_ms: float
    queue_ms: float
    sketch: bytes


@dataclass(slots=True)
class Presence:
    """One partition's reports.

    Args:
        viewers_max: of one edge and stream.
        known: returns the names of the registered edges; None: they cannot be known now.
        estimate: see `Estimate`.

    """

    viewers_max: int
    known: Callable[[], frozenset[str] | None] = lambda: None
    estimate: Estimate = lambda _: -1
    ignored: Counter[str] = field(default_factory=Counter)
    _streams: dict[str, dict[str, _Report]] = field(default_factory=dict)
    _ends: deque[tuple[float, str, str]] = field(default_factory=deque)
    """(When, stream, edge) that a report ends unless another has come, in the order of time."""
    _boots: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Edge → its boot, and until when that counts."""

    def take(self, report: Health, now: float) -> bool:
        """Take a report; whether it counts. ``now``: ms, monotonic."""
        reason = self._fault(report, now)
        if reason is not None:
            self.ignored[reason] += 1
            return False
        edge, stream_id = report["edge"], report["stream_id"]
        self._boots[edge] = (report["boot"], now + TTL_MS)
        edges = self._streams.setdefault(stream_id, {})
        if not report["viewers"]:
            edges.pop(edge, None)
            if not edges:
                del self._streams[stream_id]
            return True
        before = edges.get(edge)
        sketch = report["sketch"]
        if not sketch and before is not None and before.boot == report["boot"]:
            sketch = before.sketch
        edges[edge] = _Report(
            report["boot"],
            report["at"],
            now + TTL_MS,
            report["viewers"],
            report["p50_ms"],
            report["p99_ms"],
            report["queue_ms"],
            sketch,
        )
        self._ends.append((now + TTL_MS, stream_id, edge))
        return True

    def expire(self, now: float) -> set[str]:
        """Forget what is too old; return the streams that this changes."""
        changed = set()
        while self._ends and self._ends[0][0] <= now:
            _, stream_id, edge = self._ends.popleft()
            edges = self._streams.get(stream_id, {})
            if edge in edges and edges[edge].until <= now:
                del edges[edge]
                changed.add(stream_id)
                if not edges:
                    del self._streams[stream_id]
        self._boots = {edge: boot for edge, boot in self._boots.items() if boot[1] > now}
        return changed

    def of(self, stream_id: str, now: float) -> Audience:
        """Return the sum of a stream; delays are those of the worst edge, the median by viewers."""
        edges = self._streams.get(stream_id, {})
        reports = [report for edge, report in edges.items() if self._counts(edge, report, now)]
        if not reports:
            return NOBODY
        sketches = [report.sketch for report in reports if report.sketch]
        return Audience(
            viewers=sum(report.viewers for report in reports),
            users=self.estimate(sketches) if sketches else -1,
            p50_ms=_median([(report.p50_ms, report.viewers) for report in reports if report.p50_ms >= 0]),
            p99_ms=max(report.p99_ms for report in reports),
            queue_ms=max(report.queue_ms for report in reports),
            edges=len(reports),
        )

    def share_beyond(
        self, stream_id: str, now: float, *, p99_ms: float, queue_ms: float
    ) -> tuple[float, float]:
        """Return the shares of viewers whose edge is beyond a p99, and beyond a queue delay."""
        edges = self._streams.get(stream_id, {})
        reports = [report for edge, report in edges.items() if self._counts(edge, report, now)]
        viewers = sum(report.viewers for report in reports)
        if not viewers:
            return 0.0, 0.0
        late = sum(report.viewers for report in reports if report.p99_ms > p99_ms)
        queued = sum(report.viewers for report in reports if report.queue_ms > queue_ms)
        return late / viewers, queued / viewers

    @property
    def streams(self) -> Iterable[str]:
        """Streams with any report."""
        return self._streams

    def _counts(self, edge: str, report: _Report, now: float) -> bool:
        boot = self._boots.get(edge)
        return report.until > now and (boot is None or boot[0] == report.boot)

    def _fault(self, report: Health, now: float) -> str | None:
        known = self.known()
        if known is not None and report["edge"] not in known:
            return "unknown"
        delays = (report["p50_ms"], report["p99_ms"], report["queue_ms"])
        sound = all(isfinite(delay) and -1 <= delay <= DELAY_MS_MAX for delay in delays)
        if not sound or delays[0] > delays[1] or not 0 <= report["viewers"] <= self.viewers_max:
            return "impossible"
        boot = self._boots.get(report["edge"])
        if boot is not None and boot[1] > now and report["boot"] < boot[0]:
            return "past"
        before = self._streams.get(report["stream_id"], {}).get(report["edge"])
        if before is not None and before.boot == report["boot"] and report["at"] <= before.at:
            return "past"
        return None


def _median(delays: list[tuple[float, int]]) -> float:
    """Return the median of (value, weight) pairs; -1 of none."""
    half = sum(weight for _, weight in delays) / 2
    for value, weight in sorted(delays):
        half -= weight
        if half <= 0:
            return value
    return -1.0
