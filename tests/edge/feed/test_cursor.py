"""Where the reading of a partition stands."""

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.feed.cursor import STALE_SECONDS, Cursor


def record(token: int = 0, *, claim: str = "", stream: str = "s") -> dict[str, Any]:
    return {"claim": claim, "token": token, "stream_id": stream}


def test_what_is_before_is_read_and_not_shown() -> None:
    """Records before the served past only say which writer is the present one."""
    cursor = Cursor(0.0)
    cursor.begin(10, 15)
    assert not cursor.admits(10, record(7))
    assert not cursor.admits(14, record(7))
    assert cursor.admits(15, record(7))
    assert not cursor.admits(16, record(6)), "a writer that was replaced"
    assert cursor.token == 7


def test_a_claim_fences_what_its_predecessor_still_writes() -> None:
    """The claim itself shows nothing; nor does a record without a stream."""
    cursor = Cursor(0.0)
    cursor.begin(0, 0)
    assert cursor.admits(0, record(-1))
    assert not cursor.admits(5, record(-1, claim="w"))
    assert not cursor.admits(6, record(-1))
    assert cursor.admits(7, record(5))
    assert not cursor.admits(8, record(5, stream=""))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), max_size=40))
def test_fresh_means_that_the_end_of_then_was_reached(steps: list[tuple[int, int, bool]]) -> None:
    """Whatever the order of reads and questions, `fresh_at` never promises more than was read."""
    cursor, end, now = Cursor(0.0), 0, 0.0
    cursor.begin(0, 0)
    ends: list[tuple[float, int]] = []
    for written, read, ask in steps:
        now += 1
        end += written
        assert cursor.next is not None
        cursor.next = min(end, cursor.next + read)
        cursor.advance()
        if ask:
            ends.append((now, end))
            cursor.probed(end, now)
        reached = [at for at, wanted in ends if wanted <= cursor.next]
        assert cursor.fresh_at in (*reached, -math.inf)
        if ends and ends[-1][1] <= cursor.next:
            assert cursor.fresh_at == ends[-1][0]


def test_stale_is_told_once_and_taken_back() -> None:
    """From being wanted, or from the last time it was up to date."""
    cursor = Cursor(100.0)
    assert not cursor.judge(99.9 + STALE_SECONDS)
    assert cursor.judge(100.1 + STALE_SECONDS)
    assert cursor.stale
    assert not cursor.judge(200.0)
    cursor.begin(0, 0)
    cursor.probed(0, 200.0)
    assert cursor.judge(200.0)
    assert not cursor.stale
