"""What an edge says of its streams: how often, and what."""

from typing import Any

from edge.presence import BUSY_VIEWERS, REPORTS_MAX, SAMPLES_MAX, Delays, Presence
from edge.stats import Stats
from schemas.sketch import estimate


class Watcher:
    """A presence, and a clock."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.presence = Presence("edge-1", "0198", self.stats, lambda: 1_000.0 + self.now)
        self.now = 0.0

    def look(self, count: int, stream: str = "s", *, sampled: bool = False) -> list[Any]:
        """Look a second later; return what is said."""
        self.now += 1
        users = [f"u{n}" for n in range(count)]
        self.presence.watch(stream, count, users, self.now, sampled=sampled)
        return self.presence.take()


def test_a_busy_stream_is_reported_every_second_and_a_quiet_one_every_ten() -> None:
    """Nothing changes in either."""
    busy, quiet, sampled = Watcher(), Watcher(), Watcher()
    assert sum(len(busy.look(BUSY_VIEWERS)) for _ in range(20)) == 20
    assert sum(len(sampled.look(3, sampled=True)) for _ in range(20)) == 20
    assert sum(len(quiet.look(BUSY_VIEWERS - 1)) for _ in range(20)) == 2


def test_a_changed_count_is_said_within_two_seconds() -> None:
    """Not at once: a small stream's viewers come and go."""
    one = Watcher()
    said = [[row["viewers"] for row in one.look(n)] for n in (5, 6, 7, 7, 7)]
    assert said == [[5], [], [7], [], []]


def test_that_nobody_is_left_is_said_once_and_at_once() -> None:
    """And a stream that nobody watches is never spoken of."""
    one = Watcher()
    assert [row["viewers"] for row in one.look(5)] == [5]
    assert [row["viewers"] for row in one.look(0)] == [0]
    assert one.look(0) == one.look(0, "t") == []


def test_an_edge_that_ends_takes_its_viewers_back() -> None:
    """One report of nobody a stream it had spoken of."""
    one = Watcher()
    one.look(5)
    one.look(7, "t")
    assert [(row["stream_id"], row["viewers"]) for row in one.presence.farewell()] == [("s", 0), ("t", 0)]
    assert one.presence.farewell() == []


def test_delays_are_of_the_time_since_the_last_report() -> None:
    """Median, 99th percentile, and the median of the queue's; -1 where nothing was sent."""
    one = Watcher()
    one.look(60)
    for latency in range(1, 101):
        one.presence.sent("s", float(latency), latency / 10)
    one.presence.sent("unknown", 5.0, 5.0)
    (row,) = one.look(60)
    assert (row["p50_ms"], row["p99_ms"], round(row["queue_ms"], 3)) == (51.0, 100.0, 5.1)
    (row,) = one.look(60)
    assert (row["p50_ms"], row["p99_ms"], row["queue_ms"]) == (-1.0, -1.0, -1.0)


def test_users_are_sketched_every_ten_seconds() -> None:
    """Between, the sketch is empty: as before."""
    one = Watcher()
    rows = [one.look(1_000)[0] for _ in range(11)]
    assert [bool(row["sketch"]) for row in rows] == [True, *[False] * 9, True]
    assert abs(estimate([rows[0]["sketch"]]) - 1_000) < 50


def test_a_report_names_its_edge_boot_and_time() -> None:
    """Time is the wall's, in ms."""
    one = Watcher()
    (row,) = one.look(1)
    assert (row["edge"], row["boot"], row["stream_id"], row["at"]) == ("edge-1", "0198", "s", 1_001_000)


def test_reports_and_samples_are_bounded() -> None:
    """What does not fit is due again, and counted."""
    one = Watcher()
    for n in range(REPORTS_MAX + 5):
        one.presence.watch(f"s{n}", 1, ["u"], 0.0, sampled=False)
    assert len(one.presence.take()) == REPORTS_MAX
    assert one.stats.reports_put_off == 5
    one.presence.watch(f"s{REPORTS_MAX}", 1, ["u"], 1.0, sampled=False)
    assert len(one.presence.take()) == 1
    delays = Delays()
    for _ in range(SAMPLES_MAX + 100):
        delays.add(1.0, 1.0)
    assert len(delays.latencies) == SAMPLES_MAX
