"""What an edge counts, as plain integers on the hot path, read by Prometheus when it asks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

PREFIX = "livecomments_edge_"


@dataclass(slots=True)
class Stats:
    """Counters since the start."""

    handshakes: int = 0
    handshakes_refused: int = 0
    connects: int = 0
    connects_refused: int = 0
    commands: int = 0
    publishes: int = 0
    publishes_refused: int = 0
    subscribes: int = 0
    recoveries: int = 0
    recoveries_failed: int = 0
    windows: int = 0
    deliveries: int = 0
    holes: int = 0
    slow_skips: int = 0
    late_skips: int = 0
    slow_closes: int = 0
    records: int = 0
    records_bad: int = 0
    records_fenced: int = 0
    feed_restarts: int = 0
    feed_gaps: int = 0
    past_reads: int = 0
    past_failures: int = 0
    taps: int = 0
    taps_refused: int = 0
    reports: int = 0
    reports_put_off: int = 0
    reports_lost: int = 0


_HELP = {
    "handshakes": "WebSocket handshakes accepted",
    "handshakes_refused": "WebSocket handshakes refused",
    "connects": "Connect commands accepted",
    "connects_refused": "Connect commands refused",
    "commands": "Commands handled",
    "publishes": "Comments accepted",
    "publishes_refused": "Comments refused",
    "subscribes": "Subscriptions",
    "recoveries": "Subscriptions resumed without a hole",
    "recoveries_failed": "Subscriptions resumed with an announced hole",
    "windows": "Windows sent, once a stream",
    "deliveries": "Live publications written, once a viewer",
    "holes": "Holes announced to live viewers",
    "slow_skips": "Skips announced to slow viewers",
    "late_skips": "Skips of late comments announced to the viewers of a lane",
    "slow_closes": "Slow viewers cut off",
    "records": "Records read from the feed",
    "records_bad": "Records that could not be decoded",
    "records_fenced": "Records of replaced writers, dropped",
    "feed_restarts": "Times the feed had to connect again",
    "feed_gaps": "Times something was found missing in the feed, and read from the window",
    "past_reads": "Reads of the catch-up window in Redis",
    "past_failures": "Such reads that failed",
    "taps": "Taps on emoji counted",
    "taps_refused": "Taps on emoji not counted",
    "reports": "Reports of viewers and reactions written",
    "reports_put_off": "Reports of viewers that had to wait for the next second",
    "reports_lost": "Reports that Kafka did not take",
}


class Metrics:
    """The ``/metrics`` page. ``gauges``: name → (help, function that returns the value now)."""

    def __init__(self, stats: Stats, gauges: dict[str, tuple[str, Callable[[], float]]]) -> None:
        self._stats = stats
        self._gauges = gauges
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def collect(self) -> Iterable[Any]:
        """Yield the metric families."""
        for field in fields(Stats):
            counter = CounterMetricFamily(PREFIX + field.name, _HELP[field.name])
            counter.add_metric([], getattr(self._stats, field.name))
            yield counter
        for name, (words, value) in self._gauges.items():
            gauge = GaugeMetricFamily(PREFIX + name, words)
            gauge.add_metric([], value())
            yield gauge

    def page(self) -> bytes:
        """Return the page's text."""
        return generate_latest(self._registry)
