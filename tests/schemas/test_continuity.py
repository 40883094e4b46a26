"""One order out of a log that crashed, repeated and paused writers share."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.continuity import Fence, follow


def record(token: int, claim: str = "") -> dict[str, Any]:
    return {"claim": claim, "token": token}


def segment(start: int, end: int, epoch: str = "e-0") -> dict[str, Any]:
    events = [{"seq": seq} for seq in range(start + 1, end + 1)]
    return {"epoch": epoch, "from_seq": start, "to_seq": end, "events": events}


def test_a_claim_fences_off_who_came_before() -> None:
    """Records of the old token count until the new claim, and never after it."""
    fence = Fence()
    assert not fence.admits(3, record(-1, "a"))
    assert fence.admits(4, record(3))
    assert not fence.admits(5, record(-1, "b"))
    assert not fence.admits(6, record(3))
    assert fence.admits(7, record(5))


def test_a_reader_that_starts_late_learns_the_token_from_records() -> None:
    """Who missed the claim still drops what is older than what it has seen."""
    fence = Fence()
    assert fence.admits(10, record(8))
    assert not fence.admits(11, record(3))


@pytest.mark.parametrize("shift", [100, -100])
def test_a_copy_of_the_log_must_keep_its_offsets(shift: int) -> None:
    """On a mirror with other offsets a good record would be dropped, or a replaced writer's shown."""
    log = [
        (203, record(-1, "a")),
        (204, record(203)),
        (205, record(-1, "b")),
        (206, record(203)),
        (207, record(205)),
    ]
    fence, mirror = Fence(), Fence()
    assert [offset for offset, each in log if fence.admits(offset, each)] == [204, 207]
    seen = [offset for offset, each in log if mirror.admits(offset + shift, each)]
    assert seen == ([] if shift > 0 else [204, 206, 207])


def test_overlap_is_trimmed_and_the_first_wins() -> None:
    """Only what is beyond the position is new."""
    step = follow("e-0", 4, segment(2, 6))
    assert step is not None
    assert (step.from_seq, step.to_seq, [event["seq"] for event in step.events]) == (4, 6, [5, 6])
    assert follow("e-0", 6, segment(2, 6)) is None


def test_a_gap_is_named() -> None:
    """What is missing before a segment is (position, its beginning]."""
    step = follow("e-0", 4, segment(7, 9))
    assert step is not None
    assert step.gap == (4, 7)


def test_another_epoch_starts_over() -> None:
    """Numbers of another epoch are not held against this one's."""
    step = follow("e-0", 50, segment(0, 2, "e-1"))
    assert step is not None
    assert (step.epoch, step.from_seq, step.gap) == ("e-1", 0, None)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), max_size=30))
def test_whatever_the_cut_each_seq_comes_once_and_in_order(cuts: list[tuple[int, int]]) -> None:
    """Over any segments of one log, what is new is strictly ascending, and gaps account for the rest."""
    seq, seen, missing = 0, [], []
    for start, size in cuts:
        step = follow("e-0", seq, segment(start, start + size))
        if step is None:
            continue
        if step.gap is not None:
            missing += range(step.gap[0] + 1, step.gap[1] + 1)
        seen += [event["seq"] for event in step.events]
        seq = step.to_seq
    assert sorted(seen + missing) == list(range(1, seq + 1))
    assert seen == sorted(seen)
