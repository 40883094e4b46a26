"""Two ways to a runner: every offset once and in order, and Kafka told of what it brought and is decided."""

from hypothesis import given
from hypothesis import strategies as st

from agents.ahead import AHEAD_RECORDS_MAX, Ahead

COUNT = 24


@given(
    st.lists(st.tuples(st.sampled_from(["bring", "hand", "decide"]), st.integers(1, 5)), max_size=80),
    st.integers(0, 9),
)
def test_every_offset_is_given_once_and_in_order(moves: list[tuple[str, int]], start: int) -> None:
    """However the two copies race."""
    ahead, got, end = Ahead(), list[int](), start + COUNT
    brought = handed = decided = start
    for move, several in [*moves, *[("bring", 1), ("decide", COUNT)] * COUNT]:
        if move == "bring" and brought < end:
            first, brought = brought, min(brought + several, end)
            got += range(ahead.bring(first, brought), brought)
        elif move == "hand" and handed < end:
            count = min(several, end - handed)
            if ahead.takes(handed, count):
                got += range(handed, handed + count)
            handed += count
        elif move == "decide" and decided < start + len(got):
            decided = min(decided + several, start + len(got))
            ahead.decide(decided)
        assert got == list(range(start, start + len(got)))
        assert ahead.done == (None if decided == start else min(decided, brought))
    assert got == list(range(start, end))
    assert ahead.done == end


def test_nothing_is_taken_before_kafka_has_brought_one() -> None:
    """A runner that has just begun does not know what it needs."""
    ahead = Ahead()
    assert not ahead.takes(0, 1)
    assert ahead.bring(7, 8) == 7
    assert not ahead.takes(9, 1)
    assert ahead.takes(8, 1)


def test_what_is_ahead_is_bounded() -> None:
    """Where Kafka brings nothing, the rest waits for it."""
    ahead = Ahead()
    assert ahead.bring(0, 1) == 0
    taken = 0
    while ahead.takes(1 + taken, 10):
        taken += 10
    assert taken == AHEAD_RECORDS_MAX
    assert ahead.bring(1, 2) == taken + 1
    assert not ahead.takes(1 + taken, 10)
