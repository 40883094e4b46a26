"""Sums of the edges' reports: absolute, idempotent, expiring; what cannot be is ignored and counted."""

from typing import Any

import pytest
from datasketches import hll_sketch, tgt_hll_type
from hypothesis import given
from hypothesis import strategies as st

from agents.core.presence import NOBODY, TTL_MS, Audience, Presence
from schemas.records import Health
from schemas.sketch import LG_K, estimate


def report(edge: str = "a", viewers: int = 10, at: int = 1, **more: Any) -> Health:
    row: Any = {
        "edge": edge,
        "boot": "0001",
        "stream_id": "s",
        "at": at,
        "viewers": viewers,
        "p50_ms": 5.0,
        "p99_ms": 20.0,
        "queue_ms": 1.0,
        "sketch": b"",
    }
    return row | more


def presence(**more: Any) -> Presence:
    return Presence(viewers_max=1_000, **more)


def test_edges_are_summed_and_a_later_report_replaces_an_earlier_one() -> None:
    """Viewers add up; a delay is the worst edge's, the median by viewers."""
    sums = presence()
    sums.take(report("a", 10, p50_ms=2.0, p99_ms=30.0), 0)
    sums.take(report("b", 90, p50_ms=4.0, queue_ms=7.0), 0)
    sums.take(report("a", 20, at=2, p50_ms=2.0, p99_ms=40.0), 1)
    assert sums.of("s", 1) == Audience(110, -1, 4.0, 40.0, 7.0, 2)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1_000), st.integers(1, 50)), max_size=40))
def test_reading_reports_again_changes_nothing(rows: list[tuple[str, int, int]]) -> None:
    """From any earlier place, as after a restart: the sums are the same."""
    reports = [report(edge, viewers, at) for edge, viewers, at in rows]
    once, again = presence(), presence()
    for one in reports:
        once.take(one, 0)
    for one in reports * 2:
        again.take(one, 0)
    assert again.of("s", 1) == once.of("s", 1)


def test_a_report_expires_by_itself() -> None:
    """After 15 s without a word an edge's viewers do not count, and the stream is to be looked at."""
    sums = presence()
    sums.take(report("a", 10), 0)
    sums.take(report("b", 5), 5_000)
    assert sums.expire(TTL_MS - 1) == set()
    assert sums.expire(TTL_MS) == {"s"}
    assert sums.of("s", TTL_MS).viewers == 5
    assert sums.expire(TTL_MS + 5_000) == {"s"}
    assert sums.of("s", TTL_MS + 5_000) is NOBODY
    assert list(sums.streams) == []


def test_a_report_that_was_repeated_in_time_does_not_expire() -> None:
    """The end of an old report is not the end of the new one."""
    sums = presence()
    sums.take(report(at=1), 0)
    sums.take(report(at=2), 10_000)
    assert sums.expire(TTL_MS) == set()
    assert sums.of("s", TTL_MS).viewers == 10


def test_a_later_boot_replaces_an_earlier_one_at_once() -> None:
    """An edge that was restarted has its viewers counted once; its former self is of the past."""
    sums = presence()
    sums.take(report(viewers=100, boot="0001", at=50), 0)
    sums.take(report(viewers=7, boot="0002", at=1), 1)
    assert not sums.take(report(viewers=100, boot="0001", at=60), 2)
    assert sums.of("s", 2).viewers == 7
    assert sums.ignored == {"past": 1}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (report("zz"), "unknown"),
        (report(viewers=-1), "impossible"),
        (report(viewers=1_001), "impossible"),
        (report(p50_ms=30.0), "impossible"),
        (report(queue_ms=float("nan")), "impossible"),
        (report(p99_ms=float("inf")), "impossible"),
        (report(p99_ms=10.0**9), "impossible"),
        (report(at=5), "past"),
        (report(at=4), "past"),
    ],
)
def test_what_cannot_be_is_ignored_and_counted(row: Health, reason: str) -> None:
    """Unknown edges, impossible numbers and the past change nothing."""
    sums = presence(known=lambda: frozenset({"a", "b"}))
    sums.take(report(viewers=10, at=5), 0)
    assert not sums.take(row, 1)
    assert sums.ignored == {reason: 1}
    assert sums.of("s", 1).viewers == 10


def test_while_the_registered_edges_are_not_known_all_count() -> None:
    """A Redis that is away does not empty the audience."""
    sums = presence(known=lambda: None)
    assert sums.take(report("anything"), 0)


def test_shares_are_of_viewers_not_of_edges() -> None:
    """One small sick edge among large ones is a small share."""
    sums = presence()
    sums.take(report("a", 950), 0)
    sums.take(report("b", 50, p99_ms=900.0, queue_ms=400.0), 0)
    assert sums.share_beyond("s", 1, p99_ms=300, queue_ms=50) == (0.05, 0.05)
    assert sums.share_beyond("t", 1, p99_ms=300, queue_ms=50) == (0.0, 0.0)


def sketch(users: range) -> bytes:
    made = hll_sketch(LG_K, tgt_hll_type.HLL_4)
    for user in users:
        made.update(f"user {user}")
    return bytes(made.serialize_compact())


def test_users_on_several_edges_count_once_within_the_sketchs_error() -> None:
    """Two edges of 6,000 users, half of them the same: 9,000 within three standard errors of 1.6%."""
    sums = presence(estimate=estimate)
    sums.take(report("a", 1_000, sketch=sketch(range(6_000))), 0)
    sums.take(report("b", 1_000, sketch=sketch(range(3_000, 9_000))), 0)
    assert sums.of("s", 1).users == pytest.approx(9_000, rel=3 * 0.016)
    sums.take(report("b", 1_000, at=2), 1)
    assert sums.of("s", 1).users == pytest.approx(9_000, rel=3 * 0.016), "no sketch: as before"


def test_rubbish_for_a_sketch_counts_for_nothing() -> None:
    """It neither counts nor stops the others from counting."""
    assert estimate([b"rubbish", sketch(range(10)), b""]) == 10
