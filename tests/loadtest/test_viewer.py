"""A load test's viewer against the client rule."""

from edge.protocol.json_codec import JsonCodec
from edge.publication import Hole, document
from livecomments.loadtest.viewer import Viewer, World


def told(*ranges: tuple[int, int] | tuple[int, int, str]) -> World:
    """Let a viewer at position 10 be told publications; return what it counted."""
    world = World("127.0.0.1", 1, "s", "127.0.0.1")
    viewer = Viewer(world)
    viewer.seq = 10
    for start, end, *reason in ranges:
        hole = Hole(10, start, reason[0]) if reason else None
        data = document(start, end, [], viewers=1, hole=hole)
        viewer._line(JsonCodec().push("stream:s", end, data))
    return world


def test_what_follows_is_no_anomaly() -> None:
    """Contiguous ranges, overlaps, a state alone, and a hole that is announced."""
    counts = told((10, 12), (11, 14), (14, 14), (20, 22, "slow")).tally.counts
    assert counts["silent_gaps"] == counts["repeats"] == 0
    assert counts["states"] == counts["holes_slow"] == 1


def test_gaps_and_repeats_are_counted() -> None:
    """What begins beyond the position without a word, and what is behind it."""
    counts = told((12, 13), (10, 13)).tally.counts
    assert (counts["silent_gaps"], counts["repeats"]) == (1, 1)
