"""Cutting what a step has to write into records of bounded size."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from agents.stage import SEGMENT_BYTES_MAX
from schemas.records import Origin


def chunked(pieces: Sequence[bytes]) -> Iterable[tuple[int, int]]:
    """Return (first, end) of runs of encoded items that fit into a record; (0, 0) where there are none."""
    if len(pieces) <= 1 or sum(map(len, pieces)) <= SEGMENT_BYTES_MAX:
        return ((0, len(pieces)),)
    return _runs(pieces)


def _runs(pieces: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    ends = [0, *accumulate(map(len, pieces))]
    first = 0
    while ends[-1] - ends[first] > SEGMENT_BYTES_MAX:
        end = max(bisect_right(ends, ends[first] + SEGMENT_BYTES_MAX, first) - 1, first + 1)
        if end == len(pieces):
            break
        yield first, end
        first = end
    yield first, len(pieces)


class Covering(NamedTuple):
    """A run [first, end) of items in order of origin, and the origins (after, covered] that it decides."""

    first: int
    end: int
    after: Origin
    covered: Origin


def covering(
    pieces: Sequence[bytes], origins: Sequence[tuple[int, int]], after: Origin, covered: Origin
) -> Iterator[Covering]:
    """Cut encoded items, each with its (offset, index), into records that cover up to their last."""
    for first, end in chunked(pieces):
        last = covered if end == len(pieces) else Origin(*origins[end - 1])
        yield Covering(first, end, after, last)
        after = last
