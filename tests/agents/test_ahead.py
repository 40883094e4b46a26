"""Two ways to a runner: every offset once, in order, and acknowledged once."""

from hypothesis import given
from hypothesis import strategies as st

from agents.ahead import AHEAD_RECORDS_MAX, Ahead

COUNT = 12


@given(st.lists(st.sampled_from(["bring", "hand", "decide", "put"]), max_size=80), st.integers(1, 3))
def test_every_offset_is_given_once_and_in_order(moves: list[str], several: int) -> None:
    """However the two copies race, and while a put waits for room in the inbox."""
    ahead, got, told, decided = Ahead(), list[int](), list[int](), 0
    brought, handed, putting = 0, 0, None
    for move in [*moves, *["put", "bring", "decide"] * 3 * COUNT]:
        if move == "bring" and putting is None and brought < COUNT:
            offset, brought = brought, brought + 1
            if ahead.is_new(offset, lambda offset=offset: told.append(offset)):
                putting = offset
        elif move == "put" and putting is not None:
            got.append(putting)
            ahead.given(putting)
            putting = None
        elif move == "hand" and handed < COUNT:
            count = min(several, COUNT - handed)
            if ahead.takes(handed, count):
                got += range(handed, handed + count)
            handed += count
        elif move == "decide" and decided < len(got):
            ahead.decide(got[decided])
            decided += 1
        assert got == list(range(len(got)))
        assert set(told) <= set(got[:decided])
        assert len(told) == len(set(told))
    assert got == list(range(COUNT))
    assert sorted(told) == got


def test_nothing_is_taken_before_kafka_has_brought_one() -> None:
    """A runner that has just begun does not know what it needs."""
    ahead = Ahead()
    assert not ahead.takes(0, 1)
    assert ahead.is_new(7, lambda: None)
    assert not ahead.takes(8, 1)
    ahead.given(7)
    assert not ahead.takes(9, 1)
    assert ahead.takes(8, 1)


def test_what_is_ahead_is_bounded() -> None:
    """Where Kafka brings nothing, the rest waits for it."""
    ahead = Ahead()
    assert ahead.is_new(0, lambda: None)
    ahead.given(0)
    taken = 0
    while ahead.takes(1 + taken, 10):
        taken += 10
    assert taken == AHEAD_RECORDS_MAX
    assert not ahead.is_new(1, lambda: None)
    assert not ahead.takes(1 + taken, 10)
