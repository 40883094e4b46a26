"""Cutting encoded items into records."""

from hypothesis import given
from hypothesis import strategies as st

from agents.chunks import chunked, covering
from agents.stage import SEGMENT_BYTES_MAX
from schemas.records import NOTHING, Origin

SIZES = st.lists(
    st.integers(0, SEGMENT_BYTES_MAX // 8) | st.integers(SEGMENT_BYTES_MAX - 2, SEGMENT_BYTES_MAX + 2),
    max_size=60,
)


@given(SIZES)
def test_runs_are_whole_and_as_long_as_they_may_be(sizes: list[int]) -> None:
    """Every item once, in order; a run stays below the bound, unless one item alone does not."""
    pieces = [bytes(size) for size in sizes]
    runs = list(chunked(pieces))
    assert [first for first, _ in runs] == [0, *(end for _, end in runs[:-1])]
    assert runs[-1][1] == len(pieces)
    assert all(first < end for first, end in runs) or runs == [(0, 0)]
    for first, end in runs:
        size = sum(sizes[first:end])
        assert size <= SEGMENT_BYTES_MAX or end == first + 1
        if end < len(pieces):
            assert size + sizes[end] > SEGMENT_BYTES_MAX


def test_a_record_covers_up_to_its_last_item() -> None:
    """And the last of them what the step has decided; each begins where the one before ends."""
    pieces = [bytes(SEGMENT_BYTES_MAX)] * 3
    cut = list(covering(pieces, [(5, 0), (5, 1), (7, 2)], NOTHING, Origin(9, 0)))
    assert [(each.after, each.covered) for each in cut] == [
        (NOTHING, Origin(5, 0)),
        (Origin(5, 0), Origin(5, 1)),
        (Origin(5, 1), Origin(9, 0)),
    ]
    assert [(each.first, each.end) for each in cut] == [(0, 1), (1, 2), (2, 3)]
